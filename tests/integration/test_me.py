"""GET and PATCH /api/me"""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from taskproject.accounts.models import ApiToken, User
from tests.conftest import ApiClient, make_task, make_token
from tests.support.answers import rfc3339


def test_it_tells_whose_token_was_sent(api: ApiClient, alice: User) -> None:
    answer = api.send("GET", "/api/me")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == {
        "id": alice.pk,
        "username": "alice",
        "timezone": "UTC",
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
        "timezone": "UTC",
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
        "timezone": "UTC",
        "is_staff": False,
        "via": "guest",
        "token": None,
        "csrf_token": None,
    }


def test_it_never_tells_the_secret(alice: User) -> None:
    secret = make_token(alice)

    answer = ApiClient(secret).send("GET", "/api/me")

    token = ApiToken.objects.get()
    assert secret not in answer.text
    assert token.digest not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_can_only_be_read_and_patched(api: ApiClient, method: str) -> None:
    answer = api.send(method, "/api/me")

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "PATCH"}


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


# PATCH


def test_the_zone_changes_and_nothing_else(api: ApiClient, alice: User) -> None:
    before = api.send("GET", "/api/me").json()
    row = User.objects.values().get()

    answer = api.send("PATCH", "/api/me", {"timezone": "Europe/Lisbon"})

    assert answer.status_code == 200
    assert answer.json() == before | {"timezone": "Europe/Lisbon"}
    assert api.send("GET", "/api/me").json() == answer.json()
    assert User.objects.values().get() == row | {"timezone": "Europe/Lisbon"}


def test_a_session_can_change_its_zone(staff: Client, carol: User) -> None:
    answer = staff.patch(
        "/api/me", {"timezone": "Asia/Tokyo"}, content_type="application/json"
    )

    assert (answer.status_code, answer.json()["timezone"]) == (200, "Asia/Tokyo")
    assert len(answer.json()["csrf_token"]) == 64
    carol.refresh_from_db()
    assert carol.timezone == "Asia/Tokyo"


def test_the_zone_decides_what_is_overdue(api: ApiClient, alice: User) -> None:
    # Kiritimati is 26 hours ahead of the last zone: always at a later date.
    west = timezone.now().astimezone(ZoneInfo("Etc/GMT+12")).date()
    task = make_task(alice, due_date=west)
    path = f"/api/tasks/{task.pk}"

    for zone, overdue in (("Pacific/Kiritimati", True), ("Etc/GMT+12", False)):
        api.send("PATCH", "/api/me", {"timezone": zone})
        assert api.send("GET", path).json()["overdue"] is overdue
        other = api.send("GET", f"{path}?tz=Etc/GMT%2B12").json()
        assert other["overdue"] is False, "?tz= comes before the user's own"
