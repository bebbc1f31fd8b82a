"""Every operation, called with a personal token"""

import time
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction  # noqa: F401 - connection in skipif
from django.test import Client

from taskproject.accounts.models import ApiToken, User
from tasks.models import Task
from tests.conftest import ApiClient, force_login, make_task, make_token
from tests.support.answers import as_json
from tests.support.problems import assert_problem
from tests.support.threads import Threads

UNKNOWN = "Send another token: this one is unknown, revoked or expired."


def assert_the_token_is_refused(answer: Any, detail: str) -> None:
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (
        answer.headers["WWW-Authenticate"]
        == 'Bearer realm="api", error="invalid_token"'
    )
    assert_problem(answer, "invalid_token", answer.wsgi_request.path, detail)


def test_a_token_acts_as_its_user(api: ApiClient, alice: User) -> None:
    api.send("POST", "/api/tasks", {"title": "Buy milk"})

    assert Task.objects.get().owner == alice


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(alice: User, scheme: str) -> None:
    client = Client(headers={"Authorization": f"{scheme} {make_token(alice)}"})

    assert client.get("/api/me").json()["username"] == "alice"


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Bearer tk_" + "x" * 43, UNKNOWN),
        ("Bearer tk_", UNKNOWN),
        ("Bearer tk_\x00", UNKNOWN),
        ("Bearer tk_" + "x" * 100_000, UNKNOWN),
        ("Bearer", "Send a token that begins with tk_."),
        ("Bearer ", "Send a token that begins with tk_."),
        ("Bearer x", "Send a token that begins with tk_."),
        ("Bearer tk_é", "Send a token that begins with tk_."),
        ("Basic YWxpY2U6eA==", "Send Authorization: Bearer tk_..."),
        ("Token tk_x", "Send Authorization: Bearer tk_..."),
        ("tk_" + "x" * 43, "Send Authorization: Bearer tk_..."),
        ("", "Send Authorization: Bearer tk_..."),
    ],
)
def test_what_is_no_working_token_is_refused(
    alice: User, header: str, detail: str
) -> None:
    make_token(alice)

    answer = Client().get("/api/me", headers={"Authorization": header})

    assert_the_token_is_refused(answer, detail)


@pytest.mark.parametrize("field", ["digest", "prefix"])
def test_what_is_stored_of_a_token_does_not_let_in(alice: User, field: str) -> None:
    make_token(alice)
    stored = getattr(ApiToken.objects.get(), field)

    for secret in (stored, f"tk_{stored}"):
        assert ApiClient(secret).send("GET", "/api/me").status_code == 401


@pytest.mark.parametrize(
    ("scopes", "method", "suffix", "needed"),
    [
        ("write", "GET", "", "read"),
        ("write", "HEAD", "", "read"),
        ("read", "PATCH", "", "write"),
        ("read", "POST", "/toggle", "write"),
    ],
)
def test_a_token_may_do_nothing_else(
    alice: User, scopes: str, method: str, suffix: str, needed: str
) -> None:
    task = make_task(alice)
    before = as_json(task)
    body = {"title": "Buy bread"} if method == "PATCH" else None

    answer = ApiClient(make_token(alice, scopes)).send(
        method, f"/api/tasks/{task.pk}{suffix}", body
    )

    assert answer.status_code == 403
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="api", error="insufficient_scope", scope="{needed}"'
    )
    if method != "HEAD":
        assert_problem(
            answer,
            "insufficient_scope",
            f"/api/tasks/{task.pk}{suffix}",
            f"The token 'test' lacks the scope {needed}.",
        )
    assert as_json(task) == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no rows")
def test_noting_its_use_waits_for_nobody_who_has_locked_its_row(alice: User) -> None:
    api = ApiClient(make_token(alice, last_used_at=None))
    with Threads() as threads, transaction.atomic():
        ApiToken.objects.select_for_update().get()
        started = time.monotonic()
        answer = threads.call(lambda: api.send("GET", "/api/me"))

    assert answer.status_code == 200
    assert time.monotonic() - started < settings.DATABASE_TIMEOUT
    assert ApiToken.objects.get().last_used_at is None
    api.send("GET", "/api/me")
    assert ApiToken.objects.get().last_used_at is not None


def test_a_token_beats_a_stray_session_cookie(alice: User, bob: User) -> None:
    client = Client(
        enforce_csrf_checks=True,
        headers={"Authorization": f"Bearer {make_token(alice)}"},
    )
    force_login(client, bob)

    answer = client.post(
        "/api/tasks", {"title": "Buy milk"}, content_type="application/json"
    )

    assert answer.status_code == 201
    assert Task.objects.get().owner == alice
    assert client.get("/api/me").json()["via"] == "token"


def test_a_token_works_from_any_origin(api: ApiClient) -> None:
    answer = api.send(
        "POST",
        "/api/tasks",
        {"title": "Buy milk"},
        headers={"Origin": "https://elsewhere.example"},
    )

    assert answer.status_code == 201
