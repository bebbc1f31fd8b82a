"""The firing of reminders: what `manage.py work` does with those that are due."""

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from django.db import transaction

from taskproject import timezones
from taskproject.accounts.models import User
from taskproject.sql import ON_POSTGRESQL, adapted, fetch
from taskproject.worker import count, wake, work
from tasks.models import Event, Reminder, Task, lock_feeds
from tasks.models.events import Actor, NewEvent, append, as_json, database_now
from tasks.models.reminders import is_active, moment_of, zones_of
from tasks.reminder_emails import are_possible, check_possible

logger = logging.getLogger("taskproject.worker")

#: Most reminders that one transaction fires.
PORTION = 500
#: Most reminders among which it looks for those of different owners: an owner who has more that
#: have waited for longer is the only one whose reminders fire until then.
SEEN = 10_000
#: Seconds until another attempt where other workers fire all that is due.
CLAIMED_PAUSE = 0.1
#: The first key of the advisory locks by which workers claim owners: an arbitrary constant.
CLAIM = 7_203_115
BY = Actor(None, "command")
# Those that are due of up to `PORTION` owners, a share of each. Owners whom another worker has
# claimed are passed over: the planner moves no volatile function into another subquery.
_CLAIM = """WITH "due" AS MATERIALIZED (
    SELECT "id", "owner_id", "fire_at",
        row_number() OVER (PARTITION BY "owner_id" ORDER BY "fire_at", "id") AS "turn"
    FROM (SELECT "id", "owner_id", "fire_at" FROM "tasks_reminder"
        WHERE "status" = 'pending' AND "fire_at" <= {now}
        ORDER BY "fire_at" LIMIT %s) "oldest"),
"owners" AS MATERIALIZED (
    SELECT "owner_id" FROM "due" WHERE "turn" = 1 ORDER BY "fire_at"),
"claimed" AS MATERIALIZED (SELECT "owner_id" FROM "owners" {free} LIMIT %s)
SELECT "id", "owner_id" FROM "due" WHERE "owner_id" IN (SELECT "owner_id" FROM "claimed")
ORDER BY "turn", "fire_at" LIMIT %s"""
_FREE = (
    f'WHERE pg_try_advisory_xact_lock({CLAIM}, ("owner_id" % (2^31 - 1)::bigint)::int)'
)


@work("reminders", "fired", "late")
def fire_reminders() -> float:
    """Fires reminders that are due, each in the transaction that stores its event; returns the
    seconds until the next one is due."""
    pause = _seconds_left()
    if pause > 0:
        return pause
    with transaction.atomic():
        claimed = _claim()
        if not claimed:
            return CLAIMED_PAUSE
        with lock_feeds(claimed.values()) as now:
            _fire(now, claimed)
    return 0.0


def change_preferences(
    user: User, timezone: str | None = None, reminder_emails: bool | None = None
) -> None:
    """Changes those that are given. Raises `NoMail` and `Conflict`, if reminders cannot be sent to
    the user by e-mail."""
    if reminder_emails:
        check_possible(user)
    with transaction.atomic():
        if timezone is not None:
            change_timezone(user, timezone)
        if reminder_emails is not None:
            user.store(reminder_emails=reminder_emails)


def change_timezone(user: User, name: str) -> None:
    """Stores the user's time zone, which must be valid, and moves their reminders. Those that this
    puts into the past fire at once; those that had passed when they were set, and are to come in
    the new zone, fire then."""
    with lock_feeds([user.pk]) as now:
        user.store(timezone=name)
        rows = Reminder.objects.owned_by(user.pk).filter(minutes_before__isnull=False)
        passed = list(rows.passed_in_another_zone(now))
        # The worker reckons when they fire, in portions: a user may have many.
        rows.pending().update(fire_at=now)
        tasks = Task.objects.in_bulk({row.task_id for row in passed})
        to_come = [
            row.pk
            for row in passed
            if (task := tasks.get(row.task_id)) and is_active(task)
            if (at := moment_of(row, task, timezones.zone(name))) and at > now
        ]
        rows.filter(pk__in=to_come).update(fire_at=now, status=Reminder.Status.PENDING)


