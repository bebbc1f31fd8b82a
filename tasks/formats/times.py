"""Dates and instants as text, in RFC 3339."""

import re
from datetime import UTC, date, datetime

from tasks.formats.records import Refused, shown

# RFC 3339 §5.6. Python's fromisoformat accepts weeks, ordinals and basic forms too.
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def write_instant(value: datetime) -> str:
    """In UTC with microseconds: 2026-01-31T12:00:00.000000Z."""
    text = value.astimezone(UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def read_instant(member: str, text: str) -> datetime:
    """Raises `Refused` for anything but RFC 3339; digits below a microsecond are cut off."""
    if _INSTANT.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise Refused(
        f"{member} is {shown(text)}; give a time such as 2026-01-31T12:00:00Z."
    )


def read_day(member: str, text: str) -> date:
    """Raises `Refused` for anything but YYYY-MM-DD."""
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise Refused(f"{member} is {shown(text)}; give a date such as 2026-01-31.")
