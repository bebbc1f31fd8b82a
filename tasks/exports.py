"""What the database holds of tasks as the records that files are made of."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from taskproject import timezones
from tasks.formats import ListRecord, Record, TagRecord, TaskRecord
from tasks.models import Tag, Task, TaskList, TaskQuerySet

CHUNK = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What a file needs of a task.
COLUMNS = (
    "pk", "external_id", "title", "description", "completed", "completed_at",
    "created_at", "updated_at", "deleted_at", "list__name", "parent_id", "tags",
    "priority", "due_date", "due_at", "due_timezone", "position",
)  # fmt: skip
#: The formats that say what is in the trash.
WITH_TRASH = ("jsonl",)


def external_id(key: int, created_at: datetime, given: str | None) -> str:
    """What a task is called outside this installation: the name that it came with, else
    one of its number and the moment at which it was made, which no other has."""
    microseconds = (created_at - _EPOCH) // timedelta(microseconds=1)
    return given or f"{key}-{microseconds}"


def records_of(
    owner_id: int,
    owner: str | None = None,
    before_read: Callable[[], None] = lambda: None,
    *,
    trashed: bool = True,
) -> Iterator[Record]:
    """Everything of one owner: lists, tags, tasks, and subtasks after them, chunk by
    chunk in constant memory. `owner` is put into each record. Without `trashed` nothing
    is told of what is in the trash: not as a parent either.

    It takes several statements, each after a call of `before_read`. Read them in one
    `snapshot()` of the connection: else a task that gets or loses its parent meanwhile
    is missing, or there twice.
    """
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
) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Tasks by id, and the external ids of their parents among the tasks."""
    rows = list(
        tasks.filter(parent__isnull=top, pk__gt=last)
        .order_by("pk")
        .values(*COLUMNS)[:CHUNK]
    )
    keys = {row["parent_id"] for row in rows if row["parent_id"] is not None}
    named = tasks.filter(pk__in=keys).values_list("pk", "created_at", "external_id")
    return rows, {key: external_id(key, at, given) for key, at, given in named}


def record_of(row: dict[str, Any], parent: str | None, owner: str | None) -> TaskRecord:
    """The task of these COLUMNS; `parent` is the external id of its parent."""
    zone = row["due_timezone"]
    return TaskRecord(
        external_id=external_id(row["pk"], row["created_at"], row["external_id"]),
        title=row["title"],
        description=row["description"],
        completed=row["completed"],
        completed_at=row["completed_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deleted_at=row["deleted_at"],
        list=row["list__name"],
        parent=parent,
        tags=tuple(row["tags"]),
        priority=Task.Priority(row["priority"]).label,
        due_date=row["due_date"],
        due_at=row["due_at"],
        due_timezone=zone and timezones.known(zone),
        position=row["position"] or None,
        owner=owner,
    )
