"""GET /api/tasks/{id}"""

import pytest
from pytest_django import DjangoAssertNumQueries

from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_task
from tests.support.answers import (
    as_json,
)


def test_it_answers_with_the_task(api: ApiClient, alice: User) -> None:
    task = make_task(alice, "Buy milk", description="Oat")

    answer = api.send("GET", f"/api/tasks/{task.pk}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["ETag"] == '"1.3"'
    assert answer.json() == as_json(task)


def test_a_completed_task_tells_when(api: ApiClient, alice: User) -> None:
    task = make_task(alice, completed=True)

    answer = api.send("GET", f"/api/tasks/{task.pk}")

    assert answer.json() == as_json(task)
    assert answer.json()["completed_at"] == answer.json()["created_at"]


def test_the_etag_is_the_version(api: ApiClient, alice: User) -> None:
    task = make_task(alice)
    api.send("POST", f"/api/tasks/{task.pk}/toggle")

    answer = api.send("GET", f"/api/tasks/{task.pk}")

    assert (answer.headers["ETag"], answer.json()["version"]) == ('"2.3"', 2)


@pytest.mark.parametrize(
    "task_id", ["0", "9223372036854775807", "9223372036854775808", "9" * 40]
)
def test_an_id_that_no_column_can_hold_is_missing(api: ApiClient, task_id: str) -> None:
    path = f"/api/tasks/{task_id}"

    answer = api.send("GET", path)

    assert answer.status_code == 404
    assert answer.json() == missing_row(path, "task")


@pytest.mark.parametrize(
    "task_id", ["-1", "one", "1.0", "1e3", "0x1", "%00", "%D9%A1", "9" * 5000]
)
def test_what_is_no_id_is_an_unknown_path(api: ApiClient, task_id: str) -> None:
    answer = api.send("GET", f"/api/tasks/{task_id}")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/api/problems#not_found",
        "title": "Not found",
        "status": 404,
        "detail": "Nothing is here. GET /api/openapi.json lists what is.",
        "instance": answer.wsgi_request.path,
        "code": "not_found",
    }


def test_it_takes_no_other_parameter_than_the_zone(api: ApiClient, alice: User) -> None:
    answer = api.send("GET", f"/api/tasks/{make_task(alice).pk}?fields=title")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "in": "query",
            "pointer": "/fields",
            "code": "unknown",
            "detail": "Unknown parameter 'fields'; known here: tz.",
        }
    ]


def test_a_trailing_slash_changes_nothing(api: ApiClient, alice: User) -> None:
    task = make_task(alice)

    answer = api.send("GET", f"/api/tasks/{task.pk}/")

    assert (answer.status_code, answer.json()) == (200, as_json(task))


def test_head_answers_the_headers_alone(api: ApiClient, alice: User) -> None:
    answer = api.send("HEAD", f"/api/tasks/{make_task(alice).pk}")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["ETag"] == '"1.3"'


def test_it_is_kept_by_no_shared_cache(api: ApiClient, alice: User) -> None:
    answer = api.send("GET", f"/api/tasks/{make_task(alice).pk}")

    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_it_asks_for_the_token_and_the_task_at_once(
    api: ApiClient, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"
    api.send("GET", path)  # notes the token's use

    with django_assert_num_queries(1):
        api.send("GET", path)
