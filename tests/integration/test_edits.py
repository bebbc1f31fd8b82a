"""An edit of one task by one statement (tasks/models/single_statement.py): what it returns, and
what it does about a row that others change. `test_edit_properties.py` compares it with turns of
reading and writing."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.limits import FIRST_DAY, LAST_DAY
from tasks.models import Event, Outcome, Task, TaskQuerySet, lock_feeds
from tests.conftest import BY, ApiClient, make_task
from tests.support.tallies import assert_right
from tests.support.threads import PATIENCE, Threads, until, waiting

pytestmark = pytest.mark.django_db(transaction=True)

on_postgresql = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="PostgreSQL's"
)
INSTANT = datetime(2026, 12, 31, 12, tzinfo=UTC)
TEXT = 'Größe "4" \\ %s $1 {0} | 🌱 牛奶'
EDITS: dict[str, dict[str, Any]] = {
    "title": {"title": "Buy bread"},
    "any title": {"title": TEXT},
    "title without words": {"title": "!?"},
    "description": {"description": "White or rye"},
    "any description": {"description": f"{TEXT}\n{TEXT}\t{TEXT}"},
    "no description": {"description": ""},
    "both": {"title": "Buy bread", "description": "White or rye"},
    "the other way round": {"description": "White or rye", "title": "Buy bread"},
    "title stays": {"title": "Buy milk", "description": "White or rye"},
    "description stays": {"title": "Buy bread", "description": "Oat"},
    "nothing": {"title": "Buy milk", "description": "Oat"},
    "complete": {"completed": True},
    "reopen": {"completed": False},
    "complete and rename": {"completed": True, "title": "Buy bread"},
    "complete, title stays": {"completed": True, "title": "Buy milk"},
    "location": {"location": f"{TEXT}'s"},
    "no location": {"location": None},
    "location and title": {"location": "Market", "title": "Buy bread"},
    "priority": {"priority": 4},
    "no priority": {"priority": 0},
    "all texts": {"title": "Buy rye", "description": TEXT, "location": "Bakery"},
    "day": {"due_date": date(2026, 12, 31)},
    "first day": {"due_date": FIRST_DAY},
    "last day": {"due_date": LAST_DAY},
    "no day": {"due_date": None},
    "instant": {"due_at": INSTANT},
    "instant of microseconds": {"due_at": INSTANT.replace(microsecond=120)},
    "instant in a zone": {"due_at": INSTANT, "due_timezone": "Asia/Tokyo"},
    "instant in no zone": {"due_at": INSTANT, "due_timezone": None},
    "instant of another": {"due_at": INSTANT.astimezone(ZoneInfo("Asia/Tokyo"))},
    "instant for an owner": {"due_at": INSTANT, "zone": "Europe/Lisbon"},
    "no instant": {"due_at": None},
    "no due": {"due_date": None, "due_at": None},
    "day for an instant": {"due_date": date(2026, 12, 31), "due_at": None},
    "instant for a day": {"due_date": None, "due_at": INSTANT},
    "zone": {"due_timezone": "Asia/Tokyo"},
    "no zone": {"due_timezone": None},
    "zone and no day": {"due_timezone": "Asia/Tokyo", "due_date": None},
    "all of them": {
        "title": "Buy bread",
        "description": TEXT,
        "location": "Bakery",
        "priority": 3,
        "completed": True,
        "due_at": INSTANT,
    },
}
#: What two tasks do not share.
OWN = {"id", "position", "created_at", "updated_at", "completed_at"}


def columns(task: Task) -> dict[str, Any]:
    row = Task.objects.filter(pk=task.pk).values().get()
    assert (row["completed_at"] is not None) == row["completed"]
    return {name: value for name, value in row.items() if name not in OWN}


def edit(task: Task, *, by_turns: bool = False, **fields: Any) -> Outcome:
    one = Task.one(task.owner_id, task.pk)
    if not by_turns:
        return one.edit(BY, **fields)
    with transaction.atomic():
        return one.edit(BY, **fields)


def told(task: Task) -> list[tuple[Any, ...]]:
    events = Event.objects.of_task(task.pk).in_order()
    fields = ("owner_id", "actor_id", "via", "verb", "version", "changes")
    return list(events.values_list(*fields))


@pytest.mark.parametrize("by_turns", [False, True])
def test_the_time_of_a_change_is_the_clocks_after_a_later_version(
    alice: User, by_turns: bool
) -> None:
    """As it is stored after an import, or by a clock that was ahead."""
    ahead = timezone.now() + timedelta(days=1)
    task = make_task(alice)
    Task.objects.filter(pk=task.pk).update(updated_at=ahead)

    edit(task, completed=True, by_turns=by_turns)
    done = Task.objects.get(pk=task.pk)
    Task.one(alice.pk, task.pk).trash(BY)
    trashed = Task.objects.get(pk=task.pk)

    assert done.completed_at and done.completed_at < ahead
    assert trashed.deleted_at and trashed.deleted_at < ahead
    assert done.updated_at == trashed.updated_at == ahead


def test_a_new_task_in_the_trash_is_not_counted(alice: User) -> None:
    make_task(alice, deleted_at=timezone.now())

    assert_right()


def test_it_gives_back_the_task_as_it_is_stored(alice: User) -> None:
    for edited, fields in EDITS.items():
        task = make_task(alice, "Buy milk", description="Oat", due_at=INSTANT)
        make_task(alice, "Child", parent_id=task.pk)

        found = edit(task, **fields).changed.get(task.pk)

        if found is not None:
            [stored] = Task.objects.filter(pk=task.pk).values()
            del stored["search"], stored["sorted_title"], stored["location_key"]
            assert {name: getattr(found, name) for name in stored} == stored, edited
            assert found.open_subtasks == 1, edited


@on_postgresql
@pytest.mark.parametrize(
    ("fields", "statements"),
    [
        ({"title": "Buy bread"}, 1),
        ({"description": "Rye"}, 1),
        ({"title": "Buy bread", "description": "Rye"}, 1),
        ({"completed": True}, 1),
        ({"title": "Buy bread", "priority": 3}, 1),
        ({"title": "Buy bread", "completed": True}, 1),
        ({"due_date": date(2026, 12, 31)}, 1),
        ({"due_at": None}, 1),
        # Nothing to write: the task is read by the same statement.
        ({"title": "Buy milk"}, 1),
        ({"completed": False}, 1),
    ],
)
def test_an_edit_is_this_many_statements(
    alice: User, fields: dict[str, Any], statements: int
) -> None:
    task = make_task(alice, "Buy milk")

    with CaptureQueriesContext(connection) as queries:
        edit(task, **fields)

    assert len(queries) == statements


@on_postgresql
def test_a_task_goes_to_the_trash_by_one_statement(alice: User) -> None:
    task = make_task(alice)

    with CaptureQueriesContext(connection) as queries:
        Task.one(alice.pk, task.pk).trash(BY)

    assert len(queries) == 1


@pytest.mark.parametrize("fields", [{"title": "Buy bread"}, {"description": "Rye"}])
def test_a_row_of_an_earlier_version_is_edited_as_well(
    alice: User, fields: dict[str, Any]
) -> None:
    """Its words are not told apart yet."""
    task, new = (make_task(alice, "Buy milk", description="Oat") for _ in range(2))
    Task.objects.filter(pk=task.pk).update(search="buy milk oat")

    edit(task, **fields)
    edit(new, **fields)

    assert columns(task) == columns(new)
    assert told(task) == told(new)


@pytest.mark.parametrize("fields", [{"title": "Mine"}, {"completed": True}])
@pytest.mark.parametrize("match", ['"1"', '"2"', '"1", "2"', '"7"', "*"])
def test_if_match_holds(
    known: ApiClient, alice: User, fields: dict[str, Any], match: str
) -> None:
    task = make_task(alice)
    edit(task, description="Oat")

    answer = known.send(
        "PATCH", f"/api/tasks/{task.pk}", fields, headers={"If-Match": match}
    )

    fits = match == "*" or "2" in match
    assert answer.status_code == (200 if fits else 412)
    assert columns(task)["version"] == (3 if fits else 2)


@pytest.mark.parametrize("fields", [{"title": "Mine"}, {"completed": True}])
def test_what_is_not_there_or_in_the_trash_is_left_alone(
    known: ApiClient, alice: User, bob: User, fields: dict[str, Any]
) -> None:
    trashed, others = make_task(alice), make_task(bob)
    Task.one(alice.pk, trashed.pk).trash(BY)
    before = columns(trashed), columns(others)

    answers = [
        known.send("PATCH", f"/api/tasks/{key}", fields).status_code
        for key in (trashed.pk, others.pk, 2**62)
    ]

    assert answers == [410, 404, 404]
    assert (columns(trashed), columns(others)) == before


@on_postgresql
@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"title": "Mine"}, {"title": ["Other", "Mine"]}),
        ({"description": "Mine"}, {"description": ["", "Mine"]}),
        ({"completed": True}, {"completed": [False, True]}),
    ],
)
def test_who_was_overtaken_edits_what_is_there_then(
    known: ApiClient, alice: User, fields: dict[str, Any], changes: dict[str, Any]
) -> None:
    task = make_task(alice)

    with Threads(1) as threads:
        with lock_feeds([alice.pk]):
            answering = threads.start(
                lambda: known.send("PATCH", f"/api/tasks/{task.pk}", fields)
            )
            until(lambda: waiting() > 0)
            Task.objects.filter(pk=task.pk).edit(BY, title="Other", priority=2)
            released = timezone.now()
        answer = answering.result(PATIENCE)

    assert answer.status_code == 200
    assert columns(task) | fields == columns(task)
    last = Event.objects.in_order().last()
    assert last is not None
    assert (last.version, last.changes) == (3, changes)
    assert last.at > released


@on_postgresql
@pytest.mark.parametrize("fields", [{"title": "Mine"}, {"completed": True}])
@pytest.mark.parametrize(
    ("overtake", "match", "status"),
    [
        (lambda task, _: task.edit(BY, priority=2), '"1"', 412),
        (lambda task, _: task.trash(BY), "*", 410),
        (lambda task, other: task.edit(BY, owner_id=other.pk), "*", 404),
        (lambda task, _: task.remove(BY), "*", 404),
    ],
    ids=["changed", "trashed", "given away", "removed"],
)
def test_who_was_overtaken_by_a_change_that_forbids_it_changes_nothing(
    known: ApiClient,
    alice: User,
    bob: User,
    fields: dict[str, Any],
    overtake: Callable[[TaskQuerySet, User], object],
    match: str,
    status: int,
) -> None:
    task = make_task(alice)

    with Threads(1) as threads:
        with lock_feeds([alice.pk, bob.pk]):
            answering = threads.start(
                lambda: known.send(
                    "PATCH",
                    f"/api/tasks/{task.pk}",
                    fields,
                    headers={"If-Match": match},
                )
            )
            until(lambda: waiting() > 0)
            overtake(Task.objects.filter(pk=task.pk), bob)
            before = [*Task.objects.values()], told(task)
        answer = answering.result(PATIENCE)

    assert answer.status_code == status
    assert ([*Task.objects.values()], told(task)) == before


@on_postgresql
@pytest.mark.parametrize(
    ("operation", "completed"), [("complete", True), ("toggle", False)]
)
def test_who_was_overtaken_by_a_change_without_a_version_is_counted_once(
    known: ApiClient, alice: User, operation: str, completed: bool
) -> None:
    task = make_task(alice, tags=["home"])

    with Threads(1) as threads:
        with lock_feeds([alice.pk]):
            answering = threads.start(
                lambda: known.send("POST", f"/api/tasks/{task.pk}/{operation}")
            )
            until(lambda: waiting() > 0)
            Task.objects.filter(pk=task.pk).update(
                completed=True, completed_at=timezone.now()
            )
        answer = answering.result(PATIENCE)

    assert (answer.status_code, answer.json()["completed"]) == (200, completed)
    assert_right()


@on_postgresql
@pytest.mark.parametrize("key", ["own", "missing"])
@pytest.mark.parametrize("fields", [{"title": "Buy milk"}, {"completed": False}])
def test_who_changes_nothing_waits_for_nobody(
    known: ApiClient, alice: User, fields: dict[str, Any], key: str
) -> None:
    task = make_task(alice, "Buy milk")
    path = f"/api/tasks/{task.pk if key == 'own' else 2**62}"

    with Threads(1) as threads, lock_feeds([alice.pk]):
        answer = threads.call(lambda: known.send("PATCH", path, fields))

    assert answer.status_code == (200 if key == "own" else 404)


@on_postgresql
def test_who_was_overtaken_by_the_same_edit_changes_nothing(
    known: ApiClient, alice: User
) -> None:
    task = make_task(alice)

    with Threads(1) as threads:
        with lock_feeds([alice.pk]):
            answering = threads.start(
                lambda: known.send("PATCH", f"/api/tasks/{task.pk}", {"title": "Other"})
            )
            until(lambda: waiting() > 0)
            Task.objects.filter(pk=task.pk).edit(BY, title="Other")
        answer = answering.result(PATIENCE)

    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert len(told(task)) == 2
