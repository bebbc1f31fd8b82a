"""Series for calendars: to-dos and events that repeat by a rule of RFC 5545.

The open occurrence is an event of its own, because its due date may be moved. The rules of
`tasks/recurrence_rules.py` take the last day of a month for one that it lacks, and those of
the RFC leave the month out, so the rule is rewritten: 31 is -1, which every calendar knows,
and with 29 or 30 February has an event of its own. (BYMONTHDAY=28,29,30;BYSETPOS=-1 would be
one rule for both, but ical.js, which Thunderbird and Nextcloud use, goes wrong with it. As it
does with INTERVAL or COUNT beside BYMONTH in monthly rules, and in yearly ones with BYSETPOS,
with the last days of several months, and with days from the end beside INTERVAL.)"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from tasks import recurrence
from tasks.formats import ics_zones
from tasks.formats.records import TaskRecord
from tasks.recurrence import Occurrence
from tasks.recurrence_rules import Rule, Weekday, parse

#: Most occurrences that are counted to find the last one. More would take long in a feed.
MOST_COUNTED = 100
START = timedelta(minutes=1)
_FEBRUARY = 2
_ALL = tuple(range(1, 13))


class Series(NamedTuple):
    """Occurrences that repeat by a rule of the RFC, from its first date on."""

    #: Distinguishes the series of a task.
    name: str
    first: Occurrence
    rule: Rule

    @property
    def rrule(self) -> str:
        """The value of RRULE. It has a WKST of Monday, too, where the days depend on it: that is the
        default (RFC 5545 §3.3.10), but Kendo UI's schedulers begin weeks on Sunday."""
        rule = self.rule
        by_weeks = rule.freq == "WEEKLY" and rule.interval > 1
        if by_weeks and len(rule.by_weekday) > 1 and not rule.week_start:
            return f"{rule};WKST=MO"
        return str(rule)


def zone_of(task: TaskRecord) -> str | None:
    """The time zone that the later occurrences of the task name; None if they name none."""
    planned = _planned(task)
    return None if planned is None or planned.zone == "UTC" else planned.zone


def later(task: TaskRecord) -> Iterator[Series]:
    """The series of the occurrences after this one. None if they follow from the completion, or
    cannot be written."""
    planned = _planned(task)
    if planned is None or task.recurrence is None:
        return
    parts = _parts(parse(task.recurrence), planned)
    for name, part in zip(("next", "next2"), parts, strict=False):
        first = next(recurrence.upcoming(part, planned), None)
        if first is not None:
            count = None if part.count is None else part.count - 1
            yield Series(
                name, first, replace(part, count=count, until=_until(part, first))
            )


def repeating(task: TaskRecord) -> Series | None:
    """The open occurrence with those after it. None if these cannot be written, or not by one rule
    that has the open occurrence as well: if its due date was moved, is not of the rule, or
    has no earlier time on the same day."""
    planned = _planned(task)
    if planned is None or task.recurrence is None:
        return None
    moved = (task.due_at or task.due_date) != (planned.due_at or planned.day)
    if moved or start_of(planned).day != planned.day:
        return None
    rule = parse(task.recurrence)
    parts = _parts(rule, planned)
    if len(parts) != 1 or not rule.has(planned.day):
        return None
    return Series("", planned, replace(parts[0], until=_until(parts[0], planned)))


def start_of(due: Occurrence) -> Occurrence:
    """The DTSTART of a to-do that repeats: shortly before its time, or the same day."""
    if due.at is None:
        return due
    start = datetime.combine(due.day, due.at) - START
    return replace(due, day=start.date(), at=start.time())


def _parts(rule: Rule, planned: Occurrence) -> list[Rule]:
    """Rules of RFC 5545 that together have the dates of the series from there on; or none."""
    parts = in_rfc(rule, planned.day)
    # Of several months ical.js counts those that it passes over.
    if rule.count is None or not (len(parts) > 1 or any(it.by_month for it in parts)):
        return parts
    if rule.count > MOST_COUNTED:
        return []
    *_, last = [planned, *recurrence.upcoming(rule, planned)]
    return [replace(part, count=None, until=last.day) for part in parts]


