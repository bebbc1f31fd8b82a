"""The trash: DELETE, GET /api/tasks/trash, POST /api/tasks/{id}/restore"""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks import cursors
from tasks.models import Actor, Event, Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import PLAIN, rfc3339


@pytest.fixture
def task(alice: User) -> Task:
    """In the trash."""
    return make_trashed(alice, "Buy milk", description="Oat", completed=True)


def make_trashed(owner: User, title: str, **fields: Any) -> Task:
    task = make_task(owner, title, **fields)
    Task.objects.filter(pk=task.pk).trash(Actor(owner.pk, "token"))
    task.refresh_from_db()
    return task


def trash(api: ApiClient, query: str = "") -> Any:
    answer = api.send("GET", f"/api/tasks/trash{query}")
    assert answer.status_code == 200
    return answer.json()


# Into the trash


def test_deleting_moves_a_task_to_the_trash(api: ApiClient, alice: User) -> None:
    task = make_task(alice)

    answer = api.send("DELETE", f"/api/tasks/{task.pk}")

    assert (answer.status_code, answer.content) == (204, b"")
    task.refresh_from_db()
    assert task.deleted_at is not None
    assert (task.version, Event.objects.latest("sequence").verb) == (2, "trashed")


@pytest.mark.parametrize("query", ["", "?completed=true", "?completed=false"])
def test_a_task_in_the_trash_is_in_no_list(
    api: ApiClient, task: Task, query: str
) -> None:
    assert api.send("GET", f"/api/tasks{query}").json()["items"] == []


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"title": "New"}),
        ("PATCH", "", {"title": "New"}),
        ("DELETE", "", None),
        ("POST", "/toggle", None),
        ("POST", "/complete", None),
        ("POST", "/reopen", None),
        ("POST", "/move", {"position": "first"}),
    ],
)
def test_for_its_owner_it_is_410_with_where_to_restore_it(
    api: ApiClient, task: Task, method: str, suffix: str, body: Any
) -> None:
    answer = api.send(method, f"/api/tasks/{task.pk}{suffix}", body)

    assert answer.status_code == 410
    problem = answer.json()
    assert problem["code"] == "gone"
    assert problem["restore"] == f"/api/tasks/{task.pk}/restore"
    assert Task.objects.get().version == 2
    assert api.send("POST", problem["restore"]).status_code == 200


@pytest.mark.parametrize(
    ("method", "suffix"),
    [("GET", ""), ("DELETE", ""), ("DELETE", "?permanent=true"), ("POST", "/restore")],
)
def test_for_others_it_is_404(
    bobs_api: ApiClient, task: Task, method: str, suffix: str
) -> None:
    answer = bobs_api.send(method, f"/api/tasks/{task.pk}{suffix}")

    assert (answer.status_code, "restore" in answer.json()) == (404, False)
    assert Task.objects.trashed().exists()


# Looking into it


def test_the_trash_lists_a_task_whole_with_its_end(
    api: ApiClient, task: Task, settings: Any
) -> None:
    settings.TRASH_DAYS = 7
    assert task.deleted_at and task.completed_at

    assert trash(api) == {
        "items": [
            {
                **PLAIN,
                "id": task.pk,
                "title": "Buy milk",
                "description": "Oat",
                "completed": True,
                "completed_at": rfc3339(task.completed_at),
                "position": task.position,
                "created_at": rfc3339(task.created_at),
                "updated_at": rfc3339(task.updated_at),
                "version": 2,
                "deleted_at": rfc3339(task.deleted_at),
                "purge_after": rfc3339(task.deleted_at + timedelta(days=7)),
            }
        ],
        "next_cursor": None,
    }


def test_the_trash_holds_only_ones_own_and_only_what_is_trashed(
    api: ApiClient, task: Task, alice: User, bob: User
) -> None:
    make_task(alice, "Live")
    make_trashed(bob, "Bob's")

    assert [item["id"] for item in trash(api)["items"]] == [task.pk]