def _seconds_left() -> float:
    first = Reminder.objects.pending().order_by("fire_at")
    fire_at = first.values_list("fire_at", flat=True).first()
    if fire_at is None:
        return math.inf
    return (fire_at - database_now()).total_seconds()


def _claim() -> dict[int, int]:
    """Claims owners with reminders that are due, until the transaction ends; returns the owners
    of the reminders that are to fire, by their ids. It waits for nobody, and comes before the
    locks of feeds, so that it cannot be in a deadlock."""
    limits = [SEEN, PORTION, PORTION]
    if ON_POSTGRESQL:
        statement = _CLAIM.format(now="clock_timestamp()", free=_FREE)
    else:
        statement = _CLAIM.format(now="%s", free="")
        limits.insert(0, adapted(database_now()))
    # Not prepared: a plan for any limit would read all reminders.
    return dict(fetch(statement, limits, prepare=False))


def _fire(now: datetime, claimed: Mapping[int, int]) -> None:
    due = Reminder.objects.due(now).filter(pk__in=claimed)
    rows = list(due.select_for_update(skip_locked=True))
    tasks = Task.objects.in_bulk({row.task_id for row in rows})
    zones = zones_of(claimed.values())
    fired: list[Reminder] = []
    moved: list[Reminder] = []
    for row in rows:
        task, planned = tasks.get(row.task_id), row.fire_at
        active = task is not None and is_active(task)
        row.fire_at = moment_of(row, task, zones[row.owner_id]) if task else None
        if active and row.fire_at is not None and row.fire_at <= now:
            row.status, row.fired_at = Reminder.Status.FIRED, now
            fired.append(row)
        elif not active or row.fire_at is None:
            row.status = Reminder.Status.INACTIVE
        # Another one was moved by a write that bypassed the code of this service.
        if row.status != Reminder.Status.FIRED or row.fire_at != planned:
            moved.append(row)
    for reminders, changes in _firings(now, fired):
        keys = [row.pk for row in reminders]
        Reminder.objects.filter(pk__in=keys).update(
            status=Reminder.Status.FIRED, fired_at=now, **changes
        )
    Reminder.objects.bulk_update(moved, ["fire_at", "status"])
    append(BY, [_event(now, row, tasks[row.task_id]) for row in fired])
    _log(fired, now)


def _firings(
    now: datetime, fired: list[Reminder]
) -> Iterator[tuple[list[Reminder], Mapping[str, object]]]:
    """The reminders that fire, by what becomes of their e-mails."""
    chosen: set[int] = set()
    if are_possible() and fired:
        owners = User.objects.filter(pk__in={row.owner_id for row in fired})
        wanted = owners.filter(reminder_emails=True, is_active=True)
        chosen = set(wanted.values_list("pk", flat=True))
    mailed = [row for row in fired if row.owner_id in chosen]
    if others := [row for row in fired if row.owner_id not in chosen]:
        yield others, Reminder.WITHOUT_EMAIL
    if mailed:
        waits = {"email_status": Reminder.EmailStatus.PENDING, "email_at": now}
        yield mailed, {**waits, "email_attempts": 0}


def _event(now: datetime, row: Reminder, task: Task) -> NewEvent:
    told = {
        "id": row.pk,
        **row.rule,
        "fire_at": as_json(row.fire_at),
        "late": row.is_late(),
    }
    return NewEvent(
        now,
        row.owner_id,
        "task_id",
        row.task_id,
        task.version,
        Event.Verb.REMINDED,
        {"reminder": [None, told]},
    )


def _log(fired: list[Reminder], now: datetime) -> None:
    if not fired:
        return
    late = Counter(row.is_late() for row in fired)[True]
    oldest = min(row.fire_at for row in fired if row.fire_at)
    fields = {
        "count": len(fired),
        "late": late,
        "oldest_s": round((now - oldest).total_seconds(), 1),
    }

    def tell() -> None:
        logger.info("reminders fired", extra={"fields": fields})
        count("reminders", "fired", len(fired) - late)
        count("reminders", "late", late)
        wake("webhooks")
        wake("e-mails")

    transaction.on_commit(tell)
