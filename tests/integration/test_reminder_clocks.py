"""Reminders when clocks jump, time zones change, and one user has many."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject.accounts.models import User
from tasks import reminders
from tasks.models import Event, Reminder, Task
from tasks.models.reminders import EMAIL_WAITS, LEASE
from tasks.reminder_rules import moment, relative
from tasks.reminders import CLAIM, change_timezone, fire_reminders
from tests.conftest import BY, ApiClient, make_task
from tests.support.threads import PATIENCE, Threads

NOW = timezone.now
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def remind(owner: User, at: datetime) -> int:
    """A task with a reminder at this instant, which may have passed."""
    future = (NOW() + DAY).isoformat()
    task = make_task(owner, reminders=[{"at": future}])
    Reminder.objects.filter(task_id=task.pk).update(at=at, fire_at=at)
    return task.pk


def fire() -> None:
    while fire_reminders() <= 0:
        pass


def fired() -> list[int]:
    """The tasks whose reminders have fired, in order."""
    events = Event.objects.filter(verb=Event.Verb.REMINDED).order_by("sequence")
    return [key for key in events.values_list("task_id", flat=True) if key]


# Clocks


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the clock of this machine so far from the real one."""

    def ahead(by: timedelta) -> None:
        for name in ("django.utils.timezone.now", "taskproject.timezones.now"):
            monkeypatch.setattr(name, lambda: NOW() + by)

    return ahead


def test_a_workers_clock_that_jumps_loses_and_doubles_none(
    alice: User, machine: Any
) -> None:
    """On SQLite it is the only clock: then reminders fire by what it shows."""
    due, soon = remind(alice, NOW() - HOUR / 2), remind(alice, NOW() + HOUR / 2)
    early = [] if settings.ON_POSTGRESQL else [soon]

    machine(-HOUR)
    fire()
    assert fired() == ([due] if settings.ON_POSTGRESQL else [])
    machine(DAY)
    fire()
    assert fired() == [due, *early]
    for by in (-HOUR, DAY, 0 * HOUR):
        machine(by)
        fire()
    assert fired() == [due, *early]
    Reminder.objects.filter(task_id=soon).update(at=NOW(), fire_at=NOW())
    fire()

    assert fired() == [due, soon]


# Time zones


@pytest.mark.parametrize(
    ("zone", "day", "hour", "expected"),
    [
        # 2:30 is left out; so is the whole day in Apia.
        ("Europe/Berlin", datetime(2026, 3, 29), 3, "2026-03-29T01:00:00+00:00"),
        ("Pacific/Apia", datetime(2011, 12, 30), 9, "2011-12-30T10:00:00+00:00"),
    ],
)
def test_one_in_a_gap_of_the_clock_fires_at_its_end(
    zone: str, day: datetime, hour: int, expected: str
) -> None:
    found = moment(relative(30, hour), day.date(), None, ZoneInfo(zone))

    assert found is not None and found.isoformat() == expected


def test_one_that_had_passed_comes_if_it_is_to_come_in_the_new_time_zone(
    alice: User,
) -> None:
    now = NOW()
    # Some hours ago in Kiritimati, and to come in Samoa, a day later.
    day = now.astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    change_timezone(alice, "Pacific/Kiritimati")
    rule = relative(0, 0)
    open_one, done = (make_task(alice, due_date=day, reminders=[rule]) for _ in "ab")
    Task.one(alice.pk, done.pk).complete(BY)
    assert {*Reminder.objects.values_list("status", flat=True)} == {"inactive"}

    change_timezone(alice, "Pacific/Pago_Pago")
    fire()

    [row] = Reminder.objects.pending()
    assert (row.task_id, fired()) == (open_one.pk, [])
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    assert row.fire_at == midnight + 11 * HOUR