def test_pages_of_the_trash_walk_everything_once(api: ApiClient, alice: User) -> None:
    keys = [make_trashed(alice, f"Task {number}").pk for number in range(5)]
    walked: list[int] = []

    query: str | None = "?limit=2"
    while query:
        answer = api.send("GET", f"/api/tasks/trash{query}")
        walked += [item["id"] for item in answer.json()["items"]]
        link = answer.headers.get("Link")
        assert (link is None) == (answer.json()["next_cursor"] is None)
        query = link and link[link.index("?") : link.index(">")]

    assert walked == keys[::-1]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "completed=true", "cursor=", "cursor=nonsense"]
    + [f"cursor={cursors.encode(kind, 1)}" for kind in ("before", "after", "history")],
)
def test_the_trash_refuses_a_bad_query(api: ApiClient, query: str) -> None:
    assert api.send("GET", f"/api/tasks/trash?{query}").status_code == 422


def test_the_trash_costs_one_query_whatever_its_size(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    trash(api)
    counts: list[int] = []

    for _ in range(2):
        before = len(queries)
        trash(api)
        counts.append(len(queries) - before)
        for number in range(5):
            make_trashed(alice, f"Task {number}")

    assert counts == [2, 2], "the token's and the list's"


# Emptying it


def test_emptying_it_deletes_what_is_in_it_for_good_with_an_event_each(
    api: ApiClient, task: Task, alice: User, bob: User
) -> None:
    parent, bobs = make_task(alice, "Parent"), make_trashed(bob, "Bob's")
    live = make_task(alice, "Live", parent_id=parent.pk)
    Task.objects.filter(pk=parent.pk).trash(BY)

    answer = api.send("DELETE", "/api/tasks/trash")

    assert (answer.status_code, answer.content) == (204, b"")
    assert {*Task.objects.values_list("pk", flat=True)} == {live.pk, bobs.pk}
    live.refresh_from_db()
    assert (live.parent_id, live.version) == (None, 2)
    deleted = Event.objects.filter(verb="deleted", via="token", version=3)
    assert {event.task_id for event in deleted} == {task.pk, parent.pk}
    assert api.send("DELETE", "/api/tasks/trash").status_code == 204
    assert api.send("POST", f"/api/tasks/{task.pk}/restore").status_code == 404


# Out of it


def test_restoring_brings_the_task_back_as_it_was(api: ApiClient, task: Task) -> None:
    answer = api.send("POST", f"/api/tasks/{task.pk}/restore")

    assert answer.status_code == 200
    body = answer.json()
    assert (body["title"], body["description"]) == ("Buy milk", "Oat")
    assert (body["completed"], body["version"]) == (True, 3)
    assert task.completed_at and body["completed_at"] == rfc3339(task.completed_at)
    assert "deleted_at" not in body
    assert api.send("GET", f"/api/tasks/{task.pk}").json() == body
    assert api.send("GET", "/api/tasks").json()["items"] == [body]
    assert trash(api)["items"] == []


def test_restoring_is_safe_to_repeat(api: ApiClient, task: Task) -> None:
    path = f"/api/tasks/{task.pk}/restore"

    first, second = api.send("POST", path), api.send("POST", path)

    assert (second.status_code, second.json()) == (200, first.json())


@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("POST", "/toggle")])
def test_a_task_that_is_restored_at_the_same_moment_is_never_404(
    api: ApiClient, task: Task, method: str, suffix: str
) -> None:
    restored: list[int] = []

    def restore_after(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if sql.startswith("SELECT") and '"tasks_task"' in sql and not restored:
            restored.append(task.pk)
            Task.objects.filter(pk=task.pk).restore(Actor(None, "command"))
        return result

    with connection.execute_wrapper(restore_after):
        answer = api.send(method, f"/api/tasks/{task.pk}{suffix}")

    assert restored == [task.pk]
    assert answer.status_code in (200, 410)


# For good


@pytest.mark.parametrize("trashed", [True, False])
def test_a_permanent_deletion_leaves_no_row(
    api: ApiClient, alice: User, trashed: bool
) -> None:
    task = make_trashed(alice, "Old") if trashed else make_task(alice)
    path = f"/api/tasks/{task.pk}"

    answer = api.send("DELETE", f"{path}?permanent=true")

    assert (answer.status_code, answer.content) == (204, b"")
    assert not Task.objects.exists()
    assert api.send("GET", path).status_code == 404
    assert api.send("POST", f"{path}/restore").status_code == 404
    assert api.send("DELETE", f"{path}?permanent=true").status_code == 404
    event = Event.objects.latest("sequence")
    assert (event.verb, event.version) == ("deleted", task.version + 1)
