"""Dates, times and durations of to-dos in iCalendar files.

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
from tasks.formats.records import Refused
from tasks.recurrence import Occurrence

_DURATION = re.compile(
    r"([+-]?)P(?:(\d{1,6})W|(?=[\dT])(?:(\d{1,6})D)?"
    r"(?:T(?=\d)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?)",
    re.ASCII,
)
_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)


class Moment(NamedTuple):
    """A DATE or DATE-TIME: a day; and a time of day, with its zone if it is known. One that clocks
    show twice is the earlier, unless its `fold` is 1."""

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
                    return timezones.local_time(instant, timezones.zone(zone))
        return datetime.combine(self.day, self.clock or time())

    def after(self, days: int, seconds: int) -> "Moment":
        """Days later by the calendar, and then so many seconds as they pass (RFC 5545 §3.3.6)."""
        moved = self._replace(day=self.day + timedelta(days=days))
        later = timedelta(seconds=seconds)
        if not later or self.clock is None:
            return moved
        instant = moved.instant
        if self.zone is None or instant is None:
            local = moved.local() + later
        else:
            local = (instant + later).astimezone(timezones.zone(self.zone))
        return Moment(local.date(), local.time(), self.zone)


def moment_of(found: Property) -> Moment | None:
    """The DATE or DATE-TIME of a property; None if it has neither."""
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


def read_instant(todo: Todo, name: str, draft: Draft) -> datetime | None:
    """The instant of a property; None, with a remark, if it has none."""
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
    """Reads the due date, or the start and the duration that make it; of a task that repeats it
    may be the start. Returns what clocks in the zone of the due date show at the start; None
    without one, or another due date."""
    start, due = todo.first("DTSTART"), todo.first("DUE")
    begin = moment_of(start) if start else None
    end = moment_of(due) if due else None
    for duration in todo.all("DURATION"):
        try:
            if due is not None:
                raise Refused("stands beside another due date")
            end = _end(begin, duration.value)
        except Refused as refusal:
            draft.remarks.keep("Duration", duration.value, str(refusal))
        else:
            assert start is not None
            due = start._replace(value=f"{end.local():%Y%m%dT%H%M%S}")
    if due is None and rule is not None:
        start, due, begin, end = None, start, None, begin
    if due is not None:
        end = _store_due(end, due, draft)
    local = begin.local(end.zone) if begin and end else None
    if local and end and end.local() - local in (timedelta(), START):
        return None  # as this service writes it
    if start is not None:
        draft.remarks.lines.append(f"Start: {start.value}")
    return local


def _end(begin: Moment | None, duration: str) -> Moment:
    """The end of a DURATION. Raises `Refused`."""
    if begin is None:
        raise Refused("has no start to count from")
    found = _DURATION.fullmatch(duration.strip().upper())
    if found is None:
        raise Refused("is no duration")
    weeks, days, hours, minutes, seconds = (int(it or 0) for it in found.groups()[1:])
    days, seconds = weeks * 7 + days, (hours * 60 + minutes) * 60 + seconds
    if found[1] == "-" and (days or seconds):
        raise Refused("is negative")
    if seconds and begin.clock is None:
        raise Refused("is not of whole days, as its start is")
    try:
        return begin.after(days, seconds)
    except OverflowError:
        raise Refused("ends after the year 9999") from None


def _store_due(end: Moment | None, due: Property, draft: Draft) -> Moment | None:
    try:
        instant = end.instant if end else None
    except OverflowError:
        end = instant = None
    if end is None:
        draft.remarks.keep("Due", due.value, "is no date")
    elif instant is not None:
        draft.record = replace(draft.record, due_at=instant, due_timezone=end.zone)
    else:
        draft.record = replace(draft.record, due_date=end.day)
        if end.clock is not None:
            zone = due.parameters.get("TZID", "")
            what = f"{due.value} {zone}".strip()
            draft.remarks.keep("Due", what, "is in no known zone")
    return end