def test_one_that_the_new_time_zone_puts_into_the_past_fires_whatever_is_edited(
    alice: User,
) -> None:
    change_timezone(alice, "Pacific/Pago_Pago")
    day = NOW().astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    task = make_task(alice, due_date=day, reminders=[relative(0, 0)])

    change_timezone(alice, "Pacific/Kiritimati")
    both = [relative(0, 0), relative(1, 0)]
    Task.one(alice.pk, task.pk).edit(BY, reminders=both)
    fire()

    assert fired() == [task.pk]


def test_one_that_has_fired_does_not_do_so_again_in_another_time_zone(
    alice: User,
) -> None:
    change_timezone(alice, "Pacific/Kiritimati")
    day = NOW().astimezone(ZoneInfo("Pacific/Kiritimati")).date()
    task = make_task(alice, due_date=day + DAY, reminders=[relative(0, 0)])
    Task.objects.filter(pk=task.pk).update(due_date=day)
    Reminder.objects.update(fire_at=NOW())
    fire()
    assert fired() == [task.pk]

    change_timezone(alice, "Pacific/Pago_Pago")
    one = Task.one(alice.pk, task.pk)
    one.complete(BY)
    one.toggle(BY)
    fire()

    assert (fired(), Reminder.objects.get().status) == ([task.pk], "fired")


def test_a_change_of_the_time_zone_loads_none_of_those_to_come(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    """10,000 took four seconds, more than a request may wait."""
    day = (NOW() + 3 * DAY).date()
    for number in range(3):
        make_task(alice, due_date=day + number * DAY, reminders=[relative(0)])
    before = len(queries)

    assert api.send("PATCH", "/api/me", {"timezone": "Asia/Tokyo"}).status_code == 200

    written = [
        one["sql"]
        for one in queries.captured_queries[before:]
        if one["sql"].startswith("UPDATE")
    ]
    assert sum("tasks_reminder" in sql for sql in written) == 1
    assert not any("CASE" in sql for sql in written)


# Many


def test_a_user_with_many_does_not_hold_others_back(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "PORTION", 3)
    for minutes in range(5, 0, -1):
        remind(alice, NOW() - minutes * HOUR)
    theirs = remind(bob, NOW() - HOUR / 60)

    fire_reminders()

    assert theirs in fired()
    assert len(fired()) == 3
    fire()
    assert len({*fired()}) == len(fired()) == 6


@pytest.mark.skipif(not settings.ON_POSTGRESQL, reason="SQLite has one writer")
def test_owners_whom_another_worker_has_claimed_are_passed_over(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reminders, "PORTION", 1)
    for _ in range(3):
        remind(alice, NOW() - HOUR)
    theirs = remind(bob, NOW() - HOUR / 60)

    def claim() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [CLAIM, alice.pk])

    with Threads(1) as threads:
        # Held until the thread ends its connection.
        threads.submit(claim).result(PATIENCE)
        fire_reminders()
        claimed = fired()
        threads.start(int).result(PATIENCE)

    assert claimed == [theirs]


@pytest.mark.parametrize("attempts", range(len(EMAIL_WAITS) + 1))
def test_an_e_mail_does_not_wait_for_a_clock_that_was_ahead(
    alice: User, attempts: int
) -> None:
    """Neither for the end of its lease, nor for its next attempt. Its lease is lost."""
    row = Reminder.objects.get(task_id=remind(alice, NOW()))
    wait = [LEASE, *EMAIL_WAITS][attempts]
    values = {"email_status": "pending", "email_attempts": attempts}
    Reminder.objects.update(**values, email_at=NOW() + wait)
    assert Reminder.objects.claim_email(alice.pk, NOW()) is None

    for ahead in (HOUR / 30, DAY):
        Reminder.objects.update(email_at=NOW() + wait + ahead)
        before = Reminder.objects.get()
        claimed = Reminder.objects.claim_email(alice.pk, NOW())

        assert claimed == row
        assert not before.end_lease(email_status="sent")
        assert Reminder.objects.claim_email(alice.pk, NOW()) is None
