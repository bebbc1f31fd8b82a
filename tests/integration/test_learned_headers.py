"""The headers of the short way: learned from an answer that went through the middleware
(taskproject/express.py); and what the middleware answers itself, the short way leaves."""

import json
import os
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import connection
from django.test import RequestFactory
from pytest_django import Settings

from taskproject import express
from taskproject.accounts.models import User
from taskproject.wsgi import application
from tasks.models import Event, Task
from tests.conftest import ApiClient, make_task, make_token

pytestmark = pytest.mark.django_db(transaction=True)

#: A cookie sends a request the long way, and changes nothing else.
LONG = {"Cookie": "a=b"}
FRONTEND = "http://localhost:3000"
CALLERS: list[dict[str, str]] = [
    {},
    {"Host": "127.0.0.1:8000"},
    {"Origin": FRONTEND},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Host": "127.0.0.1", "Origin": FRONTEND, "X-Forwarded-Proto": "https"},
    {"X-Forwarded-Host": "evil.example"},
]


@pytest.fixture
def without_tasks(db: None) -> Iterator[None]:
    """A database whose tasks cannot be read."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tasks_task RENAME TO elsewhere")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE elsewhere RENAME TO tasks_task")


def told(answer: Any) -> tuple[int, dict[str, str], bytes]:
    return answer.status_code, dict(answer.headers), answer.content


@pytest.mark.parametrize("callers", [CALLERS, CALLERS[::-1]], ids=["up", "down"])
@pytest.mark.parametrize("https", [False, True])
def test_every_caller_gets_the_headers_that_the_middleware_gives_them(
    known: ApiClient, alice: User, callers: list[dict[str, str]], https: bool
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"
    for caller in callers:  # all are learned before one is asked for again
        known.send("GET", path, headers=caller, secure=https)

    for caller in callers:
        sent = caller | {"X-Request-ID": "one"}
        short = known.send("GET", path, headers=sent, secure=https)
        long = known.send("GET", path, headers=sent | LONG, secure=https)

        assert told(short) == told(long)


def test_the_second_answer_to_a_caller_passes_no_middleware(
    known: ApiClient, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express.Express, "_learn", None)

    assert known.send("GET", f"/api/tasks/{task.pk}").status_code == 200
    assert known.send("POST", "/api/tasks", {"title": "New"}).status_code == 201


def test_an_answer_without_content_teaches_and_gets_the_same(
    known: ApiClient, task: Task
) -> None:
    sent = {"If-None-Match": "*", "X-Request-ID": "one"}
    path = f"/api/tasks/{task.pk}"

    first, second = (known.send("GET", path, headers=sent) for _ in range(2))
    long = known.send("GET", path, headers=sent | LONG)

    assert first.status_code == 304
    assert told(first) == told(second) == told(long)
    whole = known.send("GET", path)
    assert whole.headers["Content-Length"] == str(len(whole.content))


def test_a_host_that_is_not_served_gets_and_changes_nothing(
    known: ApiClient, task: Task
) -> None:
    for _ in range(3):
        answer = known.send(
            "POST", "/api/tasks", {"title": "New"}, headers={"Host": "evil.example"}
        )
        assert answer.status_code == 400
        assert answer.headers["Content-Type"] == "application/problem+json"

    assert Task.objects.count() == 1


def test_as_many_callers_are_kept_as_fit(
    known: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express, "MOST_ADDED", 3)

    for number in range(10):
        origin = f"https://{number}.example"
        answer = known.send("GET", "/api/tasks", headers={"Origin": origin})
        assert answer.status_code == 200
        assert len(express._added) <= 3


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("POST", {"title": "New"})]
)
def test_a_failure_of_the_database_is_told_as_on_the_long_way(
    known: ApiClient, without_tasks: None, method: str, body: Any
) -> None:
    sent = {"X-Request-ID": "one"}

    short = known.send(method, "/api/tasks", body, headers=sent)
    long = known.send(method, "/api/tasks", body, headers=sent | LONG)

    assert short.status_code == 503
    assert told(short) == told(long)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="a deadline's")
def test_a_request_that_waits_in_vain_has_one_deadline_and_tells_how_long(
    known: ApiClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DATABASE_TIMEOUT = 1
    url = os.environ["DATABASE_URL"]
    name = connection.settings_dict["NAME"]
    with psycopg.connect(urlsplit(url)._replace(path=f"/{name}").geturl()) as other:
        other.execute("LOCK TABLE tasks_task IN ACCESS EXCLUSIVE MODE")
        started = time.monotonic()
        with caplog.at_level("INFO", "taskproject.requests"):
            answer = known.send("GET", "/api/tasks")
        took = time.monotonic() - started

    assert answer.status_code == 503
    assert 1 <= took < 2
    *_, line = [one.fields for one in caplog.records if hasattr(one, "fields")]
    assert 1_000 <= line["ms"] <= took * 1_000


def test_a_bug_is_told_once_and_by_its_identifier(
    known: ApiClient,
    task: Task,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[Any] = []

    def broken(*inputs: Any, **_: Any) -> None:
        calls.append(inputs)
        raise RuntimeError("a bug")

    monkeypatch.setattr(express, "get_task", broken)
    with caplog.at_level("INFO", "taskproject"):
        answer = known.send("GET", f"/api/tasks/{task.pk}")

    assert (answer.status_code, len(calls)) == (500, 1)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert b"a bug" not in answer.content
    identifiers = {record.fields["id"] for record in caplog.records}  # type: ignore[attr-defined]  # as we log
    assert identifiers == {answer.headers["X-Request-ID"]}


# The application itself, as a server calls it.


def call(
    factory: RequestFactory, secret: str, method: str, path: str, body: Any = None
) -> tuple[str, dict[str, str], Any]:
    content = json.dumps(body) if body is not None else ""
    kind = "application/json" if content else ""
    headers = {"Authorization": f"Bearer {secret}", "Origin": FRONTEND}
    request = factory.generic(method, path, content, kind, headers=headers)
    told: list[Any] = []
    parts = application(request.environ, lambda *start: told.extend(start))
    answer = b"".join(parts)
    if hasattr(parts, "close"):
        parts.close()
    status, given = told
    return status, dict(given), json.loads(answer)


def test_what_the_short_way_has_read_the_long_way_reads_again(
    alice: User, rf: RequestFactory
) -> None:
    secret = make_token(alice)
    for _ in range(2):  # the token, then the headers
        status, first, _ = call(rf, secret, "POST", "/api/tasks", {"title": "New"})
        assert status == "201 Created"

    status, short, _ = call(rf, secret, "POST", "/api/tasks", {"title": "New"})
    assert (status, short.keys()) == ("201 Created", first.keys())
    tagged = {"title": "New", "tags": ["errand"]}
    status, long, task = call(rf, secret, "POST", "/api/tasks", tagged)
    assert (status, long.keys()) == ("201 Created", first.keys())
    assert task["tags"] == ["errand"]
    status, refused, problem = call(rf, secret, "POST", "/api/tasks", {"title": ""})
    # Python 3.13 calls it Content.
    assert (status.partition(" ")[0], problem["code"]) == ("422", "invalid")
    assert refused["access-control-allow-origin"] == FRONTEND
    assert Task.objects.count() == 4
    assert Event.objects.filter(task_id__isnull=False).count() == 4
