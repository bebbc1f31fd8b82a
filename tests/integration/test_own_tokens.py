"""/api/tokens: a person's own API tokens"""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from taskproject.accounts import tokens
from taskproject.accounts.models import ApiToken, User
from tests.conftest import ApiClient, make_token
from tests.support.answers import rfc3339
from tests.support.threads import at_once

PATH = "/api/tokens"
NEW = {"name": "Phone", "scopes": ["read"]}


def shown(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.pk,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": token.scopes.split(),
        "created_at": rfc3339(token.created_at),
        "expires_at": token.expires_at and rfc3339(token.expires_at),
        "last_used_at": token.last_used_at and rfc3339(token.last_used_at),
        "secret": None,
    }


def days_left(token: ApiToken) -> float:
    assert token.expires_at is not None
    left: timedelta = token.expires_at - timezone.now()
    return left / timedelta(days=1)


# Creating


def test_a_token_is_created_and_shown_once(api: ApiClient, alice: User) -> None:
    answer = api.send("POST", PATH, NEW)

    token = ApiToken.objects.get(name="Phone")
    assert answer.status_code == 201
    assert answer.headers["Location"] == PATH
    assert answer.headers["Cache-Control"] == "no-store"
    secret = answer.json()["secret"]
    assert answer.json() == shown(token) | {"secret": secret}
    assert token.user == alice
    assert token.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.startswith(token.prefix)
    assert ApiClient(secret).send("GET", "/api/me").json()["via"] == "token"
    assert secret not in api.send("GET", PATH).text


def test_it_may_do_all_and_works_90_days_if_nothing_else_is_said(
    api: ApiClient,
) -> None:
    answer = api.send("POST", PATH, {"name": "Phone"})

    token = ApiToken.objects.get(name="Phone")
    assert answer.json()["scopes"] == ["read", "write"]
    assert days_left(token) == pytest.approx(90, abs=0.1)


@pytest.mark.parametrize("when", [None, "2999-01-31T00:00:00Z"])
def test_it_expires_when_it_is_told_to(api: ApiClient, when: str | None) -> None:
    answer = api.send("POST", PATH, NEW | {"expires_at": when})

    assert answer.status_code == 201
    assert answer.json()["expires_at"] == when


def test_a_session_may_create_every_token(staff: Client, carol: User) -> None:
    answer = staff.post(
        PATH, {"name": "Laptop", "expires_at": None}, content_type="application/json"
    )

    assert answer.status_code == 201
    assert ApiClient(answer.json()["secret"]).get("/api/me").json()["id"] == carol.pk


@pytest.mark.parametrize("scopes", [["read"], ["read", "write"], None])
def test_a_token_creates_none_with_more_scopes(
    alice: User, scopes: list[str] | None
) -> None:
    api = ApiClient(make_token(alice, "write"))
    body = {"name": "More"} | ({"scopes": scopes} if scopes else {})

    answer = api.send("POST", PATH, body)

    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert "lacks the scope read" in answer.json()["detail"]
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("when", [None, "2999-01-31T00:00:00Z"])
def test_a_token_creates_none_that_works_longer(alice: User, when: str | None) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    api = ApiClient(make_token(alice, expires_at=tomorrow))

    answer = api.send("POST", PATH, NEW | {"expires_at": when})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert ApiToken.objects.count() == 1
    assert api.send("POST", PATH, NEW).json()["expires_at"] == rfc3339(tomorrow)


def test_their_number_is_limited(
    api: ApiClient, bobs_api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 2)
    other = api.send("POST", PATH, NEW).json()["id"]

    answer = api.send("POST", PATH, NEW)

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_tokens")
    assert bobs_api.send("POST", PATH, NEW).status_code == 201
    past = timezone.now() - timedelta(seconds=1)
    ApiToken.objects.filter(pk=other).update(expires_at=past)
    assert api.send("POST", PATH, NEW).status_code == 201, "expired ones do not count"


@pytest.mark.django_db(transaction=True)
def test_concurrent_requests_do_not_exceed_the_limit(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 3)
    secret = make_token(alice)

    answers = at_once([lambda: ApiClient(secret).send("POST", PATH, NEW)] * 4)

    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]


# Listing and revoking


def test_they_are_listed_newest_first_without_secrets(
    api: ApiClient, alice: User, bob: User
) -> None:
    make_token(bob)
    make_token(alice, revoked_at=timezone.now())
    secret = make_token(alice, "read", expires_at=timezone.now())

    answer = api.send("GET", PATH)

    mine = ApiToken.objects.filter(user=alice, revoked_at=None).order_by("-pk")
    assert answer.json() == {"items": [*map(shown, mine)], "next_cursor": None}
    assert len(answer.json()["items"]) == 2
    assert secret not in answer.text
    first = api.send("GET", f"{PATH}?limit=1").json()
    assert first["items"] == answer.json()["items"][:1]
    rest = api.send("GET", f"{PATH}?limit=1&cursor={first['next_cursor']}")
    assert rest.json()["items"] == answer.json()["items"][1:]


def test_a_revoked_one_stops_working_at_once(api: ApiClient) -> None:
    made = api.send("POST", PATH, NEW).json()
    phone = ApiClient(made["secret"])
    assert phone.send("GET", "/api/tasks").status_code == 200

    answer = api.send("DELETE", f"{PATH}/{made['id']}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert phone.send("GET", "/api/tasks").json()["code"] == "invalid_token"
    assert api.send("DELETE", f"{PATH}/{made['id']}").status_code == 404


def test_a_token_may_revoke_itself(api: ApiClient) -> None:
    own = ApiToken.objects.get().pk

    assert api.send("DELETE", f"{PATH}/{own}").status_code == 204
    assert api.send("GET", PATH).status_code == 401
