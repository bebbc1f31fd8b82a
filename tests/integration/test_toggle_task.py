"""POST /api/tasks/{id}/toggle"""

from django.utils import timezone

from taskproject.accounts.models import User
from tests.conftest import YESTERDAY, ApiClient, make_old_task, make_task
from tests.support.answers import (
    PLAIN,
    as_json,
    rfc3339,
)


def test_it_completes_an_open_task(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, description="Oat")
    before = timezone.now()

    answer = api.send("POST", f"/api/tasks/{task.pk}/toggle")

    task.refresh_from_db()
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2.3"'
    assert answer.json() == {
        **PLAIN,
        "id": task.pk,
        "title": "Buy milk",
        "description": "Oat",
        "completed": True,
        "completed_at": rfc3339(task.updated_at),
        "position": task.position,
        "created_at": rfc3339(YESTERDAY),
        "updated_at": rfc3339(task.updated_at),
        "version": 2,
    }
    assert answer.json() == as_json(task)
    assert before <= task.updated_at <= timezone.now()


def test_it_reopens_a_completed_task(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, completed=True)

    answer = api.send("POST", f"/api/tasks/{task.pk}/toggle")

    assert (answer.status_code, answer.json()) == (200, as_json(task))
    assert (task.completed, task.completed_at, task.version) == (False, None, 2)
    assert task.created_at == YESTERDAY < task.updated_at


def test_each_toggle_flips_it_and_counts(api: ApiClient, alice: User) -> None:
    path = f"/api/tasks/{make_task(alice).pk}/toggle"

    answers = [api.send("POST", path).json() for _ in range(4)]

    assert [(task["completed"], task["version"]) for task in answers] == [
        (True, 2),
        (False, 3),
        (True, 4),
        (False, 5),
    ]


def test_other_tasks_stay_as_they_are(api: ApiClient, alice: User) -> None:
    task, other = make_task(alice), make_task(alice)
    before = as_json(other)

    api.send("POST", f"/api/tasks/{task.pk}/toggle")

    assert as_json(other) == before


def test_a_trailing_slash_loses_no_toggle(api: ApiClient, alice: User) -> None:
    task = make_task(alice)

    answer = api.send("POST", f"/api/tasks/{task.pk}/toggle/")

    assert (answer.status_code, answer.json()) == (200, as_json(task))
    assert task.completed


def test_reading_it_is_refused(api: ApiClient, alice: User) -> None:
    task = make_task(alice)
    before = as_json(task)

    answer = api.send("GET", f"/api/tasks/{task.pk}/toggle")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json()["code"] == "method_not_allowed"
    assert as_json(task) == before
