"""Reminders: when each of a task's fires, and whether it has.

What a user sets is in the task's `reminders` (see `tasks.reminder_rules`). Here is a row for
each, with the instant at which it fires, which the writes of tasks keep up to date. It fires
by the task as it is then, in the transaction that stores its event: once, and never for a
task that is completed, in the trash or gone, nor at an instant that has moved."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models, transaction
from django.db.models import Q

from taskproject import timezones
from tasks import reminder_rules
from tasks.models.due_dates import MOST_APART
from tasks.models.events import too_far

if TYPE_CHECKING:
    from tasks.models.tasks import Task

_NAMES = ("at", "minutes_before", "hour")
#: The columns of a task that its rows depend on.
TASK_COLUMNS = (
    *("owner_id", "reminders", "completed", "deleted_at"),
    *("due_date", "due_at"),
)
_task_values = attrgetter(*TASK_COLUMNS)
#: How long a worker has an e-mail for itself: longer than sending one takes.
LEASE = timedelta(seconds=60)
#: How long an e-mail waits after its first failed attempt, its second and so on, before it is sent
#: once more: most of a day together.
EMAIL_WAITS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
)


class ReminderQuerySet(models.QuerySet["Reminder"]):
    def owned_by(self, user_id: int) -> Self:
        return self.filter(owner_id=user_id)

    def pending(self) -> Self:
        return self.filter(status=Reminder.Status.PENDING)

    def due(self, now: datetime) -> Self:
        """Those that fire now, first those that have waited for longest."""
        return self.pending().filter(fire_at__lte=now).order_by("fire_at")

    def passed_in_another_zone(self, now: datetime) -> Self:
        """Those that do not fire because their instant had passed, and that might be to come if it
        were that of another time zone."""
        inactive = self.filter(status=Reminder.Status.INACTIVE)
        return inactive.filter(fire_at__gt=now - MOST_APART, fire_at__lte=now)

    def to_email(self, now: datetime) -> Self:
        """Those whose e-mail is to be sent now."""
        due = Q(email_at__lte=now)
        for attempts, longest in enumerate([LEASE, *EMAIL_WAITS]):
            due |= Q(email_attempts=attempts) & too_far("email_at", now, longest)
        # For the index.
        return self.filter(due, email_at__isnull=False)

    def claim_email(self, owner_id: int, now: datetime) -> Reminder | None:
        """The one of this owner that has waited for longest, now leased to the caller."""
        due = self.to_email(now).owned_by(owner_id).order_by("email_at")
        with transaction.atomic():
            locked = due.select_for_update(skip_locked=True, no_key=True)
            row: Reminder | None = locked.first()
            if row is not None:
                row.email_at = now + LEASE
                self.filter(pk=row.pk).update(email_at=row.email_at)
        return row


class _Status(models.TextChoices):
    PENDING = "pending"
    FIRED = "fired"
    # Does not fire: the task has no due date, is completed or in the trash, or the instant had
    # passed when it was set.
    INACTIVE = "inactive"


class _EmailStatus(models.TextChoices):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"  # refused for good, or too often


class Reminder(models.Model):
    """One reminder of one task."""

    Status: TypeAlias = _Status
    EmailStatus: TypeAlias = _EmailStatus

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    # No constraint: deleting a task without reminders takes no statement more.
    task_id = models.BigIntegerField()
    # The reminder as in the task: an instant, or minutes before the due date at an hour.
    at = models.DateTimeField(null=True)
    minutes_before = models.IntegerField(null=True)
    hour = models.SmallIntegerField(null=True)
    # The instant that it means; None without a due date.
    fire_at = models.DateTimeField(null=True)
    status = models.CharField(max_length=8, choices=Status.choices)
    fired_at = models.DateTimeField(null=True)
    # The e-mail of one that has fired; None: there is none.
    email_status = models.CharField(
        max_length=8, choices=_EmailStatus.choices, null=True
    )
    # When the next attempt to send it is due, or the lease of a worker ends; identifies
    # the lease, too.
    email_at = models.DateTimeField(null=True)
    # Failed attempts.
    email_attempts = models.SmallIntegerField(null=True)

    objects = ReminderQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(
                fields=["fire_at"], condition=Q(status="pending"), name="reminder_due"
            ),
            models.Index(fields=["task_id"], name="reminder_of_task"),
            models.Index(fields=["owner", "status", "id"], name="reminder_of_owner"),
            models.Index(
                fields=["owner", "email_at"],
                condition=Q(email_at__isnull=False),
                name="reminder_email",
            ),
        )

    #: What a reminder has that has no e-mail.
    WITHOUT_EMAIL: ClassVar[dict[str, None]] = {
        "email_status": None,
        "email_at": None,
        "email_attempts": None,
    }

    def __str__(self) -> str:
        return f"{self.status} reminder of task {self.task_id}"

    @property
    def rule(self) -> dict[str, object]:
        """As in the task."""
        if self.at is not None:
            return reminder_rules.absolute(self.at)
        return reminder_rules.relative(self.minutes_before or 0, self.hour or 0)

    def is_late(self) -> bool:
        """Whether it fired more than `LATE` seconds after its instant."""
        if self.fire_at is None or self.fired_at is None:
            return False
        return (self.fired_at - self.fire_at).total_seconds() > LATE

    def end_lease(self, **changes: object) -> bool:
        """Stores what came of an attempt to send the e-mail. False if the lease was lost, or the
        reminder changed: then nothing is stored."""
        mine = Reminder.objects.filter(pk=self.pk, email_at=self.email_at)
        return bool(mine.update(**changes))


#: Seconds after its instant from which a reminder that fires is late.
LATE = 60.0


def schedule(now: datetime, pairs: Iterable[tuple[Task | None, Task | None]]) -> None:
    """Brings the rows up to date after these changes, given as pairs of the task before (None: it
    is new) and after (None: it is deleted). Takes no statement for tasks without reminders. Call
    it inside `lock_feeds`."""
    changed = [
        (old, new)
        for old, new in pairs
        if (old is not None and old.reminders) or (new is not None and new.reminders)
        if old is None or new is None or _task_values(old) != _task_values(new)
    ]
    if not changed:
        return
    keys = [task.pk for old, new in changed if (task := new or old)]
    rows: dict[int, list[Reminder]] = {}
    if any(old for old, _ in changed):
        for row in Reminder.objects.filter(task_id__in=keys):
            rows.setdefault(row.task_id, []).append(row)
    zones = zones_of(new.owner_id for _, new in changed if new)
    added: list[Reminder] = []
    kept: list[Reminder] = []
    gone: list[int] = []
    for (old, task), key in zip(changed, keys, strict=True):
        left: dict[tuple[object, ...], Reminder | None]
        left = {_identity(row.rule): row for row in rows.get(key, ())}
        for rule in (task.reminders or ()) if task else ():
            assert task is not None
            known = left.pop(_identity(rule), None)
            row = known or Reminder(task_id=key, **_columns(rule))
            (kept if known else added).append(row)
            row.owner_id = task.owner_id
            _set(row, now, old, task, zones[task.owner_id])
        gone += [row.pk for row in left.values() if row]
    if gone:
        Reminder.objects.filter(pk__in=gone).delete()
    names = ["owner", "fire_at", "status", "fired_at", *Reminder.WITHOUT_EMAIL]
    Reminder.objects.bulk_update(kept, names, batch_size=500)
    Reminder.objects.bulk_create(added, batch_size=500)


def is_active(task: Task) -> bool:
    """Whether reminders of the task fire."""
    return not task.completed and task.deleted_at is None


def moment_of(row: Reminder, task: Task, zone: ZoneInfo) -> datetime | None:
    """The instant of a reminder of this task, whose owner is in this time zone."""
    return reminder_rules.moment(row.rule, task.due_date, task.due_at, zone)


def _set(
    row: Reminder, now: datetime, old: Task | None, task: Task, zone: ZoneInfo
) -> None:
    moment = moment_of(row, task, zone)
    same = moment == row.fire_at
    if old is not None and old.owner_id == task.owner_id:
        # Also if its owner has changed the time zone since.
        same = same or moment == moment_of(row, old, zone)
    if same and row.status == Reminder.Status.FIRED:
        return
    row.fire_at = moment
    waits = same and row.status == Reminder.Status.PENDING
    row.fired_at = None
    row.email_status = row.email_at = row.email_attempts = None
    # One that was missed and waits for a worker goes on waiting.
    if is_active(task) and moment is not None and (waits or moment > now):
        row.status = Reminder.Status.PENDING
    else:
        row.status = Reminder.Status.INACTIVE


def _identity(rule: reminder_rules.Rule) -> tuple[object, ...]:
    return tuple(map(rule.get, _NAMES))


def _columns(rule: reminder_rules.Rule) -> dict[str, object]:
    columns = {name: rule.get(name) for name in _NAMES}
    columns["at"] = reminder_rules.moment(rule, None, None, timezones.zone("UTC"))
    return columns


def zones_of(owner_ids: Iterable[int]) -> dict[int, ZoneInfo]:
    """The time zones of these users."""
    users = get_user_model().objects.filter(pk__in=set(owner_ids))
    names = users.values_list("pk", "timezone")
    return {key: timezones.zone(name) for key, name in names}
