"""Every change, by whatever way it comes, leaves exactly one event."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.models import Actor, Event, Task
from tests.admin import LIST, page_of
from tests.changes import RENAMED, WAYS, World, action, by_api, form_of, rows_of
from tests.conftest import ApiClient, make_token

WHO = {"token": "alice", "admin": "carol", "command": None}


@pytest.mark.parametrize("name", WAYS)
def test_a_change_leaves_exactly_one_event_that_tells_all(
    world: World, name: str
) -> None:
    way = WAYS[name]
    before = Event.objects.last_sequence()
    started = timezone.now()

    way.do(world)

    event = Event.objects.after(before).get()
    task = getattr(world, way.subject) if way.subject else world.newest()
    version = task.version + 1 if way.subject else task.version
    assert (event.task_id, event.owner_id, event.version) == (
        task.pk,
        world.alice.pk,
        version,
    )
    who = event.actor.username if event.actor else None
    assert (event.verb, event.via, who) == (way.verb, way.via, WHO[way.via])
    assert started <= event.at <= timezone.now()
    if name != "seed_tasks":
        assert event.changes == way.changes
    now = Task.objects.filter(pk=task.pk).first()
    assert (now is None) == (event.verb == "deleted")
    assert now is None or now.version == event.version


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

    world.staff.post(
        f"{LIST}?trash=all",
        {"action": name, "_selected_action": keys, "newest": "999999999"},
    )

    events = Event.objects.after(before)
    assert sorted(events.values_list("task_id", flat=True)) == sorted(changed)


@pytest.mark.parametrize("via", ["session", "guest"])
def test_an_event_tells_how_its_actor_came(
    alice: User, settings: Any, via: str
) -> None:
    client = ApiClient("")
    if via == "guest":
        settings.API_GUEST = "alice"
    else:
        client.force_login(alice)

    client.send("POST", "/api/tasks", {"title": "New"})

    event = Event.objects.get()
    assert (event.via, event.actor) == (via, alice)


# In the same transaction


@pytest.fixture
def no_events(transactional_db: None, world: World) -> Iterator[None]:
    """A database that takes no event from here on."""
    if connection.vendor == "sqlite":
        make = """CREATE TRIGGER no_events BEFORE INSERT ON tasks_event
            BEGIN SELECT RAISE(ABORT, 'no events'); END"""
        drop = "DROP TRIGGER no_events"
    else:
        make = """CREATE FUNCTION no_events() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'no events'; END $$;
            CREATE TRIGGER no_events BEFORE INSERT ON tasks_event
            EXECUTE FUNCTION no_events()"""
        drop = "DROP FUNCTION no_events() CASCADE"
    with connection.cursor() as cursor:
        cursor.execute(make)
        yield
        cursor.execute(drop)


def stored() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Task, Event)]


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
    "admin saves the list as it is": lambda world: world.staff.post(
        f"{LIST}?q=oat", rows_of((world.task, False))
    ),
    "admin completes a completed one": lambda world: action(
        world, "complete", world.done
    ),
    "admin asks before removing": lambda world: action(world, "remove", world.task),
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


# A transfer


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
