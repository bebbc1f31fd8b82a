"""Limits on attempts to sign in, and on what sends mail.

Attempts are counted in the database, which all processes share. An attempt is stored
before anything is checked, so that concurrent ones cannot exceed the limit, and deleted
if it succeeds.

An attacker who fails often with somebody's name uses up the limit of that name. Browsers
that its owner has signed in with are known by a cookie, and have a limit of their own, so
that the owner is not locked out there. A password reset by mail makes a browser known."""

import hashlib
import math
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Self

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from taskproject.accounts.models import SignInAttempt, User
from taskproject.problems import TooManyRequests
from taskproject.throttles import Limit, client_address

#: How long a failed attempt counts.
WINDOW = timedelta(minutes=15)
SECONDS = int(WINDOW.total_seconds())
MAX_BY_NAME = 10
MAX_BY_ADDRESS = 20
#: Wrong codes of a second factor; they follow the right password.
MAX_CODES = 5
#: Requests that concern accounts, from an address and about an address of mail.
MAX_OF_ACCOUNTS = 100
MAX_OF_MAILBOX = 10
#: The cookie of a browser that somebody has signed in with, and its age in seconds.
COOKIE = "known_device"
COOKIE_AGE = 180 * 86_400
SALT = "taskproject.accounts.attempts"


class Attempt:
    """An attempt, which counts as failed unless `succeeds` is called."""

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        self._limits = limits
        self._rows: list[SignInAttempt] = []
        #: `RateLimit` and `RateLimit-Policy`, of the limit of which least is left.
        self.headers: dict[str, str] = {}

    @classmethod
    def begin(cls, limits: Mapping[str, Limit]) -> Self:
        """Raises `TooManyRequests` if no attempt may be made now; then this one does not
        count."""
        attempt = cls(limits)
        attempt._rows = SignInAttempt.objects.bulk_create(
            SignInAttempt(key=key) for key in limits
        )
        now = timezone.now()
        free, least = now, math.inf
        for key, limit in limits.items():
            # Those of a clock that was ahead by more, and was set back, do not count until then.
            between = (now - WINDOW, now + WINDOW)
            recent = SignInAttempt.objects.filter(key=key, at__range=between)
            times = recent.order_by("-at", "-pk").values_list("at", flat=True)
            # The first is this attempt.
            made = list(times[: limit.most + 1])
            left = limit.most - len(made)
            over = left < 0
            if left < least:
                least = left
                seconds = (made[-1] + WINDOW - now).total_seconds() if made else 0
                attempt.headers = limit.headers(left, seconds)
            if over:
                free = max(free, made[-1] + WINDOW)
        if free > now:
            attempt.forget()
            seconds = math.ceil((free - now).total_seconds())
            minutes = math.ceil(seconds / 60)
            raise TooManyRequests(
                "Too many attempts were made. Try again in "
                f"{minutes} minute{'' if minutes == 1 else 's'}.",
                headers={"Retry-After": str(seconds), **attempt.headers},
            )
        return attempt

    def succeeds(self) -> None:
        """Deletes the attempt, and the failed ones with its subject."""
        mine = Q(pk__in=[row.pk for row in self._rows])
        subject = next(iter(self._limits))
        SignInAttempt.objects.filter(mine | Q(key=subject)).delete()

    def forget(self) -> None:
        SignInAttempt.objects.filter(pk__in=[row.pk for row in self._rows]).delete()


def sign_in(request: HttpRequest | None, name: str) -> Attempt:
    """An attempt to sign in with this user name or e-mail address."""
    device = _known_device(request, name=name)
    if device:
        limit = Limit("sign-in", MAX_BY_NAME, SECONDS)
        return Attempt.begin({_key("device", device): limit})
    limits = {_name_key(name): Limit("sign-in", MAX_BY_NAME, SECONDS)}
    address = client_address(request) if request else None
    if address:
        limit = Limit("sign-in-address", MAX_BY_ADDRESS, SECONDS)
        limits[_key("address", address)] = limit
    return Attempt.begin(limits)


def code(request: HttpRequest, user: User) -> Attempt:
    """An attempt to give a code of the second factor of this user. In a transaction others wait
    for its end, because they would not see this attempt."""
    device = _known_device(request, user=user)
    key = _key("code-device", device) if device else _key("code", str(user.pk))
    with transaction.atomic():
        User.objects.filter(pk=user.pk).select_for_update(no_key=True).first()
        return Attempt.begin({key: Limit("code", MAX_CODES, SECONDS)})


def password(session: str) -> Attempt:
    """An attempt to give the old password for a new one, in the session with this key, which
    may be stolen."""
    limit = Limit("password", MAX_BY_NAME, SECONDS)
    return Attempt.begin({_key("password", session): limit})


def account(request: HttpRequest, email: str) -> Attempt:
    """A request to sign up, to verify an address, or for a new password. Each one counts,
    whether the address is known or not."""
    limit = Limit("accounts", MAX_OF_ACCOUNTS, SECONDS)
    limits = {_key("accounts", client_address(request) or "unknown"): limit}
    if email:
        limit = Limit("mailbox", MAX_OF_MAILBOX, SECONDS)
        limits[_key("mailbox", _plain(email))] = limit
    return Attempt.begin(limits)


def mail(email: str, *, notice: bool = False) -> Attempt:
    """A mail to this address for another reason, such as the code of a sign-in. Notices of
    changes to its account are counted apart, so that nobody can prevent them by requests of
    other mails."""
    kind = "notices" if notice else "mailbox"
    limit = Limit(kind, MAX_OF_MAILBOX, SECONDS)
    return Attempt.begin({_key(kind, _plain(email)): limit})


def forget_failures(user: User) -> None:
    """Deletes the failed attempts with the names of a user who has been identified."""
    keys = [_name_key(name) for name in (user.username, user.email) if name]
    SignInAttempt.objects.filter(key__in=keys).delete()


def remember(response: HttpResponseBase, user: User, path: str) -> None:
    """Makes the browser known. Only requests below `path` carry the cookie."""
    response.set_signed_cookie(
        COOKIE,
        f"{user.pk}.{secrets.token_urlsafe(16)}",
        salt=SALT,
        max_age=COOKIE_AGE,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def _known_device(
    request: HttpRequest | None, *, name: str = "", user: User | None = None
) -> str:
    """The identifier of a browser that this user has signed in with before, else empty."""
    if request is None or COOKIE not in request.COOKIES:
        return ""
    given = request.get_signed_cookie(COOKIE, "", salt=SALT, max_age=COOKIE_AGE)
    key, _, device = (given or "").partition(".")
    if not device:
        return ""
    if user is None:
        owner = User.objects.filter(pk=int(key)).first()
        entered = _plain(name)
        names = (owner.username, owner.email) if owner else ()
        return device if entered and entered in map(_plain, names) else ""
    return device if user.pk == int(key) else ""


def _plain(name: str) -> str:
    return name.strip().casefold()


def _name_key(name: str) -> str:
    return _key("name", _plain(name))


def _key(kind: str, value: str) -> str:
    # Hashed, because people enter passwords as their user name by mistake.
    return hashlib.sha256(f"{kind}:{value}".encode(errors="replace")).hexdigest()
