"""Hand-written SQL statements that write tasks.

The ORM takes longer to compose such a statement (0.25 to 0.45 ms) than the database to run
it, and supports RETURNING for INSERT only. Values are converted as the ORM does. `model`
is Task, whose module imports this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from django.db import connection, models

from taskproject.sql import (
    NO_GUARD,
    ON_POSTGRESQL,
    Columns,
    Guard,
    GuardFailed,
    adapted,
    batched,
    check_found,
    fetch,
    insert_rows,
    mark_saved,
)
from tasks.fields import Values
from tasks.models import events, new_values, positions
from tasks.models.events import feed_lock_key

if TYPE_CHECKING:
    from tasks.models.tasks import Task

#: The number of open subtasks of a task: one index lookup, in any statement on tasks. The
#: only condition in WHERE is that on the parent: without statistics, PostgreSQL would
#: combine its index with one of all open tasks, and read both for each row.
OPEN_SUBTASKS = (
    '(SELECT count(*) FILTER (WHERE NOT "child"."completed" AND "child"."deleted_at" '
    'IS NULL) FROM "tasks_task" "child" WHERE "child"."parent_id" = "tasks_task"."id")'
)
#: Columns that are used in SQL only, and not loaded.
UNREAD = new_values.DERIVED
#: Most tasks in one statement that writes most of their fields.
TASKS_PER_UPDATE = 1_000
#: One task of an owner, found by its id only: without statistics, PostgreSQL would scan an
#: index of all tasks of the owner.
OF_OWNER = 'WHERE "tasks_task"."id" = %s AND "tasks_task"."owner_id" + 0 = %s AND'
# The function that returns the later of two times.
LATER = "greatest" if ON_POSTGRESQL else "max"


@cache
def empty_query(model: type[Task]) -> models.sql.Query:
    """The ORM's query of an empty set, cached. (Composing a query for one task takes 0.1 ms,
    and methods that change one task do not need it.)"""
    return model.objects.none().query


def read_one(model: type[Task], owner_id: int, key: int, guard: Guard) -> list[Task]:
    """The owner's task with this id, or an empty list. Raises `GuardFailed`."""
    statement = (
        f'SELECT {shown(model)} FROM (SELECT 1 WHERE {guard.condition}) AS "guard" '
        'LEFT JOIN "tasks_task" ON "tasks_task"."id" = %s AND "owner_id" = %s'
    )
    rows = fetch(statement, [*guard.parameters, key, owner_id])
    check_found(guard, rows)
    return tasks_of(model, [row for row in rows if row[0] is not None])


def locked(
    model: type[Task], owner_id: int, key: int, guard: Guard
) -> tuple[list[Task], datetime]:
    """The same, with the row locked, and the database's time. Also locks the feed of the
    owner, before the row, which PostgreSQL locks last: see `lock_feeds`. Raises
    `GuardFailed`."""
    if not ON_POSTGRESQL:
        return read_one(model, owner_id, key, guard), events.database_now()
    statement = (
        f"SELECT clock_timestamp(), {shown(model)} FROM "
        "(SELECT pg_advisory_xact_lock(%s, %s)) AS place, "
        f'"tasks_task" {OF_OWNER} {guard.condition} FOR UPDATE OF "tasks_task"'
    )
    parameters = [*feed_lock_key(owner_id), key, owner_id, *guard.parameters]
    rows = fetch(statement, parameters)
    # The guard may hold now, although it did not hold in the statement: another request may
    # have recorded the use of the token meanwhile. Then the task is found.
    if not rows and guard is not NO_GUARD and read_one(model, owner_id, key, guard):
        raise GuardFailed
    guard.held = True
    now = rows[0][0] if rows else events.database_now()
    return tasks_of(model, [row[1:] for row in rows]), now


