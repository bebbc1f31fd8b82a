"""iCalendar (RFC 5545, RFC 7986): tasks for calendars to subscribe to. Writing only.

Each task is a VTODO. Most calendars show none of those, so an open task with a due is
a VEVENT too: all day, and free, on a date; half an hour from an instant.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import quote

from icalendar import Calendar, Component, Event, Todo, vDuration, vText

from tasks.formats.records import Record, TaskRecord

PRODUCT = "-//tasks//tasks 1.0//EN"
#: How often a subscriber should ask again.
REFRESH = timedelta(minutes=15)
#: RFC 5545 §3.8.1.9: 1 is the highest and 9 the lowest; 0, or none, is undefined.
PRIORITIES = {"urgent": 1, "high": 3, "medium": 5, "low": 9}
EVENT_LENGTH = timedelta(minutes=30)
#: RFC 7986 §5.3 asks for a UID below 256 octets.
UID_LENGTH = 240

# RFC 5545 §3.3.11: TEXT holds no control characters but TAB, and its line breaks.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BREAKS = re.compile(r"\r\n?|\x85|\u2028|\u2029")
_END = b"END:VCALENDAR\r\n"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def write(records: Iterable[Record], name: str = "tasks") -> Iterator[bytes]:
    """The calendar, one piece a component; of the records, the tasks that are not in
    the trash. `name` is what subscribers see."""
    yield _calendar(name).to_ical().removesuffix(_END)
    for record in records:
        if isinstance(record, TaskRecord) and record.deleted_at is None:
            yield _todo(record).to_ical()
            if _is_due(record):
                yield _event(record).to_ical()
    yield _END


def _calendar(name: str) -> Calendar:
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("name", _text(name))
    calendar.add("x-wr-calname", _text(name))
    refresh = vDuration(REFRESH)
    # RFC 7986 §5.7 wants the type named; the X- property is what Outlook reads.
    refresh.params["VALUE"] = "DURATION"
    calendar.add("refresh-interval", refresh)
    calendar.add("x-published-ttl", vText("PT15M"))
    return calendar


def _todo(task: TaskRecord) -> Todo:
    todo = Todo()
    _describe(todo, task, f"{_identifier(task.external_id)}@tasks")
    if task.completed:
        todo.add("status", "COMPLETED")
        todo.add("percent-complete", 100)
        if task.completed_at:
            todo.add("completed", _whole(task.completed_at))
    else:
        todo.add("status", "NEEDS-ACTION")
    if due := task.due_date or (task.due_at and _whole(task.due_at)):
        todo.add("due", due)
    if task.parent:
        todo.add("related-to", f"{_identifier(task.parent)}@tasks")
    return todo


def _is_due(task: TaskRecord) -> bool:
    return not task.completed and bool(task.due_date or task.due_at)


def _event(task: TaskRecord) -> Event:
    event = Event()
    # Another domain, so that no UID of a VTODO can be equal.
    _describe(event, task, f"{_identifier(task.external_id)}@due.tasks")
    if task.due_date:
        event.add("dtstart", task.due_date)
        event.add("dtend", task.due_date + timedelta(days=1))
        event.add("transp", "TRANSPARENT")
    elif task.due_at:
        event.add("dtstart", _whole(task.due_at))
        event.add("dtend", _whole(task.due_at) + EVENT_LENGTH)
    return event


def _describe(component: Component, task: TaskRecord, uid: str) -> None:
    component.add("uid", uid)
    # Without a METHOD it is when the content last changed (RFC 5545 §3.8.7.2), so that
    # the same tasks make the same file.
    component.add("dtstamp", _whole(task.updated_at or task.created_at or _LONG_AGO))
    if task.created_at:
        component.add("created", _whole(task.created_at))
    if task.updated_at:
        component.add("last-modified", _whole(task.updated_at))
    component.add("summary", _text(task.title))
    if task.description:
        component.add("description", _text(task.description))
    if task.tags:
        component.add("categories", [_clean(tag) for tag in task.tags])
    if task.priority in PRIORITIES:
        component.add("priority", PRIORITIES[task.priority])


def _whole(instant: datetime) -> datetime:
    """In UTC, and to the second, which is as fine as the format gets."""
    return instant.astimezone(UTC).replace(microsecond=0)


def _text(text: str) -> vText:
    # The library escapes nothing in properties whose type it does not know.
    return vText(_clean(text))


def _clean(text: str) -> str:
    return _CONTROLS.sub("", _BREAKS.sub("\n", text))


def _identifier(external_id: str) -> str:
    """The id in characters that every program keeps as they are."""
    safe = quote(external_id, safe=":")
    if len(safe) > UID_LENGTH:
        return f"sha256:{sha256(external_id.encode()).hexdigest()}"
    return safe
