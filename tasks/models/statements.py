"""The statements of a change of tasks, written out.

The ORM takes longer to compose one of them (0.25 to 0.45 ms) than the database to run
it, and knows RETURNING for INSERT only. What goes in and what comes out are the ORM's
own values and rows all the same. `model` is Task, whose module uses this one.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection

from taskproject.rows import Columns
from tasks.models import plans
from tasks.models.events import place_of

#: How many open subtasks a task has: one look into an index, in any statement on tasks.
OPEN_SUBTASKS = (
    '(SELECT count(*) FROM "tasks_task" "child" WHERE "child"."parent_id" = '
    '"tasks_task"."id" AND NOT "child"."completed" AND "child"."deleted_at" IS NULL)'
)
#: Columns that only the database needs: long, and read by nobody.
UNREAD = plans.DERIVED


def locked(model: Any, owner_id: int, key: int) -> list[Any]:
    """The owner's task of this key, which nobody else changes before the commit: one or
    none. Takes the owner's place in the feed as well, before the lock of the row, which
    PostgreSQL takes last: see `feed_of`."""
    shown, parameters = _shown(model), [key, owner_id]
    if connection.vendor != "postgresql":
        statement = (
            f'SELECT {shown} FROM "tasks_task" WHERE "id" = %s AND "owner_id" = %s'
        )
    else:
        statement = (
            f'SELECT {shown} FROM (SELECT pg_advisory_xact_lock(%s, %s)) AS "place", '
            '"tasks_task" WHERE "id" = %s AND "owner_id" = %s FOR UPDATE OF "tasks_task"'
        )
        parameters = [*place_of(owner_id), *parameters]
    return _rows(model, statement, parameters)


def insert(model: Any, task: Any) -> None:
    """Stores a new task, and gives it its key."""
    names, columns, places = _new(model)
    values = [_stored(model, name, getattr(task, name)) for name in names]
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "tasks_task" ({columns}) VALUES ({places}) RETURNING "id"',
            values,
        )
        (task.pk,) = cursor.fetchone()
    task._state.adding = False
    task._state.db = connection.alias


def update(
    model: Any, now: datetime, names: tuple[str, ...], rows: list[tuple[int, list[Any]]]
) -> list[Any]:
    """Writes the named fields of tasks, each row its key and its values, and returns the
    tasks as they are then: one UPDATE for all of them."""
    columns = [model._meta.get_field(name).column for name in names]
    stamp = _stored(model, "updated_at", now)
    stamped = '"updated_at" = %s, "version" = "tasks_task"."version" + 1'
    returned = f"RETURNING {_shown(model)}"
    if len(rows) == 1:
        [(key, values)] = rows
        settings = "".join(f'"{column}" = %s, ' for column in columns)
        statement = (
            f'UPDATE "tasks_task" SET {settings}{stamped} WHERE "id" = %s {returned}'
        )
        told = [_stored(model, *pair) for pair in zip(names, values, strict=True)]
        return _rows(model, statement, [*told, stamp, key])
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
            _stored(model, *pair) for pair in zip(names, values, strict=True)
        ]
    return _rows(model, statement, parameters)


def _rows(model: Any, statement: str, parameters: Sequence[Any]) -> list[Any]:
    """The tasks that a statement gives back, with all that is told of a task."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall()
    columns = _columns(model)
    tasks = []
    for *values, open_subtasks in rows:
        task = columns.instance(values)
        task.open_subtasks = open_subtasks
        tasks.append(task)
    return tasks


@cache
def _columns(model: Any) -> Columns:
    return Columns(model, without=UNREAD)


@cache
def _shown(model: Any) -> str:
    """What is told of a task: its columns, and how many subtasks are open."""
    return f"{_columns(model).sql}, {OPEN_SUBTASKS}"


@cache
def _new(model: Any) -> tuple[list[str], str, str]:
    """The fields of a new row, their columns, and a place for each."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    return [field.attname for field in fields], columns, ", ".join(["%s"] * len(fields))


def _stored(model: Any, name: str, value: Any) -> Any:
    """A field's value as the database takes it."""
    return model._meta.get_field(name).get_db_prep_save(value, connection)


def _typed(model: Any, name: str) -> str:
    """A place among VALUES, where PostgreSQL alone needs to be told the type."""
    if connection.vendor != "postgresql":
        return "%s"  # SQLite would convert it
    return f"%s::{model._meta.get_field(name).db_type(connection)}"
