"""GET /api/tasks/{id}"""

from pytest_django import DjangoAssertNumQueries

from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_task
from tests.support.answers import as_json


def test_it_answers_with_the_task(api: ApiClient, alice: User) -> None:
    task = make_task(alice, "Buy milk", description="Oat")

    answer = api.send("GET", f"/api/tasks/{task.pk}")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["ETag"] == '"1.3"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.json() == as_json(task)


def test_a_completed_task_tells_when(api: ApiClient, alice: User) -> None:
    task = make_task(alice, completed=True)

    answer = api.send("GET", f"/api/tasks/{task.pk}")

    assert answer.json() == as_json(task)
    assert answer.json()["completed_at"] == answer.json()["created_at"]


def test_head_answers_the_headers_alone(api: ApiClient, alice: User) -> None:
    answer = api.send("HEAD", f"/api/tasks/{make_task(alice).pk}")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["ETag"] == '"1.3"'


def test_it_asks_for_the_token_and_the_task_at_once(
    api: ApiClient, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"
    api.send("GET", path)  # notes the token's use

    with django_assert_num_queries(1):
        api.send("GET", path)
