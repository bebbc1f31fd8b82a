"""Every change, by whatever way it comes, leaves exactly one event."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.models import Actor, Event, Label, Tag, Task, TaskList
from tests.conftest import BY, ApiClient, force_login, make_task, make_token
from tests.support.admin import LISTS, TAGS, page_of, select
from tests.support.changes import (
    RENAMED,
    SUBJECTS,
    WAYS,
    World,
    action,
    by_api,
    by_form,
    form_of,
    press,
)
from tests.support.failures import no_inserts
from tests.support.rows import tables

WHO = {"token": "alice", "admin": "carol", "command": None}


@pytest.mark.parametrize("name", WAYS)
def test_a_change_leaves_exactly_one_event_that_tells_all(
    world: World, name: str
) -> None:
    """And the list of tasks has another ETag."""
    way = WAYS[name]
    way.first(world)
    before = Event.objects.last_sequence()
    tag = world.api.send("GET", "/api/tasks").headers["ETag"]
    started = timezone.now()

    way.do(world)

    event = Event.objects.after(before).get()
    row = world.row(way.subject)
    new = way.subject.startswith("new ")
    kinds = {kind: getattr(event, kind) for kind in SUBJECTS.values()}
    assert kinds == {**dict.fromkeys(kinds), SUBJECTS[type(row)]: row.pk}
    version = row.version if new else row.version + 1
    assert (event.owner_id, event.version) == (world.alice.pk, version)
    who = event.actor.username if event.actor else None
    assert (event.verb, event.via, who) == (way.verb, way.via, WHO[way.via])
    assert started <= event.at <= timezone.now()
    if name != "seed_tasks":
        assert event.changes == way.changes
    now = type(row)._default_manager.filter(pk=row.pk).first()
    assert (now is None) == (event.verb == "deleted")
    assert now is None or now.version == event.version
    answer = world.api.send("GET", "/api/tasks", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.headers["ETag"] != tag) == (200, True)


def test_the_event_of_a_seeded_task_tells_its_values(world: World) -> None:
    call_command("seed_tasks", 3, owner="alice", verbosity=0)

    for task in Task.objects.newest_first()[:3]:
        told = Event.objects.of_task(task.pk).get().changes
        assert told["title"] == [None, task.title]
        assert told.get("description", [None, ""]) == [None, task.description]
        assert told.get("completed", [None, False]) == [None, task.completed]


@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("complete", ["task", "done"]),
        ("trash", ["task", "done", "trashed"]),
        ("remove", ["task", "done", "trashed"]),
    ],
)
def test_a_bulk_action_leaves_one_event_for_each_task_that_it_changed(
    world: World, name: str, subjects: list[str]
) -> None:
    before = Event.objects.last_sequence()
    keys = [getattr(world, subject).pk for subject in subjects]
    changed = {
        "complete": [world.task.pk],
        "trash": [world.task.pk, world.done.pk],
        "remove": keys,
    }[name]

    action(world, name, *(getattr(world, subject) for subject in subjects))

    events = Event.objects.after(before)
    assert Counter(events.values_list("task_id", flat=True)) == Counter(changed)


@pytest.mark.parametrize("via", ["session", "guest"])
def test_an_event_tells_how_its_actor_came(
    alice: User, settings: Any, via: str
) -> None:
    client = ApiClient("")
    if via == "guest":
        settings.API_GUEST = "alice"
    else:
        force_login(client, alice)

    client.send("POST", "/api/tasks", {"title": "New"})

    event = Event.objects.get()
    assert (event.via, event.actor) == (via, alice)


# In the same transaction


@pytest.fixture
def no_events(transactional_db: None, world: World) -> Iterator[None]:
    """A database that takes no event from here on."""
    with no_inserts("tasks_event"):
        yield


def stored() -> list[Any]:
    return tables(Task, TaskList, Tag, Label, Event)


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.django_db(transaction=True)
def test_a_change_whose_event_cannot_be_stored_is_not_made(
    world: World, no_events: None, name: str
) -> None:
    before = stored()

    with suppress(DatabaseError):
        answer = WAYS[name].do(world)
        assert answer.status_code >= 400

    assert stored() == before


# No change, no event


NO_CHANGES: dict[str, Callable[[World], Any]] = {
    "put the same": by_api("PUT", "task", body={"title": "Buy oat milk"}),
    "patch the same": by_api("PATCH", "task", body={"title": " Buy oat milk "}),
    "patch nothing": by_api("PATCH", "task", body={}),
    "complete a completed one": by_api("POST", "done", "/complete"),
    "reopen an open one": by_api("POST", "task", "/reopen"),
    "restore one that is not in the trash": by_api("POST", "task", "/restore"),
    "delete one in the trash": by_api("DELETE", "trashed"),
    "edit one in the trash": by_api("PATCH", "trashed", body={"title": "New"}),
    "delete somebody else's": lambda world: ApiClient(make_token(world.bob)).send(
        "DELETE", f"/api/tasks/{world.task.pk}?permanent=true"
    ),
    "invalid": by_api("PATCH", "task", body={"title": ""}),
    "read": by_api("GET", "task"),
    "admin saves the form as it is": lambda world: world.staff.post(
        page_of(world.task), form_of(world)
    ),
    "patch the same tags": by_api("PATCH", "task", body={"tags": []}),
    "rename a list to its name": by_api("PATCH", "list", body={"name": " Home "}),
    "rename a tag to its name": by_api("PATCH", "tag", body={"name": "errand"}),
    "admin saves a list as it is": by_form("list"),
    "admin saves a tag as it is": by_form("tag"),
    "admin gives a list no name": by_form("list", name=""),
    "admin asks before deleting lists": lambda world: world.staff.post(
        LISTS, {"action": "remove", "_selected_action": world.list.pk}
    ),
    "admin asks before deleting tags": lambda world: world.staff.post(
        TAGS, {"action": "remove", "_selected_action": world.tag.pk}
    ),
    "admin reopens an open one in the list": lambda world: press(
        world, world.task, "reopen", 2
    ),
    "admin completes an earlier version in the list": lambda world: press(
        world, world.task, "complete", 1
    ),
    "admin completes a completed one": lambda world: action(
        world, "complete", world.done
    ),
    "admin asks before removing": lambda world: select(
        world.staff, "remove", world.task
    ),
    "purge of nothing": lambda world: (
        Task.objects.trashed().update(deleted_at=timezone.now()),
        call_command("purge", verbosity=0),
    ),
}


@pytest.mark.parametrize("name", NO_CHANGES)
def test_what_changes_nothing_leaves_no_event_and_no_version(
    world: World, name: str
) -> None:
    versions = list(Task.objects.order_by("pk").values_list("pk", "version"))
    before = Event.objects.last_sequence()

    NO_CHANGES[name](world)

    assert Event.objects.last_sequence() == before
    assert list(Task.objects.order_by("pk").values_list("pk", "version")) == versions


# A change of many


@pytest.mark.parametrize(
    ("answer", "verb"), [("keep", "edited"), ("delete", "trashed")]
)
@pytest.mark.parametrize("via", ["api", "admin", "admin in bulk"])
def test_deleting_a_list_leaves_an_event_for_it_and_one_for_each_of_its_tasks(
    world: World, via: str, answer: str, verb: str
) -> None:
    tasks = [make_task(world.alice, list_id=world.list.pk) for _ in range(3)]
    before = Event.objects.last_sequence()
    path = f"{LISTS}{world.list.pk}/delete/"

    if via == "api":
        world.api.send("DELETE", f"/api/lists/{world.list.pk}?tasks={answer}")
    elif via == "admin":
        world.staff.post(path, {"post": "yes", "tasks": answer})
    else:
        selected = {"action": "remove", "_selected_action": world.list.pk}
        world.staff.post(LISTS, selected | {"tasks": answer})

    events = Event.objects.after(before)
    assert events.get(task_id=None).list_id == world.list.pk
    told = events.exclude(task_id=None).order_by("task_id")
    assert [(event.task_id, event.verb) for event in told] == [
        (task.pk, verb) for task in tasks
    ]
    gone = {"list_id": [world.list.pk, None]}
    assert all(event.changes == gone for event in told)


@pytest.mark.parametrize("via", ["api", "admin"])
@pytest.mark.parametrize(("name", "tags"), [("errands", ["errands"]), (None, [])])
def test_changing_a_tag_leaves_an_event_for_it_and_one_for_each_of_its_tasks(
    world: World, via: str, name: str | None, tags: list[str]
) -> None:
    tasks = [make_task(world.alice, tags=["errand"]) for _ in range(3)]
    before = Event.objects.last_sequence()

    if via == "api" and name:
        by_api("PATCH", "tag", body={"name": name})(world)
    elif via == "api":
        by_api("DELETE", "tag")(world)
    elif name:
        by_form("tag", name=name)(world)
    else:
        world.staff.post(f"{TAGS}{world.tag.pk}/delete/", {"post": "yes"})

    events = Event.objects.after(before)
    assert events.get(task_id=None).tag_id == world.tag.pk
    told = events.exclude(task_id=None).order_by("task_id")
    assert [event.task_id for event in told] == [task.pk for task in tasks]
    assert all(event.changes == {"tags": [["errand"], tags]} for event in told)


# A transfer


def test_a_task_that_is_given_away_leaves_its_list_and_takes_its_tags(
    world: World,
) -> None:
    Task.objects.filter(pk=world.task.pk).edit(
        BY, list_id=world.list.pk, tags=["errand"]
    )

    by_form("task", owner=str(world.bob.pk))(world)

    task = Task.objects.get(pk=world.task.pk)
    assert (task.list_id, task.tags) == (None, ["errand"])
    assert [tag.owner for tag in task.labels.all()] == [world.bob]


def test_a_transfer_leaves_one_event_in_each_owners_feed(world: World) -> None:
    before = Event.objects.last_sequence()

    world.staff.post(
        page_of(world.task),
        form_of(world, owner=str(world.bob.pk), title="Buy bread"),
    )

    events = Event.objects.after(before)
    assert {event.owner_id for event in events} == {world.alice.pk, world.bob.pk}
    assert len(events) == 2
    for event in events:
        assert (event.verb, event.version) == ("transferred", 3)
        assert (event.task_id, event.actor) == (world.task.pk, world.carol)
        assert event.changes == {
            **RENAMED,
            "owner_id": [world.alice.pk, world.bob.pk],
        }


def test_an_event_outlives_its_task_and_its_actor(world: World) -> None:
    by = Actor(world.carol.pk, "admin")
    Task.objects.filter(pk=world.task.pk).remove(by)
    carol = world.carol.pk
    world.carol.delete()

    item = world.api.send("GET", "/api/changes?limit=500").json()["items"][-1]

    assert (item["verb"], item["task_id"]) == ("deleted", world.task.pk)
    assert item["actor"] == {"id": carol, "username": None}
