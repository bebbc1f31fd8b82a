"""Personal tokens"""

import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from taskproject.accounts.models import ApiToken, User
from taskproject.sql import fetch
from tests.conftest import make_token

MINUTE = timedelta(minutes=1)


def make(user: User, **fields: Any) -> ApiToken:
    make_token(user, **fields)
    return ApiToken.objects.latest("id")


# Making one


def test_a_secret_is_long_random_and_begins_with_tk(alice: User) -> None:
    secrets = {make_token(alice) for _ in range(20)}

    assert len(secrets) == 20
    assert all(re.fullmatch(r"tk_[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_only_its_digest_and_its_beginning_are_stored(alice: User) -> None:
    secret = make_token(alice)

    stored = ApiToken.objects.values().get()
    assert stored["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert stored["prefix"] == secret[:11]
    assert secret not in str(stored)


def test_a_new_token_is_unused_and_active(alice: User) -> None:
    before = timezone.now()

    token = make(alice, last_used_at=None)

    assert before <= token.created_at <= timezone.now()
    assert (token.last_used_at, token.revoked_at, token.expires_at) == (None,) * 3
    assert (token.state, token.scopes) == ("active", "read write")


def test_a_token_is_known_by_its_name_and_beginning(alice: User) -> None:
    token = make(alice)

    assert str(token) == f"test ({token.prefix}…)"


# Finding one


def test_a_token_matches_its_own_secret_only(alice: User) -> None:
    secret = make_token(alice)

    assert ApiToken.objects.matching(secret).exists()
    for other in (secret[:-1], secret + "x", secret.upper(), secret[:11], ""):
        assert not ApiToken.objects.matching(other).exists()


def test_the_tokens_of_a_disabled_user_are_not_usable(alice: User) -> None:
    make(alice)
    User.objects.update(is_active=False)

    assert not any(token.usable for token in ApiToken.objects.all())


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "active"),
        ({"expires_at": timezone.now() + timedelta(days=1)}, "active"),
        ({"expires_at": timezone.now() - MINUTE}, "expired"),
        ({"revoked_at": timezone.now()}, "revoked"),
        ({"revoked_at": timezone.now() + timedelta(days=1)}, "revoked"),
        (
            {"revoked_at": timezone.now(), "expires_at": timezone.now() - MINUTE},
            "revoked",
        ),
    ],
)
def test_a_token_is_usable_until_it_expires_or_is_revoked(
    alice: User, fields: dict[str, Any], state: str
) -> None:
    """In Python, in the ORM's SQL, and in that of the guard."""
    token = make(alice, **fields, last_used_at=timezone.now())
    guard = token.guard()

    assert (token.state, token.usable) == (state, state == "active")
    assert ApiToken.objects.working().exists() == token.usable
    holds = fetch(f"SELECT 1 WHERE {guard.condition}", guard.parameters)
    assert bool(holds) == token.usable


# Revoking


def test_revoke_counts_those_that_were_not_revoked_yet(alice: User) -> None:
    earlier = timezone.now() - MINUTE
    gone = make(alice, revoked_at=earlier)
    make(alice)
    make(alice)

    assert ApiToken.objects.all().revoke() == 2
    assert ApiToken.objects.all().revoke() == 0
    gone.refresh_from_db()
    assert gone.revoked_at == earlier


def test_revoke_keeps_to_its_set(alice: User, bob: User) -> None:
    make(alice)
    theirs = make(bob)

    ApiToken.objects.filter(user=alice).revoke()

    assert [token for token in ApiToken.objects.all() if token.usable] == [theirs]


# Last use


@pytest.mark.parametrize(
    ("ago", "noted"),
    [
        (None, True),
        (timedelta(0), False),
        (timedelta(seconds=50), False),
        (timedelta(seconds=61), True),
        (timedelta(days=365), True),
    ],
)
def test_touch_notes_the_use_at_most_once_a_minute(
    alice: User, ago: timedelta | None, noted: bool
) -> None:
    before = timezone.now()
    token = make(alice, last_used_at=None if ago is None else before - ago)
    earlier = token.last_used_at

    token.touch()

    token.refresh_from_db()
    if noted:
        assert token.last_used_at and before <= token.last_used_at <= timezone.now()
    else:
        assert token.last_used_at == earlier


def test_touch_writes_no_older_use_over_a_newer(alice: User) -> None:
    token = make(alice)
    newer = timezone.now() + timedelta(seconds=5)
    ApiToken.objects.update(last_used_at=newer)  # by another process meanwhile

    token.touch()

    token.refresh_from_db()
    assert token.last_used_at == newer


def test_touch_changes_nothing_else(alice: User) -> None:
    token = make(alice)
    ApiToken.objects.all().revoke()  # by another process meanwhile
    before = ApiToken.objects.values().get()

    token.touch()

    after = ApiToken.objects.values().get()
    assert after == before | {"last_used_at": after["last_used_at"]}


# What the database itself refuses


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("apitoken_scopes_known", {"scopes": "admin"}),
        ("apitoken_scopes_known", {"scopes": ""}),
        ("apitoken_scopes_known", {"scopes": "write read"}),
        ("apitoken_name_not_blank", {"name": ""}),
        ("digest", {"digest": "taken"}),
    ],
)
def test_a_named_constraint_refuses(
    alice: User, constraint: str, fields: dict[str, Any]
) -> None:
    ApiToken.objects.create(user=alice, name="first", digest="taken")

    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ApiToken.objects.create(**{"user": alice, "name": "second"} | fields)

    assert ApiToken.objects.count() == 1
