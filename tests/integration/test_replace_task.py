"""PUT /api/tasks/{id}"""

from typing import Any

import pytest
from django.utils import timezone

from taskproject.accounts.models import User
from tests.conftest import YESTERDAY, ApiClient, make_old_task, make_task
from tests.support.answers import (
    PLAIN,
    as_json,
    rfc3339,
)


def test_it_replaces_the_task_and_answers_with_it(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, description="Oat")
    before = timezone.now()

    answer = api.send(
        "PUT",
        f"/api/tasks/{task.pk}",
        {"title": " Buy bread ", "description": "Rye", "completed": True},
    )

    task.refresh_from_db()
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2.3"'
    assert answer.json() == {
        **PLAIN,
        "id": task.pk,
        "title": "Buy bread",
        "description": "Rye",
        "completed": True,
        "completed_at": rfc3339(task.updated_at),
        "position": task.position,
        "created_at": rfc3339(YESTERDAY),
        "updated_at": rfc3339(task.updated_at),
        "version": 2,
    }
    assert answer.json() == as_json(task)
    assert task.owner == alice
    assert before <= task.updated_at <= timezone.now()


def test_what_is_left_out_goes_back_to_its_default(api: ApiClient, alice: User) -> None:
    task = make_task(alice, description="Oat", completed=True)

    answer = api.send("PUT", f"/api/tasks/{task.pk}", {"title": "Buy milk"})

    assert (answer.status_code, answer.json()) == (200, as_json(task))
    assert (task.description, task.completed, task.completed_at) == ("", False, None)
    assert task.version == 2


def test_it_keeps_the_time_of_the_first_completion(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, completed=True)

    answer = api.send(
        "PUT", f"/api/tasks/{task.pk}", {"title": "Buy bread", "completed": True}
    )

    assert answer.json() == as_json(task)
    assert task.completed_at == YESTERDAY
    assert task.updated_at > YESTERDAY


def test_the_same_again_changes_nothing(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, completed=True, description="Oat")
    before = as_json(task)

    answer = api.send(
        "PUT",
        f"/api/tasks/{task.pk}",
        {"title": "Buy milk", "description": "Oat", "completed": True},
    )

    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"1.3"'
    assert answer.json() == before == as_json(task)


def test_other_tasks_stay_as_they_are(api: ApiClient, alice: User) -> None:
    task, other = make_task(alice), make_task(alice)
    before = as_json(other)

    api.send("PUT", f"/api/tasks/{task.pk}", {"title": "Buy bread"})

    assert as_json(other) == before


def test_an_id_beyond_its_column_is_missing(api: ApiClient) -> None:
    answer = api.send("PUT", f"/api/tasks/{2**63}", {"title": "Buy bread"})

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/title", "missing"),
        ({"completed": True}, "/title", "missing"),
        ({"title": " "}, "/title", "string_too_short"),
        ({"title": "x" * 201}, "/title", "string_too_long"),
        ({"title": None}, "/title", "string_type"),
        ({"title": "a\x00"}, "/title", "nul_character"),
        ({"title": "x", "description": "y" * 10_001}, "/description", None),
        ({"title": "x", "description": None}, "/description", "string_type"),
        ({"title": "x", "completed": "yes"}, "/completed", "bool_type"),
        ({"title": "x", "completed": None}, "/completed", "bool_type"),
        ({"title": "x", "version": 1}, "/version", "unknown"),
        ({"title": "x", "id": 1}, "/id", "unknown"),
        ([], "", "object_type"),
    ],
)
def test_it_refuses_a_bad_body(
    api: ApiClient, alice: User, body: Any, pointer: str, code: str | None
) -> None:
    task = make_task(alice)
    before = as_json(task)

    answer = api.send("PUT", f"/api/tasks/{task.pk}", body)

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["in"], error["pointer"]) == ("body", pointer)
    assert error["code"] == (code or "string_too_long")
    assert as_json(task) == before


def test_it_needs_a_body(api: ApiClient, alice: User) -> None:
    task = make_task(alice)
    before = as_json(task)

    answer = api.send("PUT", f"/api/tasks/{task.pk}")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert as_json(task) == before
