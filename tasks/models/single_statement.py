"""Writes of one task, with the event and the counts, in one statement on PostgreSQL: one round
trip instead of five. The general way is in `task_queryset.py` and `statements.py`; the
rules are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import orjson

from taskproject import timezones
from taskproject.sql import (
    ON_POSTGRESQL,
    check_found,
    fetch,
    in_larger_transaction,
    mark_saved,
)
from tasks.fields import TRACKED
from tasks.models import events, new_values, positions, task_events
from tasks.models.assignments import Assignments
from tasks.models.due_dates import NEVER
from tasks.models.events import Actor, NewEvent, feed_lock_key, locked_now
from tasks.models.outcomes import Outcome
from tasks.models.outcomes import expected as is_expected
from tasks.models.statements import (
    OF_OWNER,
    OPEN_SUBTASKS,
    column,
    columns_of,
    new_columns,
    tasks_of,
    to_column,
    unconverted,
)
from tasks.models.tallies import TASK_COLUMNS, counting

if TYPE_CHECKING:
    from tasks.models.tasks import Task

# The position at the end of the tasks that are in no list, for a new task.
_END = (
    f'"end" AS MATERIALIZED (SELECT "now", {positions.at_end_sql("now")} AS "position", '
    f'COALESCE({positions.last_sql(None)}, \'\') AS "last" FROM "moment")'
)
# Columns of a new task that default to the time of the write.
_TIMES = ("completed_at", "created_at", "updated_at")
_EVENT = (
    f'"event" AS (INSERT INTO {events.COLUMNS} SELECT %s, "id", NULL, NULL, %s, %s, %s, %s, '
    '"version", "updated_at", %s FROM "written")'
)
_COUNT_CHANGE = 'CASE WHEN "written"."completed" THEN {} ELSE {} END'
_TOGGLED = f"{counting(_COUNT_CHANGE.format(-1, 1), _COUNT_CHANGE.format(1, -1), due=True, labelled=True)}, "
# An instant in the format of the API.
_INSTANT = (
    "replace(to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), "
    "'.000000Z', 'Z')"
)
# The changes of the versions after the expected one, by their versions.
_CHANGES_SINCE = (
    '(SELECT jsonb_object_agg("version", "changes") FROM "tasks_event" WHERE '
    '"task_id" = "tasks_task"."id" AND "verb" <> \'reminded\' AND '
    '"version" > "expected"."version" AND '
    '"expected"."version" BETWEEN "tasks_task"."version" - '
    f'{events.MOST_COMPARED} AND "tasks_task"."version" - 1)::text'
)
_TRACKED = frozenset(TRACKED)
# What keeps a second task from having the client_id of another one of the owner.
_ONCE = (
    ' ON CONFLICT ("owner_id", "client_id") WHERE "client_id" IS NOT NULL DO NOTHING'
)
# Fields of a new task that `add` does not support.
_UNSUPPORTED = (
    *new_values.REFERENCES,
    *("position", "deleted_at", "updated_at", "reminders"),
)


def is_possible() -> bool:
    """Whether a write can be one statement: on PostgreSQL, without others before it."""
    return ON_POSTGRESQL and not in_larger_transaction()


def add(
    model: type[Task], by: Actor, owner_id: int, given: Mapping[str, object]
) -> Task | None:
    """Inserts a new task without a list, tags or a position, at the end of the tasks in no
    list, and its event. Returns None, and inserts nothing, if that is not possible, if the
    last position is greater than that of the time of the write (see
    `positions.end_after`), if the owner has a task with its `client_id`, or if the actor's
    guard does not hold."""
    if not is_possible() or any(map(given.get, _UNSUPPORTED)):
        return None
    now = timezones.now()  # A placeholder: the database's time replaces it.
    task: Task = new_values.new(model, now, {}, {**given, "owner_id": owner_id})
    [event] = task_events.new_events(now, [(None, task)])
    fields = vars(task)
    times = tuple(name for name in _TIMES if fields[name] is now)
    empty = tuple(name for name in _nullable(model) if fields[name] is None)
    due = task.due_moment is not NEVER
    statement, values, converted = _add(model, times, empty, due, by.guard.condition)
    end = positions.last_parameters((task.owner_id, None))
    parameters = [*feed_lock_key(task.owner_id), *end, *values(fields)]
    for number, name in converted:
        parameters[number] = to_column(model, name, parameters[number])
    rows = fetch(
        statement, [*parameters, *by.guard.parameters, *_event_values(by, event)]
    )
    if not rows:
        return None
    by.guard.held = True
    [(task.id, moment, task.position)] = rows
    for name in times:
        setattr(task, name, moment)
    mark_saved(task)
    return task


class _Insert(NamedTuple):
    """A statement, a getter of its parameters from the attributes of a task, and the indexes
    and fields of the parameters that the ORM converts."""

    statement: str
    values: Callable[[Mapping[str, object]], tuple[object, ...]]
    converted: Sequence[tuple[int, str]]


@cache
def _nullable(model: type[Task]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields if field.null]


@cache
def _add(
    model: type[Task],
    times: tuple[str, ...],
    empty: tuple[str, ...],
    due: bool,
    guard: str,
) -> _Insert:
    """The statement that inserts a task, with the time of the write in the columns `times`
    and NULL in the columns `empty`."""
    written = {name: '"end"."now"' for name in times} | {"position": '"end"."position"'}
    names = [name for name in new_columns(model)[0] if name not in empty]
    given = [name for name in names if name not in written]
    columns = ", ".join(f'"{column(model, name)}"' for name in names)
    counted = counting(
        '(NOT "written"."completed")::int',
        '"written"."completed"::int',
        due=due,
        labelled=False,
    )
    statement = (
        f"{events.with_locked_now(counted=True)}, {_END}, "
        f'"written" AS (INSERT INTO "tasks_task" ({columns}) '
        f'SELECT {", ".join(written.get(name, "%s") for name in names)} FROM "end" '
        f'WHERE "last" < "position" AND {guard}{"" if "client_id" in empty else _ONCE} '
        'RETURNING "id", "version", "updated_at", '
        f'"position", "owner_id", "list_id", "due_moment", "completed"), {counted}, '
        f'{_EVENT} SELECT "id", "updated_at", "position" FROM "written"'
    )
    plain = unconverted(model)
    # The first four parameters are the key of the feed's lock, and those of the end.
    converted = [(n, name) for n, name in enumerate(given, 4) if name not in plain]
    return _Insert(statement, itemgetter(*given), converted)


def edit(
    model: type[Task],
    by: Actor,
    owner_id: int,
    key: int,
    versions: set[int] | None,
    assigned: Assignments,
    changes: Callable[[Task], Mapping[str, object]],
) -> Outcome | None:
    """Makes these assignments to the owner's task with this id, unless it is in the trash, and
    appends the event, in one statement. `changes` returns the changes of the same edit as
    computed by `new_values.py`. Raises `GuardFailed`.

    Returns None, and writes nothing, if the conditions of the assignments do not hold, or
    if another transaction has changed the task meanwhile.
    """
    shape: list[tuple[str, str]] = []
    compared: list[object] = []
    new: list[object] = []
    for name, (sql, values) in assigned.columns.items():
        shape.append((name, sql))
        new += values
        if name in _TRACKED:
            compared += values
    guard, versioned = by.guard, versions is not None
    expected = [] if versions is None else [list(versions)]
    rows = fetch(
        _edit(model, tuple(shape), assigned.conditions, versioned, guard.condition),
        [
            *(*guard.parameters, *feed_lock_key(owner_id), key, owner_id),
            *(*expected, *compared, *new, by.user_id, by.via, by.request),
            *(*([] if versions is None else [min(versions, default=0)]), key, owner_id),
        ],
    )
    check_found(by.guard, rows)
    [(written, since, *row)] = rows
    if row[0] is None:
        return Outcome()
    [task] = tasks_of(model, [row])
    if written:
        return Outcome(changed={key: task})
    if task.deleted_at or not is_expected(task, versions) or not changes(task):
        return Outcome(found={key: task}, events=orjson.loads(since or "{}"))
    return None


@cache
def _edit(
    model: type[Task],
    shape: tuple[tuple[str, str], ...],
    conditions: tuple[str, ...],
    versioned: bool,
    guard: str,
) -> str:
    """The statement of an edit. It reads the row before the feed is locked, and writes nothing
    if the version of the row is another one once it is locked."""
    columns = dict(shape)
    tracked = [name for name in columns if name in _TRACKED]
    differ = " OR ".join(
        f'"tasks_task"."{name}" IS DISTINCT FROM {columns[name]}' for name in tracked
    )
    where = [*(['"version" = ANY (%s)'] if versioned else []), *conditions]
    where += [f"({differ})"] if differ else []
    counts = columns.keys() & TASK_COLUMNS
    toggles = counts == {"completed"} and tracked == ["completed"]
    # Counts only changes of this statement: other programs may update `completed` without
    # the version.
    unchanged = 'AND "tasks_task"."completed" = "before"."completed" '
    read = "".join(f'"{name}", ' for name in tracked)
    settings = "".join(f'"{name}" = {sql}, ' for name, sql in shape)
    since = _CHANGES_SINCE if versioned else "NULL"
    returned = columns_of(model)
    return (
        f'WITH "guard" AS MATERIALIZED (SELECT 1 WHERE {guard}), '
        f'"before" AS MATERIALIZED (SELECT {read}"id", "version", '
        f'{locked_now(counted=toggles or not counts)} AS "now" '
        f'FROM "tasks_task" {OF_OWNER} "deleted_at" IS NULL AND '
        f'{"".join(f"{one} AND " for one in where)}EXISTS (SELECT FROM "guard")), '
        f'"written" AS (UPDATE "tasks_task" SET {settings}"updated_at" = '
        'greatest("before"."now", "tasks_task"."updated_at"), "version" = "tasks_task"."version" + 1 FROM "before" '
        'WHERE "tasks_task"."id" = "before"."id" AND '
        '"tasks_task"."version" = "before"."version" '
        f"{unchanged if toggles else ''}RETURNING {returned}), "
        f'{_TOGGLED if toggles else ""}"event" AS (INSERT INTO {events.COLUMNS} SELECT '
        '"written"."owner_id", "written"."id", NULL, NULL, %s, %s, %s, '
        f'{_verb(columns, tracked)}, "written"."version", "written"."updated_at", '
        f'{_changes(model, tracked)} FROM "written", "before") '
        f'SELECT "tasks_task".*, {OPEN_SUBTASKS} FROM ('
        'SELECT true, NULL, * FROM "written" UNION ALL '
        f'SELECT false, {since}, {returned} FROM "guard" '
        f"{'CROSS JOIN (SELECT %s::bigint) AS expected (version) ' if versioned else ''}"
        'LEFT JOIN "tasks_task" ON "tasks_task"."id" = %s AND "tasks_task"."owner_id" = '
        '%s WHERE NOT EXISTS (SELECT FROM "written")) AS "tasks_task"'
    )


def _same(name: str) -> str:
    return f'"before"."{name}" IS NOT DISTINCT FROM "written"."{name}"'


def _verb(columns: Collection[str], tracked: Sequence[str]) -> str:
    """The SQL of the event's verb: the same rule as in `task_events.py`."""
    if "deleted_at" in columns:
        return "'trashed'"
    if "completed" not in tracked:
        return "'edited'"
    verb = "CASE WHEN \"written\".\"completed\" THEN 'completed' ELSE 'reopened' END"
    others = " AND ".join(_same(name) for name in tracked if name != "completed")
    return f"CASE WHEN {others} THEN {verb} ELSE 'edited' END" if others else verb


def _changes(model: type[Task], tracked: Sequence[str]) -> str:
    """The SQL of the event's changes: the same as in `task_events.py`."""
    labels = ", ".join(f"'{label}'" for label in model.Priority.labels)
    as_json = {"priority": f"(ARRAY[{labels}])[{{}} + 1]", "due_at": _INSTANT}
    parts = []
    for name in tracked:
        template = as_json.get(name, "{}")
        old, new = (
            template.format(f'"{row}"."{name}"') for row in ("before", "written")
        )
        changed = f"jsonb_build_object('{name}', jsonb_build_array({old}, {new}))"
        if len(tracked) > 1:
            changed = f"CASE WHEN {_same(name)} THEN '{{}}' ELSE {changed} END"
        parts.append(changed)
    return " || ".join(parts) or "'{}'::jsonb"


def _event_values(by: Actor, event: NewEvent) -> list[object]:
    changes = orjson.dumps(event.changes).decode()
    return [event.owner_id, by.user_id, by.via, by.request, event.verb, changes]
