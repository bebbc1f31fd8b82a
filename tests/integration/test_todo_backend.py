"""/todo-backend: what the 16 tests of https://todobackend.com expect of a service"""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.urls import clear_url_caches, path
from pytest_django import Settings

from taskproject import urls
from taskproject.accounts.models import User
from taskproject.api import todo_backend
from tasks.limits import DESCRIPTION_LENGTH
from tasks.models import Event, Task
from tests.conftest import BY, ApiClient, make_task, make_token

ROOT = "/todo-backend/"
PAGE = {"Origin": "http://localhost:3000"}
BASE = "http://testserver/todo-backend"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(settings: Settings) -> Iterator[ApiClient]:
    """The guest, on a page of another origin."""
    settings.API_GUEST = "guest"
    with_todos = ModuleType("urls")
    vars(with_todos).update(vars(urls))
    vars(with_todos)["urlpatterns"] = [*urls.urlpatterns, path("", todo_backend.urls)]
    settings.ROOT_URLCONF = with_todos
    clear_url_caches()
    yield ApiClient("")
    clear_url_caches()


def call(api: ApiClient, method: str, address: str, body: Any = None) -> Any:
    """What the page reads; fails unless the response is a success that it may read."""
    answer = api.send(
        method, address.removeprefix("http://testserver"), body, headers=PAGE
    )
    assert 200 <= answer.status_code < 300
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    return answer.json() if answer.content else None


@pytest.fixture
def todo(api: ApiClient) -> Any:
    """The only todo."""
    call(api, "POST", ROOT, {"title": "Walk the dog"})
    call(api, "DELETE", ROOT)
    return call(api, "POST", ROOT, {"title": "Buy milk", "order": 10})


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_page_of_another_origin_is_let_in(api: ApiClient, method: str) -> None:
    asked = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type",
    }

    answer = api.options(ROOT, headers=PAGE | asked)

    assert answer.headers["Access-Control-Allow-Origin"] == PAGE["Origin"]
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert "content-type" in answer.headers["Access-Control-Allow-Headers"]


def test_a_token_that_is_known_to_the_process_opens_no_other_todos(
    api: ApiClient, todo: Any, alice: User
) -> None:
    make_task(alice, "Pay the rent")
    with_token = ApiClient(make_token(alice))
    assert with_token.get("/api/tasks").json()["items"][0]["title"] == "Pay the rent"

    assert with_token.get(ROOT).json() == [todo]


def test_there_are_no_todos_after_all_are_deleted(api: ApiClient, todo: Any) -> None:
    assert call(api, "DELETE", ROOT) is None

    assert call(api, "GET", ROOT) == []


def test_a_new_todo_is_open_and_listed_and_has_an_address(
    api: ApiClient, todo: Any
) -> None:
    created = call(api, "POST", ROOT, {"title": "Walk the dog"})

    assert created == {
        "id": created["id"],
        "title": "Walk the dog",
        "completed": False,
        "order": None,
        "url": f"{BASE}/{created['id']}",
    }
    assert call(api, "GET", created["url"]) == created
    assert call(api, "GET", ROOT) == [created, todo]


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Bathe the cat"},
        {"completed": True},
        {"order": 95},
        {"order": -3, "title": "Bathe the cat"},
        {"title": "Bathe the cat", "completed": True},
        {},
    ],
)
def test_a_change_is_remembered(api: ApiClient, todo: Any, change: Any) -> None:
    changed = call(api, "PATCH", todo["url"], change)

    assert changed == todo | change
    assert call(api, "GET", todo["url"]) == changed
    assert call(api, "GET", ROOT) == [changed]


def test_a_deleted_todo_is_gone(api: ApiClient, todo: Any) -> None:
    assert call(api, "DELETE", todo["url"]) is None

    assert call(api, "GET", ROOT) == []
    for method, body in (("GET", None), ("PATCH", {}), ("DELETE", None)):
        path = f"{ROOT}{todo['id']}"
        assert api.send(method, path, body, headers=PAGE).status_code == 410


# What a task is beside that


def test_an_order_leaves_the_rest_of_the_description(api: ApiClient, todo: Any) -> None:
    task = make_task(User.objects.get(username="guest"), description="a\nb\norder: x")

    for order in (7, 8):
        assert (
            call(api, "PATCH", f"{ROOT}{task.pk}", {"order": order})["order"] == order
        )

    task.refresh_from_db()
    assert task.description == "a\nb\norder: x\norder: 8"
    assert Event.objects.filter(task_id=task.pk).count() == 3


def test_only_the_guests_tasks_are_todos(
    api: ApiClient, todo: Any, alice: User
) -> None:
    other = make_task(alice)

    call(api, "DELETE", ROOT)

    assert Task.objects.live().get() == other
    answer = api.send("GET", f"{ROOT}{other.pk}", headers=PAGE)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/title", "missing"),
        ({"title": ""}, "/title", "too_short"),
        ({"title": "a", "completed": 1}, "/completed", "wrong_type"),
        ({"title": "a", "order": "1"}, "/order", "wrong_type"),
        ({"title": "a", "order": 1.5}, "/order", "wrong_type"),
        ({"title": "a", "order": None}, "/order", "wrong_type"),
        ({"title": "a", "order": 2**53}, "/order", "too_large"),
        ({"title": "a", "order": -(2**53)}, "/order", "too_small"),
        ({"title": "a", "done": True}, "/done", "unknown"),
    ],
)
def test_a_mistake_is_refused(
    api: ApiClient, body: Any, pointer: str, code: str
) -> None:
    answer = api.send("POST", ROOT, body, headers=PAGE)

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["pointer"], error["code"]) == (422, pointer, code)
    assert Task.objects.count() == 0


def test_an_order_without_room_in_the_description_is_refused(
    api: ApiClient, todo: Any
) -> None:
    Task.objects.filter(pk=todo["id"]).edit(BY, description="d" * DESCRIPTION_LENGTH)

    answer = api.send("PATCH", f"{ROOT}{todo['id']}", {"order": 1}, headers=PAGE)

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["pointer"]) == (422, "/order")


def test_a_page_of_a_foreign_origin_changes_nothing(api: ApiClient, todo: Any) -> None:
    answer = api.send("DELETE", ROOT, headers={"Origin": "https://evil.example"})

    assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused")
    assert call(api, "GET", ROOT) == [todo]


def test_it_is_off_unless_it_is_wanted(nobody: ApiClient) -> None:
    answer = nobody.send("GET", ROOT)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
