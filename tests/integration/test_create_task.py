"""POST /api/tasks"""

import pytest
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import ApiClient
from tests.support.answers import PLAIN, as_json, rfc3339


def test_it_stores_the_task_and_answers_with_it(api: ApiClient, alice: User) -> None:
    answer = api.send(
        "POST", "/api/tasks", {"title": "  Buy milk ", "description": "Oat"}
    )

    task = Task.objects.get()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/tasks/{task.pk}"
    assert answer.headers["ETag"] == '"1.3"'
    assert answer.json() == {
        **PLAIN,
        "id": task.pk,
        "title": "Buy milk",
        "description": "Oat",
        "completed": False,
        "completed_at": None,
        "position": task.position,
        "created_at": rfc3339(task.created_at),
        "updated_at": rfc3339(task.created_at),
        "version": 1,
    }
    assert (task.owner, task.title, task.description) == (alice, "Buy milk", "Oat")


def test_a_title_is_enough(api: ApiClient) -> None:
    answer = api.send("POST", "/api/tasks", {"title": "Buy milk"})

    task = Task.objects.get()
    assert answer.status_code == 201
    assert answer.json() == as_json(task)
    assert (task.description, task.completed, task.completed_at) == ("", False, None)


def test_it_is_dated_now(api: ApiClient) -> None:
    before = timezone.now()

    api.send("POST", "/api/tasks", {"title": "Buy milk"})

    task = Task.objects.get()
    assert before <= task.created_at == task.updated_at <= timezone.now()


def test_its_location_leads_to_it_and_a_trailing_slash_as_well(api: ApiClient) -> None:
    answer = api.send("POST", "/api/tasks/", {"title": "Buy milk"})

    path = answer.headers["Location"]
    assert answer.json() == as_json(Task.objects.get())
    assert api.send("GET", path).json() == answer.json()
    assert api.send("GET", f"{path}/").json() == answer.json()


def test_a_task_can_be_created_completed(api: ApiClient) -> None:
    answer = api.send("POST", "/api/tasks", {"title": "Done", "completed": True})

    assert answer.json()["completed_at"] == answer.json()["created_at"]


@pytest.mark.parametrize(
    ("title", "description"),
    [
        ("x" * 200, "y" * 10_000),
        ("🥛" * 200, "🐄" * 10_000),
        (f"{' ' * 300}x{' ' * 300}", "  space around it stays\r\n\t "),
        ("Robert'); DROP TABLE tasks_task;--", "<script>alert(1)</script> %s ${x}"),
        ("e\u0301 \u202e \ufeff \U0010ffff", "\x01\x7f\u2028"),
    ],
    ids=["longest", "longest-astral", "trimmed", "markup", "unusual"],
)
def test_text_comes_back_as_it_was_sent(
    api: ApiClient, title: str, description: str
) -> None:
    answer = api.send(
        "POST", "/api/tasks", {"title": title, "description": description}
    )

    task = Task.objects.get()
    assert answer.status_code == 201
    assert answer.json() == as_json(task)
    assert (task.title, task.description) == (title.strip(), description)


def test_it_names_everything_that_is_wrong(api: ApiClient) -> None:
    answer = api.send("POST", "/api/tasks", {"completed": "yes", "descripton": "Oat"})

    assert answer.status_code == 422
    assert [
        (error["pointer"], error["code"], error["detail"])
        for error in sorted(answer.json()["errors"], key=lambda e: e["pointer"])
    ] == [
        ("/completed", "wrong_type", "Send true or false."),
        (
            "/descripton",
            "unknown",
            "Unknown member 'descripton'; did you mean 'description'?",
        ),
        ("/title", "missing", "Send this member."),
    ]


def test_it_takes_a_body_of_256_kilobytes(api: ApiClient) -> None:
    body = b'{"title": "x"}'.ljust(256 * 1024)

    answer = api.generic("POST", "/api/tasks", body, "application/json")

    assert (answer.status_code, answer.json()) == (201, as_json(Task.objects.get()))
