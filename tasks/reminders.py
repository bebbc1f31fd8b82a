"""The firing of reminders: what `manage.py work` does with those that are due."""

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from django.db import transaction

from taskproject import timezones
from taskproject.accounts.models import User
from taskproject.sql import ON_POSTGRESQL, fetch
from taskproject.worker import count, wake, work
from tasks.models import Event, Reminder, Task, lock_feeds
from tasks.models.events import Actor, NewEvent, append, as_json, database_now
from tasks.models.reminders import is_active, moment_of, zones_of
from tasks.reminder_emails import are_possible, check_possible

logger = logging.getLogger("taskproject.worker")

#: Most reminders that one transaction fires.
PORTION = 500
#: Seconds until another attempt where other workers fire all that is due.
CLAIMED_PAUSE = 0.1
#: The first key of the advisory locks by which workers claim owners: an arbitrary constant.
CLAIM = 7_203_115
BY = Actor(None, "command")
# The owners of the reminders that have waited for longest, without those that another worker
# has claimed.
_CLAIM_OWNERS = f"""WITH "due" AS MATERIALIZED (SELECT DISTINCT "owner_id" FROM (
    SELECT "owner_id" FROM "tasks_reminder" WHERE "status" = 'pending'
    AND "fire_at" <= clock_timestamp() ORDER BY "fire_at" LIMIT {PORTION}) "oldest")
SELECT "owner_id" FROM "due"
WHERE pg_try_advisory_xact_lock({CLAIM}, ("owner_id" % (2^31 - 1)::bigint)::int)"""


@work("reminders", "fired", "late")
def fire_reminders() -> float:
    """Fires reminders that are due, each in the transaction that stores its event; returns the
    seconds until the next one is due."""
    pause = _seconds_left()
    if pause > 0:
        return pause
    with transaction.atomic():
        owners = _claim()
        if not owners:
            return CLAIMED_PAUSE
        with lock_feeds(owners) as now:
            _fire(now, owners)
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
            user.reminder_emails = reminder_emails
            user.save(update_fields=["reminder_emails"])


def change_timezone(user: User, name: str) -> None:
    """Stores the user's time zone, which must be valid, and moves their reminders. Those that this
    puts into the past fire at once."""
    with lock_feeds([user.pk]):
        user.move_to(name)
        pending = Reminder.objects.owned_by(user.pk).pending()
        rows = list(pending.filter(minutes_before__isnull=False))
        keys = {row.task_id for row in rows}
        tasks = Task.objects.only("due_date", "due_at").in_bulk(keys)
        for row in rows:
            if task := tasks.get(row.task_id):
                row.fire_at = moment_of(row, task, timezones.zone(name))
        Reminder.objects.bulk_update(rows, ["fire_at"], batch_size=PORTION)


def _seconds_left() -> float:
    first = Reminder.objects.pending().order_by("fire_at")
    fire_at = first.values_list("fire_at", flat=True).first()
    if fire_at is None:
        return math.inf
    return (fire_at - database_now()).total_seconds()


def _claim() -> list[int]:
    """Claims owners with reminders that are due, until the transaction ends. It waits for nobody,
    and comes before the locks of their feeds, so that it cannot be in a deadlock."""
    if ON_POSTGRESQL:
        return [owner_id for (owner_id,) in fetch(_CLAIM_OWNERS, [])]
    due = Reminder.objects.due(database_now()).values_list("owner_id", flat=True)
    return sorted(set(due[:PORTION]))


def _fire(now: datetime, owners: list[int]) -> None:
    due = Reminder.objects.due(now).filter(owner_id__in=owners)
    rows = list(due.select_for_update(skip_locked=True)[:PORTION])
    tasks = Task.objects.in_bulk({row.task_id for row in rows})
    zones = zones_of(owners)
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
    Reminder.objects.bulk_update(moved, ["fire_at", "status", "fired_at"])
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
