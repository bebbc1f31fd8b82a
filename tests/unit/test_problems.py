"""The one shape of every error answer"""

import json
import logging
import re
from collections import Counter
from typing import Any

import pytest
from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
)
from django.db.utils import OperationalError, ProgrammingError
from django.http import (
    Http404,
    HttpResponse,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.test import RequestFactory

from taskproject import problems
from tests.support.problems import TITLES

KINDS = list(problems.kinds())
SECRET = "SELECT secret FROM /etc/passwd"


def get(path: str = "/api/tasks") -> Any:
    request: Any = RequestFactory().get(path)
    request.id = "trace-42"
    return request


def caused_by(error: Exception, sqlstate: str) -> Exception:
    """As Django raises what psycopg raised."""
    cause = Exception(SECRET)
    cause.sqlstate = sqlstate  # type: ignore[attr-defined]  # as psycopg.Error has it
    error.__cause__ = cause
    return error


# Kinds


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_a_kind_tells_what_it_means(kind: type[problems.Problem]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert 400 <= kind.status <= 599
    assert kind.title and not kind.title.endswith(".")
    assert kind.__doc__ and kind.__doc__.endswith(".")


def test_statuses_and_titles_stay() -> None:
    assert {kind.code: (kind.status, kind.title) for kind in KINDS} == TITLES


def test_no_code_is_used_twice() -> None:
    assert Counter(kind.code for kind in KINDS).most_common(1)[0][1] == 1


def test_the_drawing_shows_every_kind() -> None:
    drawn = re.findall(r"─ (\w+) +(\d{3}) (\w+)", problems.__doc__ or "")

    assert sorted(drawn) == sorted(
        (kind.__name__, str(kind.status), kind.code) for kind in KINDS
    )


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    problem = problems.NotFound("You have no task with this id.")

    assert problem.as_dict("/api/tasks/1") == {
        "type": "/api/problems#not_found",
        "title": "Not found",
        "status": 404,
        "detail": "You have no task with this id.",
        "instance": "/api/tasks/1",
        "code": "not_found",
    }


def test_a_problem_carries_its_errors_and_extensions() -> None:
    errors = [{"in": "body", "pointer": "/a", "code": "missing", "detail": "Send it."}]

    members = problems.Invalid("Send it.", errors=errors, current=7).as_dict("/api")

    assert (members["errors"], members["current"]) == (errors, 7)


def test_headers_of_a_problem_add_to_those_of_its_kind() -> None:
    problem = problems.Unavailable("Wait.", headers={"X-More": "1"})

    assert problem.extra_headers == {"Retry-After": "1", "X-More": "1"}
    assert problems.Unavailable.headers == {"Retry-After": "1"}


# from_exception


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (problems.LengthRequired("Send it."), 411, "length_required"),
        (Http404(SECRET), 404, "not_found"),
        (PermissionDenied(SECRET), 403, "forbidden"),
        (DisallowedHost(SECRET), 400, "bad_host"),
        (RequestDataTooBig(SECRET), 413, "content_too_large"),
        (SuspiciousOperation(SECRET), 400, "bad_request"),
        (IntegrityError(SECRET), 409, "conflict"),
        (DataError(SECRET), 422, "invalid"),
        (OperationalError(SECRET), 503, "unavailable"),
        (InterfaceError(SECRET), 503, "unavailable"),
        (caused_by(ProgrammingError(SECRET), "42P01"), 503, "unavailable"),
        (caused_by(ProgrammingError(SECRET), "42703"), 503, "unavailable"),
        (caused_by(ProgrammingError(SECRET), "42601"), 500, "server_error"),
        (ProgrammingError(SECRET), 500, "server_error"),
        (DatabaseError(SECRET), 500, "server_error"),
        (ValueError(SECRET), 500, "server_error"),
        (KeyError(SECRET), 500, "server_error"),
    ],
    ids=repr,
)
def test_an_exception_becomes_a_problem_that_tells_nothing_of_it(
    error: Exception, status: int, code: str
) -> None:
    response = problems.respond(get(), error)

    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    members = json.loads(response.content)
    assert members == {
        "type": f"/api/problems#{code}",
        "title": members["title"],
        "status": status,
        "detail": members["detail"],
        "instance": "/api/tasks",
        "code": code,
        **({"retry_after": 1} if status == 503 else {}),
    }
    assert SECRET not in response.text
    assert (response.headers.get("Retry-After") == "1") == (status == 503)


