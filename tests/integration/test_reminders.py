"""Reminders: set with a task, fired by the worker, once."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject.accounts.models import User
from taskproject.timezones import instant_of
from tasks.exports import records_of
from tasks.formats import BadRow, Record, jsonl
from tasks.imports import Importer
from tasks.jobs import confirm_bulk_change, undo_bulk_change
from tasks.models import BulkChange, Event, Reminder, Task
from tasks.reminder_rules import moment, relative
from tasks.reminders import fire_reminders
from tests.conftest import BY, ApiClient, make_task

NOW = timezone.now().replace(microsecond=0)
# (Far enough away that nothing fires while the whole suite runs.)
SOON, AGO = NOW + timedelta(days=1), NOW - timedelta(hours=1)
AT = {"at": SOON.isoformat().replace("+00:00", "Z")}
HALF = {"hour": 9, "minutes_before": 30}


def pass_by(task: Task, seconds: float = 5) -> None:
    """Lets the instants of the pending reminders pass, as if time had: moves them, and what they
    follow from."""
    past = timezone.now() - timedelta(seconds=seconds)
    rows = Reminder.objects.pending().filter(task_id=task.pk)
    for row in rows:
        if row.at is not None:
            rows.filter(pk=row.pk).update(at=past, fire_at=past)
        else:
            minutes = timedelta(minutes=row.minutes_before or 0)
            Task.objects.filter(pk=task.pk).update(
                due_date=None, due_at=past + minutes, due_timezone="UTC"
            )
            rows.filter(pk=row.pk).update(fire_at=past)


def fire() -> list[Event]:
    """Fires all that is due; the events of that."""
    before = Event.objects.last_sequence()
    while fire_reminders() <= 0:
        pass
    found = Event.objects.filter(verb=Event.Verb.REMINDED, sequence__gt=before)
    return [*found.order_by("sequence")]


def statuses(task: Task) -> list[str]:
    rows = Reminder.objects.filter(task_id=task.pk).order_by("pk")
    return [*rows.values_list("status", flat=True)]


def remind(owner: User, *rules: dict[str, Any], **fields: Any) -> Task:
    return make_task(owner, reminders=[*rules], **fields)


# Members of a task


def test_they_are_set_shown_changed_and_removed(api: ApiClient) -> None:
    given = [{"minutes_before": 30}, AT, {"minutes_before": 0, "hour": 18}, AT]
    body = {"title": "Rent", "due_date": "2990-12-31", "reminders": given}
    task = api.send("POST", "/api/tasks", body).json()
    path = f"/api/tasks/{task['id']}"

    shown = [HALF, AT, {"hour": 18, "minutes_before": 0}]
    assert task["reminders"] == shown
    assert api.send("GET", path).json() == task
    assert api.send("GET", "/api/tasks").json()["items"] == [task]
    fewer = api.send("PATCH", path, {"reminders": [AT]}).json()
    assert (fewer["reminders"], fewer["version"]) == ([AT], 2)
    assert api.send("PATCH", path, {"reminders": [AT]}).json() == fewer
    assert api.send("PUT", path, {"title": "Rent"}).json()["reminders"] == []
    assert not Reminder.objects.exists()
    history = api.send("GET", f"{path}/history").json()["items"]
    assert [one["changes"].get("reminders") for one in history] == [
        {"old": [AT], "new": None},
        {"old": shown, "new": [AT]},
        {"old": None, "new": shown},
    ]


def test_a_batch_sets_them_and_undo_takes_that_back(api: ApiClient) -> None:
    create = {"op": "create", "body": {"title": "Rent", "reminders": [AT]}}
    api.send("POST", "/api/tasks/batch", {"operations": [create]})
    key = Task.objects.get().pk
    update = {"op": "update", "id": key, "body": {"reminders": [HALF]}}
    complete = {"op": "complete", "id": key}

    api.send("POST", "/api/tasks/batch", {"operations": [update, complete]})
    assert statuses(Task.objects.get()) == ["inactive"]
    event = Event.objects.filter(verb="edited").get()
    undone = api.send("POST", "/api/undo", {"event": event.sequence})

    assert undone.json()["tasks"][0]["reminders"] == [AT]
    assert Reminder.objects.get().at == SOON


# Instants


@pytest.mark.parametrize(
    ("minutes", "hour", "expected"),
    [
        (0, 9, "2026-10-25T08:00:00+00:00"),
        # A day before, by the clock, although it is 25 hours before.
        (1440, 9, "2026-10-24T07:00:00+00:00"),
        # Shown twice: the first.
        (0, 2, "2026-10-25T00:00:00+00:00"),
    ],
)
def test_a_day_is_reckoned_by_the_clock_of_the_owner(
    minutes: int, hour: int, expected: str
) -> None:
    day, zone = datetime(2026, 10, 25).date(), ZoneInfo("Europe/Berlin")

    found = moment(relative(minutes, hour), day, None, zone)

    assert found is not None and found.isoformat() == expected


def test_a_time_that_is_left_out_is_the_next_that_there_is() -> None:
    for zone, local, expected in (
        ("Europe/Berlin", datetime(2026, 3, 29, 2, 30), "2026-03-29T01:00:00+00:00"),
        ("Asia/Beirut", datetime(2026, 3, 29, 0, 15), "2026-03-28T22:00:00+00:00"),
        ("Pacific/Apia", datetime(2011, 12, 30, 9), "2011-12-30T10:00:00+00:00"),
    ):
        assert instant_of(local, ZoneInfo(zone)).isoformat() == expected


def test_an_instant_is_reckoned_exactly() -> None:
    due = datetime(2026, 10, 25, 12, tzinfo=ZoneInfo("Europe/Berlin"))

    assert moment(relative(1440), None, due, ZoneInfo("Asia/Tokyo")) == datetime(
        2026, 10, 24, 11, tzinfo=UTC
    )


# Firing


def test_one_that_is_due_fires_once_as_an_event(api: ApiClient, alice: User) -> None:
    task = remind(alice, HALF, AT, due_at=SOON)
    assert not fire()

    pass_by(task)
    [first, second] = fire()
    assert not fire()

    assert (first.owner_id, first.task_id, first.version) == (alice.pk, task.pk, 1)
    assert (first.actor_id, first.via, first.verb) == (None, "command", "reminded")
    told = [event.changes["reminder"][1] for event in (first, second)]
    assert {one["late"] for one in told} == {False}
    assert sorted(one.get("minutes_before", -1) for one in told) == [-1, 30]
    assert statuses(task) == ["fired", "fired"]
    change = api.send("GET", "/api/changes").json()["items"][-1]
    assert change["verb"] == "reminded"
    assert change["task"]["version"] == 1
    assert "fire_at" in change["changes"]["reminder"]["new"]


def test_it_is_late_after_a_minute(alice: User) -> None:
    task = remind(alice, AT)
    pass_by(task, seconds=61)

    [event] = fire()

    assert event.changes["reminder"][1]["late"]


@pytest.mark.parametrize(
    "change",
    [
        {"completed": True},
        {"due_at": NOW + timedelta(days=2)},
        {"due_at": AGO},
        {"due_at": None, "due_date": None},
        {"reminders": []},
    ],
    ids=["completed", "later", "past", "no due date", "removed"],
)
def test_none_fires_after_its_reason_is_gone(
    alice: User, change: dict[str, Any]
) -> None:
    task = remind(alice, HALF, due_at=SOON)
    pass_by(task)

    Task.one(alice.pk, task.pk).edit(BY, **change)

    assert not fire()


def test_none_fires_of_a_task_in_the_trash_or_gone_and_it_comes_back(
    alice: User,
) -> None:
    task, gone = remind(alice, AT), remind(alice, AT)
    one = Task.one
    one(alice.pk, task.pk).trash(BY)
    one(alice.pk, gone.pk).remove(BY)
    assert statuses(task) == ["inactive"]
    assert statuses(gone) == []

    one(alice.pk, task.pk).restore(BY)
    pass_by(task)

    assert [event.task_id for event in fire()] == [task.pk]


@pytest.mark.parametrize(
    "bypassed",
    [{"completed": True, "completed_at": NOW}, {"deleted_at": NOW}],
    ids=["completed", "trashed"],
)
def test_a_write_past_our_code_is_seen_when_it_would_fire(
    alice: User, bypassed: dict[str, Any]
) -> None:
    task = remind(alice, AT)
    pass_by(task)
    Task.objects.filter(pk=task.pk).update(**bypassed)

    assert not fire()
    assert statuses(task) == ["inactive"]


def test_it_fires_again_at_a_due_date_that_has_moved_on(alice: User) -> None:
    task = remind(alice, HALF, due_at=SOON)
    pass_by(task)
    assert len(fire()) == 1

    Task.one(alice.pk, task.pk).edit(BY, due_at=SOON + timedelta(days=1))
    assert statuses(task) == ["pending"]
    Task.one(alice.pk, task.pk).edit(BY, title="Another")
    pass_by(task)

    assert len(fire()) == 1


def test_completing_and_reopening_keeps_what_is_to_come(alice: User) -> None:
    task = remind(alice, AT, HALF)
    one = Task.one(alice.pk, task.pk)

    one.complete(BY)
    assert statuses(task) == ["inactive", "inactive"]
    one.toggle(BY)

    assert statuses(task) == ["pending", "inactive"]


def test_a_missed_one_still_comes_after_another_change(alice: User) -> None:
    task = remind(alice, AT, due_at=SOON)
    pass_by(task)
    past = Reminder.objects.get()
    rule = past.rule
    Task.objects.filter(pk=task.pk).update(reminders=[rule])

    Task.one(alice.pk, task.pk).edit(BY, reminders=[rule, HALF])

    assert len(fire()) == 1


def test_they_go_with_the_time_zone_of_the_user(
    api: ApiClient, staff: Client, alice: User
) -> None:
    day = (NOW + timedelta(days=3)).date()
    remind(alice, HALF, due_date=day)
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert Reminder.objects.get().fire_at == begin + timedelta(hours=8, minutes=30)

    api.send("PATCH", "/api/me", {"timezone": "Asia/Tokyo"})
    assert not fire()

    assert Reminder.objects.get().fire_at == begin - timedelta(minutes=30)


def test_the_feeds_comparison_of_versions_passes_over_them(api: ApiClient) -> None:
    body = {"title": "Rent", "reminders": [AT]}
    path = f"/api/tasks/{api.send('POST', '/api/tasks', body).json()['id']}"
    api.send("PATCH", path, {"priority": "high"})
    pass_by(Task.objects.get())
    assert len(fire()) == 1

    for versions in ('"1"', '"1", "7"'):
        stale = api.send("PATCH", path, {"title": "b"}, headers={"If-Match": versions})
        assert stale.status_code == 412
    stale = api.send("PATCH", path, {"title": "b"}, headers={"If-Match": '"1"'})
    assert stale.json()["changed"] == ["priority"]


# The list of reminders


def test_they_are_listed_with_what_fired_when(
    api: ApiClient, bobs_api: ApiClient, alice: User
) -> None:
    task = remind(alice, AT)
    other = remind(alice, HALF)
    pass_by(task)
    [event] = fire()

    listed = api.send("GET", "/api/reminders").json()
    [fired] = api.send("GET", "/api/reminders?status=fired").json()["items"]

    assert [one["task_id"] for one in listed["items"]] == [other.pk, task.pk]
    assert fired == listed["items"][1]
    assert fired["fired_at"] == event.at.isoformat().replace("+00:00", "Z")
    assert listed["items"][0] == {
        "id": Reminder.objects.get(task_id=other.pk).pk,
        "task_id": other.pk,
        "at": None,
        **HALF,
        "status": "inactive",
        "fire_at": None,
        "fired_at": None,
        "late": False,
        "email_status": None,
    }
    assert api.send("GET", f"/api/reminders?task={other.pk}").json()["items"] == [
        listed["items"][0]
    ]
    page = api.send("GET", "/api/reminders?limit=1").json()
    rest = api.send(
        "GET", f"/api/reminders?limit=1&cursor={page['next_cursor']}"
    ).json()
    assert page["items"] + rest["items"] == listed["items"]
    assert bobs_api.send("GET", "/api/reminders").json()["items"] == []


# Cost


def test_tasks_without_them_take_no_statement_for_them(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    task = make_task(alice, due_at=SOON)
    path = f"/api/tasks/{task.pk}"
    api.send("POST", "/api/tasks", {"title": "Buy milk", "tags": ["errand"]})
    api.send("PUT", path, {"title": "Rent", "due_date": "2990-12-31"})
    for method, where in (("POST", "/complete"), ("POST", "/toggle"), ("DELETE", "")):
        api.send(method, path + where)
    api.send("DELETE", f"{path}?permanent=true")

    assert not [one for one in queries if "tasks_reminder" in one["sql"]]


# Files


def test_jsonl_has_them(alice: User, bob: User) -> None:
    remind(alice, AT, HALF, due_date=SOON.date())
    written = b"".join(jsonl.write(records_of(alice.pk)))

    read = [row for row in jsonl.read(BytesIO(written)) if isinstance(row, Record)]
    for _ in Importer().store((bob, record) for record in read):
        pass

    assert Task.objects.owned_by(bob.pk).get().reminders == [AT, HALF]
    assert Reminder.objects.owned_by(bob.pk).count() == 2


@pytest.mark.parametrize(
    "rules",
    [
        *("[1]", '"09:00"', "[{}]", '[{"at": "2026-12-31"}]', '[{"at": 1}]'),
        '[{"minutes_before": 30}]',
        '[{"hour": 24, "minutes_before": 30}]',
        '[{"hour": 9, "minutes_before": true}]',
        '[{"at": "2026-12-31T17:00:00Z", "hour": 9}]',
        '[{"hour": 9, "minutes_before": 527041}]',
    ],
)
def test_bad_ones_of_a_file_are_refused(rules: str) -> None:
    header = b'{"kind":"header","format":"tasks","version":1}\n'
    line = f'{{"kind":"task","external_id":"1","title":"a","reminders":{rules}}}\n'

    [bad] = jsonl.read(BytesIO(header + line.encode()))

    assert isinstance(bad, BadRow)
    assert "reminders" in bad.reason


# The admin


def test_staff_see_them_in_the_history_of_a_task(staff: Client, alice: User) -> None:
    task = remind(alice, AT)
    Task.one(alice.pk, task.pk).edit(BY, reminders=[AT, HALF])
    pass_by(task)
    fire()

    page = staff.get(f"/admin/tasks/task/{task.pk}/history/").content.decode()
    form = staff.get(f"/admin/tasks/task/{task.pk}/change/")

    assert form.status_code == 200
    assert "reminded" in page
    assert f"{AT['at']}, 30 minutes before" in page


def test_one_that_fires_does_not_keep_staff_from_undoing(alice: User) -> None:
    task = remind(alice, AT)
    change = BulkChange.objects.select(
        alice.pk, "priority", Task.objects.all(), "", fields={"priority": 3}
    )
    assert change is not None
    confirm_bulk_change(change)
    change.refresh_from_db()
    pass_by(task)
    [event] = fire()
    assert event.version == 2

    undo_bulk_change(change)

    task.refresh_from_db()
    assert task.priority == 0
