"""Microsoft To Do, as in responses of Microsoft Graph: todoTask and todoTaskList in JSON.

To Do has no export of its own. Files have what Graph returned: the tasks of one list, or
all lists with their tasks in them. The members are documented in
https://learn.microsoft.com/graph/api/resources/todotask and the pages it links to:
checklistItem, linkedResource, patternedRecurrence, dateTimeTimeZone, taskFileAttachment.
Unknown members are kept in descriptions."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import BinaryIO

from tasks.formats.documents import Item, Members, Remarks, as_object, load
from tasks.formats.foreign import (
    Draft,
    Reading,
    content_id,
    derived_id,
    item_id,
)
from tasks.formats.foreign_rules import Pattern, Repeats, as_series
from tasks.formats.markup import plain_text
from tasks.formats.records import BadRow, Refused, Row, TaskRecord
from tasks.formats.times import read_day, read_instant

PRIORITIES = {"": "none", "low": "low", "normal": "none", "high": "high"}
#: The statuses that mean just "open" or "completed", and the others.
STATUSES = ("", "notStarted", "completed", "inProgress", "waitingOnOthers", "deferred")
_PLAIN = ("", "notStarted", "completed")
#: From this time of day on, the next midnight is meant: see `_due`.
EVENING = time(11)
_UTC = ("", "UTC", "GMT", "Etc/UTC", "tzone://Microsoft/Utc")
# Members without text of the user.
_UNUSED_OF_LISTS = ("id", "isOwner", "isShared", "wellknownListName", "tasks")
_UNUSED = ("bodyLastModifiedDateTime",)
_UNUSED_OF_LINKS = ("id", "externalId")
_UNUSED_OF_ATTACHMENTS = ("id", "contentBytes", "contentType", "lastModifiedDateTime")
_NO_DATE = "0001-01-01"


def read(stream: BinaryIO, name: str = "Tasks") -> Iterator[Row]:
    """The lists and tasks of the document. Tasks without a list are put into one called `name`.
    Items of checklists are subtasks."""
    reading = Reading("microsoft")
    try:
        items, more = _items(load(stream))
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    for number, item in enumerate(items):
        with reading.at(reading.count + 1):
            _read_item(reading, as_object("value", item), number, name)
    yield from reading.rows()
    if more:
        yield BadRow(max(reading.count, 1), _one_page("@odata.nextLink"))


def _one_page(member: str) -> str:
    return f"The file has {member}: it is one page of several. Fetch the others too."


def _items(document: object) -> tuple[list[object], bool]:
    """The lists or tasks, and whether the document says that there are more of them."""
    if isinstance(document, list):
        return document, False
    if isinstance(document, dict):
        for name in ("value", "lists"):
            if isinstance(document.get(name), list):
                return document[name], bool(document.get("@odata.nextLink"))
        if isinstance(document.get("tasks"), list):
            return [document], False
    raise Refused(
        "The file is no response of Microsoft Graph: an object with value, an array of "
        "lists or tasks, is expected."
    )


def _read_item(reading: Reading, members: Members, number: int, name: str) -> None:
    line = reading.count + 1
    if "@removed" in members:
        reading.adjusted(line, "It was removed, and only its id is there: left out.")
        return
    if "tasks" not in members and ("title" in members or "displayName" not in members):
        _read_task(reading, members, reading.lists.name(name, "no list", line))
        return
    item = Item(members, Remarks())
    key = ("id", members["id"]) if isinstance(members.get("id"), str) else number
    title = reading.lists.name(item.text("displayName") or name, key, line)
    _check_pages(reading, members, "tasks", line)
    tasks = item.array("tasks")
    reading.finish_list(line, "list", item, _UNUSED_OF_LISTS)
    for task in tasks:
        with reading.at(reading.count + 1):
            _read_task(reading, as_object("tasks", task), title)


def _check_pages(reading: Reading, members: Members, name: str, line: int) -> None:
    member = f"{name}@odata.nextLink"
    if members.get(member):
        reading.refused(line, _one_page(member))


def _read_task(reading: Reading, members: Members, title: str) -> None:
    reading.count += 1
    ordinal = reading.count
    if "@removed" in members:
        reading.adjusted(ordinal, "It was removed, and only its id is there: left out.")
        return
    _check_pages(reading, members, "checklistItems", ordinal)
    draft = Draft(ordinal, TaskRecord("", ""))
    item = Item(members, draft.remarks)
    draft.record = TaskRecord(
        external_id=item_id("microsoft", item.identifier(), members),
        title=item.text("title"),
        list=title,
    )
    drafts = [draft]
    for step in item.array("checklistItems"):
        if isinstance(step, dict):
            drafts.append(_step(step, draft))
        else:
            draft.remarks.keep("checklistItems", step, "is no item")
    _read_members(item, draft)
    for each in drafts:
        reading.add(each)


def _read_members(item: Item, draft: Draft) -> None:
    remarks = draft.remarks
    status, importance = item.text("status"), item.text("importance")
    for name, value, known in (
        ("status", status, STATUSES),
        ("importance", importance, PRIORITIES),
    ):
        if value not in known:
            remarks.keep(name, value, "is not known here")
    draft.record = replace(
        draft.record,
        description=_description(item.member("body")),
        completed=status == "completed",
        completed_at=_completed(item.member("completedDateTime")),
        created_at=item.instant("createdDateTime"),
        updated_at=item.instant("lastModifiedDateTime"),
        tags=tuple(item.strings("categories")),
        priority=PRIORITIES.get(importance, "none"),
        due_date=_due(item.member("dueDateTime")),
    )
    remarks.lines[:0] = _lines(item, status)
    repeats = _repeats(item.member("recurrence"), draft.record.due_date)
    draft.record = as_series(draft.record, repeats, remarks)
    item.finish(_UNUSED)


def _lines(item: Item, status: str) -> list[str]:
    """The values without a field here, one line each."""
    lines = []
    if status in STATUSES and status not in _PLAIN:
        lines.append(f"Status: {status}")
    if start := _moment(item.member("startDateTime")):
        lines.append(f"Start: {start}")
    on = item.boolean("isReminderOn")
    if reminder := _moment(item.member("reminderDateTime")):
        lines.append(f"Reminder: {reminder}{'' if on else ', off'}")
    elif on:
        lines.append("Reminder: on")
    lines += [_link(link) for link in item.objects("linkedResources", _UNUSED_OF_LINKS)]
    names = [
        file.text("name")
        for file in item.objects("attachments", _UNUSED_OF_ATTACHMENTS)
    ]
    if item.boolean("hasAttachments") and not names:
        names.append("not in the file")
    for name in names:
        lines.append(f"Attachment: {name}")
        item.remarks.adjusted.append(f"An attachment ({name}) is not imported.")
    return lines


def _step(members: Members, of: Draft) -> Draft:
    """An item of a checklist, as a subtask."""
    draft = Draft(of.line, TaskRecord("", ""))
    item = Item(members, draft.remarks)
    parent = of.record.external_id
    part = item.identifier() or content_id("item", members)
    draft.record = TaskRecord(
        external_id=derived_id("microsoft", parent, part),
        title=item.text("displayName"),
        completed=item.boolean("isChecked"),
        completed_at=item.instant("checkedDateTime"),
        created_at=item.instant("createdDateTime"),
        list=of.record.list,
        parent=parent,
    )
    item.finish()
    return draft


def _description(body: Item) -> str:
    content = body.text("content")
    kind = body.text("contentType")
    if kind not in ("", "text", "html"):
        body.remarks.keep("contentType", kind, "is not known here")
    if kind != "html":
        return content
    try:
        return plain_text(content, certain=True)
    except Refused:
        body.remarks.adjusted.append("body is kept as the HTML that it is: too long.")
        return content


def _moment(value: Item) -> str:
    """A date and time with its time zone, as text; empty if there is none."""
    moment, zone = value.text("dateTime"), value.text("timeZone")
    if "." in moment:
        moment = moment.rstrip("0").rstrip(".")
    return " ".join(filter(None, (moment, zone)))


def _due(value: Item) -> date | None:
    """The date that To Do shows.

    To Do has only dates, which Graph returns as midnight: in UTC, or in the time zone in which
    the task was created, converted to UTC, which can be the evening before (observed in
    https://github.com/RogerSelwyn/MS365-ToDo/issues/29). The nearest midnight is the one that
    is meant, whatever the time zone is called. 11:00 could be New Zealand in summer or Samoa;
    it is read as New Zealand."""
    moment, zone = value.text("dateTime"), value.text("timeZone")
    if not moment:
        return None
    text = f"{moment} {zone}".strip()
    try:
        if len(moment) == len("2026-01-31"):
            return read_day("dueDateTime", moment)
        midnight = read_instant("dueDateTime", f"{moment.removesuffix('Z')}Z")
    except Refused:
        value.remarks.keep("Due", text, "is no date")
        return None
    day, clock = midnight.date(), midnight.time()
    if clock != time() and (zone not in _UTC or clock.minute % 15 or clock.second):
        value.remarks.keep("Due", text, "is more than a date")
    if clock < EVENING or day == date.max:
        return day
    return day + timedelta(days=1)


def _completed(value: Item) -> datetime | None:
    """The time of completion; None unless its time zone is UTC: others have names of Windows, and
    their time of day is known to be wrong (microsoft-graph-docs-contrib, issue 8663)."""
    moment, zone = value.text("dateTime"), value.text("timeZone")
    if not moment:
        return None
    text = f"{moment} {zone}".strip()
    if zone not in _UTC:
        value.remarks.keep("Completed", text, "is not in UTC")
        return None
    try:
        return read_instant("completedDateTime", f"{moment.removesuffix('Z')}Z")
    except Refused:
        value.remarks.keep("Completed", text, "is no time")
        return None


def _repeats(recurrence: Item, due: date | None) -> Repeats:
    """The recurrence in words ("weekly, interval 2, monday"; empty if there is none), and as a
    rule."""
    if not recurrence.names():
        return Repeats("", None)
    pattern = recurrence.member("pattern", ("index", "firstDayOfWeek"))
    limits = recurrence.member("range", ("type", "recurrenceTimeZone"))
    found = Pattern(
        type=pattern.text("type"),
        interval=pattern.number("interval"),
        month=pattern.number("month"),
        day_of_month=pattern.number("dayOfMonth"),
        days=tuple(pattern.strings("daysOfWeek")),
        week_start=pattern.text("firstDayOfWeek"),
        index=pattern.text("index"),
        begin=limits.text("startDate").removeprefix(_NO_DATE),
        until=limits.text("endDate").removeprefix(_NO_DATE),
        count=limits.number("numberOfOccurrences"),
    )
    return Repeats(found.words(), found.rule(due))


def _link(resource: Item) -> str:
    names = ("displayName", "applicationName", "webUrl")
    return f"Link: {' - '.join(filter(None, map(resource.text, names)))}"
