"""GET /api/changes"""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject.accounts.models import User
from tasks import cursors
from tasks.models import Actor, Event, Tag, Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import rfc3339
from tests.support.rows import make_list


def changes(api: ApiClient, after: str | None = None, limit: int | None = None) -> Any:
    given = {"after": after, "limit": limit}
    query = {name: value for name, value in given.items() if value is not None}
    answer = api.generic("GET", "/api/changes", query_params=query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def nothing(cursor: str) -> dict[str, Any]:
    """The page of a cursor after which there is nothing yet."""
    return {"items": [], "next_cursor": cursor, "has_more": False}


def ask(api: ApiClient, query: str) -> Any:
    return api.send("GET", f"/api/changes?{query}")


def purge_old_events() -> None:
    Event.objects.update(at=timezone.now() - timedelta(days=91))
    call_command("purge", verbosity=0)


@pytest.fixture
def task(alice: User) -> Task:
    return make_task(alice, "Buy milk")


def test_a_change_is_told_whole_with_the_task_as_it_is_now(
    api: ApiClient, alice: User, task: Task
) -> None:
    path, name = f"/api/tasks/{task.pk}", {"X-Request-ID": "mine"}
    patched = api.send("PATCH", path, {"title": "Buy bread"}, headers=name).json()

    created, edited = changes(api)["items"]

    event = Event.objects.latest("sequence")
    assert edited == {
        "sequence": event.sequence,
        "at": rfc3339(event.at),
        "verb": "edited",
        "task_id": task.pk,
        "list_id": None,
        "tag_id": None,
        "version": 2,
        "actor": {"id": alice.pk, "username": "alice"},
        "via": "token",
        "request": "mine",
        "changes": {"title": {"old": "Buy milk", "new": "Buy bread"}},
        "task": patched,
        "parents": [],
        "list": None,
        "tag": None,
    }
    assert (created["verb"], created["version"]) == ("created", 1)
    assert created["changes"] == {"title": {"old": None, "new": "Buy milk"}}
    assert created["task"] == patched, "as it is now, not as it was"


@pytest.mark.parametrize("kind", ["list", "tag"])
def test_a_list_and_a_tag_are_told_as_they_are_now(
    api: ApiClient, alice: User, kind: str
) -> None:
    row = make_list(alice, "One").pk
    if kind == "tag":
        make_task(alice, tags=["One"])
        row = Tag.objects.get().pk
    path = f"/api/{kind}s/{row}"
    renamed = api.send("PATCH", path, {"name": "Other"}).json()

    def told() -> list[Any]:
        items = changes(api)["items"]
        return [item[kind] for item in items if item[f"{kind}_id"] == row]

    assert told() == [renamed, renamed]
    api.send("DELETE", path)
    assert told() == [None, None, None]


def test_changes_come_in_the_order_in_which_they_were_made(
    api: ApiClient, alice: User, task: Task
) -> None:
    path = f"/api/tasks/{task.pk}"
    api.send("POST", f"{path}/toggle")
    make_task(alice, "Other")
    api.send("POST", f"{path}/reopen")
    api.send("DELETE", path)
    api.send("POST", f"{path}/restore")

    items = changes(api)["items"]

    assert [item["verb"] for item in items] == [
        "created", "completed", "created", "reopened", "trashed", "restored",
    ]  # fmt: skip
    sequences = [item["sequence"] for item in items]
    assert sequences == sorted(set(sequences))


@pytest.mark.parametrize(
    ("query", "verb"), [("", "trashed"), ("?permanent=true", "deleted")]
)
def test_a_deletion_is_a_tombstone(
    api: ApiClient, task: Task, query: str, verb: str
) -> None:
    api.send("DELETE", f"/api/tasks/{task.pk}{query}")

    items = changes(api)["items"]

    assert [item["verb"] for item in items] == ["created", verb]
    assert [item["task"] for item in items] == [None, None]
    assert {item["task_id"] for item in items} == {task.pk}


def test_a_restored_task_is_there_again(api: ApiClient, task: Task) -> None:
    api.send("DELETE", f"/api/tasks/{task.pk}")
    restored = api.send("POST", f"/api/tasks/{task.pk}/restore").json()

    assert changes(api)["items"][-1]["task"] == restored


def test_only_ones_own_changes_are_told(
    api: ApiClient, bobs_api: ApiClient, task: Task, bob: User
) -> None:
    mine = make_task(bob, "Bob's")

    assert {item["task_id"] for item in changes(api)["items"]} == {task.pk}
    assert {item["task_id"] for item in changes(bobs_api)["items"]} == {mine.pk}


def test_a_task_that_went_to_another_owner_is_a_tombstone_for_the_first(
    api: ApiClient, bobs_api: ApiClient, task: Task, alice: User, bob: User
) -> None:
    Task.objects.filter(pk=task.pk).edit(Actor(None, "command"), owner_id=bob.pk)

    left, entered = changes(api)["items"][-1], changes(bobs_api)["items"][-1]

    assert (left["verb"], left["task"]) == ("transferred", None)
    assert (entered["verb"], entered["task"]["title"]) == ("transferred", "Buy milk")
    for item in (left, entered):
        assert item["changes"] == {"owner": {"old": alice.pk, "new": bob.pk}}
        assert item["actor"] is None


# One's own changes


def test_each_event_names_the_request_that_made_it(
    api: ApiClient, alice: User, task: Task
) -> None:
    path, row = f"/api/tasks/{task.pk}", make_list(alice)
    cursor = changes(api)["next_cursor"]
    child = {"title": "Cake", "parent": task.pk, "tags": ["new"]}
    batch = {"operations": [{"op": "complete", "id": task.pk}]}
    requests: list[tuple[str, str, Any]] = [
        ("POST", "/api/tasks", {"title": "New"}),
        ("POST", "/api/tasks", child),
        ("PATCH", path, {"title": "Other"}),
        ("PUT", path, {"title": "More", "list": row.pk}),
        ("POST", f"{path}/toggle", None),
        ("POST", "/api/tasks/batch", batch),
        ("POST", f"{path}/move", {"position": "first"}),
        ("DELETE", path, None),
        ("POST", f"{path}/restore", None),
        ("DELETE", f"{path}?permanent=true", None),
        ("POST", "/api/lists", {"name": "Home"}),
        ("PATCH", f"/api/lists/{row.pk}", {"name": "Work"}),
        ("DELETE", f"/api/lists/{row.pk}", None),
    ]

    for number, (method, where, body) in enumerate(requests):
        key, generated = {"Idempotency-Key": f'"key {number}"'}, {"X-Request-ID": ""}
        answer = api.send(method, where, body, headers=key if number % 2 else generated)
        assert answer.status_code < 300, (method, where, answer.content)
        known = f"key {number}" if number % 2 else answer.headers["X-Request-ID"]
        page = changes(api, cursor)
        cursor = page["next_cursor"]
        assert page["items"] or method == "POST"
        assert {item["request"] for item in page["items"]} <= {known}


# Parents


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("PATCH", "", {"completed": True}),
        ("PUT", "", {"title": "Cake", "completed": True}),
        ("POST", "/toggle", None),
        ("POST", "/complete", None),
        ("DELETE", "", None),
        ("DELETE", "?permanent=true", None),
        ("PATCH", "", {"parent": None}),
    ],
)
def test_what_a_subtask_does_to_its_parent_is_told_with_it(
    api: ApiClient, alice: User, task: Task, method: str, suffix: str, body: Any
) -> None:
    child = make_task(alice, "Cake", parent_id=task.pk)
    counted = api.send("GET", f"/api/tasks/{task.pk}").json()
    cursor = changes(api)["next_cursor"]

    api.send(method, f"/api/tasks/{child.pk}{suffix}", body)

    [item] = changes(api, cursor)["items"]
    assert item["parents"] == [counted | {"open_subtasks": 0}]
    assert item["task_id"] == child.pk


