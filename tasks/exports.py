"""The lists, tags and tasks in the database as records for files."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db.models import DateTimeField, QuerySet

from taskproject import timezones
from taskproject.accounts.models import User
from taskproject.sql import ON_POSTGRESQL, batched, fetch
from taskproject.times import microseconds
from tasks import recurrence
from tasks.fields import ATTRIBUTES
from tasks.formats import ListRecord, Record, TagRecord, TaskRecord
from tasks.formats.records import TASK_FIELDS
from tasks.limits import PRIORITIES
from tasks.models import Tag, Task, TaskList

CHUNK = 1_000
#: Ids that are read at a time where tasks are selected by other conditions than their owner.
KEYS = 20_000
#: The columns of a task, as the statements below return them: each of its own type.
Values = tuple[Any, ...]
# The field of a record for each of these columns of a task; the name of the list is joined.
_FIELDS = [name for name in TASK_FIELDS if name not in ("list", "parent")]
#: The columns that the record of a task needs.
COLUMNS = (
    *("id", "parent_id", "external_id", "deleted_at"),
    *(ATTRIBUTES[name] for name in _FIELDS),
)


def _column(name: str) -> str:
    column = f'"tasks_task"."{name}"'
    if name == "client_id" and not ON_POSTGRESQL:
        return f'{column} AS "{name} [uuid]"'  # see taskproject/sqlite
    of_time = isinstance(Task._meta.get_field(name), DateTimeField)
    if of_time and not ON_POSTGRESQL:
        return f'{column} AS "{name} [instant]"'  # see taskproject/sqlite
    return column


_SELECT = (
    f'SELECT {", ".join(map(_column, COLUMNS))}, "tasks_tasklist"."name" FROM "tasks_task" '
    'LEFT JOIN "tasks_tasklist" ON "tasks_tasklist"."id" = "tasks_task"."list_id" WHERE '
)
_AMONG = '"tasks_task"."id" IN (SELECT {})'.format(
    '"value"::bigint FROM json_array_elements_text(%s)'
    if ON_POSTGRESQL
    else '"value" FROM json_each(%s)'
)
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
    for top in (True, False):
        last = 0
        while True:
            before_read()
            rows, parents = _chunk(owner_id, top, last, trashed)
            for task in rows:
                yield record_of(task, parents.get(task[1]), owner)
            if len(rows) < CHUNK:
                break
            last = rows[-1][0]


def selected_records(
    tasks: QuerySet[Task], before_read: Callable[[], None] = lambda: None
) -> Iterator[TaskRecord]:
    """The tasks of a set, of any owners, by id, in chunks of constant memory; each with the name
    of its owner. Takes several statements, as `records_of` does."""
    ids = tasks.order_by("pk").values_list("pk", flat=True)
    names: dict[int, str] = {}
    last = 0
    while True:
        before_read()
        keys = list(ids.filter(pk__gt=last)[:KEYS])
        for some in batched(keys, CHUNK):
            before_read()
            rows = select(f"{_AMONG} ORDER BY 1", [orjson.dumps(some).decode()])
            owners = dict(
                Task.objects.filter(pk__in=some).values_list("pk", "owner_id")
            )
            wanted = set(owners.values()) - names.keys()
            names |= User.objects.filter(pk__in=wanted).values_list("pk", "username")
            parents = _external_ids(Task.objects.all(), rows)
            for row in rows:
                yield record_of(row, parents.get(row[1]), names[owners[row[0]]])
        if len(keys) < KEYS:
            break
        last = keys[-1]


def _chunk(
    owner_id: int, top: bool, last: int, trashed: bool
) -> tuple[list[Values], dict[int, str]]:
    """The next tasks by id, and the external ids of their parents."""
    live = "" if trashed else 'AND "tasks_task"."deleted_at" IS NULL '
    rows = select(
        f'"tasks_task"."owner_id" = %s AND "tasks_task"."parent_id" IS '
        f'{"" if top else "NOT "}NULL AND "tasks_task"."id" > %s {live}'
        f'ORDER BY "tasks_task"."id" LIMIT {CHUNK}',
        [owner_id, last],
    )
    tasks = Task.objects.owned_by(owner_id)
    return rows, _external_ids(tasks if trashed else tasks.live(), rows)


def _external_ids(tasks: QuerySet[Task], rows: list[Values]) -> dict[int, str]:
    """The external ids of the parents of these rows that are among the tasks."""
    named = tasks.filter(pk__in={row[1] for row in rows if row[1] is not None})
    columns = named.values_list("pk", "created_at", "external_id")
    return {key: external_id(key, at, given) for key, at, given in columns}


def select(condition: str, parameters: Sequence[object]) -> list[Values]:
    """The rows, for `record_of`, of the tasks that meet the SQL condition. (Past the ORM,
    whose conversion of times and JSON takes half of the time of an export.)"""
    return fetch(f"{_SELECT}{condition}", parameters, prepare=False)


def record_of(row: Values, parent: str | None, owner: str | None) -> TaskRecord:
    """The record of a task that was selected; `parent` is the external id of its parent."""
    key, _, given, deleted_at, *columns, list_name = row
    values = dict(zip(_FIELDS, columns, strict=True))
    zone = values["due_timezone"]
    values["tags"] = tuple(orjson.loads(values["tags"]))
    if reminders := values["reminders"]:
        values["reminders"] = tuple(orjson.loads(reminders))
    else:
        values["reminders"] = ()
    values["priority"] = PRIORITIES[values["priority"]]
    values["due_timezone"] = zone and timezones.known(zone)
    if planned := values["occurrence"]:
        # Its time zone may be unknown by now.
        values["occurrence"] = str(recurrence.occurrence(planned) or planned)
    values["position"] = values["position"] or None
    return TaskRecord(
        external_id=external_id(key, values["created_at"], given),
        deleted_at=deleted_at,
        list=list_name,
        parent=parent,
        owner=owner,
        **values,
    )
