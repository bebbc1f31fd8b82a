"""Every operation, called with the session of somebody signed in"""

import pytest
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import force_login, make_task
from tests.support.answers import as_json, assert_a_credential_is_needed
from tests.support.problems import assert_problem


@pytest.fixture
def browser(alice: User) -> Client:
    """Alice signed in, with CSRF protection as in production."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    force_login(client, alice)
    return client


def csrf_token(browser: Client) -> str:
    token: str = browser.get("/api/me").json()["csrf_token"]
    return token


def test_a_session_reads(browser: Client, alice: User, bob: User) -> None:
    task = make_task(alice)
    make_task(bob)

    answer = browser.get("/api/tasks")

    assert answer.status_code == 200
    assert answer.json() == {"items": [as_json(task)], "next_cursor": None}


@pytest.mark.either_database
@pytest.mark.parametrize("header", [None, "", "x" * 64, "\x00", "é"])
@pytest.mark.parametrize(("method", "suffix"), [("PATCH", ""), ("POST", "/toggle")])
def test_a_write_needs_the_csrf_token(
    browser: Client, alice: User, method: str, suffix: str, header: str | None
) -> None:
    task = make_task(alice)
    before = as_json(task)
    csrf_token(browser)  # the cookie is there; what is missing is the header
    path = f"/api/tasks/{task.pk}{suffix}"

    answer = browser.generic(
        method,
        path,
        b'{"title": "Buy bread"}' if method == "PATCH" else b"",
        "application/json",
        headers={} if header is None else {"X-CSRFToken": header},
    )

    assert_problem(
        answer,
        "csrf_failed",
        path,
        "Send the header X-CSRFToken, whose value GET /api/me has, from "
        "an origin in CSRF_TRUSTED_ORIGINS.",
    )
    assert as_json(task) == before


def test_the_csrf_token_of_me_lets_write(browser: Client, alice: User) -> None:
    answer = browser.post(
        "/api/tasks",
        {"title": "Buy milk"},
        content_type="application/json",
        headers={"X-CSRFToken": csrf_token(browser)},
    )

    task = Task.objects.get()
    assert (answer.status_code, answer.json()) == (201, as_json(task))
    assert task.owner == alice


@pytest.mark.either_database
def test_the_csrf_token_without_its_cookie_lets_nothing_write(browser: Client) -> None:
    token = csrf_token(browser)
    del browser.cookies[settings.CSRF_COOKIE_NAME]

    answer = browser.post(
        "/api/tasks",
        {"title": "Buy milk"},
        content_type="application/json",
        headers={"X-CSRFToken": token},
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert not Task.objects.exists()


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://testserver", 201),
        ("http://localhost:3000", 201),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_a_page_of_an_untrusted_origin_cannot_write(
    browser: Client, origin: str, status: int
) -> None:
    answer = browser.post(
        "/api/tasks",
        {"title": "Buy milk"},
        content_type="application/json",
        headers={"X-CSRFToken": csrf_token(browser), "Origin": origin},
    )

    assert answer.status_code == status
    assert Task.objects.exists() == (status == 201)


def test_a_user_who_was_disabled_is_out_at_once(browser: Client, alice: User) -> None:
    assert browser.get("/api/me").status_code == 200

    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert_a_credential_is_needed(browser.get("/api/me"), "/api/me")


def test_who_signed_out_is_out_at_once(browser: Client) -> None:
    assert browser.get("/api/me").status_code == 200

    Session.objects.all().delete()

    assert_a_credential_is_needed(browser.get("/api/me"), "/api/me")


@pytest.mark.either_database
@pytest.mark.django_db
@pytest.mark.parametrize("cookie", ["", "x", "x" * 4000, "é", "'; --"])
def test_a_made_up_session_is_none(cookie: str) -> None:
    client = Client(raise_request_exception=False)
    client.cookies[settings.SESSION_COOKIE_NAME] = cookie

    assert_a_credential_is_needed(client.get("/api/me"), "/api/me")


@pytest.mark.either_database
@pytest.mark.django_db
def test_a_cookie_with_control_characters_is_refused() -> None:
    client = Client(raise_request_exception=False)
    client.cookies[settings.SESSION_COOKIE_NAME] = "x\x00"

    answer = client.get("/api/me")

    assert_problem(
        answer,
        "bad_request",
        "/api/me",
        "Send no control characters in cookies or query.",
    )


def test_staff_sees_its_own_tasks_only(staff: Client, carol: User, alice: User) -> None:
    own, other = make_task(carol), make_task(alice)

    assert staff.get("/api/tasks").json()["items"] == [as_json(own)]
    assert staff.get(f"/api/tasks/{other.pk}").status_code == 404


FORMS = ["multipart/form-data", "application/x-www-form-urlencoded; charset=latin-1"]


@pytest.mark.either_database
@pytest.mark.parametrize("content_type", FORMS)
@pytest.mark.parametrize("path", ["/admin/login/", "/api/tasks"])
def test_an_unreadable_form_is_no_failure_of_ours(
    browser: Client, path: str, content_type: str
) -> None:
    browser.get("/admin/login/")

    answer = browser.generic("POST", path, b"a=1", content_type=content_type)

    assert 400 <= answer.status_code < 500


def test_the_log_line_of_a_failed_session_asks_no_database(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fail(self: SessionStore) -> None:
        asked.append("session")
        raise OperationalError

    monkeypatch.setattr(SessionStore, "load", fail)

    answer = browser.get("/api/me")

    assert answer.status_code == 503
    assert answer.headers["X-Request-ID"]
    assert asked == ["session"]
