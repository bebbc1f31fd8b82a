"""Which API tokens a caller may list, create and revoke: their own. A token creates none
that may do more, or works longer, than itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from taskproject.accounts.auth import Caller
from taskproject.accounts.models import ApiToken, ApiTokenQuerySet, User
from taskproject.problems import (
    NO_SUCH_ROW,
    Forbidden,
    InsufficientScope,
    Invalid,
    NotFound,
    TooManyTokens,
)

#: The default lifetime of a new token.
LIFETIME = timedelta(days=90)
#: Most tokens of a user that are neither revoked nor expired, for one more to be created.
MAX_TOKENS = 100
_MAX_ID = 2**63 - 1


def of(caller: Caller) -> ApiTokenQuerySet:
    """The tokens of the caller that are not revoked."""
    return ApiToken.objects.filter(user_id=caller.user_id, revoked_at__isnull=True)


def default_expiry(caller: Caller) -> datetime:
    """In `LIFETIME`, or with the token of the request, if that is sooner."""
    usual = timezone.now() + LIFETIME
    own = caller.token.expires_at if caller.token else None
    return min(usual, own) if own else usual


def issue(
    caller: Caller, name: str, scopes: Sequence[str], expires_at: datetime | None
) -> tuple[ApiToken, str]:
    """Creates a token of the caller; returns it and its secret."""
    existing = of(caller)
    _check_scopes(caller, scopes)
    _check_expiry(caller.token, expires_at)
    words = " ".join(sorted(scopes))
    token = ApiToken(
        user_id=caller.user_id, name=name, scopes=words, expires_at=expires_at
    )
    with transaction.atomic():
        User.lock(caller.user_id)
        if existing.working().count() >= MAX_TOKENS:
            raise TooManyTokens(
                f"You have {MAX_TOKENS} tokens that work; revoke one that you do not "
                "need: DELETE /api/tokens/{id}."
            )
        return token, token.issue()


def revoke(caller: Caller, token_id: int) -> None:
    """Raises `NotFound` for a token that is revoked, or of somebody else."""
    mine = of(caller)
    if token_id > _MAX_ID or not mine.filter(pk=token_id).revoke():
        raise NotFound(NO_SUCH_ROW.format("token"))


def _check_scopes(caller: Caller, scopes: Sequence[str]) -> None:
    missing = [scope for scope in scopes if scope not in caller.scopes]
    if missing:
        name = f"The token {caller.token.name!r}" if caller.token else "The token"
        raise InsufficientScope(
            f"{name} lacks the scope {missing[0]}, and so cannot create "
            "a token that has it."
        )


def _check_expiry(own: ApiToken | None, expires_at: datetime | None) -> None:
    if expires_at and expires_at <= timezone.now():
        detail = "Send an instant in the future, or null: it never expires."
        raise Invalid.of("expires_at", detail, "refused")
    latest = own.expires_at if own else None
    if latest and (expires_at is None or expires_at > latest):
        raise Forbidden(
            "A token creates none that expires later than itself: this one expires at "
            f"{latest:%Y-%m-%dT%H:%M:%SZ}."
        )
