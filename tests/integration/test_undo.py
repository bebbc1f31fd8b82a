"""POST /api/undo"""

import time
from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from taskproject.accounts.models import User
from tasks.models import Event, Tag, Task, TaskList, lock_feeds
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import as_json
from tests.support.batches import create, send
from tests.support.rows import alone, assert_refused, make_list


@pytest.fixture
def task(alice: User) -> Task:
    return make_task(alice, "Buy milk", tags=["home"])


def latest() -> Event:
    return Event.objects.filter(task_id__isnull=False).latest("sequence")


def undo(api: ApiClient, **body: Any) -> Any:
    return alone(api, "POST", "/api/undo", body or {"event": latest().sequence})


def without_times(task: Task) -> dict[str, Any]:
    shown = as_json(task)
    for name in ("version", "updated_at", "completed_at"):
        del shown[name]
    return shown


CHANGES: dict[str, tuple[str, str, Any]] = {
    "title": ("PATCH", "", {"title": "Other"}),
    "all": ("PUT", "", {"title": "a", "description": "b", "location": "c", "priority": "high", "completed": True}),
    "day": ("PATCH", "", {"due_date": "2030-01-01"}),
    "instant": ("PATCH", "", {"due_at": "2030-01-01T12:00:00Z", "due_timezone": "Asia/Tokyo"}),
    "tags": ("PATCH", "", {"tags": ["new", "other"]}),
    "list": ("PATCH", "", {"list": "list"}),
    "parent": ("PATCH", "", {"parent": "other"}),
    "complete": ("POST", "/complete", None),
    "toggle": ("POST", "/toggle", None),
    "move": ("POST", "/move", {"after": "other"}),
    "trash": ("DELETE", "", None),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_undone_and_done_again(
    api: ApiClient, alice: User, task: Task, name: str
) -> None:
    rows = {"list": make_list(alice).pk, "other": make_task(alice, "Other").pk}
    method, suffix, body = CHANGES[name]
    body = body and {key: rows.get(str(value), value) for key, value in body.items()}
    path, before = f"/api/tasks/{task.pk}", without_times(task)
    assert api.send(method, path + suffix, body).status_code < 300
    after = without_times(task)

    for number in range(4):
        answer = undo(api)
        assert answer.status_code == 200, answer.content
        assert without_times(task) == (after if number % 2 else before)
        assert latest().actor_id == alice.pk
        shown = [] if Task.objects.trashed().exists() else [as_json(task)]
        assert answer.json()["tasks"] == shown


@pytest.mark.parametrize(
    "name", ["title", "tags", "parent", "complete", "move", "trash"]
)
def test_what_is_undone_already_stays_as_it_is(
    api: ApiClient, alice: User, task: Task, name: str
) -> None:
    method, suffix, body = CHANGES[name]
    other = make_task(alice, "Other").pk
    body = body and {
        key: other if value == "other" else value for key, value in body.items()
    }
    api.send(method, f"/api/tasks/{task.pk}{suffix}", body)
    change = latest().sequence
    undo(api, event=change)
    once = latest().sequence

    answer = undo(api, event=change)

    assert (answer.status_code, answer.json()["tasks"]) == (200, [])
    assert latest().sequence == once


def test_a_creation_is_undone_by_the_trash_and_a_restoring_too(
    api: ApiClient, task: Task
) -> None:
    for verb in ("trashed", "restored", "trashed"):
        assert undo(api).status_code == 200
        assert latest().verb == verb


def test_a_whole_batch_is_undone_in_one_go_within_two_seconds(
    api: ApiClient, alice: User, patience: None
) -> None:
    rows = [{"title": f"Task {number}"} for number in range(250)]
    tasks = Task.objects.add_all(BY, alice.pk, rows)
    before = [without_times(task) for task in tasks]
    operations: list[Any] = [
        {"op": "update", "id": task.pk, "body": {"title": "New", "tags": ["new"]}}
        for task in tasks[:-1]
    ]
    operations += [{"op": "delete", "id": tasks[-1].pk}]
    operations += [create(f"Another {number}") for number in range(250)]
    body = {"operations": operations}
    headers = {"Idempotency-Key": "many"}
    assert (
        api.send("POST", "/api/tasks/batch", body, headers=headers).status_code == 200
    )
    began = time.process_time()

    answer = undo(api, request="many")

    assert time.process_time() - began < 2
    assert answer.status_code == 200, answer.content
    assert [without_times(task) for task in tasks] == before
    assert Task.objects.live().count() == 250
    name = answer.headers["X-Request-ID"]
    assert Event.objects.filter(request=name).count() == 500
    assert undo(api, request=name).status_code == 200
    assert Task.objects.live().count() == 499


def test_a_field_that_was_changed_since_is_409_and_named(
    api: ApiClient, task: Task
) -> None:
    path = f"/api/tasks/{task.pk}"
    api.send("PATCH", path, {"title": "Mine", "description": "Mine"})
    mine = latest().sequence
    Task.objects.filter(pk=task.pk).edit(BY, title="Theirs", priority=3)
    now = as_json(task)

    answer = undo(api, event=mine)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["changed"] == ["title"]
    assert as_json(task) == now
    Task.objects.filter(pk=task.pk).edit(BY, title="Mine")
    assert undo(api, event=mine).status_code == 200
    shown = as_json(task)
    assert (shown["title"], shown["priority"]) == ("Buy milk", "high")


def test_a_creation_that_was_edited_since_is_409(
    api: ApiClient, task: Task, alice: User
) -> None:
    made = latest().sequence
    Task.objects.filter(pk=task.pk).edit(BY, title="Theirs")

    answer = undo(api, event=made)

    assert (answer.status_code, answer.json()["changed"]) == (409, ["title"])


def test_a_batch_of_which_one_task_conflicts_is_not_undone_at_all(
    api: ApiClient, alice: User, task: Task
) -> None:
    other = make_task(alice, "Other")
    body = {
        "operations": [{"op": "complete", "id": key} for key in (task.pk, other.pk)]
    }
    api.send("POST", "/api/tasks/batch", body, headers={"X-Request-ID": "both"})
    Task.objects.filter(pk=task.pk).reopen(BY)
    Task.objects.filter(pk=other.pk).edit(BY, title="Theirs")
    assert undo(api, request="both").status_code == 200
    assert not Task.objects.filter(completed=True).exists()
    api.send("POST", "/api/tasks/batch", body, headers={"X-Request-ID": "again"})
    Task.objects.filter(pk=task.pk).remove(BY)

    answer = undo(api, request="again")

    assert answer.status_code == 409
    assert "deleted permanently" in answer.json()["detail"]
    assert Task.objects.get().completed


def test_what_is_lost_is_409(api: ApiClient, alice: User) -> None:
    row = make_list(alice)
    task = make_task(alice, list_id=row.pk)
    api.send("PATCH", f"/api/tasks/{task.pk}", {"list": None})
    left = latest().sequence
    api.send("DELETE", f"/api/lists/{row.pk}")

    assert undo(api, event=left).status_code == 409
    api.send("DELETE", f"/api/tasks/{task.pk}?permanent=true")
    answer = undo(api)
    assert answer.status_code == 409
    assert "deleted permanently" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("lists/{0}", {"name": "Food"}),
        ("lists/{0}", {"name": "SHOPPING", "archived": True}),
        ("lists/{0}/move", {"after": "other"}),
        ("tags/{1}", {"name": "house"}),
    ],
)
def test_a_change_of_a_list_or_tag_is_undone_and_done_again(
    api: ApiClient, alice: User, path: str, body: Any
) -> None:
    row, other = make_list(alice), make_list(alice, "Other")
    task = make_task(alice, tags=["home"], list_id=row.pk)
    path = path.format(row.pk, Tag.objects.get().pk)
    kind, _, rest = path.partition("/")
    one = f"/api/{kind}/{rest.partition('/')[0]}"
    method = "POST" if path.endswith("move") else "PATCH"
    body = {name: other.pk if it == "other" else it for name, it in body.items()}

    def now() -> Any:
        shown = api.send("GET", one).json()
        task.refresh_from_db()
        return {it: shown[it] for it in shown if it not in ("version", "updated_at")}, (
            task.tags
        )

    before = now()
    assert api.send(method, f"/api/{path}", body).status_code == 200
    after = now()

    for number in range(3):
        event = Event.objects.filter(task_id=None).latest("sequence").sequence
        answer = undo(api, event=event)
        assert answer.status_code == 200, answer.content
        assert now() == (after if number % 2 else before)
        assert answer.json()[kind] == [api.send("GET", one).json()]


