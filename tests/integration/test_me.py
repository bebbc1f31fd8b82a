"""GET /api/me"""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from taskproject.accounts.models import ApiToken, User
from tests.answers import assert_a_credential_is_needed, rfc3339
from tests.conftest import ApiClient, make_token


def test_it_tells_whose_token_was_sent(api: ApiClient, alice: User) -> None:
    answer = api.send("GET", "/api/me")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == {
        "id": alice.pk,
        "username": "alice",
        "is_staff": False,
        "via": "token",
        "token": {
            "name": "test",
            "prefix": ApiToken.objects.get().prefix,
            "scopes": ["read", "write"],
            "expires_at": None,
        },
        "csrf_token": None,
    }


def test_it_tells_what_the_token_may_do_and_until_when(alice: User) -> None:
    expires = timezone.now() + timedelta(days=1)
    api = ApiClient(make_token(alice, "read", expires_at=expires))

    answer = api.send("GET", "/api/me")

    assert answer.json()["token"] == {
        "name": "test",
        "prefix": ApiToken.objects.get().prefix,
        "scopes": ["read"],
        "expires_at": rfc3339(expires),
    }


def test_it_tells_who_is_signed_in(staff: Client, carol: User) -> None:
    answer = staff.get("/api/me")

    me = answer.json()
    assert answer.status_code == 200
    assert me == {
        "id": carol.pk,
        "username": "carol",
        "is_staff": True,
        "via": "session",
        "token": None,
        "csrf_token": me["csrf_token"],
    }
    assert len(me["csrf_token"]) == 64


def test_it_tells_a_guest(nobody: ApiClient, settings: Settings) -> None:
    settings.API_GUEST = "guest"

    answer = nobody.send("GET", "/api/me")

    assert answer.status_code == 200
    assert answer.json() == {
        "id": User.objects.get().pk,
        "username": "guest",
        "is_staff": False,
        "via": "guest",
        "token": None,
        "csrf_token": None,
    }


def test_it_needs_a_credential(nobody: ApiClient) -> None:
    assert_a_credential_is_needed(nobody.send("GET", "/api/me"), "/api/me")


def test_it_never_tells_the_secret(alice: User) -> None:
    secret = make_token(alice)

    answer = ApiClient(secret).send("GET", "/api/me")

    token = ApiToken.objects.get()
    assert secret not in answer.text
    assert token.digest not in answer.text


def test_it_takes_no_parameters(api: ApiClient) -> None:
    answer = api.send("GET", "/api/me?verbose=true")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "in": "query",
            "pointer": "/verbose",
            "code": "unknown",
            "detail": "Unknown parameter 'verbose'; known here: none.",
        }
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_can_only_be_read(api: ApiClient, method: str) -> None:
    answer = api.send(method, "/api/me")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_a_token_costs_one_query(
    api: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api.send("GET", "/api/me")  # notes the token's use

    with django_assert_num_queries(1):
        api.send("GET", "/api/me")


def test_a_session_costs_two_queries(
    staff: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):
        staff.get("/api/me")


def test_a_guest_costs_one_query(
    nobody: ApiClient,
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    settings.API_GUEST = "guest"
    nobody.send("GET", "/api/me")  # makes the guest

    with django_assert_num_queries(1):
        nobody.send("GET", "/api/me")
