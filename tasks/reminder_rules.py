"""The reminders of a task as they are written, and the instants that they mean.

A reminder is a JSON object: an instant, `{"at": "2026-12-31T17:00:00Z"}`, or a number of
minutes before the due date, `{"hour": 9, "minutes_before": 30}`. An instant that a task is
due is taken as it is. A day that it is due is taken at this hour, by the clock of the
owner's time zone, and so are the minutes: a day before 9:00 is 9:00 of the day before, also
when the clocks are changed in between."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from taskproject import timezones
from taskproject.times import parse_instant

#: One reminder. Its members are strings and integers.
Rule = Mapping[str, Any]
DEFAULT_HOUR = 9
#: In minutes, the largest first.
UNITS = {"week": 10_080, "day": 1_440, "hour": 60, "minute": 1}


def relative(minutes_before: int, hour: int = DEFAULT_HOUR) -> dict[str, object]:
    """The reminder so many minutes before the due date."""
    return {"hour": hour, "minutes_before": minutes_before}  # in the order of jsonb


def absolute(at: datetime) -> dict[str, object]:
    """The reminder at an instant."""
    return {"at": at.astimezone(UTC).isoformat().replace("+00:00", "Z")}


def describe(rule: Rule) -> str:
    """For staff, in the largest unit, with the hour unless it is the default."""
    if "minutes_before" not in rule:
        return str(rule.get("at"))
    minutes, hour = rule["minutes_before"], rule["hour"]
    fits = (unit for unit in UNITS if minutes % UNITS[unit] == 0 and minutes)
    unit = next(fits, "minute")
    count = minutes // UNITS[unit]
    text = f"{count} {unit}{'' if count == 1 else 's'} before"
    return text if hour == DEFAULT_HOUR else f"{text} (of a day: {hour}:00)"


def each_once(rules: Iterable[Rule]) -> list[Rule] | None:
    """The reminders as they are stored: without repetitions; None without any."""
    found: list[Rule] = []
    for rule in rules:
        if rule not in found:
            found.append(rule)
    return found or None


def of_next_occurrence(rules: Iterable[Rule] | None) -> list[Rule] | None:
    """The reminders that the next occurrence of a task has too: those relative to its due date. One
    at an instant is of this occurrence alone."""
    return each_once(rule for rule in rules or () if "at" not in rule)


def moment(
    rule: Rule, due_date: date | None, due_at: datetime | None, zone: ZoneInfo
) -> datetime | None:
    """The instant that the reminder means, in UTC; None without a due date."""
    if "at" in rule:
        return parse_instant(rule["at"])
    before = timedelta(minutes=rule["minutes_before"])
    if due_at is not None:
        return due_at.astimezone(UTC) - before
    if due_date is None:
        return None
    at_hour = datetime(due_date.year, due_date.month, due_date.day, rule["hour"])
    return timezones.instant_of(at_hour - before, zone)
