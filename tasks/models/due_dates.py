"""When tasks are due: a calendar date, which every zone reaches at its own time, or an
instant, which is the same everywhere."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from taskproject import timezones
from taskproject.times import midnight, parse_day, parse_instant
from tasks.limits import FIRST_DAY, LAST_DAY

#: What sorts last among dues: nothing is due then.
NEVER = datetime(9999, 12, 31, tzinfo=UTC)
#: The same as SQL, for PostgreSQL.
NEVER_SQL = f"'{NEVER.isoformat(' ')}'"
#: How far from UTC any zone is.
FARTHEST = timedelta(hours=26)


@dataclass(frozen=True)
class Clock:
    """What time it is for somebody, in their zone."""

    now: datetime
    zone: ZoneInfo

    @cached_property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def begin(self, day: date) -> datetime:
        """The instant at which the day begins in this zone."""
        return datetime(day.year, day.month, day.day, tzinfo=self.zone).astimezone(UTC)


def clock(zone: str) -> Clock:
    """The time of this moment; `zone` is a name of the IANA's database, and counts as UTC
    where it is none."""
    return Clock(timezones.now(), timezones.zone(zone))


def due_moment(due_date: date | None, due_at: datetime | None) -> datetime:
    """What tasks are sorted by when sorted by due: an instant as it is, a date at its
    end in UTC, no due last."""
    if due_at is not None:
        return due_at
    if due_date is None:
        return NEVER
    return midnight(due_date + timedelta(days=1))


def is_overdue(
    completed: bool, due_date: date | None, due_at: datetime | None, clock: Clock
) -> bool:
    """Whether an open task's due has passed: an instant now, a date with its day."""
    if completed:
        return False
    if due_at is not None:
        return due_at < clock.now
    return due_date is not None and due_date < clock.today


def read_day(text: str) -> date | None:
    """The date that is written as 2026-12-31; None for anything else, and for what is
    before FIRST_DAY or after LAST_DAY."""
    day = parse_day(text)
    return day if day is not None and FIRST_DAY <= day <= LAST_DAY else None


def read_instant(text: str) -> datetime | None:
    """The instant that is written as RFC 3339 has it, in UTC; None for anything else,
    and for what is before FIRST_DAY or after LAST_DAY."""
    moment = parse_instant(text)
    if moment is None or not FIRST_DAY <= moment.date() <= LAST_DAY:
        return None
    return moment
