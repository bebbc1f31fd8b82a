"""POST /api/tasks/{id}/complete and /reopen"""

import pytest
from django.utils import timezone

from taskproject.accounts.models import User
from tests.conftest import YESTERDAY, ApiClient, make_old_task, make_task
from tests.support.answers import (
    PLAIN,
    as_json,
    rfc3339,
)

both = pytest.mark.parametrize(
    ("verb", "completed"), [("complete", True), ("reopen", False)]
)


@pytest.mark.parametrize(
    ("verb", "completed"),
    [("complete", True), ("reopen", False), ("toggle", True), ("toggle", False)],
)
def test_it_changes_the_task_and_answers_with_it(
    api: ApiClient, alice: User, verb: str, completed: bool
) -> None:
    task = make_old_task(alice, completed=not completed, description="Oat")
    before = timezone.now()

    answer = api.send("POST", f"/api/tasks/{task.pk}/{verb}")

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


@both
def test_other_tasks_stay_as_they_are(
    api: ApiClient, alice: User, verb: str, completed: bool
) -> None:
    task, other = (make_task(alice, completed=not completed) for _ in range(2))
    before = as_json(other)

    api.send("POST", f"/api/tasks/{task.pk}/{verb}")

    assert as_json(other) == before


@both
def test_reading_it_is_refused(
    api: ApiClient, alice: User, verb: str, completed: bool
) -> None:
    task = make_task(alice, completed=not completed)
    before = as_json(task)

    answer = api.send("GET", f"/api/tasks/{task.pk}/{verb}")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert as_json(task) == before
