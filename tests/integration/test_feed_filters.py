"""GET /api/changes?task= and ?list="""

from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Task, TaskList, feed
from tests.conftest import ApiClient, make_task
from tests.support.rows import make_list


def found(api: ApiClient, query: str) -> list[tuple[str, int | None]]:
    """The verbs of a page with the ids of their tasks."""
    answer = api.send("GET", f"/api/changes?{query}")
    assert answer.status_code == 200, answer.content
    return [(item["verb"], item["task_id"]) for item in answer.json()["items"]]


@pytest.fixture
def shopping(alice: User) -> TaskList:
    return make_list(alice, "Shopping")


def test_those_of_a_task_are_its_own_and_of_its_subtasks(
    api: ApiClient, alice: User
) -> None:
    task, other = make_task(alice), make_task(alice, "Other")
    sub, left = (make_task(alice, name, parent_id=task.pk) for name in ("Sub", "Left"))
    api.send("POST", f"/api/tasks/{sub.pk}/complete")
    api.send("PATCH", f"/api/tasks/{left.pk}", {"parent": other.pk})
    api.send("PATCH", f"/api/tasks/{left.pk}", {"parent": None, "title": "Gone"})
    api.send("DELETE", f"/api/tasks/{sub.pk}?permanent=true")

    # The creation of a subtask that is deleted for good does not tell its parent any more.
    assert found(api, f"task={task.pk}") == [
        ("created", task.pk),
        ("created", sub.pk),
        ("created", left.pk),
        ("edited", left.pk),
        ("deleted", sub.pk),
    ]
    assert found(api, f"task={sub.pk}") == [
        ("created", sub.pk),
        ("completed", sub.pk),
        ("deleted", sub.pk),
    ]


def test_those_of_a_list_are_its_own_of_its_tasks_and_of_those_that_left_it(
    api: ApiClient, alice: User, shopping: TaskList
) -> None:
    key = shopping.pk
    stays, leaves, other = (make_task(alice, name) for name in ("A", "B", "C"))
    sub = make_task(alice, "Sub", parent_id=stays.pk)
    cursor = api.send("GET", "/api/changes?after=latest").json()["next_cursor"]
    for task in (stays, leaves):
        api.send("PATCH", f"/api/tasks/{task.pk}", {"list": key})
    api.send("PATCH", f"/api/tasks/{leaves.pk}", {"list": None})
    for task in (other, leaves, stays, sub):
        api.send("POST", f"/api/tasks/{task.pk}/toggle")
    api.send("PATCH", f"/api/lists/{key}", {"name": "Food"})

    assert found(api, f"list={key}&after={cursor}") == [
        *[("moved", stays.pk), ("moved", leaves.pk), ("moved", leaves.pk)],
        *[("completed", stays.pk), ("completed", sub.pk), ("edited", None)],
    ]
    assert found(api, f"list={key}&task={stays.pk}&after={cursor}") == [
        *[("moved", stays.pk), ("completed", stays.pk), ("completed", sub.pk)],
    ]


def test_the_deletion_of_a_list_is_told_with_its_tasks(
    api: ApiClient, alice: User, shopping: TaskList
) -> None:
    task = make_task(alice, list_id=shopping.pk)
    cursor = api.send("GET", "/api/changes?after=latest").json()["next_cursor"]

    api.send("DELETE", f"/api/lists/{shopping.pk}")

    assert found(api, f"list={shopping.pk}&after={cursor}")[-1] == ("deleted", None)
    assert task.pk in [key for _, key in found(api, f"list={shopping.pk}")]


def test_nothing_of_somebody_elses_list_or_task_is_told(
    api: ApiClient, alice: User, bob: User
) -> None:
    row = make_list(bob, "Bob's")
    task = make_task(bob, list_id=row.pk)
    mine = make_task(alice)
    # As after a transfer: alice's feed has events of a task that is now Bob's.
    Task.objects.filter(pk=mine.pk).update(owner=bob, list_id=row.pk)

    assert found(api, f"list={row.pk}") == found(api, f"task={task.pk}") == []


def test_a_page_looks_at_so_many_changes_and_its_cursor_is_behind_them(
    api: ApiClient,
    alice: User,
    queries: CaptureQueriesContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = make_task(alice)
    for number in range(7):
        make_task(alice, f"Task {number}")
    api.send("POST", f"/api/tasks/{first.pk}/complete")
    statement = feed._WINDOW_END.replace(str(feed.WINDOW - 1), "3")
    monkeypatch.setattr(feed, "_WINDOW_END", statement)
    monkeypatch.setattr(feed, "WINDOW", 4)
    pages: list[Any] = []
    cursor = None

    while not pages or pages[-1]["has_more"]:
        after = f"&after={cursor}" if cursor else ""
        before = len(queries)
        query = f"/api/changes?task={first.pk}{after}"
        pages.append(api.send("GET", query).json())
        cursor = pages[-1]["next_cursor"]
        assert len(queries) - before <= 5

    verbs = [[item["verb"] for item in page["items"]] for page in pages]
    assert verbs == [["created"], [], ["completed"]]
    assert cursor == api.send("GET", "/api/changes?after=latest").json()["next_cursor"]


def test_a_short_page_ends_where_the_next_one_begins(
    api: ApiClient, alice: User
) -> None:
    task = make_task(alice)
    for _ in range(4):
        api.send("POST", f"/api/tasks/{task.pk}/toggle")
        make_task(alice, "Between")
    cursor, verbs, more = "", list[str](), True

    while more:
        after = f"&after={cursor}" if cursor else ""
        query = f"/api/changes?task={task.pk}&limit=2{after}"
        page = api.send("GET", query).json()
        cursor, more = page["next_cursor"], page["has_more"]
        verbs += [item["verb"] for item in page["items"]]
        assert len(page["items"]) <= 2

    assert verbs == ["created", *["completed", "reopened"] * 2]


def test_a_filter_without_changes_is_one_query(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    task = make_task(alice)
    make_task(alice, "Other")
    cursor = api.send("GET", f"/api/changes?task={task.pk}").json()["next_cursor"]
    make_task(alice, "Third")
    before = len(queries)

    assert found(api, f"task={task.pk}&list=1&after={cursor}") == []

    assert len(queries) - before == 1
