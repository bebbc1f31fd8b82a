"""iCalendar (RFC 5545, RFC 7986): tasks for calendars that subscribe. Writing only;
`ics_reading.py` reads.

Each task is a VTODO. Most calendars do not show these, so open tasks with a due date are
VEVENTs too: all-day and free for a day, half an hour from an instant. The later occurrences
of a series are VEVENTs that repeat.

In files, which programs import, the VTODO of a series repeats. In feeds it does not: nobody
completes anything there, and calendars would show each occurrence as a to-do and as an event.

A VTODO that repeats has a DTSTART, without which Thunderbird shows no series, and Evolution
completes it as a whole. The RFC (§3.8.2.3) wants it before the DUE: it is a minute before a
time. A day has none before it with the same weekday, so that it is the DUE itself, as in what
Apple's Reminders write."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from urllib.parse import quote

from tasks.formats import ics_series, ics_zones
from tasks.formats.ics_series import Series
from tasks.formats.records import Record, TaskRecord
from tasks.recurrence import Occurrence

PRODUCT = "-//tasks//tasks 1.0//EN"
#: The format of the output, as a part of the feed's ETag: increase it when it changes.
REPRESENTATION = 4
#: How often subscribers should refresh.
REFRESH = "PT15M"
#: RFC 5545 §3.8.1.9: 1 is the highest and 9 the lowest; 0, or none, is undefined.
PRIORITIES = {"urgent": 1, "high": 3, "medium": 5, "low": 9}
EVENT_LENGTH = timedelta(minutes=30)
#: RFC 7986 §5.3 requires a UID below 256 octets.
UID_LENGTH = 240
#: Octets of a line, without its end.
LINE_LENGTH = 75
END = b"END:VCALENDAR\r\n"
#: `recurrence_from`, where it is another one than RRULE alone means here. Programs that do not
#: know it keep it, or leave it out (RFC 5545 §3.8.8.2).
SOURCE = "X-TASKS-RECURRENCE-FROM"

# RFC 5545 §3.3.11: TEXT has no control characters except TAB and line breaks.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BREAKS = re.compile(r"\r\n?|\x85|\u2028|\u2029")
_ESCAPES = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_BARE = str.maketrans("", "", "-:")
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def write(records: Iterable[Record], name: str = "tasks") -> Iterator[bytes]:
    """The calendar, one piece for each component. Tasks in the trash are left out. `name` is
    shown to subscribers."""
    yield begin(name)
    described: set[str] = set()
    for record in records:
        if isinstance(record, TaskRecord) and record.deleted_at is None:
            yield from new_zones(record, described)
            yield components(record, repeating=True)
    yield END


def new_zones(task: TaskRecord, described: set[str]) -> list[bytes]:
    """The time zone that the components of the task name, unless it was described before: it goes
    before them."""
    zone = ics_series.zone_of(task)
    if zone is None or zone in described:
        return []
    described.add(zone)
    return [_folded(ics_zones.lines(zone))]


def begin(name: str, description: str = "") -> bytes:
    """The lines before the first component; `END` has those after the last one."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}"]
    if description:
        # RFC 7986 §5.2; the X- property is what Apple's and Google's calendars read.
        lines.append(f"DESCRIPTION:{_text(description)}")
        lines.append(f"X-WR-CALDESC:{_text(description)}")
    lines += [
        f"NAME:{_text(name)}",
        f"X-WR-CALNAME:{_text(name)}",
        # RFC 7986 §5.7 wants the type named; the X- property is what Outlook reads.
        f"REFRESH-INTERVAL;VALUE=DURATION:{REFRESH}",
        f"X-PUBLISHED-TTL:{REFRESH}",
    ]
    return _folded(lines)


def components(task: TaskRecord, *, repeating: bool = False) -> bytes:
    """The task as a VTODO, which may be `repeating`, and, if it is open and has a due date, as
    a VEVENT.

    The lines are composed here, because the library icalendar, with which the tests compare
    them, takes 0.7 ms for a task and 1.5 for a long one: 3 s for a feed of 2,000."""
    shared = _shared(task)
    series = ics_series.repeating(task) if repeating else None
    lines = _todo(task, shared, series)
    if not task.completed and (task.due_date or task.due_at):
        lines += _event(task, shared)
        for series in ics_series.later(task):
            lines += _events(task, shared, series)
    return _folded(lines)


def _todo(task: TaskRecord, shared: list[str], series: Series | None) -> list[str]:
    uid = identifier(task.external_id)
    lines = ["BEGIN:VTODO", *shared, f"UID:{uid}@tasks"]
    if task.completed:
        lines += ["STATUS:COMPLETED", "PERCENT-COMPLETE:100"]
        if task.completed_at:
            lines.append(f"COMPLETED:{_instant(task.completed_at)}")
    else:
        lines.append("STATUS:NEEDS-ACTION")
    if series:
        lines.append(f"RRULE:{series.rrule}")
        if task.recurrence_from == "each_due":
            lines.append(f"{SOURCE}:each_due")
        lines.append(_local("DTSTART", ics_series.start_of(series.first)))
        lines.append(_local("DUE", series.first))
    elif task.due_date:
        lines.append(f"DUE;VALUE=DATE:{_day(task.due_date)}")
    elif task.due_at:
        lines.append(f"DUE:{_instant(task.due_at)}")
    if task.parent:
        lines.append(f"RELATED-TO:{identifier(task.parent)}@tasks")
    lines.append("END:VTODO")
    return lines


