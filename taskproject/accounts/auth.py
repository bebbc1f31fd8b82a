"""Authentication of API requests: by a token (of this service or of an identity provider:
`oidc.py`), a session, or as the guest. `permissions.py` says which operations they open.

They are tried in this order, and the first credential in the request decides. A token that
is not valid, or a session that has ended, is refused, even if there is a guest.
"""

from collections.abc import Collection
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from ninja.security import APIKeyCookie, APIKeyHeader, HttpBearer
from ninja.utils import check_csrf

from taskproject.accounts.models import TOKEN_PREFIX, ApiToken, User, digest
from taskproject.accounts.sessions import session_of
from taskproject.problems import (
    CSRFFailed,
    HTTPSRequired,
    InvalidToken,
    OriginRefused,
)
from taskproject.sql import NO_GUARD, Guard

BEARER = f"Bearer {TOKEN_PREFIX}"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SESSION_ENDED = "The session has ended. Sign in again."
NOT_SIGNED_IN = (
    "Nobody has signed in to the session yet: GET /api/auth/app/v1/auth/session says which "
    "step is missing."
)


# Prefixes of loopback addresses; IPv4 may be mapped to IPv6. Unix sockets have no address.
LOOPBACK = ("127.", "::1", "::ffff:127.")


def is_unencrypted(request: HttpRequest) -> bool:
    """Whether the request came unencrypted from another host, although HTTPS is on. A
    request from this host counts if a proxy has forwarded it."""
    if not settings.HTTPS or request.is_secure():
        return False
    proxy = settings.SECURE_PROXY_SSL_HEADER
    if proxy and proxy[0] in request.META:
        return True
    address = request.META.get("REMOTE_ADDR", "")
    return bool(address) and not address.startswith(LOOPBACK)


def require_https(request: HttpRequest) -> None:
    """Raises `HTTPSRequired` if the request is unencrypted."""
    if is_unencrypted(request):
        raise HTTPSRequired(
            "Send credentials over https, and replace this one: it was sent unencrypted. "
            "Behind a proxy that ends TLS, set TRUST_X_FORWARDED_PROTO=on; where there "
            "is no TLS at all, HTTPS=off."
        )


class Caller(NamedTuple):  # made for each request, in a third of a dataclass's time
    """The user that a request acts as, and how it was authenticated: `request.auth`."""

    user: User
    via: str
    token: ApiToken | None = None
    guard: Guard = NO_GUARD
    #: What the credential allows.
    scopes: Collection[str] = ("read", "write")

    @property
    def user_id(self) -> int:
        return self.user.id  # `pk` is a property

    def with_guard(self, guard: Guard) -> "Caller":
        return Caller(self.user, self.via, self.token, guard, self.scopes)


# Callers by the digests of their tokens, as of the last authentication.
_cache: dict[str, Caller] = {}
CACHE_SIZE = 10_000


def cached_caller(request: HttpRequest) -> Caller | None:
    """The cached caller of this token, if this process has authenticated it before. The
    cache may be stale: the first statement of the operation must include the caller's
    `guard`, and raises `GuardFailed` if that does not hold."""
    secret = request.META.get("HTTP_AUTHORIZATION", "")
    if not secret.startswith(BEARER) or is_unencrypted(request):
        return None
    caller = _cache.get(digest(secret.removeprefix("Bearer ")))
    if caller is None or caller.token is None:
        return None
    return caller.with_guard(caller.token.guard())


def _remember(caller: Caller, token: ApiToken) -> None:
    if len(_cache) >= CACHE_SIZE:
        _cache.clear()
    _cache[token.digest] = caller


class ApiRequest(HttpRequest):
    """A request that has passed authentication."""

    auth: Caller
    #: The name of the operation.
    operation: str


#: How JWTs begin: '{"' in base64.
JWT_PREFIX = "eyJ"


