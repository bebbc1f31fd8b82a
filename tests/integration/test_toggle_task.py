"""POST /api/tasks/{id}/toggle"""

from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_task
from tests.support.answers import (
    as_json,
)


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