def _planned(task: TaskRecord) -> Occurrence | None:
    """The planned date of an open occurrence whose series goes on from there."""
    if task.recurrence_from == "completion" or task.completed:
        return None
    planned = recurrence.occurrence(task.occurrence or "")
    if planned is None or planned.zone in (None, "UTC"):
        return planned
    return planned if ics_zones.lines(planned.zone or "") else None


def in_rfc(rule: Rule, begin: date) -> list[Rule]:
    """Rules of RFC 5545 that together have the dates of a series from this day on, each once; none
    if there are no such rules."""
    days = rule.by_month_day
    if not days or rule.by_weekday:
        return _understood(rule, begin)
    if rule.by_set_position:
        return _understood(rule, begin) if max(map(abs, days)) <= 28 else []
    usual, shorter = _within(31, days), _within(29, days)
    if usual == shorter:
        return _understood(replace(rule, by_month_day=usual), begin)
    parts = []
    for whole in _understood(replace(rule, by_month=rule.by_month or _ALL), begin):
        others = tuple(month for month in whole.by_month if month != _FEBRUARY)
        if others:
            parts.append(replace(whole, by_month=others, by_month_day=usual))
        if others != whole.by_month:
            parts.append(replace(whole, by_month=(_FEBRUARY,), by_month_day=shorter))
    return parts


def _understood(rule: Rule, begin: date) -> list[Rule]:
    """The rule in the form that dateutil, rrule.js and ical.js understand alike; none if it has no
    dates, or no such form."""
    if len({bool(one.which) for one in rule.by_weekday}) > 1:
        # Numbers of some weekdays: dateutil and rrule.js show no day at all.
        if rule.freq == "YEARLY" and not rule.by_month:
            return []
        rule = replace(rule, by_weekday=_numbered(rule.by_weekday))
    if rule.freq == "YEARLY":
        return _yearly(rule)
    if rule.freq != "MONTHLY" or rule.interval == 1 or not rule.by_month:
        return [rule]
    if rule.by_set_position or (12 % rule.interval and rule.interval % 12):
        return []
    every = {(begin.month - 1 + n * rule.interval) % 12 + 1 for n in range(12)}
    months = tuple(month for month in rule.by_month if month in every)
    if not months:
        return []
    if rule.interval > 12:
        years = rule.interval // 12
        return _yearly(replace(rule, freq="YEARLY", interval=years, by_month=months))
    return [replace(rule, interval=1, by_month=months)]


def _yearly(rule: Rule) -> list[Rule]:
    if len(rule.by_month) == 1:
        if rule.by_month == (_FEBRUARY,):
            return [rule]
        last = monthrange(2027, rule.by_month[0])[1]
        days = {day if day > 0 else last + 1 + day for day in rule.by_month_day}
        return [replace(rule, by_month_day=tuple(sorted(days)))]
    if rule.by_set_position:
        return []
    if rule.by_weekday or not rule.by_month_day:
        return [rule]
    return [replace(rule, freq="MONTHLY")] if rule.interval == 1 else []


def _numbered(weekdays: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
    """Weekdays of a month with their numbers, which dateutil and rrule.js want of all or of none."""
    numbered = {
        Weekday(day, number)
        for day, which in weekdays
        for number in ([which] if which else range(1, 6))
    }
    return tuple(sorted(numbered))


def _within(lacking: int, days: tuple[int, ...]) -> tuple[int, ...]:
    """The days in months that may lack those from this number on: the last, or the first, instead."""
    clamped = (-1 if day >= lacking else 1 if day <= -lacking else day for day in days)
    return tuple(sorted({*clamped}))


def _until(rule: Rule, first: Occurrence) -> date | datetime | None:
    """The UNTIL of the rule in the form that the RFC wants: a day for days, else an instant."""
    until = rule.until
    if isinstance(until, datetime):
        return until if first.at else until.astimezone(UTC).date()
    if until is None or first.at is None:
        return until
    return replace(first, day=until, at=time(23, 59, 59)).due_at
