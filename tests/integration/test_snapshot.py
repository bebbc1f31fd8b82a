"""GET /api/snapshot: what a client begins with, before it follows the changes"""

import json
from collections.abc import Callable
from functools import partial
from random import Random
from threading import Event as Flag
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.api import snapshot
from tasks.models import Tag, Task
from tests.conftest import BY, ApiClient, make_task, make_token
from tests.support.answers import as_json
from tests.support.rows import list_json, make_list, tag_json
from tests.support.threads import PATIENCE, Threads, at_once

PATH = "/api/snapshot"
KINDS = ("list", "tag", "task")


def lines(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    content = answer.getvalue()
    assert content.endswith(b"\n")
    assert answer.headers["Content-Length"] == str(len(content))
    return [json.loads(line) for line in content.splitlines()]


class Copy:
    """A client's copy of all lists, tags and tasks: begun with a snapshot, then kept up to
    date by the changes."""

    def __init__(self, api: ApiClient) -> None:
        self.api = api
        header, *rows, end = lines(api.send("GET", PATH))
        assert header["kind"] == "header"
        self.cursor = header["cursor"]
        self.rows: dict[str, dict[int, Any]] = {kind: {} for kind in KINDS}
        for row in rows:
            assert row["id"] not in self.rows[row["kind"]]
            self.rows[row.pop("kind")][row["id"]] = row
        numbers = {f"{kind}s": len(self.rows[kind]) for kind in KINDS}
        assert end == {"kind": "end", **numbers}

    def follow(self) -> None:
        """Reads the changes until there are no more."""
        has_more = True
        while has_more:
            page = self.api.send("GET", f"/api/changes?after={self.cursor}").json()
            for change in page["items"]:
                for kind in KINDS:
                    key = change[f"{kind}_id"]
                    if change[kind] is not None:
                        self.rows[kind][key] = change[kind]
                    elif key is not None:
                        self.rows[kind].pop(key, None)
                for parent in change["parents"]:
                    self.rows["task"][parent["id"]] = parent
            self.cursor, has_more = page["next_cursor"], page["has_more"]


def stored(api: ApiClient) -> dict[str, dict[int, Any]]:
    """All lists, tags and tasks, as their operations list them."""
    found: dict[str, dict[int, Any]] = {}
    for kind in KINDS:
        page = api.send("GET", f"/api/{kind}s?limit=500").json()
        assert page["next_cursor"] is None
        found[kind] = {row["id"]: row for row in page["items"]}
    return found


def test_it_has_lists_tags_and_tasks(api: ApiClient, alice: User, bob: User) -> None:
    shopping, work = make_list(alice), make_list(alice, "Work", archived=True)
    top = make_task(alice, "Top", list_id=shopping.pk, tags=["home", "errand"])
    sub = make_task(alice, "Sub", parent_id=top.pk)
    trashed = make_task(alice, "Trashed")
    Task.objects.filter(pk=trashed.pk).trash(BY)
    make_task(bob, tags=["his"])
    make_list(bob)

    answer = api.send("GET", PATH)

    assert answer.headers["Content-Type"] == "application/jsonl"
    header, *rows, end = lines(answer)
    after = api.send("GET", "/api/changes?after=latest").json()["next_cursor"]
    assert header == {
        "kind": "header",
        "format": "snapshot",
        "version": 1,
        "cursor": after,
    }
    assert rows == [
        *({"kind": "list", **list_json(row)} for row in (shopping, work)),
        *({"kind": "tag", **tag_json(name)} for name in ("errand", "home")),
        *({"kind": "task", **as_json(task)} for task in (top, sub)),
    ]
    assert end == {"kind": "end", "lists": 2, "tags": 2, "tasks": 2}


def test_of_nothing_it_is_whole(api: ApiClient) -> None:
    header, end = lines(api.send("GET", PATH))

    assert end == {"kind": "end", "lists": 0, "tags": 0, "tasks": 0}
    make_task(User.objects.get(), "First")
    path = f"/api/changes?after={header['cursor']}"
    assert len(api.send("GET", path).json()["items"]) == 1


def test_overdue_is_that_of_the_time_zone(api: ApiClient, alice: User) -> None:
    assert lines(api.send("GET", f"{PATH}?tz=Asia/Tokyo"))
    answer = api.send("GET", f"{PATH}?tz=Tokyo")
    assert answer.json()["errors"][0]["code"] == "timezone"


def test_it_reads_in_chunks(
    api: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "CHUNK", 3)
    for number in range(7):
        make_list(alice, f"List {number}")
        make_task(alice, tags=[f"tag {number}"])

    with CaptureQueriesContext(connection) as queries:
        copy = Copy(api)

    assert copy.rows == stored(api)
    assert len(queries) <= 15


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_and_the_changes_since_are_the_state(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While others write: snapshots of many statements, between which they commit."""
    monkeypatch.setattr(snapshot, "CHUNK", 2)
    token = make_token(alice)
    lists = [make_list(alice, f"List {number}").pk for number in range(3)]
    # Of these two, always one is completed.
    first = make_task(alice, "First").pk
    for number in range(8):
        make_task(alice, list_id=lists[number % 3], tags=[f"tag {number % 4}"])
    last = make_task(alice, "Last", completed=True).pk
    done, snapshots = Flag(), list[Copy]()

    def toggle_both() -> None:
        toggles = [{"op": "toggle", "id": key} for key in (first, last)]
        while not done.is_set():
            api = ApiClient(token)
            api.send("POST", "/api/tasks/batch", {"operations": toggles})

    def write(number: int) -> None:
        random, api = Random(number), ApiClient(token)
        rows: dict[str, dict[int, Any]] = {}
        for count in range(40):
            if count % 4 == 0:  # in between, some of it is gone
                rows = stored(api)
                for key in (first, last):
                    del rows["task"][key]
            task, row, tag = (
                random.choice([*rows[kind]] or [0]) for kind in ("task", "list", "tag")
            )
            new = {"title": "New", "tags": [f"tag {count % 6}"]}
            tops = [one for one in rows["task"].values() if one["parent"] is None]
            parent = random.choice(tops)["id"] if tops else None
            path = f"/api/tasks/{task}"
            api.send(
                *random.choice(
                    [
                        ("POST", "/api/tasks", new),
                        ("POST", "/api/tasks", new | {"parent": parent}),
                        ("POST", f"{path}/toggle", None),
                        ("PATCH", path, {"title": f"{count} of {number}"}),
                        ("PATCH", path, {"list": row or None, "tags": []}),
                        ("PATCH", path, {"parent": parent}),
                        ("DELETE", path, None),
                        ("DELETE", f"{path}?permanent=true", None),
                        ("POST", f"{path}/restore", None),
                        ("POST", "/api/lists", {"name": f"{number} {count}"}),
                        ("PATCH", f"/api/lists/{row}", {"archived": True}),
                        ("DELETE", f"/api/lists/{row}?tasks=delete", None),
                        ("PATCH", f"/api/tags/{tag}", {"name": f"tag {count % 6}"}),
                        ("DELETE", f"/api/tags/{tag}", None),
                    ]
                )
            )

    def begin() -> None:
        while not done.is_set():
            snapshots.append(Copy(ApiClient(token)))

    with Threads() as threads:
        reading, toggling = threads.start(begin), threads.start(toggle_both)
        try:
            writers: list[Callable[[], Any]] = [partial(write, n) for n in range(4)]
            at_once(writers)
        finally:
            done.set()
        reading.result(PATIENCE)
        toggling.result(PATIENCE)

    api = ApiClient(token)
    state = stored(api)
    assert len({copy.cursor for copy in snapshots}) > 3
    for copy in snapshots:
        tasks = copy.rows["task"]
        assert tasks[first]["completed"] != tasks[last]["completed"]
        copy.follow()
        assert copy.rows == state
    assert Tag.objects.count() == len(state["tag"])