def test_both_parents_are_told_of_a_subtask_that_changes_between_them(
    api: ApiClient, alice: User, task: Task
) -> None:
    other = make_task(alice, "Party")
    child = make_task(alice, "Cake", parent_id=task.pk)
    api.send("PATCH", f"/api/tasks/{child.pk}", {"title": "Pie"})
    api.send("PATCH", f"/api/tasks/{child.pk}", {"parent": other.pk})
    api.send("DELETE", f"/api/tasks/{child.pk}")
    api.send("POST", f"/api/tasks/{child.pk}/restore")

    told = [item["parents"] for item in changes(api)["items"][2:]]

    left = api.send("GET", f"/api/tasks/{task.pk}").json()
    entered = api.send("GET", f"/api/tasks/{other.pk}").json()
    assert (left["open_subtasks"], entered["open_subtasks"]) == (0, 1)
    assert told == [[left], [], [left, entered], [entered], [entered]]


def test_a_parent_in_the_trash_and_one_of_somebody_else_are_not_told(
    api: ApiClient, bobs_api: ApiClient, alice: User, bob: User, task: Task
) -> None:
    child = make_task(alice, "Cake", parent_id=task.pk)
    Task.objects.filter(pk=child.pk).edit(BY, owner_id=bob.pk)
    assert changes(bobs_api)["items"][-1]["parents"] == []
    assert changes(api)["items"][-1]["parents"][0]["id"] == task.pk

    api.send("DELETE", f"/api/tasks/{task.pk}")

    assert all(item["parents"] == [] for item in changes(api)["items"])


