"""PUT /api/tasks/{id}"""

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
