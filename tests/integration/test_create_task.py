"""POST /api/tasks"""

import pytest

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import ApiClient


def test_it_stores_the_task_and_answers_with_it(api: ApiClient, alice: User) -> None:
    answer = api.send(
        "POST", "/api/tasks", {"title": "  Buy milk ", "description": "Oat"}
    )

    task = Task.objects.get()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/tasks/{task.pk}"
    assert answer.headers["ETag"] == '"1"'
    assert answer.json() == {
        "id": task.pk,
        "title": "Buy milk",
        "description": "Oat",
        "completed": False,
        "completed_at": None,
        "created_at": task.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": task.created_at.isoformat().replace("+00:00", "Z"),
        "version": 1,
    }
    assert (task.owner, task.title, task.description) == (alice, "Buy milk", "Oat")


def test_a_task_can_be_created_completed(api: ApiClient) -> None:
    answer = api.send("POST", "/api/tasks", {"title": "Done", "completed": True})

    assert answer.json()["completed_at"] == answer.json()["created_at"]


@pytest.mark.parametrize("title", ["", "   ", "\u3000"])
def test_it_refuses_a_blank_title(api: ApiClient, title: str) -> None:
    answer = api.send("POST", "/api/tasks", {"title": title})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "in": "body",
            "pointer": "/title",
            "code": "string_too_short",
            "detail": "Send at least one character that is not a space.",
        }
    ]
    assert not Task.objects.exists()