# What is logged


@pytest.mark.parametrize(
    ("error", "logged", "traced"),
    [
        (problems.NotFound("x"), False, False),
        (IntegrityError(), False, False),
        (problems.Unavailable("x"), False, False),
        (OperationalError(), True, False),
        (ValueError(), True, True),
        (ProgrammingError(), True, True),
    ],
    ids=repr,
)
def test_only_our_own_failures_are_logged(
    caplog: pytest.LogCaptureFixture, error: Exception, logged: bool, traced: bool
) -> None:
    problems.respond(get(), error)

    assert [
        (record.levelno, bool(record.exc_info), getattr(record, "fields")["id"])  # noqa: B009 - unknown to LogRecord
        for record in caplog.records
    ] == ([(logging.ERROR, traced, "trace-42")] if logged else [])


def test_the_log_names_the_state_that_the_database_gave(
    caplog: pytest.LogCaptureFixture,
) -> None:
    problems.respond(get(), caused_by(OperationalError(), "57P01"))

    assert getattr(caplog.records[0], "fields")["sqlstate"] == "57P01"  # noqa: B009 - unknown to LogRecord


# rewrite


@pytest.mark.parametrize(
    ("status", "rewritten", "code"),
    [
        (400, 400, "bad_request"),
        (403, 403, "forbidden"),
        (404, 404, "not_found"),
        (413, 413, "content_too_large"),
        (500, 500, "server_error"),
        (418, 500, "server_error"),
    ],
)
def test_a_page_becomes_a_problem(status: int, rewritten: int, code: str) -> None:
    response = HttpResponse(f"<h1>{SECRET}</h1>", status=status)
    response.headers["Content-Length"] = "1"

    problems.rewrite(get(), response)

    members = json.loads(response.content)
    assert (response.status_code, members["status"], members["code"]) == (
        rewritten,
        rewritten,
        code,
    )
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Content-Length"] == str(len(response.content))
    assert SECRET not in response.text


def test_a_rewritten_answer_keeps_its_headers() -> None:
    response = HttpResponseNotAllowed(["GET", "POST"])

    problems.rewrite(get(), response)

    assert response.headers["Allow"] == "GET, POST"
    assert json.loads(response.content)["code"] == "method_not_allowed"


def test_a_problem_is_left_as_it_is() -> None:
    response = problems.respond(get(), problems.InvalidToken("Send another."))
    before = response.content

    problems.rewrite(get(), response)

    assert response.content == before


def test_a_stream_is_left_as_it_is() -> None:
    response = StreamingHttpResponse([b"x"], status=404)

    problems.rewrite(get(), response)

    assert list(response) == [b"x"]


# Where errors are problems


@pytest.mark.parametrize(
    ("path", "is_api"),
    [
        ("/api", True),
        ("/api/", True),
        ("/api/tasks", True),
        ("/api/nowhere/at/all", True),
        ("/livez", True),
        ("/livez/", True),
        ("/readyz", True),
        ("/", False),
        ("/apis", False),
        ("/livezz", False),
        ("/admin/", False),
        ("/admin/api/", False),
        ("/nowhere", False),
    ],
)
def test_errors_are_problems_under_the_api_and_health_paths(
    path: str, is_api: bool
) -> None:
    assert problems.is_api(get(path)) == is_api


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/api/tasks", "application/problem+json"),
        ("/admin/", "text/html; charset=utf-8"),
    ],
)
def test_people_get_a_page_and_programs_a_problem(path: str, content_type: str) -> None:
    response = problems.bad_request(get(path), DisallowedHost(SECRET))

    assert response.status_code == 400
    assert response.headers["Content-Type"] == content_type
    assert "This host is not served here" in response.text
    assert SECRET not in response.text


@pytest.mark.parametrize("error", [InternalError(), OperationalError()])
def test_a_server_that_became_read_only_is_unavailable(error: Exception) -> None:
    assert isinstance(problems.from_exception(error), problems.Unavailable)


@pytest.mark.parametrize("path", ["*", "", "//api/tasks", "/"])
def test_a_path_of_any_shape_is_under_the_api_or_not(path: str) -> None:
    request = get()
    request.path_info = path

    assert problems.is_api(request) is (path == "//api/tasks")