# Cursors


@pytest.mark.parametrize("some", [True, False])
def test_a_cursor_stays_when_nothing_is_new(
    api: ApiClient, alice: User, some: bool
) -> None:
    if some:
        make_task(alice)
    cursor = changes(api)["next_cursor"]

    assert changes(api, cursor) == nothing(cursor)


def test_the_cursor_of_an_empty_feed_misses_nothing(
    api: ApiClient, alice: User
) -> None:
    cursor = changes(api)["next_cursor"]
    make_task(alice)

    assert [item["verb"] for item in changes(api, cursor)["items"]] == ["created"]


def test_somebody_elses_change_moves_no_cursor(
    api: ApiClient, task: Task, bob: User
) -> None:
    cursor = changes(api)["next_cursor"]
    make_task(bob)

    assert changes(api, cursor) == nothing(cursor)


def test_latest_gives_the_cursor_of_this_moment_and_no_items(
    api: ApiClient, task: Task
) -> None:
    latest = changes(api, "latest")
    assert latest["items"] == []
    assert latest["next_cursor"] == changes(api)["next_cursor"]

    api.send("POST", f"/api/tasks/{task.pk}/complete")

    items = changes(api, latest["next_cursor"])["items"]
    assert [item["verb"] for item in items] == ["completed"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
def test_pages_of_any_size_walk_everything_once(
    api: ApiClient, alice: User, limit: int
) -> None:
    for number in range(7):
        make_task(alice, f"Task {number}")
    walked: list[int] = []
    cursor = None

    while True:
        page = changes(api, cursor, limit)
        walked += [item["sequence"] for item in page["items"]]
        cursor = page["next_cursor"]
        assert len(page["items"]) <= limit
        if not page["has_more"]:
            break
        assert len(page["items"]) == limit

    assert walked == list(Event.objects.in_order().values_list("sequence", flat=True))
    assert len(walked) == 7


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "LATEST",
        "%00",
        "€",
        cursors.encode("after", 1) + "=",
        cursors.encode("after", 2**63),
        cursors.encode("before", 1),
        cursors.encode("history", 1),
        cursors.encode("trash", 1),
    ],
)
def test_a_cursor_that_this_list_did_not_give_is_422(
    api: ApiClient, cursor: str
) -> None:
    answer = ask(api, f"after={cursor}")

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/after"]


