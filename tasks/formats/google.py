"""Google Tasks, as exported by Google Takeout: Tasks.json.

A `tasks#taskLists` whose items are lists, whose items are tasks as in the Tasks API
(https://developers.google.com/tasks/reference/rest/v1/tasks; its types are also in
https://docs.rs/google-tasks1). `due` is a date: its time of day has no meaning. That a
list without tasks has no items, and which other members there are (`created`,
`task_type`), is known from importers of such files: tasks.org and RLEAPP's
scripts/artifacts/googleTasks.py. Unknown members are kept in descriptions."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import BinaryIO

from tasks.formats.documents import Item, Members, Remarks, as_object, load
from tasks.formats.foreign import Draft, Reading, external_id, item_id
from tasks.formats.records import BadRow, Refused, Row, TaskRecord
from tasks.formats.times import read_day

STATUSES = {"": False, "needsAction": False, "completed": True}
# Members without text of the user: ids, addresses in Google's own applications, and the
# order, which is kept.
_UNUSED_OF_LISTS = ("kind", "id", "etag", "selfLink", "updated")
_UNUSED = ("kind", "etag", "selfLink", "webViewLink", "position", "hidden", "task_type")
_UNUSED_OF_LINKS = ("type",)


def read(stream: BinaryIO, name: str = "Tasks") -> Iterator[Row]:
    """The lists and tasks of a Tasks.json, or of one list out of it, which is called `name` if
    it has no title.

    Tasks are in the order of `position`, and get no position themselves."""
    reading = Reading("google")
    try:
        items, more = _lists(load(stream))
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    for number, item in enumerate(items):
        with reading.at(reading.count + 1):
            _read_list(reading, as_object("items", item), number, name)
    yield from reading.rows()
    if more:
        yield BadRow(
            max(reading.count, 1),
            "The file has a nextPageToken: it is one page of several. Fetch the others "
            "too.",
        )


def _lists(document: object) -> tuple[list[object], bool]:
    """The lists, and whether the document says that there are more of them."""
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise Refused(
            "The file is no Tasks.json of Google Takeout: an object with items is "
            "expected."
        )
    more = bool(document.get("nextPageToken"))
    if document.get("kind") in ("tasks#taskList", "tasks#tasks"):
        return [{**document, "nextPageToken": None}], more
    return document["items"], more


def _read_list(reading: Reading, members: Members, number: int, name: str) -> None:
    item = Item(members, Remarks())
    line = reading.count + 1
    key = ("id", members["id"]) if isinstance(members.get("id"), str) else number
    title = reading.lists.name(item.text("title") or name, key, line)
    tasks = list(enumerate(item.array("items"), line))
    reading.count += len(tasks)
    reading.finish_list(line, "list", item, _UNUSED_OF_LISTS)
    for ordinal, task in sorted(tasks, key=_position):
        with reading.at(ordinal):
            reading.add(_draft(as_object("items", task), ordinal, title))


def _position(numbered: tuple[int, object]) -> str:
    item = numbered[1]
    position = item.get("position") if isinstance(item, dict) else None
    return position if isinstance(position, str) else ""


def _draft(members: Members, ordinal: int, title: str) -> Draft:
    draft = Draft(ordinal, TaskRecord("", ""))
    item = Item(members, draft.remarks)
    status = item.text("status")
    if status not in STATUSES:
        draft.remarks.keep("status", status, "is not known here")
    own, parent = item.identifier(), item.identifier("parent")
    draft.record = record = TaskRecord(
        external_id=item_id("google", own, members),
        title=item.text("title"),
        description=item.text("notes"),
        completed=STATUSES.get(status, False),
        completed_at=item.instant("completed"),
        created_at=item.instant("created"),
        updated_at=item.instant("updated"),
        list=title,
        parent=external_id("google", parent) if parent else None,
        due_date=_due(item),
    )
    if item.boolean("deleted"):
        draft.record = _deleted(record, draft.remarks)
    draft.remarks.lines[:0] = [
        _link(link) for link in item.objects("links", _UNUSED_OF_LINKS)
    ]
    item.finish(_UNUSED)
    return draft


def _due(item: Item) -> date | None:
    text = item.text("due")
    if not text:
        return None
    try:
        return read_day("due", text[: len("2026-01-31")])
    except Refused:
        item.remarks.keep("Due", text, "is no date")
        return None


def _deleted(record: TaskRecord, remarks: Remarks) -> TaskRecord:
    """The task in the trash. Its last change was its deletion."""
    deleted_at = record.updated_at or record.completed_at or record.created_at
    if deleted_at is None:
        remarks.keep("deleted", True, "has no time; not in the trash")
    return replace(record, deleted_at=deleted_at)


def _link(link: Item) -> str:
    parts = (link.text("description"), link.text("link"))
    return f"Link: {' '.join(filter(None, parts))}"