def test_renaming_a_tag_is_undone_by_its_request(api: ApiClient, alice: User) -> None:
    task = make_task(alice, tags=["home"])
    name = {"X-Request-ID": "renaming"}
    path = f"/api/tags/{Tag.objects.get().pk}"
    api.send("PATCH", path, {"name": "house"}, headers=name)

    assert undo(api, request="renaming").status_code == 200

    task.refresh_from_db()
    assert (task.tags, Tag.objects.get().name) == (["home"], "home")


def test_the_creation_of_a_list_is_undone_until_it_is_used(
    api: ApiClient, alice: User
) -> None:
    for name in ("Empty", "Used", "Edited"):
        api.send("POST", "/api/lists", {"name": name})
    empty, used, edited = Event.objects.order_by("sequence")
    make_task(alice, list_id=used.list_id)
    row = TaskList.objects.get(name="Edited")
    with lock_feeds([alice.pk]):
        row.edit(BY, archived=True)

    answer = undo(api, event=empty.sequence)

    assert (answer.status_code, answer.json()["lists"]) == (200, [])
    assert not TaskList.objects.filter(name="Empty").exists()
    assert "has tasks" in undo(api, event=used.sequence).json()["detail"]
    assert undo(api, event=edited.sequence).json()["changed"] == ["archived"]