class TokenAuth(HttpBearer):
    """`Authorization: Bearer tk_...`, or a JWT of OIDC_ISSUER."""

    openapi_bearerFormat = "tk_ and 43 characters"
    openapi_description = "From `POST /api/tokens` or `manage.py create_token`."

    def __call__(self, request: HttpRequest) -> Caller | None:
        header: str | None = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        require_https(request)
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer":
            raise InvalidToken("Send Authorization: Bearer tk_...")
        return self.authenticate(request, secret.strip())

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        if token.startswith(JWT_PREFIX) and settings.OIDC_ISSUER:
            return self._of_identity_provider(token)
        if not token.startswith(TOKEN_PREFIX) or not token.isascii():
            raise InvalidToken("Send a token that begins with tk_.")
        found = ApiToken.objects.opened_by(token)
        if found is None:
            raise InvalidToken(
                "Send another token: this one is unknown, revoked or expired."
            )
        caller = Caller(found.user, "token", found, scopes=found.scopes.split())
        found.touch()
        _remember(caller, found)
        return caller

    def _of_identity_provider(self, token: str) -> Caller:
        # Imported where it is used: see there.
        from taskproject.accounts import oidc

        user, scopes = oidc.authenticate(token)
        return Caller(user, "oidc", scopes=scopes)


class SessionAuth(APIKeyCookie):
    """The session cookie of a signed-in user; writes need the CSRF token as well."""

    param_name = settings.SESSION_COOKIE_NAME
    openapi_description = "Writes need X-CSRFToken, the `csrf_token` of `GET /api/me`."

    def __call__(self, request: HttpRequest) -> Caller | None:
        if not request.COOKIES.get(self.param_name):
            return None
        require_https(request)
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller | None:
        user = request.user
        if not isinstance(user, User) or not user.is_active:
            if settings.API_GUEST and self._has_ended(request.session):
                raise InvalidToken(SESSION_ENDED)
            return None
        if request.method not in SAFE_METHODS and check_csrf(request):
            raise CSRFFailed(
                "Send the header X-CSRFToken, whose value GET /api/me has, from an "
                "origin in CSRF_TRUSTED_ORIGINS."
            )
        return Caller(user, "session")

    def _has_ended(self, session: SessionBase) -> bool:
        """Whether there is no such session any more, or its user may not sign in; but not that
        of a visitor who has not signed in. The response then removes the cookie of one that
        is gone, because `SessionMiddleware` does so."""
        return session.session_key is None or SESSION_KEY in session


class SessionTokenAuth(APIKeyHeader):
    """The session of a signed-in user, as apps send it that keep no cookies. No page of another
    site can make a browser send this header, so that writes need no CSRF token."""

    param_name = "X-Session-Token"
    openapi_description = "The `session_token` of `/api/auth/app/`."

    def __call__(self, request: HttpRequest) -> Caller | None:
        key = request.META.get("HTTP_X_SESSION_TOKEN")
        if key is None:
            return None
        require_https(request)
        return self.authenticate(request, key)

    def authenticate(self, request: HttpRequest, key: str | None) -> Caller:
        request.session = session_of(key)
        user = get_user(request)
        if not isinstance(user, User) or not user.is_active:
            waits = request.session.session_key and SESSION_KEY not in request.session
            raise InvalidToken(NOT_SIGNED_IN if waits else SESSION_ENDED)
        return Caller(user, "session")


class GuestAuth:
    """The user that API_GUEST names, who is created at the first such request."""

    def __call__(self, request: HttpRequest) -> Caller | None:
        name = settings.API_GUEST
        if not name:
            return None
        if request.method not in SAFE_METHODS:
            self._check_origin(request)
        user = User.guest(name)
        return Caller(user, "guest") if user else None

    def _check_origin(self, request: HttpRequest) -> None:
        """Refuse writes from pages of origins that are not allowed to make them."""
        origin = request.headers.get("Origin")
        own = f"{request.scheme}://{request.get_host()}"
        if origin is None or origin == own or settings.CORS_ALLOW_ALL_ORIGINS:
            return
        if origin not in settings.CORS_ALLOWED_ORIGINS:
            raise OriginRefused(
                "Add this page's origin to CORS_ALLOWED_ORIGINS to let it write here."
            )
