"""Dates and instants: RFC 3339, midnights and microseconds."""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# Python's fromisoformat accepts weeks, ordinals and basic forms too.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 3339, section 5.6, without leap seconds, which Python does not know.
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_day(text: str) -> date | None:
    """The date that is written as 2026-12-31; None for anything else."""
    if _DAY.fullmatch(text):
        with suppress(ValueError):
            return date.fromisoformat(text)
    return None


def parse_instant(text: str) -> datetime | None:
    """The instant in UTC that is written as RFC 3339, without digits below a microsecond;
    None for anything else."""
    if _INSTANT.fullmatch(text):
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(text.upper())
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return None


def midnight(day: date) -> datetime:
    """The beginning of the day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Microseconds since the beginning of 1970."""
    return (moment - EPOCH) // MICROSECOND
