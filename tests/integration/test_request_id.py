"""X-Request-ID and the log line of every request"""

import logging
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_task, make_token

OURS = re.compile(r"[0-9a-f]{32}")

# A method and path for each kind of answer, with its status.
answers = pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/tasks", 200),
        ("GET", "/api/tasks/1000", 404),
        ("GET", "/api/nowhere", 404),
        ("DELETE", "/api/tasks", 405),
        ("POST", "/api/tasks", 400),
        ("GET", "/api/tasks?limit=0", 422),
        ("GET", "/livez", 200),
        ("GET", "/admin/", 302),
        ("GET", "/nowhere", 404),
    ],
)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "taskproject.requests")
    return caplog


def only_line(lines: pytest.LogCaptureFixture) -> dict[str, Any]:
    [line] = [
        record for record in lines.records if record.name == "taskproject.requests"
    ]
    fields: dict[str, Any] = getattr(line, "fields")  # noqa: B009 - unknown to LogRecord
    return fields


@pytest.mark.either_database
@answers
def test_every_answer_carries_the_callers(
    api: ApiClient, method: str, path: str, status: int
) -> None:
    answer = api.send(method, path, headers={"X-Request-ID": "trace-42"})

    assert answer.status_code == status
    assert answer.headers["X-Request-ID"] == "trace-42"


@pytest.mark.either_database
@pytest.mark.parametrize("request_id", ["x", "x" * 128, "0af7-65_1.9~:/+=Z"])
def test_a_well_formed_one_is_kept(request_id: str) -> None:
    answer = Client().get("/livez", headers={"X-Request-ID": request_id})

    assert answer.headers["X-Request-ID"] == request_id


@pytest.mark.either_database
@pytest.mark.parametrize(
    "request_id",
    [
        "",
        "x" * 129,
        "a b",
        "a\n",
        "a\r\nSet-Cookie: x=y",
        "é",
        "\x00",
        '{"a":1}',
        "<x>",
    ],
)
def test_an_ill_formed_one_is_replaced(request_id: str) -> None:
    answer = Client().get("/livez", headers={"X-Request-ID": request_id})

    assert answer.status_code == 200
    assert OURS.fullmatch(answer.headers["X-Request-ID"])


@answers
def test_every_answer_gets_a_new_one_that_its_log_line_carries(
    api: ApiClient,
    alice: User,
    lines: pytest.LogCaptureFixture,
    method: str,
    path: str,
    status: int,
) -> None:
    answer = api.send(method, path)

    line = only_line(lines)
    assert OURS.fullmatch(answer.headers["X-Request-ID"])
    known = path.startswith("/api/tasks")
    # A method that the path does not take is refused before anybody is asked for.
    known = known and status != 405
    assert (line["round_trips"] > 0) == known
    assert 0 <= line["database_ms"] <= line["ms"]
    assert line == {
        "id": answer.headers["X-Request-ID"],
        "method": method,
        "operation": line["operation"],
        "path": path.partition("?")[0],
        "status": status,
        "ms": line["ms"],
        "database_ms": line["database_ms"],
        "round_trips": line["round_trips"],
        "user": alice.pk if known else None,
        "via": "token" if known else None,
    }
    assert line["ms"] >= 0


def test_the_log_line_names_the_operation_and_its_use_of_the_database(
    api: ApiClient, lines: pytest.LogCaptureFixture
) -> None:
    api.send("POST", "/api/tasks", {"title": "Buy milk"})

    line = only_line(lines)
    assert line["operation"] == "create_task"
    assert line["round_trips"] >= 1
    assert 0 <= line["database_ms"] <= line["ms"]


@pytest.mark.django_db(transaction=True)
def test_the_log_line_counts_what_is_sent_to_postgresql(
    alice: User, lines: pytest.LogCaptureFixture
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is in the same process")
    api = ApiClient(make_token(alice))
    for key in ("one", "two"):
        lines.clear()
        api.send("POST", "/api/tasks", {"title": key}, headers={"Idempotency-Key": key})

    # BEGIN, the claim of the key, the task, the response, COMMIT.
    assert only_line(lines)["round_trips"] == 5


def test_a_head_request_is_logged_as_one(
    api: ApiClient, lines: pytest.LogCaptureFixture
) -> None:
    api.send("HEAD", "/api/tasks")

    assert only_line(lines)["method"] == "HEAD"


def test_a_refused_caller_is_nobody_in_the_log(
    nobody: ApiClient, lines: pytest.LogCaptureFixture
) -> None:
    answer = nobody.send("GET", "/api/tasks")

    line = only_line(lines)
    assert line["id"] == answer.headers["X-Request-ID"]
    assert (line["status"], line["user"], line["via"]) == (401, None, None)


def test_a_session_and_a_guest_are_told_apart(
    staff: Client,
    nobody: ApiClient,
    settings: Settings,
    lines: pytest.LogCaptureFixture,
) -> None:
    settings.API_GUEST = "guest"

    staff.get("/api/me")
    nobody.send("GET", "/api/me")

    assert [getattr(line, "fields")["via"] for line in lines.records] == [  # noqa: B009 - unknown to LogRecord
        "session",
        "guest",
    ]


def test_a_bad_host_has_an_identifier_and_a_line(
    lines: pytest.LogCaptureFixture,
) -> None:
    answer = Client().get("/api/me", headers={"Host": "evil.example"})

    line = only_line(lines)
    assert (line["id"], line["status"]) == (answer.headers["X-Request-ID"], 400)


def test_the_log_holds_no_secret_and_no_text(
    api: ApiClient, alice: User, lines: pytest.LogCaptureFixture
) -> None:
    task = make_task(alice)

    api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "Very private"})
    api.send("GET", "/api/tasks?cursor=private")

    written = "".join(str(vars(record)) for record in lines.records)
    assert "tk_" not in written
    assert "rivate" not in written


def test_a_failure_is_logged_with_the_same(
    api: ApiClient, lines: pytest.LogCaptureFixture
) -> None:
    with connection.cursor() as cursor:  # undone with the test's transaction
        cursor.execute("ALTER TABLE tasks_task RENAME TO not_migrated_yet")

    answer = api.send("GET", "/api/tasks")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    failure, request = (getattr(line, "fields") for line in lines.records)  # noqa: B009 - unknown to LogRecord
    assert failure["id"] == request["id"] == answer.headers["X-Request-ID"]
    assert request["status"] == 503