def insert(model: type[Task], now: datetime, task: Task) -> bool:
    """Inserts a new task and sets its id. A task without a position is added at the end of
    its list; returns False, and inserts nothing, if the last position there is greater
    than that of the current time (see `positions.end_after`). Call it inside
    `lock_feeds`."""
    names, columns, places = new_columns(model)
    condition, last = "", []
    if not task.position:
        task.position = positions.at_end(now)
        condition = f" WHERE COALESCE({positions.last_sql(task.list_id)}, '') < %s"
        row = task.owner_id, task.list_id
        last = [*positions.last_parameters(row), task.position]
    values = [to_column(model, name, getattr(task, name)) for name in names]
    keys = fetch(
        f'INSERT INTO "tasks_task" ({columns}) SELECT {places}{condition} '
        'RETURNING "id"',
        [*values, *last],
    )
    if not keys:
        task.position = ""
        return False
    [(task.pk,)] = keys
    mark_saved(task)
    return True


def insert_all(model: type[Task], tasks: Sequence[Task]) -> None:
    """Inserts new tasks, which have positions, and sets the ids of those that have none.
    Call it inside `lock_feeds`."""
    new = [task for task in tasks if task.pk is None]
    for task, key in zip(new, new_keys(len(new)) if new else (), strict=True):
        task.pk = key
    names = [field.attname for field in model._meta.concrete_fields]
    plain = unconverted(model)
    converted = [number for number, name in enumerate(names) if name not in plain]

    def row(task: Task) -> list[object]:
        values = [*map(vars(task).__getitem__, names)]
        for number in converted:
            values[number] = to_column(model, names[number], values[number])
        return values

    columns = tuple(column(model, name) for name in names)
    insert_rows(model, columns, map(row, tasks))
    for task in tasks:
        mark_saved(task)


def update(
    model: type[Task], now: datetime, changes: Iterable[tuple[Task, Values]]
) -> Iterator[Task]:
    """Updates tasks with these new values, by one statement for all with the same fields, and
    yields them. Tasks without new values are left out."""
    rows_by_fields: dict[tuple[str, ...], list[tuple[int, list[object]]]] = {}
    for task, values in changes:
        if values:
            row = (task.pk, list(values.values()))
            rows_by_fields.setdefault(tuple(values), []).append(row)
    for names, rows in rows_by_fields.items():
        for portion in batched(rows):
            yield from _update(model, now, names, portion)


def _update(
    model: type[Task],
    now: datetime,
    names: tuple[str, ...],
    rows: list[tuple[int, list[object]]],
) -> list[Task]:
    """Updates the named fields of tasks in one statement, and returns the tasks. Each row
    has the id of a task and its values."""
    columns = [column(model, name) for name in names]
    stamp = to_column(model, "updated_at", now)
    stamped = (
        f'"updated_at" = {LATER}(%s, "tasks_task"."updated_at"), '
        '"version" = "tasks_task"."version" + 1'
    )
    returned = f"RETURNING {shown(model)}"
    if len(rows) == 1:
        [(key, values)] = rows
        settings = "".join(f'"{column}" = %s, ' for column in columns)
        statement = (
            f'UPDATE "tasks_task" SET {settings}{stamped} WHERE "id" = %s {returned}'
        )
        values = [to_column(model, *pair) for pair in zip(names, values, strict=True)]
        return fetch_tasks(model, statement, [*values, stamp, key])
    settings = "".join(
        f'"{column}" = "new"."column{number}", '
        for number, column in enumerate(columns, 2)
    )
    row = f"({', '.join(_typed(model, name) for name in ('id', *names))})"
    statement = (
        f'UPDATE "tasks_task" SET {settings}{stamped} FROM (VALUES '
        f'{", ".join([row] * len(rows))}) AS "new" '
        f'WHERE "tasks_task"."id" = "new"."column1" {returned}'
    )
    parameters = [stamp]
    for key, values in rows:
        parameters.append(key)
        parameters += [
            to_column(model, *pair) for pair in zip(names, values, strict=True)
        ]
    return fetch_tasks(model, statement, parameters, prepare=False)


