"""PATCH /api/tasks/{id}"""

from typing import Any

import pytest
from django.utils import timezone

from taskproject.accounts.models import User
from tests.conftest import YESTERDAY, ApiClient, make_old_task, make_task
from tests.support.answers import (
    as_json,
)


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ({"title": " Buy bread "}, {"title": "Buy bread"}),
        ({"description": "Rye"}, {"description": "Rye"}),
        ({"description": ""}, {"description": ""}),
        (
            {"title": "Buy bread", "description": "Rye"},
            {"title": "Buy bread", "description": "Rye"},
        ),
    ],
)
@pytest.mark.parametrize("completed", [True, False])
def test_it_changes_what_was_sent_and_nothing_else(
    api: ApiClient,
    alice: User,
    completed: bool,
    body: dict[str, Any],
    changed: dict[str, Any],
) -> None:
    task = make_old_task(alice, completed=completed, description="Oat")
    old, before = as_json(task), timezone.now()

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", body)

    new = as_json(task)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2.3"'
    assert answer.json() == new
    assert new == old | changed | {"updated_at": new["updated_at"], "version": 2}
    assert before <= task.updated_at <= timezone.now()
    assert task.owner == alice


def test_completing_sets_the_time(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice)

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", {"completed": True})

    assert answer.json() == as_json(task)
    assert task.completed
    assert task.completed_at == task.updated_at > YESTERDAY


def test_reopening_clears_the_time(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, completed=True)

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", {"completed": False})

    assert answer.json() == as_json(task)
    assert (task.completed, task.completed_at, task.version) == (False, None, 2)


def test_it_keeps_the_time_of_the_first_completion(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, completed=True)

    answer = api.send(
        "PATCH", f"/api/tasks/{task.pk}", {"completed": True, "title": "Buy bread"}
    )

    assert answer.json() == as_json(task)
    assert (task.title, task.completed_at) == ("Buy bread", YESTERDAY)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "Buy milk"},
        {"title": "  Buy milk  "},
        {"description": "Oat"},
        {"completed": True},
        {"title": "Buy milk", "description": "Oat", "completed": True},
    ],
)
def test_what_is_so_already_changes_nothing(
    api: ApiClient, alice: User, body: dict[str, Any]
) -> None:
    task = make_old_task(alice, completed=True, description="Oat")
    before = as_json(task)

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", body)

    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"1.3"'
    assert answer.json() == before == as_json(task)


def test_every_change_counts_the_version_up(api: ApiClient, alice: User) -> None:
    task = make_task(alice)

    versions = [
        api.send("PATCH", f"/api/tasks/{task.pk}", {"title": title}).json()["version"]
        for title in ("a", "b", "b", "a")
    ]

    assert versions == [2, 3, 3, 4]


def test_other_tasks_stay_as_they_are(api: ApiClient, alice: User) -> None:
    task, other = make_task(alice), make_task(alice)
    before = as_json(other)

    api.send("PATCH", f"/api/tasks/{task.pk}", {"completed": True})

    assert as_json(other) == before


def test_it_takes_a_merge_patch(api: ApiClient, alice: User) -> None:
    task = make_task(alice)

    answer = api.generic(
        "PATCH",
        f"/api/tasks/{task.pk}",
        b'{"title": "Buy bread"}',
        "application/merge-patch+json",
    )

    assert (answer.status_code, answer.json()) == (200, as_json(task))
    assert task.title == "Buy bread"


@pytest.mark.parametrize("body", [{}, {"title": "Buy bread"}])
def test_an_id_beyond_its_column_is_missing(
    api: ApiClient, body: dict[str, Any]
) -> None:
    answer = api.send("PATCH", f"/api/tasks/{2**63}", body)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "pointer", "code", "detail"),
    [
        (
            {"title": " "},
            "/title",
            "string_too_short",
            "Send at least one character that is not a space.",
        ),
        (
            {"title": "x" * 201},
            "/title",
            "string_too_long",
            "Send at most 200 characters.",
        ),
        ({"title": None}, "/title", "string_type", "Send a string."),
        (
            {"title": "a\x00"},
            "/title",
            "nul_character",
            "Remove the NUL character (\\u0000).",
        ),
        ({"description": None}, "/description", "string_type", "Send a string."),
        (
            {"description": "y" * 10_001},
            "/description",
            "string_too_long",
            "Send at most 10,000 characters.",
        ),
        ({"completed": None}, "/completed", "bool_type", "Send true or false."),
        ({"completed": "true"}, "/completed", "bool_type", "Send true or false."),
        ({"completed": 0}, "/completed", "bool_type", "Send true or false."),
        (
            {"complete": True},
            "/complete",
            "unknown",
            "Unknown member 'complete'; did you mean 'completed'?",
        ),
        ([], "", "object_type", "Send a JSON object."),
    ],
)
def test_it_refuses_a_bad_body(
    api: ApiClient, alice: User, body: Any, pointer: str, code: str, detail: str
) -> None:
    task = make_task(alice)
    before = as_json(task)
    path = f"/api/tasks/{task.pk}"

    answer = api.send("PATCH", path, body)

    assert answer.status_code == 422
    assert answer.json() == {
        "type": "/api/problems#invalid",
        "title": "The input is not valid",
        "status": 422,
        "detail": f"{pointer or 'body'}: {detail}",
        "instance": path,
        "code": "invalid",
        "errors": [{"in": "body", "pointer": pointer, "code": code, "detail": detail}],
    }
    assert as_json(task) == before


@pytest.mark.parametrize(
    "member", ["id", "owner", "version", "completed_at", "created_at", "updated_at"]
)
def test_what_the_service_sets_cannot_be_sent(
    api: ApiClient, alice: User, member: str
) -> None:
    task = make_task(alice)
    before = as_json(task)

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "x", member: 1})

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (f"/{member}", "unknown")
    assert as_json(task) == before


def test_one_bad_member_stops_the_good_ones(api: ApiClient, alice: User) -> None:
    task = make_task(alice)
    before = as_json(task)

    api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "Good", "completed": "no"})

    assert as_json(task) == before


def test_it_needs_a_body(api: ApiClient, alice: User) -> None:
    answer = api.send("PATCH", f"/api/tasks/{make_task(alice).pk}")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
