"""The lists, tags and tasks in the database as records for files."""

from collections.abc import Callable, Iterator
from datetime import datetime
from operator import itemgetter
from typing import Any

from taskproject import timezones
from taskproject.times import microseconds
from tasks.fields import ATTRIBUTES
from tasks.formats import ListRecord, Record, TagRecord, TaskRecord
from tasks.formats.records import TASK_FIELDS
from tasks.limits import PRIORITIES
from tasks.models import Tag, Task, TaskList, TaskQuerySet

CHUNK = 1_000
#: The columns of a task, as `values()` returns them: each of its own type.
Values = dict[str, Any]
# The lookup of each field of a record: the attribute, or the name of the list.
_LOOKUPS = {
    name: "list__name" if name == "list" else ATTRIBUTES[name] for name in TASK_FIELDS
}
_values = itemgetter(*_LOOKUPS.values())
#: The columns that the record of a task needs.
COLUMNS = ("pk", "external_id", "deleted_at", *_LOOKUPS.values())
#: The formats that include the trash.
WITH_TRASH = ("jsonl",)


def external_id(key: int, created_at: datetime, given: str | None) -> str:
    """The id of a task outside of this installation: the one that it was imported with, else one
    made of its key and the microsecond of its creation, which is unique."""
    return given or f"{key}-{microseconds(created_at)}"


def records_of(
    owner_id: int,
    owner: str | None = None,
    before_read: Callable[[], None] = lambda: None,
    *,
    trashed: bool = True,
) -> Iterator[Record]:
    """All data of one owner, in chunks of constant memory: lists, tags, tasks, then subtasks.
    `owner` is put into each record. Without `trashed`, tasks in the trash are left out, also
    as parents.

    Takes several statements, and calls `before_read` before each. Call it within one
    `snapshot()` of the connection; otherwise a task that gets or loses its parent meanwhile
    is missing, or there twice."""
    before_read()
    lists = list(TaskList.objects.owned_by(owner_id).in_order())
    tags = list(Tag.objects.owned_by(owner_id).in_order())
    for row in lists:
        yield ListRecord(row.name, row.position, row.archived, owner)
    for tag in tags:
        yield TagRecord(tag.name, owner)
    tasks = Task.objects.owned_by(owner_id)
    if not trashed:
        tasks = tasks.live()
    for top in (True, False):
        last = 0
        while True:
            before_read()
            rows, parents = _chunk(tasks, top, last)
            for task in rows:
                yield record_of(task, parents.get(task["parent_id"]), owner)
            if len(rows) < CHUNK:
                break
            last = rows[-1]["pk"]


def _chunk(
    tasks: TaskQuerySet, top: bool, last: int
) -> tuple[list[Values], dict[int, str]]:
    """The next tasks by id, and the external ids of their parents."""
    rows = list(
        tasks.filter(parent__isnull=top, pk__gt=last)
        .order_by("pk")
        .values(*COLUMNS)[:CHUNK]
    )
    keys = {row["parent_id"] for row in rows if row["parent_id"] is not None}
    named = tasks.filter(pk__in=keys).values_list("pk", "created_at", "external_id")
    return rows, {key: external_id(key, at, given) for key, at, given in named}


def record_of(row: Values, parent: str | None, owner: str | None) -> TaskRecord:
    """The record of a task with these COLUMNS; `parent` is the external id of its parent."""
    values = dict(zip(TASK_FIELDS, _values(row), strict=True))
    zone = values["due_timezone"]
    values["parent"] = parent
    values["tags"] = tuple(values["tags"])
    values["priority"] = PRIORITIES[values["priority"]]
    values["due_timezone"] = zone and timezones.known(zone)
    values["position"] = values["position"] or None
    return TaskRecord(
        external_id=external_id(row["pk"], row["created_at"], row["external_id"]),
        deleted_at=row["deleted_at"],
        owner=owner,
        **values,
    )
