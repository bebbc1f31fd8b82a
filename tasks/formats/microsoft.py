"""Microsoft To Do, as Microsoft Graph answers: todoTask and todoTaskList in JSON.

There is no export of its own; what people have is what Graph gave them, one list's
tasks or all lists with their tasks in them. Members were read in
https://learn.microsoft.com/graph/api/resources/todotask and the pages it links to:
checklistItem, linkedResource, patternedRecurrence, dateTimeTimeZone.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO

from tasks.formats.documents import (
    Members,
    array,
    as_object,
    boolean,
    identifier,
    instant,
    load,
    member,
    number,
    objects,
    strings,
    text,
)
from tasks.formats.foreign import Draft, Reading, external_id
from tasks.formats.markup import plain_text
from tasks.formats.records import BadRow, Refused, Row, TaskRecord, shown
from tasks.formats.times import read_day, read_instant

PRIORITIES = {"": "none", "low": "low", "normal": "none", "high": "high"}
#: Those that say no more than "open" or "completed", and those that do.
STATUSES = ("", "notStarted", "completed", "inProgress", "waitingOnOthers", "deferred")
_PLAIN = ("", "notStarted", "completed")
#: From this time of day on, a due is nearer to the next midnight: see `_due`.
EVENING = time(11)


def read(stream: BinaryIO, name: str = "Tasks") -> Iterator[Row]:
    """The lists and tasks of the document. Tasks that are in no list of it come into
    one called `name`. Items of checklists are subtasks."""
    reading = Reading()
    try:
        items, more = _items(load(stream))
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    for item in items:
        with reading.at(reading.count + 1):
            _read_item(reading, as_object("value", item), name)
    yield from reading.rows()
    if more:
        yield BadRow(
            max(reading.count, 1),
            "The file has an @odata.nextLink: it is one page of several. Fetch the "
            "others too.",
        )


def _items(document: object) -> tuple[list[Any], bool]:
    """The lists or tasks, and whether the document says that there are more of them."""
    if isinstance(document, list):
        return document, False
    if isinstance(document, dict):
        for name in ("value", "lists"):
            if isinstance(document.get(name), list):
                return document[name], "@odata.nextLink" in document
        if isinstance(document.get("tasks"), list):
            return [document], "tasks@odata.nextLink" in document
    raise Refused(
        "The file is no answer of Microsoft Graph: an object with value, an array of "
        "lists or tasks, is expected."
    )


def _read_item(reading: Reading, item: Members, name: str) -> None:
    if "tasks" not in item and ("title" in item or "displayName" not in item):
        _read_task(reading, item, reading.lists.name(name))
        return
    title = reading.lists.name(text(item, "displayName") or name)
    for task in array(item, "tasks"):
        with reading.at(reading.count + 1):
            _read_task(reading, as_object("tasks", task), title)


def _read_task(reading: Reading, task: Members, title: str) -> None:
    reading.count += 1
    ordinal = reading.count
    drafts = [_draft(task, ordinal, title)]
    parent = drafts[0].record.external_id
    for item in array(task, "checklistItems"):
        with reading.at(ordinal):
            item = as_object("checklistItems", item)
            drafts.append(Draft(ordinal, _subtask(item, task, parent, title)))
    reading.drafts += drafts


def _draft(task: Members, ordinal: int, title: str) -> Draft:
    status, importance = text(task, "status"), text(task, "importance")
    if status not in STATUSES:
        raise Refused(f"status is {shown(status)}; known: {', '.join(STATUSES[1:])}.")
    if importance not in PRIORITIES:
        raise Refused(f"importance is {shown(importance)}; known: low, normal, high.")
    lines = [] if status in _PLAIN else [f"Status: {status}"]
    if recurrence := member(task, "recurrence"):
        lines.append(_repeats(recurrence))
    lines += [_link(link) for link in objects(task, "linkedResources")]
    record = TaskRecord(
        external_id=external_id("microsoft", identifier(task)),
        title=text(task, "title"),
        description=_description(member(task, "body")),
        completed=status == "completed",
        completed_at=_completed(member(task, "completedDateTime")),
        created_at=instant(task, "createdDateTime"),
        updated_at=instant(task, "lastModifiedDateTime"),
        list=title,
        tags=tuple(strings(task, "categories")),
        priority=PRIORITIES[importance],
        due_date=_due(member(task, "dueDateTime")),
    )
    return Draft(ordinal, record, lines)


def _subtask(item: Members, task: Members, parent: str, title: str) -> TaskRecord:
    return TaskRecord(
        external_id=external_id("microsoft", identifier(task), identifier(item)),
        title=text(item, "displayName"),
        completed=boolean(item, "isChecked"),
        completed_at=instant(item, "checkedDateTime"),
        created_at=instant(item, "createdDateTime"),
        list=title,
        parent=parent,
    )


def _description(body: Members) -> str:
    content = text(body, "content")
    return plain_text(content) if text(body, "contentType") == "html" else content


def _due(value: Members) -> date | None:
    """The date that To Do shows.

    It has dates only, and Graph tells them as a midnight: of UTC, or of the zone that
    the task was made in, which comes in UTC and can be the evening before (observed in
    https://github.com/RogerSelwyn/MS365-ToDo/issues/29). The nearest midnight is the
    one that was meant, whatever the zone is called. 11:00 could be that of New Zealand
    in summer or of Samoa; it is New Zealand's here.
    """
    moment = text(value, "dateTime")
    if not moment:
        return None
    if len(moment) == len("2026-01-31"):
        return read_day("dueDateTime", moment)
    midnight = read_instant("dueDateTime", f"{moment.removesuffix('Z')}Z")
    day = midnight.date()
    if midnight.time() < EVENING or day == date.max:
        return day
    return day + timedelta(days=1)


def _completed(value: Members) -> datetime | None:
    """None where the zone is not UTC: Graph's has names of Windows, and its time of day
    is known to be wrong (microsoft-graph-docs-contrib, issue 8663)."""
    moment = text(value, "dateTime")
    if not moment or text(value, "timeZone") not in ("UTC", "GMT", "Etc/UTC"):
        return None
    return read_instant("completedDateTime", f"{moment.removesuffix('Z')}Z")


def _repeats(recurrence: Members) -> str:
    """The rule in words, for a description: "Repeats: weekly, interval 2, monday"."""
    pattern, limits = member(recurrence, "pattern"), member(recurrence, "range")
    words = [text(pattern, "type") or "yes"]
    for name in ("interval", "month", "dayOfMonth"):
        if count := number(pattern, name):
            words.append(f"{name} {count:g}")
    words += strings(pattern, "daysOfWeek")
    if "relative" in words[0]:
        words.append(text(pattern, "index"))
    if text(limits, "type") == "endDate":
        words.append(f"until {text(limits, 'endDate')}")
    if count := number(limits, "numberOfOccurrences"):
        words.append(f"{count:g} times")
    return f"Repeats: {', '.join(filter(None, words))}"


def _link(resource: Members) -> str:
    names = ("displayName", "applicationName", "webUrl")
    return f"Link: {' - '.join(filter(None, (text(resource, name) for name in names)))}"
