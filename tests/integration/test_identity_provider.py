"""Every operation, called with a token of OIDC_ISSUER: a real one, on loopback"""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from taskproject.accounts.models import Identity, User
from tasks.models import Event, Task
from tests.conftest import ApiClient
from tests.integration.test_issuer_tokens import get_me, refusal
from tests.support.issuer import Issuer
from tests.support.threads import at_once, request

pytestmark = pytest.mark.django_db


# The user


def test_the_first_token_of_somebody_creates_their_user(issuer: Issuer) -> None:
    answer = get_me(issuer.token(sub="auth0|42", name="Anna\u0000\nÅ"))

    user = User.objects.get()
    assert answer.status_code == 200
    assert answer.json() == {
        "id": user.pk,
        "username": user.username,
        "timezone": "UTC",
        "reminder_emails": False,
        "is_staff": False,
        "via": "oidc",
        "token": None,
        "csrf_token": None,
    }
    assert user.username.startswith("oidc-")
    assert user.first_name == "AnnaÅ"
    assert not user.has_usable_password() and not user.is_superuser
    identity = Identity.objects.get()
    assert (identity.user, identity.issuer) == (user, issuer.url)
    assert identity.subject == "auth0|42"


def test_they_remain_the_same_user(issuer: Issuer) -> None:
    first, again = get_me(issuer.token()), get_me(issuer.token(name="Anna"))
    other = get_me(issuer.token(sub="u2"))

    assert first.json() == again.json()
    assert other.json()["id"] != first.json()["id"]


def test_nobody_is_taken_for_a_local_user(issuer: Issuer, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")
    claims: dict[str, Any] = {"email": "alice@example.com", "email_verified": True}
    claims |= {"preferred_username": "alice", "username": "alice"}

    answer = get_me(issuer.token(sub="alice", **claims))

    assert answer.json()["id"] != alice.pk
    assert User.objects.get(pk=answer.json()["id"]).email == ""


def test_the_same_subject_of_another_issuer_is_somebody_else(
    issuer: Issuer, alice: User
) -> None:
    Identity.objects.create(user=alice, issuer="https://id.example.com", subject="u1")

    assert get_me(issuer.token()).json()["username"] != "alice"


def test_a_disabled_user_is_refused(issuer: Issuer) -> None:
    get_me(issuer.token())
    User.objects.update(is_active=False)

    assert refusal(issuer.token()) == "The user of the token is disabled."


def test_a_deleted_user_is_created_anew(issuer: Issuer) -> None:
    api = ApiClient(issuer.token())
    me = api.get("/api/me").json()
    api.send("POST", "/api/tasks", {"title": "Buy milk"})

    answer = api.send("DELETE", f"/api/me?confirm={me['username']}")

    assert answer.status_code == 204
    assert api.get("/api/me").json()["id"] != me["id"]
    assert not Task.objects.exists()


def test_what_they_do_is_recorded(issuer: Issuer) -> None:
    api = ApiClient(issuer.token())

    assert api.send("POST", "/api/tasks", {"title": "Buy milk"}).status_code == 201

    assert Event.objects.get().via == "oidc"
    changes = api.get("/api/changes").json()["items"]
    assert changes[0]["via"] == "oidc"


@pytest.mark.django_db(transaction=True)
def test_first_requests_at_once_create_one_user(issuer: Issuer) -> None:
    token = issuer.token()
    get_me(issuer.token(sub="somebody else"))

    answers = at_once([request(token, "GET", "/api/me")] * 4)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Identity.objects.count() == User.objects.count() == 2


def test_a_user_who_is_known_costs_one_query(
    issuer: Issuer, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    get_me(issuer.token())

    with django_assert_num_queries(1):
        get_me(issuer.token())


def test_staff_see_by_what_the_provider_knows_them(
    issuer: Issuer, staff: Client
) -> None:
    user = get_me(issuer.token(sub="auth0|42")).json()["id"]

    page = staff.get(f"/admin/accounts/user/{user}/change/")
    found = staff.get("/admin/accounts/user/?q=auth0|42")

    assert f"auth0|42 of {issuer.url}" in page.text
    assert f"/admin/accounts/user/{user}/change/" in found.text


# Scopes


@pytest.mark.parametrize(
    ("claims", "read", "write"),
    [
        ({}, 200, 201),
        ({"scope": "openid profile email"}, 200, 201),
        ({"scope": "openid tasks:read"}, 200, 403),
        ({"scope": "tasks:write"}, 403, 201),
        ({"scope": "tasks:read tasks:write"}, 200, 201),
        ({"scp": "tasks:read"}, 200, 403),
        ({"scp": ["tasks:read"]}, 200, 403),
        ({"permissions": ["tasks:read"], "scope": "openid"}, 200, 403),
        ({"scope": "tasks:read", "permissions": ["tasks:write"]}, 200, 201),
        ({"scope": {"tasks:read": 1}, "scp": [[], None, 3]}, 200, 201),
    ],
)
def test_the_scopes_of_a_token_say_what_it_may_do(
    issuer: Issuer, claims: dict[str, Any], read: int, write: int
) -> None:
    api = ApiClient(issuer.token(**claims))

    assert api.get("/api/tasks").status_code == read
    answer = api.send("POST", "/api/tasks", {"title": "Buy milk"})
    assert answer.status_code == write
    if write == 403:
        assert answer.json()["code"] == "insufficient_scope"
        assert 'scope="write"' in answer.headers["WWW-Authenticate"]


def test_scopes_can_be_required(issuer: Issuer, settings: Settings) -> None:
    settings.OIDC_REQUIRE_SCOPES = True

    assert get_me(issuer.token()).json()["code"] == "insufficient_scope"
    assert get_me(issuer.token(scope="tasks:read")).status_code == 200


def test_an_api_token_may_do_no_more_than_the_token_that_creates_it(
    issuer: Issuer,
) -> None:
    api = ApiClient(issuer.token(scope="tasks:write"))

    answer = api.send("POST", "/api/tokens", {"name": "Phone"})

    assert answer.json()["code"] == "insufficient_scope"
    body = {"name": "Phone", "scopes": ["write"]}
    assert api.send("POST", "/api/tokens", body).status_code == 201
