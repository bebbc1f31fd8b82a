"""Every operation, called without a credential where API_GUEST names a user"""

from collections.abc import Callable

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from pytest_django import DjangoAssertNumQueries, Settings

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import ApiClient, force_login, make_task
from tests.support.answers import as_json, assert_a_credential_is_needed
from tests.support.problems import assert_problem


@pytest.fixture
def guest(nobody: ApiClient, settings: Settings) -> ApiClient:
    """Nobody, where the installation has a guest."""
    settings.API_GUEST = "guest"
    return nobody


def test_the_guest_is_made_when_first_needed_and_stays(guest: ApiClient) -> None:
    assert not User.objects.exists()

    answer = guest.send("POST", "/api/tasks", {"title": "Buy milk"})

    user = User.objects.get()
    assert answer.status_code == 201
    assert Task.objects.get().owner == user
    assert (user.username, user.is_active) == ("guest", True)
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert not user.has_usable_password()
    again = guest.send("GET", "/api/tasks").json()
    assert again == {"items": [as_json(Task.objects.get())], "next_cursor": None}
    assert User.objects.count() == 1


def test_the_guest_may_be_an_ordinary_user(
    nobody: ApiClient, alice: User, settings: Settings
) -> None:
    settings.API_GUEST = "alice"
    task = make_task(alice)

    assert nobody.send("GET", f"/api/tasks/{task.pk}").json() == as_json(task)


@pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
def test_a_colleagues_name_lets_nobody_in(
    guest: ApiClient, alice: User, settings: Settings, right: str
) -> None:
    User.objects.filter(pk=alice.pk).update(**{right: True})
    settings.API_GUEST = "alice"

    assert_a_credential_is_needed(guest.send("GET", "/api/me"), "/api/me")


def test_a_disabled_guest_lets_nobody_in(guest: ApiClient) -> None:
    guest.send("GET", "/api/me")
    User.objects.update(is_active=False)

    assert_a_credential_is_needed(guest.send("GET", "/api/me"), "/api/me")


@pytest.mark.either_database
@pytest.mark.parametrize("header", ["Bearer tk_wrong", "Bearer", "Basic eDp5"])
def test_a_wrong_token_does_not_fall_through(guest: ApiClient, header: str) -> None:
    answer = guest.send("GET", "/api/me", headers={"Authorization": header})

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert not User.objects.exists()


END_SESSION: dict[str, Callable[[User], object]] = {
    "signed out elsewhere": lambda user: Session.objects.all().delete(),
    "another password": lambda user: User.objects.update(password="x"),
    "disabled": lambda user: User.objects.update(is_active=False),
}


@pytest.mark.parametrize("end", END_SESSION)
def test_a_session_that_has_ended_is_not_the_guest(
    guest: ApiClient, alice: User, end: str
) -> None:
    force_login(guest, alice)
    body = {"title": "Buy milk"}
    assert guest.send("GET", "/api/me").json()["username"] == "alice"
    END_SESSION[end](alice)

    answer = guest.send("POST", "/api/tasks", body)

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.json()["detail"] == "The session has ended. Sign in again."
    assert not Task.objects.exists()
    if end != "disabled":  # the cookie is removed
        assert guest.send("POST", "/api/tasks", body).status_code == 201


@pytest.mark.parametrize("name", ["sessionid", "csrftoken", "other"])
def test_a_visitor_who_has_not_signed_in_is_the_guest(
    guest: ApiClient, name: str
) -> None:
    store = SessionStore()
    store["cart"] = 1
    store.save()
    guest.cookies[name] = str(store.session_key)

    assert guest.send("GET", "/api/me").json()["username"] == "guest"


@pytest.mark.either_database
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:3001", ""]
)
def test_a_page_of_a_foreign_origin_cannot_write(guest: ApiClient, origin: str) -> None:
    answer = guest.send(
        "POST", "/api/tasks", {"title": "Buy milk"}, headers={"Origin": origin}
    )

    assert_problem(
        answer,
        "origin_refused",
        "/api/tasks",
        "Add this page's origin to CORS_ALLOWED_ORIGINS to let it write here.",
    )
    assert not Task.objects.exists()


@pytest.mark.either_database
@pytest.mark.parametrize("suffix", ["/toggle", "/complete"])
def test_a_foreign_page_cannot_write_without_a_body_either(
    guest: ApiClient, suffix: str
) -> None:
    guest.send("POST", "/api/tasks", {"title": "Buy milk"})
    task = Task.objects.get()
    before = as_json(task)

    answer = guest.send(
        "POST",
        f"/api/tasks/{task.pk}{suffix}",
        headers={"Origin": "https://evil.example"},
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")
    assert as_json(task) == before


@pytest.mark.either_database
@pytest.mark.parametrize("origin", ["http://testserver", "http://localhost:3000"])
def test_a_page_of_an_allowed_origin_can_write(guest: ApiClient, origin: str) -> None:
    answer = guest.send(
        "POST", "/api/tasks", {"title": "Buy milk"}, headers={"Origin": origin}
    )

    assert (answer.status_code, answer.json()) == (201, as_json(Task.objects.get()))


@pytest.mark.either_database
def test_every_origin_can_write_where_all_are_allowed(
    guest: ApiClient, settings: Settings
) -> None:
    settings.CORS_ALLOW_ALL_ORIGINS = True

    answer = guest.send(
        "POST",
        "/api/tasks",
        {"title": "Buy milk"},
        headers={"Origin": "https://anywhere.example"},
    )

    assert answer.status_code == 201


def test_it_asks_for_the_guest_and_the_page(
    guest: ApiClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    guest.send("POST", "/api/tasks", {"title": "Buy milk"})

    with django_assert_num_queries(2):
        guest.send("GET", "/api/tasks")