def test_the_feeds_cursor_is_422_in_other_lists(api: ApiClient, task: Task) -> None:
    cursor = changes(api)["next_cursor"]

    for path in ("", "/trash", f"/{task.pk}/history"):
        answer = api.send("GET", f"/api/tasks{path}?cursor={cursor}")
        assert answer.status_code == 422


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "cursor=x"])
def test_it_refuses_a_query_beyond_its_bounds(api: ApiClient, query: str) -> None:
    assert ask(api, query).status_code == 422


# After a purge


def test_a_cursor_older_than_the_kept_history_is_410_with_where_to_restart(
    api: ApiClient, alice: User
) -> None:
    old = changes(api)["next_cursor"]
    task = make_task(alice)
    api.send("POST", f"/api/tasks/{task.pk}/complete")
    purge_old_events()
    api.send("POST", f"/api/tasks/{task.pk}/reopen")

    answer = ask(api, f"after={old}")

    assert answer.status_code == 410
    problem = answer.json()
    assert problem["code"] == "cursor_expired"
    assert "GET /api/snapshot" in problem["detail"]
    assert problem["restart"]["tasks"] == "/api/tasks"
    restarted = changes(api, problem["restart"]["cursor"])
    assert restarted["items"] == []
    api.send("POST", f"/api/tasks/{task.pk}/complete")
    items = changes(api, restarted["next_cursor"])["items"]
    assert [item["verb"] for item in items] == ["completed"]


def test_the_restart_works_even_when_no_young_event_is_kept(
    api: ApiClient, alice: User
) -> None:
    old = changes(api)["next_cursor"]
    task = make_task(alice)
    api.send("POST", f"/api/tasks/{task.pk}/complete")
    purge_old_events()

    restart = ask(api, f"after={old}").json()["restart"]["cursor"]

    assert changes(api, restart) == nothing(restart)
    api.send("POST", f"/api/tasks/{task.pk}/reopen")
    items = changes(api, restart)["items"]
    assert [item["verb"] for item in items] == ["reopened"]


def test_a_cursor_that_missed_nothing_outlives_the_purge(
    api: ApiClient, task: Task
) -> None:
    cursor = changes(api)["next_cursor"]
    purge_old_events()
    assert changes(api, cursor) == nothing(cursor)

    api.send("POST", f"/api/tasks/{task.pk}/complete")

    items = changes(api, cursor)["items"]
    assert [item["verb"] for item in items] == ["completed"]


@pytest.mark.parametrize("after", [None, "latest"])
def test_a_new_reader_gets_a_cursor_that_works_after_a_purge(
    api: ApiClient, task: Task, after: str | None
) -> None:
    purge_old_events()

    page = changes(api, after)

    assert changes(api, page["next_cursor"])["items"] == []
    api.send("POST", f"/api/tasks/{task.pk}/complete")
    assert len(changes(api, page["next_cursor"])["items"]) == 1


def test_the_purge_of_somebody_elses_events_expires_no_cursor(
    api: ApiClient, bob: User
) -> None:
    cursor = changes(api)["next_cursor"]
    make_task(bob)
    purge_old_events()

    assert changes(api, cursor)["items"] == []


# Its cost


def test_the_number_of_queries_does_not_depend_on_the_number_of_changes(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    changes(api, "latest")
    cursor = changes(api, "latest")["next_cursor"]
    make_task(alice, "First")
    counts: list[int] = []

    for _ in range(2):
        before = len(queries)
        changes(api, cursor, 500)
        counts.append(len(queries) - before)
        for number in range(20):
            make_task(alice, f"Task {number}")

    assert counts[0] == counts[1] <= 2


@pytest.mark.parametrize("latest", [True, False])
def test_a_poll_without_changes_is_one_query(
    api: ApiClient, task: Task, queries: CaptureQueriesContext, latest: bool
) -> None:
    cursor = changes(api)["next_cursor"]  # By now the token is cached.
    after = "latest" if latest else cursor
    before = len(queries)

    assert changes(api, after)["items"] == []

    assert len(queries) - before == 1