def test_what_completing_a_series_has_made_goes_with_it(
    api: ApiClient, alice: User
) -> None:
    series: dict[str, Any] = {"recurrence": "FREQ=DAILY", "due_date": date(2999, 1, 1)}
    task = make_task(alice, **series)
    for completed in (True, False):
        make_task(alice, "Below", parent_id=task.pk, completed=completed)
    name = {"X-Request-ID": "done"}
    api.send("POST", f"/api/tasks/{task.pk}/complete", headers=name)
    assert Task.objects.count() == 5

    answer = undo(api, request="done")

    assert answer.status_code == 200, answer.content
    assert Task.objects.filter(parent_id=task.pk).count() == 2
    assert Task.objects.count() == 3


def test_a_series_that_was_begun_and_completed_goes_whole(api: ApiClient) -> None:
    own = str(uuid4())
    body = {"client_id": own, "recurrence": "FREQ=DAILY", "due_date": "2999-01-01"}
    complete = {"op": "complete", "id": {"client_id": own}}
    operations = [create("Water the plants", **body), complete]
    name = send(api, *operations).headers["X-Request-ID"]
    assert Task.objects.live().count() == 2

    assert undo(api, request=name).status_code == 200

    assert not Task.objects.live().exists()


def test_the_end_of_a_series_is_undone_without_a_second_next_one(
    api: ApiClient, alice: User
) -> None:
    day = date(2999, 1, 1)
    task = make_task(alice, recurrence="FREQ=DAILY", due_date=day)
    Task.objects.filter(pk=task.pk).complete(BY)
    before = without_times(task)
    ended = {"completed": False, "recurrence": None}
    assert api.send("PATCH", f"/api/tasks/{task.pk}", ended).status_code == 200

    assert undo(api).status_code == 200

    assert without_times(task) == before
    assert Task.objects.count() == 2


@pytest.mark.parametrize("kind", ["list", "tag"])
def test_what_cannot_be_undone_of_a_list_or_tag_is_409(
    api: ApiClient, alice: User, kind: str
) -> None:
    key = make_list(alice, "One").pk
    if kind == "tag":
        api.send("POST", "/api/tasks", {"title": "a", "tags": ["one"]})
        key = Tag.objects.get().pk
        creation = Event.objects.get(tag_id=key).sequence
        assert "created is kept" in undo(api, event=creation).json()["detail"]
    path = f"/api/{kind}s/{key}"
    api.send("PATCH", path, {"name": "Two"})
    renamed = Event.objects.filter(task_id=None).latest("sequence").sequence
    api.send("PATCH", path, {"name": "Three"})

    answer = undo(api, event=renamed)

    assert (answer.status_code, answer.json()["changed"]) == (409, ["name"])
    api.send("DELETE", path)
    for event in Event.objects.filter(task_id=None).order_by("-sequence")[:2]:
        answer = undo(api, event=event.sequence)
        assert answer.status_code == 409
        assert "was deleted permanently" in answer.json()["detail"]


def test_a_name_that_was_taken_since_is_409(api: ApiClient, alice: User) -> None:
    key = make_list(alice, "One").pk
    api.send("PATCH", f"/api/lists/{key}", {"name": "Two"})
    renamed = Event.objects.filter(list_id=key).latest("sequence").sequence
    make_list(alice, "One")

    answer = undo(api, event=renamed)

    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


def test_more_changes_than_one_request_undoes_are_409(
    api: ApiClient, alice: User, task: Task
) -> None:
    same = {"title": [task.title, task.title]}
    Event.objects.bulk_create(
        Event(
            owner=alice,
            actor=alice,
            task_id=task.pk,
            via="token",
            request="many",
            verb=Event.Verb.EDITED,
            version=1,
            at=task.created_at,
            changes=same,
        )
        for _ in range(1_000)
    )
    other = make_task(alice, "Other")
    name = {"X-Request-ID": "many"}
    api.send("POST", f"/api/tasks/{other.pk}/complete", headers=name)

    answer = undo(api, request="many")

    assert answer.status_code == 409
    assert "1,000 changes of 500 tasks" in answer.json()["detail"]


def test_only_ones_own_changes_are_undone(
    api: ApiClient, bobs_api: ApiClient, task: Task, carol: User
) -> None:
    mine = latest().sequence
    Task.objects.filter(pk=task.pk).edit(BY, title="By the service")

    for client, body in (
        (bobs_api, {"event": mine}),
        (api, {"event": latest().sequence}),
        (api, {"event": 2**62}),
        (api, {"request": "unknown"}),
    ):
        assert undo(client, **body).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "", "one_change"),
        ({"event": 1, "request": "a"}, "", "one_change"),
        ({"event": 0}, "/event", "too_small"),
        ({"event": "1"}, "/event", "wrong_type"),
        ({"event": None}, "/event", "wrong_type"),
        ({"request": ""}, "/request", "too_short"),
        ({"request": "x" * 256}, "/request", "too_long"),
        ({"request": "\x00"}, "/request", "nul_character"),
        ({"batch": "a"}, "/batch", "unknown"),
    ],
)
def test_a_bad_body_is_422(
    api: ApiClient, body: dict[str, Any], pointer: str, code: str
) -> None:
    answer = alone(api, "POST", "/api/undo", body)

    assert_refused(answer, "/api/undo", pointer, code, None)
