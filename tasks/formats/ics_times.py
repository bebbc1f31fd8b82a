"""Dates and times of to-dos in iCalendar files.

Time zones are those whose TZID ends with an IANA name, as "/mozilla.org/20050126_1/Europe/
Paris"; a time in another zone, or in none, is a day."""

import re
from dataclasses import replace
from datetime import date, datetime, time
from typing import NamedTuple

from taskproject import timezones
from tasks.formats.foreign import Draft
from tasks.formats.ics_components import Property, Todo
from tasks.recurrence import Occurrence

_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)


class Moment(NamedTuple):
    """A DATE or DATE-TIME: a day; and a time of day, with its zone if it is known."""

    day: date
    clock: time | None
    zone: str | None

    @property
    def instant(self) -> datetime | None:
        if self.clock is None or self.zone is None:
            return None
        return Occurrence(self.day, self.clock, self.zone).due_at


def _moment(found: Property) -> Moment | None:
    match = _MOMENT.fullmatch(found.value.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second, utc = match.groups()
    try:
        on = date(int(year), int(month), int(day))
        if hour is None:
            return Moment(on, None, None)
        clock = time(int(hour), int(minute), min(int(second), 59))
    except ValueError:
        return None
    zone = "UTC" if utc else _zone(found.parameters.get("TZID", ""))
    return Moment(on, clock, zone)


def _zone(name: str) -> str | None:
    parts = name.split("/")
    tails = ("/".join(parts[at:]) for at in range(len(parts)))
    return next((tail for tail in tails if tail in timezones.names()), None)


def day(found: Property) -> date | None:
    moment = _moment(found)
    return moment and moment.day


def instant(todo: Todo, name: str, draft: Draft) -> datetime | None:
    found = todo.first(name)
    if found is None:
        return None
    moment = _moment(found)
    if moment is None:
        draft.remarks.keep(name, found.value, "is no time")
        return None
    # RFC 5545: these are in UTC. Some programs write a day, or no Z.
    utc = moment._replace(clock=moment.clock or time(), zone=moment.zone or "UTC")
    try:
        return utc.instant
    except OverflowError:
        draft.remarks.keep(name, found.value, "is out of range")
        return None


def read_due(todo: Todo, draft: Draft, rule: Property | None) -> int:
    """Reads the due date; of a task that repeats it may be the start. Returns the days between
    the two."""
    start, due = todo.first("DTSTART"), todo.first("DUE")
    if due is None and rule is not None:
        start, due = None, start
    begin = _moment(start) if start else None
    apart = 0
    if due is not None:
        moment = _moment(due)
        try:
            instant = moment.instant if moment else None
        except OverflowError:
            moment = instant = None
        if moment is None:
            draft.remarks.keep("Due", due.value, "is no date")
        elif instant is not None:
            draft.record = replace(
                draft.record, due_at=instant, due_timezone=moment.zone
            )
        else:
            draft.record = replace(draft.record, due_date=moment.day)
            if moment.clock is not None:
                zone = due.parameters.get("TZID", "")
                draft.remarks.keep(
                    "Due", f"{due.value} {zone}".strip(), "is in no known zone"
                )
        if begin is not None and moment is not None:
            if begin.day == moment.day:
                return 0
            apart = (moment.day - begin.day).days
    if start is not None:
        draft.remarks.lines.append(f"Start: {start.value}")
    return apart
