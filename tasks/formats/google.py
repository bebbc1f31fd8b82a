"""Google Tasks, as Google Takeout exports it: Tasks.json.

A `tasks#taskLists` whose items are lists, whose items are tasks as the Tasks API has
them (https://developers.google.com/tasks/reference/rest/v1/tasks, read by way of
https://docs.rs/google-tasks1). `due` is a date: its time of day means nothing. That a
list without tasks has no items, and which further members there are (`created`,
`task_type`), was read in importers of such files: tasks.org and RLEAPP's
scripts/artifacts/googleTasks.py.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from tasks.formats.documents import (
    Members,
    array,
    as_object,
    boolean,
    identifier,
    instant,
    load,
    objects,
    text,
)
from tasks.formats.foreign import Draft, Reading, external_id
from tasks.formats.records import BadRow, Refused, Row, TaskRecord, shown
from tasks.formats.times import read_day

STATUSES = {"": False, "needsAction": False, "completed": True}


def read(stream: BinaryIO, name: str = "Tasks") -> Iterator[Row]:
    """The lists and tasks of a Tasks.json, or of one list out of it, which is called
    `name` where it has no title of its own.

    Tasks keep their order, which is that of `position`, and have none themselves.
    """
    reading = Reading()
    try:
        items = _lists(load(stream))
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    for item in items:
        with reading.at(reading.count + 1):
            _read_list(reading, as_object("items", item), name)
    yield from reading.rows()


def _lists(document: object) -> list[Any]:
    if not isinstance(document, dict) or not isinstance(document.get("items"), list):
        raise Refused(
            "The file is no Tasks.json of Google Takeout: an object with items is "
            "expected."
        )
    if document.get("kind") in ("tasks#taskList", "tasks#tasks"):
        return [document]
    return array(document, "items")


def _read_list(reading: Reading, members: Members, name: str) -> None:
    title = reading.lists.name(text(members, "title") or name)
    numbered = list(enumerate(array(members, "items"), reading.count + 1))
    reading.count += len(numbered)
    for ordinal, item in sorted(numbered, key=_position):
        with reading.at(ordinal):
            draft = _draft(as_object("items", item), ordinal, title)
            reading.drafts.append(draft)


def _position(numbered: tuple[int, Any]) -> str:
    item = numbered[1]
    position = item.get("position") if isinstance(item, dict) else None
    return position if isinstance(position, str) else ""


def _draft(item: Members, ordinal: int, title: str) -> Draft:
    status = text(item, "status")
    if status not in STATUSES:
        raise Refused(f"status is {shown(status)}; needsAction or completed is known.")
    due, parent = text(item, "due"), text(item, "parent")
    updated_at = instant(item, "updated")
    record = TaskRecord(
        external_id=external_id("google", identifier(item)),
        title=text(item, "title"),
        description=text(item, "notes"),
        completed=STATUSES[status],
        completed_at=instant(item, "completed"),
        created_at=instant(item, "created"),
        updated_at=updated_at,
        list=title,
        parent=external_id("google", parent) if parent else None,
        due_date=read_day("due", due[:10]) if due else None,
    )
    if boolean(item, "deleted"):
        record = _deleted(record)
    return Draft(ordinal, record, [_link(link) for link in objects(item, "links")])


def _deleted(record: TaskRecord) -> TaskRecord:
    """Deleting was the last change."""
    deleted_at = record.updated_at or record.completed_at or record.created_at
    if deleted_at is None:
        raise Refused("The task is deleted, and no time says when.")
    return replace(record, deleted_at=deleted_at)


def _link(link: Members) -> str:
    parts = (text(link, "description"), text(link, "link"))
    return f"Link: {' '.join(filter(None, parts))}"
