"""Dates and times of to-dos in iCalendar files.

Time zones are those whose TZID ends with an IANA name, as "/mozilla.org/20050126_1/Europe/
Paris"; a time in another zone, or in none, is a day."""

import re
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from taskproject import timezones
from tasks.formats.foreign import Draft
from tasks.formats.ics_components import Property, Todo
from tasks.formats.ics_series import START
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

    def local(self, zone: str | None = None) -> datetime:
        """What clocks show: in that zone, if both are known."""
        if zone is not None and zone != self.zone:
            with suppress(OverflowError):
                if (instant := self.instant) is not None:
                    return instant.astimezone(timezones.zone(zone)).replace(tzinfo=None)
        return datetime.combine(self.day, self.clock or time())


def moment_of(found: Property) -> Moment | None:
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


def instant(todo: Todo, name: str, draft: Draft) -> datetime | None:
    found = todo.first(name)
    if found is None:
        return None
    moment = moment_of(found)
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


def read_due(todo: Todo, draft: Draft, rule: Property | None) -> datetime | None:
    """Reads the due date; of a task that repeats it may be the start. Returns what clocks in the
    zone of the due date show at the start; None without one, or another due date."""
    start, due = todo.first("DTSTART"), todo.first("DUE")
    if due is None and rule is not None:
        start, due = None, start
    begin = moment_of(start) if start else None
    end = _store_due(due, draft) if due else None
    local = begin.local(end.zone) if begin and end else None
    if start is not None and not (
        local and end.local() - local in (timedelta(), START)
    ):
        draft.remarks.lines.append(f"Start: {start.value}")
    return local


def _store_due(due: Property, draft: Draft) -> Moment | None:
    moment = moment_of(due)
    try:
        instant = moment.instant if moment else None
    except OverflowError:
        moment = instant = None
    if moment is None:
        draft.remarks.keep("Due", due.value, "is no date")
    elif instant is not None:
        draft.record = replace(draft.record, due_at=instant, due_timezone=moment.zone)
    else:
        draft.record = replace(draft.record, due_date=moment.day)
        if moment.clock is not None:
            zone = due.parameters.get("TZID", "")
            what = f"{due.value} {zone}".strip()
            draft.remarks.keep("Due", what, "is in no known zone")
    return moment
