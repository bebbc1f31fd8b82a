"""Dates and instants as text, in RFC 3339."""

from datetime import UTC, date, datetime

from taskproject.times import parse_day, parse_instant
from tasks.formats.records import Refused, shown


def write_instant(value: datetime) -> str:
    """In UTC with microseconds: 2026-01-31T12:00:00.000000Z."""
    instant = value if value.tzinfo is UTC else value.astimezone(UTC)
    return f"{instant.isoformat(timespec='microseconds')[:-6]}Z"


def read_instant(member: str, text: str) -> datetime:
    """Raises `Refused` for anything but RFC 3339; digits below a microsecond are cut off."""
    instant = parse_instant(text.replace(" ", "T", 1))
    if instant is None:
        raise Refused(
            f"{member} is {shown(text)}; give a time such as 2026-01-31T12:00:00Z."
        )
    return instant


def read_day(member: str, text: str) -> date:
    """Raises `Refused` for anything but YYYY-MM-DD."""
    day = parse_day(text)
    if day is None:
        raise Refused(f"{member} is {shown(text)}; give a date such as 2026-01-31.")
    return day
