"""What the library icalendar makes of tasks, to compare our own writing with."""

from datetime import UTC, datetime, timedelta

from icalendar import Component, Event, Todo, vText

from tasks.formats import TaskRecord, ics

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def lines_of(file: bytes) -> list[str]:
    """The unfolded lines, by their text: the order of properties means nothing."""
    return sorted(file.decode().replace("\r\n ", "").split("\r\n"))


def todo(task: TaskRecord) -> Todo:
    todo = Todo()
    _describe(todo, task, f"{ics.identifier(task.external_id)}@tasks")
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
        todo.add("related-to", f"{ics.identifier(task.parent)}@tasks")
    return todo


def event(task: TaskRecord) -> Event:
    event = Event()
    # Another domain, so that no UID of a VTODO can be equal.
    _describe(event, task, f"{ics.identifier(task.external_id)}@due.tasks")
    if task.due_date:
        event.add("dtstart", task.due_date)
        event.add("dtend", task.due_date + timedelta(days=1))
        event.add("transp", "TRANSPARENT")
    elif task.due_at:
        event.add("dtstart", _whole(task.due_at))
        event.add("dtend", _whole(task.due_at) + ics.EVENT_LENGTH)
    return event


def _describe(component: Component, task: TaskRecord, uid: str) -> None:
    component.add("uid", uid)
    # Without a METHOD it is when the content last changed (RFC 5545 §3.8.7.2), so that
    # the same tasks make the same file.
    component.add("dtstamp", _whole(task.updated_at or task.created_at or LONG_AGO))
    if task.created_at:
        component.add("created", _whole(task.created_at))
    if task.updated_at:
        component.add("last-modified", _whole(task.updated_at))
    component.add("summary", _text(task.title))
    if task.description:
        component.add("description", _text(task.description))
    if task.location:
        component.add("location", _text(task.location))
    if task.tags:
        component.add("categories", [ics._clean(tag) for tag in task.tags])
    if task.priority in ics.PRIORITIES:
        component.add("priority", ics.PRIORITIES[task.priority])


def _whole(instant: datetime) -> datetime:
    """In UTC, and to the second, which is as fine as the format gets."""
    return instant.astimezone(UTC).replace(microsecond=0)


def _text(text: str) -> vText:
    # The library escapes nothing in properties whose type it does not know.
    return vText(ics._clean(text))
