"""GET and PATCH /api/me"""

from datetime import timedelta
from unittest.mock import Mock
from zoneinfo import ZoneInfo

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from taskproject import jobs
from taskproject.accounts.auth import Caller, TokenAuth
from taskproject.accounts.models import ApiToken, Invitation, User
from taskproject.models import Job
from tasks.models import Task
from tests.conftest import ApiClient, force_login, make_task, make_token
from tests.support.answers import rfc3339


def test_it_tells_whose_token_was_sent(api: ApiClient, alice: User) -> None:
    answer = api.send("GET", "/api/me")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == {
        "id": alice.pk,
        "username": "alice",
        "timezone": "UTC",
        "reminder_emails": False,
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
        "reminder_emails": False,
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
        "reminder_emails": False,
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


# DELETE


def test_a_user_is_deleted_with_all_that_is_theirs(api: ApiClient, alice: User) -> None:
    make_task(alice, tags=["home"])
    bob = User.objects.create(username="bob")
    make_task(bob)
    Invitation.objects.invite("alice@example.com", None)
    User.objects.filter(pk=alice.pk).update(email="Alice@example.com")

    answer = api.send("DELETE", "/api/me?confirm=alice")

    assert (answer.status_code, answer.content) == (204, b"")
    assert [user.username for user in User.objects.all()] == ["bob"]
    assert [task.owner_id for task in Task.objects.all()] == [bob.pk]
    assert not ApiToken.objects.exists() and not Invitation.objects.exists()
    assert api.send("GET", "/api/me").json()["code"] == "invalid_token"


def test_a_session_ends_with_its_user(client: Client, alice: User) -> None:
    force_login(client, alice)

    assert client.delete("/api/me?confirm=alice").status_code == 204
    assert client.get("/api/me").status_code == 401


def test_thousands_of_tasks_go_in_the_background_and_can_be_watched(
    api: ApiClient, nobody: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.jobs.AT_ONCE", 1)
    started: list[bool] = []
    monkeypatch.setattr("taskproject.jobs.start", lambda: started.append(True))
    for _ in range(3):
        make_task(alice)

    answer = api.send("DELETE", "/api/me?confirm=alice")

    assert answer.status_code == 202
    assert answer.headers["Retry-After"] == "1"
    assert api.send("GET", "/api/tasks").json()["code"] == "invalid_token"
    where = answer.headers["Location"]
    shown = nobody.send("GET", where).json()
    assert (shown["kind"], shown["status"]) == ("delete_user", "running")
    assert answer.json() == shown and started
    jobs.finish(Job.objects.get())
    assert nobody.send("GET", where).json()["status"] == "done"
    assert not User.objects.exists()
    assert nobody.send("GET", f"{where[:-1]}").status_code == 404


def test_a_deletion_that_fails_leaves_the_user_who_can_repeat_it(
    transactional_db: None,
    api: ApiClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Invitation.objects.invite("alice@example.com", None)
    User.objects.filter(pk=alice.pk).update(email="alice@example.com")
    make_task(alice)

    for where in ("taskproject.jobs.create", "django.db.models.QuerySet.delete"):
        with monkeypatch.context() as failing:
            failing.setattr("tasks.jobs.AT_ONCE", 0 if "jobs" in where else 1)
            failing.setattr(where, Mock(side_effect=OperationalError))
            answer = api.send("DELETE", "/api/me?confirm=alice")

        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert User.objects.get().is_active and Invitation.objects.exists()
    assert api.send("DELETE", "/api/me?confirm=alice").status_code == 204


@pytest.mark.parametrize("query", ["", "?confirm=", "?confirm=bob", "?confirm=Alice"])
def test_nobody_is_deleted_without_the_username(
    api: ApiClient, alice: User, query: str
) -> None:
    answer = api.send("DELETE", f"/api/me{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/confirm"
    assert User.objects.get().is_active


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/api/me", {"timezone": "Asia/Tokyo"}),
        ("PATCH", "/api/me", {"reminder_emails": False}),
        ("POST", "/api/tokens", {"name": "phone"}),
        ("POST", "/api/webhooks", {"url": "https://example.com/hook"}),
    ],
)
def test_what_they_change_while_they_are_deleted_is_409(
    api: ApiClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: object,
) -> None:
    def opened(request: object, *_: object) -> Caller:
        caller = Caller(User.objects.get(pk=alice.pk), "session")
        User.objects.filter(pk=alice.pk).delete()
        return caller

    monkeypatch.setattr(TokenAuth, "__call__", opened)

    answer = api.send(method, path, body)

    assert answer.status_code == 409, answer.content
    assert answer.json()["detail"] == "The user was deleted meanwhile."


def test_staff_do_not_delete_themselves(staff: Client, carol: User) -> None:
    answer = staff.delete("/api/me?confirm=carol")

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert User.objects.get().is_active
