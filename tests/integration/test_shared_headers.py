"""Headers that all responses of the API share, errors that the pipeline answers, and the
WSGI application as a server calls it."""

import json
import os
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import psycopg
import pytest
from corsheaders.middleware import CorsMiddleware
from django.core.signals import request_started  # noqa: TID251  # as agents do
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import get_urlconf
from pytest_django import Settings

from taskproject import __version__
from taskproject.accounts.models import User
from taskproject.api import api
from taskproject.pipeline import shared_headers
from tasks.models import Event, Task
from tests.conftest import ApiClient, make_task, make_token

pytestmark = pytest.mark.django_db(transaction=True)

#: A cookie has a request pass Django's middleware, and changes nothing else.
COOKIE = {"Cookie": "a=b"}
CORS = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-max-age",
    "access-control-allow-private-network",
]
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
def test_headers_are_of_the_origin_and_scheme_of_each_request(
    known: ApiClient, alice: User, callers: list[dict[str, str]], https: bool
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"
    for caller in callers:  # each once, before one is asked for again
        known.send("GET", path, headers=caller, secure=https)

    for caller in callers:
        sent = caller | {"X-Request-ID": "one"}
        plain = known.send("GET", path, headers=sent, secure=https)
        other = known.send("GET", path, headers=sent | COOKIE, secure=https)

        assert told(plain) == told(other)


def test_a_response_without_content_has_the_same_headers(
    known: ApiClient, task: Task
) -> None:
    sent = {"If-None-Match": "*", "X-Request-ID": "one"}
    path = f"/api/tasks/{task.pk}"

    first, second = (known.send("GET", path, headers=sent) for _ in range(2))
    other = known.send("GET", path, headers=sent | COOKIE)

    assert first.status_code == 304
    assert told(first) == told(second) == told(other)
    whole = known.send("GET", path)
    assert whole.headers["Content-Length"] == str(len(whole.content))


@pytest.mark.parametrize("headers", [{}, COOKIE], ids=["plain", "cookie"])
@pytest.mark.parametrize(
    ("path", "status"), [("/api/tasks", 200), ("/api/tasks/0", 404), ("/api/x", 404)]
)
def test_json_has_no_headers_that_concern_pages(
    known: ApiClient, headers: dict[str, str], path: str, status: int
) -> None:
    answer = known.send("GET", path, headers=headers)

    assert answer.status_code == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["API-Version"] == __version__
    page = {"Content-Security-Policy", "Cross-Origin-Opener-Policy", "Referrer-Policy"}
    page.add("X-Frame-Options")
    assert not page & set(answer.headers)
    assert page <= set(known.get("/api/docs", headers=headers).headers)


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


def test_a_long_origin_is_not_remembered(known: ApiClient) -> None:
    before = shared_headers.cache_info().currsize

    known.send("GET", "/api/tasks", headers={"Origin": f"https://{'a' * 300}.example"})

    assert shared_headers.cache_info().currsize == before


ORIGINS = [
    *(
        "",
        FRONTEND,
        "http://localhost:3000/",
        "https://evil.example",
        "null",
        "http://[",
    ),
    *("HTTP://LOCALHOST:3000", "http://localhost:3001", "http://localhost:3000.evil"),
]


#: A simple request, a preflight, and one from a public to a private network.
ASKED: list[dict[str, str]] = [
    {},
    {"Access-Control-Request-Method": "PATCH"},
    {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "if-match",
        "Access-Control-Request-Private-Network": "true",
    },
]


@pytest.mark.either_database
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("private_network", [False, True])
def test_cors_headers_are_those_of_django_cors_headers(
    known: ApiClient,
    settings: Settings,
    rf: RequestFactory,
    origin: str,
    private_network: bool,
) -> None:
    settings.CORS_ALLOW_PRIVATE_NETWORK = private_network
    cors: Any = CorsMiddleware(lambda _: HttpResponse())
    for method, asked in product(("GET", "POST", "DELETE", "OPTIONS"), ASKED):
        headers = asked | ({"Origin": origin} if origin else {})
        theirs = cors(rf.generic(method, "/api/tags", headers=headers)).headers

        ours = known.send(method, "/api/tags", headers=headers).headers

        for name in CORS:
            assert ours.get(name) == theirs.get(name), (method, asked, name)
        exposed = theirs.get("access-control-expose-headers")
        assert ours.get("access-control-expose-headers") == (
            exposed and ", ".join(name for name in exposed.split(", ") if name in ours)
        )
        assert ours["Vary"] == "origin, Accept-Encoding"


@pytest.mark.parametrize(
    ("method", "body"), [("GET", None), ("POST", {"title": "New"})]
)
def test_a_cookie_changes_no_failure_of_the_database(
    known: ApiClient, without_tasks: None, method: str, body: Any
) -> None:
    sent = {"X-Request-ID": "one"}

    plain = known.send(method, "/api/tasks", body, headers=sent)
    other = known.send(method, "/api/tasks", body, headers=sent | COOKIE)

    assert plain.status_code == 503
    assert told(plain) == told(other)


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

    monkeypatch.setattr("tasks.api.tasks.read", broken)
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
    # Its import resumes jobs in a thread, which would go on during other tests.
    with patch("taskproject.jobs.start"):
        from taskproject.wsgi import Application

    content = json.dumps(body) if body is not None else ""
    kind = "application/json" if content else ""
    headers = {"Authorization": f"Bearer {secret}", "Origin": FRONTEND}
    request = factory.generic(method, path, content, kind, headers=headers)
    told: list[Any] = []

    def start(
        status: str, given: list[tuple[str, str]], _: object = None, /
    ) -> Callable[[bytes], object]:
        told.extend((status, given))
        return lambda _: None

    parts = Application()(request.environ, start)
    answer = b"".join(parts)
    if hasattr(parts, "close"):
        parts.close()
    status, given = told
    return status, dict(given), json.loads(answer)


@pytest.mark.parametrize("signals", [False, True])
def test_a_server_gets_status_headers_and_body(
    alice: User, rf: RequestFactory, settings: Settings, signals: bool
) -> None:
    settings.REQUEST_SIGNALS = signals
    secret = make_token(alice)

    status, headers, task = call(rf, secret, "POST", "/api/tasks", {"title": "New"})
    refused, given, problem = call(rf, secret, "POST", "/api/tasks", {"title": ""})

    assert (status, task["title"]) == ("201 Created", "New")
    assert headers["Location"] == f"http://testserver/api/tasks/{task['id']}"
    # Python 3.13 calls it Content.
    assert (refused.partition(" ")[0], problem["code"]) == ("422", "invalid")
    assert given["access-control-allow-origin"] == FRONTEND
    assert Event.objects.filter(task_id__isnull=False).count() == 1


@pytest.mark.parametrize("signals", [False, True])
def test_agents_see_api_requests_where_signals_are_on(
    alice: User, rf: RequestFactory, settings: Settings, signals: bool
) -> None:
    settings.REQUEST_SIGNALS = signals
    seen: list[str] = []

    def note(environ: dict[str, Any], **_: Any) -> None:
        seen.append(environ["PATH_INFO"])

    request_started.connect(note)
    try:
        call(rf, make_token(alice), "GET", "/api/tasks")
    finally:
        request_started.disconnect(note)

    assert seen == (["/api/tasks"] if signals else [])


def test_a_thread_that_served_the_paths_of_allauth_serves_the_document(
    alice: User, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those paths have a URLconf of their own."""
    monkeypatch.setattr(api, "_document", None)
    secret = make_token(alice)

    answers = [
        call(rf, secret, "GET", path)
        for path in ("/api/auth/app/v1/config", "/api/openapi.json")
    ]

    assert [status for status, _, _ in answers] == ["200 OK", "200 OK"]
    assert get_urlconf() is None
