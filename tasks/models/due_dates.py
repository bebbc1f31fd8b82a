"""Due dates: a calendar date, which begins at different times in different time zones, or
an instant, which is the same everywhere."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Q

from taskproject import timezones
from taskproject.times import midnight, parse_day, parse_instant
from tasks.limits import FIRST_DAY, LAST_DAY

#: The `due_moment` of tasks without a due date, after all others.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
#: The same as SQL, for PostgreSQL.
NEVER_SQL = f"'{NEVER.isoformat(' ')}'"
HAS_DUE, NO_DUE = Q(due_moment__lt=NEVER), Q(due_moment=NEVER)
#: The most that the clocks of two time zones differ.
MOST_APART = timedelta(hours=26)

# Comparisons of a due date with a boundary, whose two values are the parameters.
IS_BEFORE = '("tasks_task"."due_date" < %s OR "tasks_task"."due_at" < %s)'
IS_NOT_BEFORE = '("tasks_task"."due_date" >= %s OR "tasks_task"."due_at" >= %s)'


class Boundary(NamedTuple):
    """What due dates are compared with: a calendar date with the day, an instant with the
    instant. A due date is before a boundary, or it is not."""

    day: date
    instant: datetime

    @property
    def earliest(self) -> datetime:
        """The `due_moment` of due dates that are not before is not earlier than this."""
        return min(midnight(self.day), self.instant)

    @property
    def latest(self) -> datetime:
        """The `due_moment` of due dates that are before is not later than this."""
        return max(midnight(self.day), self.instant)

    # Both conditions include a range of `due_moment`, so that its index can be used.

    def before(self) -> Q:
        is_before = Q(due_date__lt=self.day) | Q(due_at__lt=self.instant)
        return is_before & Q(due_moment__lte=self.latest)

    def not_before(self) -> Q:
        is_not_before = Q(due_date__gte=self.day) | Q(due_at__gte=self.instant)
        return is_not_before & Q(due_moment__gte=self.earliest)


@dataclass(frozen=True)
class Clock:
    """The current time, and a time zone, which decides what day it is."""

    now: datetime
    zone: ZoneInfo

    @cached_property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    @property
    def present(self) -> Boundary:
        """Open tasks that are due before it are overdue: see `is_overdue`."""
        return Boundary(self.today, self.now)

    def boundary(self, due: date | datetime) -> Boundary:
        """The beginning of a day in this zone, or an instant."""
        if isinstance(due, datetime):
            return Boundary(due.astimezone(self.zone).date(), due)
        return Boundary(due, self.begin(due))

    def begin(self, day: date) -> datetime:
        """The instant at which the day begins in this zone."""
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)


def clock(zone: str) -> Clock:
    """A clock with the current time. `zone` is a name in the IANA time zone database; any
    other name means UTC."""
    return Clock(timezones.now(), timezones.zone(zone))


def due_moment(due_date: date | None, due_at: datetime | None) -> datetime:
    """The sort key of a due date: an instant, the end of a calendar date in UTC, or NEVER."""
    if due_at is not None:
        return due_at
    if due_date is None:
        return NEVER
    return midnight(due_date + timedelta(days=1))


def is_overdue(
    completed: bool, due_date: date | None, due_at: datetime | None, clock: Clock
) -> bool:
    """Whether the task is open and its due date is before `clock.present`. (Written out: it
    is called for each task of a response.)"""
    if completed:
        return False
    if due_at is not None:
        return due_at < clock.now
    return due_date is not None and due_date < clock.today


def due_state(
    completed: bool, due_date: date | None, due_at: datetime | None, clock: Clock
) -> str:
    """When an open task is due: "overdue" as by `is_overdue`, else "today" or "tomorrow" in
    the zone of the clock; "" for later days, no due date, and completed tasks."""
    if is_overdue(completed, due_date, due_at, clock):
        return "overdue"
    day = due_date if due_at is None else due_at.astimezone(clock.zone).date()
    if completed or day is None:
        return ""
    return {0: "today", 1: "tomorrow"}.get((day - clock.today).days, "")


def read_day(text: str) -> date | None:
    """The date in a text such as 2026-12-31; None for any other text, and for dates before
    FIRST_DAY or after LAST_DAY."""
    day = parse_day(text)
    return day if day is not None and FIRST_DAY <= day <= LAST_DAY else None


def read_instant(text: str) -> datetime | None:
    """The instant in a text in the format of RFC 3339, in UTC; None for any other text, and
    for instants before FIRST_DAY or after LAST_DAY."""
    moment = parse_instant(text)
    if moment is None or not FIRST_DAY <= moment.date() <= LAST_DAY:
        return None
    return moment
