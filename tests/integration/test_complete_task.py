"""POST /api/tasks/{id}/complete, /reopen and /toggle, and PATCH of `completed`"""

from typing import Any

import pytest
from django.utils import timezone

from taskproject.accounts.models import User
from tests.conftest import YESTERDAY, ApiClient, make_old_task, make_task
from tests.support.answers import PLAIN, as_json, rfc3339

both = pytest.mark.parametrize(
    ("verb", "completed"), [("complete", True), ("reopen", False)]
)


@pytest.mark.parametrize(
    ("method", "suffix", "completed"),
    [
        *(("POST", "/complete", True), ("POST", "/reopen", False)),
        *(("POST", "/toggle", True), ("POST", "/toggle", False)),
        *(("PATCH", "", True), ("PATCH", "", False)),
    ],
)
def test_it_changes_the_task_and_answers_with_it(
    api: ApiClient, alice: User, method: str, suffix: str, completed: bool
) -> None:
    task = make_old_task(alice, completed=not completed, description="Oat")
    before = timezone.now()
    body = {"completed": completed} if method == "PATCH" else None

    answer = api.send(method, f"/api/tasks/{task.pk}{suffix}", body)

    task.refresh_from_db()
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2.3"'
    assert answer.json() == {
        **PLAIN,
        "id": task.pk,
        "title": "Buy milk",
        "description": "Oat",
        "completed": completed,
        "completed_at": rfc3339(task.updated_at) if completed else None,
        "position": task.position,
        "created_at": rfc3339(YESTERDAY),
        "updated_at": rfc3339(task.updated_at),
        "version": 2,
    }
    assert answer.json() == as_json(task)
    assert before <= task.updated_at <= timezone.now()


@both
def test_it_is_safe_to_repeat(
    api: ApiClient, alice: User, verb: str, completed: bool
) -> None:
    task = make_old_task(alice, completed=completed)
    before = as_json(task)

    answers = [api.send("POST", f"/api/tasks/{task.pk}/{verb}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.headers["ETag"] for answer in answers] == ['"1.3"', '"1.3"']
    assert [answer.json() for answer in answers] == [before, before]
    assert as_json(task) == before


def test_completing_anew_has_a_time_of_its_own(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, completed=True)

    api.send("POST", f"/api/tasks/{task.pk}/reopen")
    answer = api.send("POST", f"/api/tasks/{task.pk}/complete")

    assert answer.json() == as_json(task)
    assert task.version == 3
    assert task.completed_at == task.updated_at > YESTERDAY


def test_each_toggle_flips_it_and_counts(api: ApiClient, alice: User) -> None:
    path = f"/api/tasks/{make_task(alice).pk}/toggle"

    answers = [api.send("POST", path).json() for _ in range(4)]

    assert [(task["completed"], task["version"]) for task in answers] == [
        (True, 2),
        (False, 3),
        (True, 4),
        (False, 5),
    ]


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("PUT", "", {"title": "New"}),
        ("PATCH", "", {"title": "New"}),
        ("DELETE", "", None),
        ("POST", "/toggle", None),
        ("POST", "/complete", None),
    ],
)
def test_it_changes_this_task_alone_also_with_a_trailing_slash(
    api: ApiClient, alice: User, method: str, suffix: str, body: Any
) -> None:
    task, other = make_task(alice), make_task(alice)
    before = as_json(other)

    answer = api.send(method, f"/api/tasks/{task.pk}{suffix}/", body)

    assert answer.status_code == (204 if method == "DELETE" else 200)
    task.refresh_from_db()
    assert (task.version, as_json(other)) == (2, before)