def overwrite(model: type[Task], names: Sequence[str], tasks: Iterable[Task]) -> None:
    """Updates the named fields, which may include `version` and `updated_at`, with the values
    of the tasks: one statement for TASKS_PER_UPDATE tasks."""
    columns = ["id", *(column(model, name) for name in names)]
    assigned = ", ".join(
        f'"{column}" = "new"."column{number}"'
        for number, column in enumerate(columns, 1)
        if number > 1
    )
    row = f"({', '.join(_typed(model, name) for name in ('id', *names))})"
    for portion in batched(tasks, TASKS_PER_UPDATE):
        values = [
            to_column(model, name, getattr(task, name))
            for task in portion
            for name in ("id", *names)
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                f'UPDATE "tasks_task" SET {assigned} FROM (VALUES '
                f'{", ".join([row] * len(portion))}) AS "new" '
                'WHERE "tasks_task"."id" = "new"."column1"',
                values,
            )


def new_keys(count: int) -> list[int]:
    """Ids for this number of new tasks. Call it in the transaction that inserts them."""
    if ON_POSTGRESQL:
        sequence = "pg_get_serial_sequence('tasks_task', 'id')"
        statement = f"SELECT nextval({sequence}) FROM generate_series(1, %s)"
        return [key for (key,) in fetch(statement, [count])]
    [(last,)] = fetch(
        "SELECT COALESCE(max(seq), 0) FROM sqlite_sequence WHERE name = %s",
        ["tasks_task"],
    )
    return [*range(last + 1, last + 1 + count)]


def fetch_tasks(
    model: type[Task],
    statement: str,
    parameters: Sequence[object],
    *,
    prepare: bool = True,
) -> list[Task]:
    """The tasks that a statement returns. For `prepare` see `fetch`."""
    return tasks_of(model, fetch(statement, parameters, prepare=prepare))


def tasks_of(model: type[Task], rows: Sequence[Sequence[Any]]) -> list[Task]:
    columns = _columns(model)
    tasks = []
    for *values, open_subtasks in rows:
        task = columns.instance(values)
        task.open_subtasks = open_subtasks
        tasks.append(task)
    return tasks


@cache
def _columns(model: type[Task]) -> Columns[Task]:
    return Columns(model, without=UNREAD)


@cache
def shown(model: type[Task]) -> str:
    """The columns of a task that are loaded, and the number of its open subtasks."""
    return f"{columns_of(model)}, {OPEN_SUBTASKS}"


def columns_of(model: type[Task]) -> str:
    """The columns of a task that are loaded."""
    return _columns(model).sql


@cache
def new_columns(model: type[Task]) -> tuple[list[str], str, str]:
    """The fields of a new row, their columns, and a placeholder for each."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    return [field.attname for field in fields], columns, ", ".join(["%s"] * len(fields))


def column(model: type[Task], name: str) -> str:
    return str(_field(model, name).column)


def _field(model: type[Task], name: str) -> models.Field[object, object]:
    field = model._meta.get_field(name)
    assert isinstance(field, models.Field)
    return field


def to_column(model: type[Task], name: str, value: object) -> Any:
    """The value of a field in the type that the database driver expects."""
    if value is None or name in unconverted(model):
        return value
    field = _field(model, name)
    if isinstance(field, models.JSONField):
        return orjson.dumps(value).decode()  # psycopg's wrapper takes 6 us more
    return adapted(value)


@cache
def unconverted(model: type[Task]) -> frozenset[str]:
    """The fields whose values the ORM does not convert. Calling it for each of twenty fields
    takes 0.07 ms. (A process has one kind of database.)"""
    plain: list[type[models.Field[Any, Any]]] = [
        *(models.CharField, models.TextField, models.BooleanField),
        *(models.IntegerField, models.ForeignKey),
    ]
    if ON_POSTGRESQL:
        plain.append(models.DateField)  # and DateTimeField, which is one
    kinds = tuple(plain)
    fields = model._meta.concrete_fields
    return frozenset(each.attname for each in fields if isinstance(each, kinds))


@cache
def _typed(model: type[Task], name: str) -> str:
    """A placeholder in VALUES, with the type of the field, which only PostgreSQL needs."""
    if not ON_POSTGRESQL:
        return "%s"  # SQLite would convert the value
    return f"%s::{_field(model, name).db_type(connection)}"
