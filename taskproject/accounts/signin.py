"""Signing in with a password: limits on failures and on the load of hashing.

Attempts are counted in the database, which all processes share, by user name and by
address. An attempt is stored before the password is checked, so that concurrent ones
cannot exceed the limit, and deleted if it succeeds."""

import hashlib
import math
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from ipaddress import IPv6Address, ip_address, ip_network
from threading import BoundedSemaphore, Lock
from typing import Self

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from taskproject.accounts.models import SignInAttempt
from taskproject.problems import Unavailable

#: How long a failed attempt counts.
WINDOW = timedelta(minutes=15)
MAX_BY_NAME = 10
MAX_BY_ADDRESS = 20
BUSY_RETRY = 3  # seconds


class Hasher(PBKDF2PasswordHasher):
    """Django's hasher, with one hash at a time in each process: it takes half a second of a
    processor. At most half of the threads hash or wait; further attempts are refused."""

    _turn = Lock()
    _places = BoundedSemaphore(max(1, settings.THREADS // 2))

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Raises `Unavailable` if too many threads wait."""
        if not self._places.acquire(blocking=False):
            raise Unavailable(
                "Many people are signing in. Try again in a few seconds.",
                headers={"Retry-After": str(BUSY_RETRY)},
            )
        try:
            with self._turn:
                return super().encode(password, salt, iterations)
        finally:
            self._places.release()


class Throttled(Exception):
    """Too many attempts failed; the next may be made after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Attempt:
    """An attempt to sign in, which counts as failed unless `succeeds` is called."""

    def __init__(self, request: HttpRequest | None, username: str) -> None:
        self._name = _key("name", username.strip().casefold())
        self._limits = {self._name: MAX_BY_NAME}
        address = client_address(request) if request else None
        if address:
            self._limits[_key("address", address)] = MAX_BY_ADDRESS
        self._rows: list[SignInAttempt] = []

    @classmethod
    def begin(cls, request: HttpRequest | None, username: str) -> Self:
        """Raises `Throttled` if no attempt may be made now; then this one does not count."""
        attempt = cls(request, username)
        attempt._rows = SignInAttempt.objects.bulk_create(
            SignInAttempt(key=key) for key in attempt._limits
        )
        now = timezone.now()
        free = now
        for key, most in attempt._limits.items():
            recent = SignInAttempt.objects.filter(key=key, at__gt=now - WINDOW)
            times = recent.order_by("-at", "-pk").values_list("at", flat=True)
            # The first is this attempt.
            for oldest in times[most : most + 1]:
                free = max(free, oldest + WINDOW)
        if free > now:
            attempt.forget()
            raise Throttled(math.ceil((free - now).total_seconds()))
        return attempt

    def succeeds(self) -> None:
        """Deletes the attempt, and the failed ones with this name."""
        mine = Q(pk__in=[row.pk for row in self._rows])
        SignInAttempt.objects.filter(mine | Q(key=self._name)).delete()

    def forget(self) -> None:
        SignInAttempt.objects.filter(pk__in=[row.pk for row in self._rows]).delete()


class SignInForm(AdminAuthenticationForm):
    """The admin's form, which refuses after too many attempts. `refusal` is then the status of the
    response and the seconds of Retry-After."""

    refusal: tuple[int, int] | None = None

    def clean(self) -> dict[str, object]:
        username = self.cleaned_data.get("username")
        if not username or not self.cleaned_data.get("password"):
            return super().clean()
        try:
            attempt = Attempt.begin(self.request, username)
        except Throttled as throttled:
            self.refusal = 429, throttled.seconds
            minutes = math.ceil(throttled.seconds / 60)
            raise ValidationError(
                "Too many attempts to sign in have failed. Try again in "
                f"{minutes} minute{'' if minutes == 1 else 's'}.",
                code="throttled",
            ) from None
        try:
            cleaned = super().clean()
        except Unavailable as busy:
            attempt.forget()
            self.refusal = 503, BUSY_RETRY
            raise ValidationError(busy.detail, code="busy") from None
        attempt.succeeds()
        return cleaned


def with_status(login: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The admin's login view, with the status of the form's refusal."""

    @wraps(login)
    def view(request: HttpRequest, *args: object, **options: object) -> HttpResponse:
        response = login(request, *args, **options)
        form = (getattr(response, "context_data", None) or {}).get("form")
        refusal = getattr(form, "refusal", None)
        if refusal:
            response.status_code, seconds = refusal
            response.headers["Retry-After"] = str(seconds)
        return response

    return view


def client_address(request: HttpRequest) -> str | None:
    """The client's IPv4 address, or the /64 network of its IPv6 address. None behind a proxy whose
    headers are not trusted."""
    given = request.META.get("REMOTE_ADDR", "")
    if settings.TRUST_X_FORWARDED_FOR:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(forwarded) >= settings.TRUST_X_FORWARDED_FOR:
            given = forwarded[-settings.TRUST_X_FORWARDED_FOR].strip()
    elif getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        return None
    try:
        address = ip_address(given)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _key(kind: str, value: str) -> str:
    # Hashed, because people enter passwords as their user name by mistake.
    return hashlib.sha256(f"{kind}:{value}".encode(errors="replace")).hexdigest()