def _event(task: TaskRecord, shared: list[str]) -> list[str]:
    # Another domain, so that no UID of a VTODO can be equal.
    uid = f"{identifier(task.external_id)}@due.tasks"
    lines = ["BEGIN:VEVENT", *shared, f"UID:{uid}"]
    if task.due_date:
        lines.append(f"DTSTART;VALUE=DATE:{_day(task.due_date)}")
        lines.append(f"DTEND;VALUE=DATE:{_day(task.due_date + timedelta(days=1))}")
        lines.append("TRANSP:TRANSPARENT")
    elif task.due_at:
        lines.append(f"DTSTART:{_instant(task.due_at)}")
        lines.append(f"DTEND:{_instant(task.due_at + EVENT_LENGTH)}")
    lines.append("END:VEVENT")
    return lines


def _events(task: TaskRecord, shared: list[str], series: Series) -> list[str]:
    """The later occurrences of a series."""
    uid = f"{identifier(task.external_id)}@{series.name}.tasks"
    lines = ["BEGIN:VEVENT", *shared, f"UID:{uid}", f"RRULE:{series.rrule}"]
    lines.append(_local("DTSTART", series.first))
    if series.first.at is None:
        lines += ["DURATION:P1D", "TRANSP:TRANSPARENT"]
    else:
        lines.append(f"DURATION:PT{EVENT_LENGTH.seconds // 60}M")
    lines.append("END:VEVENT")
    return lines


def _shared(task: TaskRecord) -> list[str]:
    """The properties that the VTODO and the VEVENT of a task have in common."""
    # Without a METHOD, DTSTAMP is when the content last changed (RFC 5545 §3.8.7.2), so
    # that the same tasks make the same file.
    changed = task.updated_at or task.created_at or _LONG_AGO
    lines = [f"SUMMARY:{_text(task.title)}", f"DTSTAMP:{_instant(changed)}"]
    if task.created_at:
        lines.append(f"CREATED:{_instant(task.created_at)}")
    if task.updated_at:
        lines.append(f"LAST-MODIFIED:{_instant(task.updated_at)}")
    if task.description:
        lines.append(f"DESCRIPTION:{_text(task.description)}")
    if task.location:
        lines.append(f"LOCATION:{_text(task.location)}")
    if task.tags:
        lines.append(f"CATEGORIES:{','.join(map(_text, task.tags))}")
    if task.priority in PRIORITIES:
        lines.append(f"PRIORITY:{PRIORITIES[task.priority]}")
    return lines


def _folded(lines: Iterable[str]) -> bytes:
    return b"".join(_fold(line.encode()) for line in lines)


def _fold(line: bytes) -> bytes:
    """The line with its end, in parts of at most 75 octets (RFC 5545 §3.1), cut between
    characters and not within an escape."""
    if len(line) <= LINE_LENGTH:
        return line + b"\r\n"
    parts = []
    start, most = 0, LINE_LENGTH
    while len(line) - start > most:
        stop = start + most
        while line[stop] & 0xC0 == 0x80:  # within a character of UTF-8
            stop -= 1
        if (stop - len(line[start:stop].rstrip(b"\\")) - start) % 2:
            stop -= 1  # an odd number of backslashes: the last one escapes what follows
        parts.append(line[start:stop])
        start, most = stop, LINE_LENGTH - 1  # a space begins each part but the first
    parts.append(line[start:])
    return b"\r\n ".join(parts) + b"\r\n"


def _instant(instant: datetime) -> str:
    """In UTC and whole seconds, the resolution of the format."""
    return (
        instant.astimezone(UTC).replace(tzinfo=None).isoformat()[:19].translate(_BARE)
        + "Z"
    )


def _local(name: str, one: Occurrence) -> str:
    """The property with this day; or with this time, in its zone."""
    if one.at is None:
        return f"{name};VALUE=DATE:{_day(one.day)}"
    named, end = ("", "Z") if one.zone == "UTC" else (f";TZID={one.zone}", "")
    return f"{name}{named}:{_day(one.day)}T{one.at:%H%M%S}{end}"


def _day(day: date) -> str:
    return day.isoformat().replace("-", "")


def _text(text: str) -> str:
    """The text as a value of the type TEXT (RFC 5545 §3.3.11)."""
    return _clean(text).translate(_ESCAPES)


def _clean(text: str) -> str:
    return _CONTROLS.sub("", _BREAKS.sub("\n", text))


def identifier(external_id: str) -> str:
    """The id in characters that every program preserves."""
    safe = quote(external_id, safe=":")
    if len(safe) > UID_LENGTH:
        return f"sha256:{sha256(external_id.encode()).hexdigest()}"
    return safe
