"""Tokens of another identity provider: JWTs that OIDC_ISSUER has signed for OIDC_AUDIENCE.

Which user a token acts as is decided by `iss` and `sub` alone: never by an e-mail address,
which a provider may not have verified. The user is created at the first token.

Only requests with a JWT import this module: its libraries take 30 MB and 0.1 s."""

import secrets
from typing import TYPE_CHECKING, Any

import jwt
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from taskproject.accounts.issuer_keys import ALGORITHMS, NoKeysYet, keys
from taskproject.accounts.models import Identity, User
from taskproject.deadlines import paused
from taskproject.problems import InvalidToken, Unavailable

if TYPE_CHECKING:
    from jwt.algorithms import AllowedPublicKeys

LEEWAY = 30  # seconds that the clocks may differ
LONGEST = 8_192  # characters of a token
#: The scopes of this service, and what they are called in the claims of a token.
SCOPES = {"tasks:read": "read", "tasks:write": "write"}
_KNOWN = {name for names in ALGORITHMS.values() for name in names}
#: The `typ` of access tokens (RFC 9068), and of those that say nothing; not that of others, such
#: as logout tokens.
_TYPES = {None, "jwt", "at+jwt", "application/at+jwt"}
_DETAILS: list[tuple[type[jwt.PyJWTError], str]] = [
    (jwt.ExpiredSignatureError, "The token has expired. Get another one."),
    (jwt.ImmatureSignatureError, "The token is not valid yet."),
    (jwt.InvalidAudienceError, "The token is for another audience."),
    (jwt.InvalidIssuerError, "The token is of another issuer."),
    (jwt.MissingRequiredClaimError, "The token lacks exp, iss, aud or sub."),
    (jwt.InvalidSignatureError, "The signature of the token is wrong."),
]


def authenticate(token: str) -> tuple[User, frozenset[str]]:
    """The user and the scopes of a token. Raises `InvalidToken`, and `Unavailable` while the
    provider's keys are not known."""
    claims = _verified(token)
    user = _user(claims["iss"], claims["sub"], claims.get("name"))
    if not user.is_active:
        raise InvalidToken("The user of the token is disabled.")
    return user, scopes_of(claims)


def scopes_of(claims: dict[str, object]) -> frozenset[str]:
    """The scopes that the claims name. If they name none of this service's, all, unless
    OIDC_REQUIRE_SCOPES is on."""
    names: list[object] = []
    for claim in ("scope", "scp", "permissions"):
        value = claims.get(claim)
        listed = value.split() if isinstance(value, str) else value
        names += listed if isinstance(listed, list) else []
    named = frozenset(scope for name, scope in SCOPES.items() if name in names)
    if named or settings.OIDC_REQUIRE_SCOPES:
        return named
    return frozenset(SCOPES.values())


def _verified(token: str) -> dict[str, Any]:
    """The claims of a token whose signature and claims are valid."""
    try:
        if len(token) > LONGEST:
            raise InvalidToken(f"Send a token of at most {LONGEST:,} characters.")
        header = jwt.get_unverified_header(token)
        algorithm, kind = header.get("alg"), header.get("typ")
        if not isinstance(algorithm, str) or algorithm not in _KNOWN:
            raise InvalidToken(
                "Send a token that is signed by an asymmetric algorithm, such as RS256."
            )
        if kind is not None and str(kind).lower() not in _TYPES:
            raise InvalidToken("Send an access token.")
        claims = jwt.decode(
            token,
            _key(header.get("kid"), algorithm),
            algorithms=[algorithm],
            audience=settings.OIDC_AUDIENCE,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    # PyJWT lets through what numbers and depths it did not expect raise.
    except (
        jwt.PyJWTError,
        ValueError,
        TypeError,
        ArithmeticError,
        RecursionError,
    ) as e:
        details = (detail for kind, detail in _DETAILS if isinstance(e, kind))
        raise InvalidToken(next(details, "The token is no valid JWT.")) from e
    subject = claims["sub"]
    if not (1 <= len(subject) <= 255 and subject.isascii() and subject.isprintable()):
        raise InvalidToken("The sub of the token is not 1-255 ASCII characters.")
    return claims


def _key(kid: str | None, algorithm: str) -> "AllowedPublicKeys":
    try:
        with paused():
            key = keys.find(kid, algorithm)
    except NoKeysYet as missing:
        raise Unavailable(
            "The keys of the identity provider are not known yet. Try again.",
            headers={"Retry-After": str(missing.seconds)},
        ) from None
    if key is None:
        raise InvalidToken("The identity provider publishes no key of this token.")
    return key


def _user(issuer: str, subject: str, name: object) -> User:
    user = Identity.objects.user_of(issuer, subject)
    if user is not None:
        return user
    try:
        with transaction.atomic():
            user = User.objects.create(
                username=f"oidc-{secrets.token_hex(8)}",
                password=make_password(None),
                first_name=_shown(name),
            )
            Identity.objects.create(user=user, issuer=issuer, subject=subject)
    except IntegrityError:  # another request was first
        user = Identity.objects.user_of(issuer, subject)
        if user is None:
            raise
    return user


def _shown(name: object) -> str:
    """The name for staff to recognise the user by, which decides nothing."""
    text = name if isinstance(name, str) else ""
    return "".join(letter for letter in text if letter.isprintable())[:150]
