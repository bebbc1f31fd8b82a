"""A whole write of one task in one statement, on PostgreSQL: instead of five round trips,
one. `statements.py` has the statements of the general way, whose rules these follow.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

import orjson

from taskproject.sql import ON_POSTGRESQL, check_found, fetch, mark_saved, this_thread
from tasks.fields import TRACKED
from tasks.models import events, positions
from tasks.models.assignments import Assignments
from tasks.models.due_dates import NEVER
from tasks.models.events import Actor, NewEvent, after_lock, feed_lock_key
from tasks.models.outcomes import Outcome
from tasks.models.outcomes import expected as is_expected
from tasks.models.plans import REFERENCES
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
from tasks.models.tallies import counting

if TYPE_CHECKING:
    from tasks.models.tasks import Task

# The end of the tasks that are in no list, where a new one comes to.
_END = (
    f'"end" AS MATERIALIZED (SELECT "now", {positions.at_end_sql("now")} AS "position", '
    f'COALESCE({positions.last_sql(None)}, \'\') AS "last" FROM "moment")'
)
# The times of a new task that are the time of the write, unless they are given.
_TIMES = ("completed_at", "created_at", "updated_at")
_EVENT = (
    f'"event" AS (INSERT INTO {events.COLUMNS} SELECT %s, "id", NULL, NULL, %s, %s, %s, '
    '"version", "updated_at", %s FROM "written")'
)
_COUNT_CHANGE = 'CASE WHEN "written"."completed" THEN {} ELSE {} END'
_TOGGLED = f"{counting(_COUNT_CHANGE.format(-1, 1), _COUNT_CHANGE.format(1, -1), due=True, labelled=True)}, "
# An instant as the API writes it.
_INSTANT = (
    "replace(to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), "
    "'.000000Z', 'Z')"
)
_TRACKED = frozenset(TRACKED)
# Fields of a new task that only the general way takes.
_NOT_AT_ONCE = (*REFERENCES, "position", "deleted_at", "updated_at")
# The columns whose change changes a tally.
_COUNTED_COLUMNS = {"completed", "deleted_at", "due_moment", "list_id", "owner_id"}


def is_possible() -> bool:
    """Whether a write may be one statement: nothing else belongs to its transaction."""
    return ON_POSTGRESQL and not this_thread.connection.in_atomic_block


def can_add(fields: Mapping[str, object]) -> bool:
    """Whether `add` can store a task with these fields: it refers to no other row, and is
    neither in the trash nor has a time of its own."""
    return is_possible() and not any(map(fields.get, _NOT_AT_ONCE))


def add(
    model: type[Task], by: Actor, now: datetime, task: Task, event: NewEvent
) -> bool:
    """Stores a new task without a list, tags or a position with its event, and gives it
    its key, the time of the write, and the end of the tasks in no list for its position.
    False where that is beyond the end by the clock (see `positions.end_after`), or the
    actor's guard does not hold."""
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
        return False
    by.guard.held = True
    [(task.id, moment, task.position)] = rows
    for name in times:
        setattr(task, name, moment)
    mark_saved(task)
    return True


class _Insert(NamedTuple):
    """A statement, a getter of the parameters from a task's attributes, and those
    parameters that need the ORM's conversion: their numbers and fields."""

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
    """The insertion of a task that has the time of the write in some of its fields, and
    NULL in others."""
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
        f'WHERE "last" < "position" AND {guard} RETURNING "id", "version", "updated_at", '
        f'"position", "owner_id", "list_id", "due_moment", "completed"), {counted}, '
        f'{_EVENT} SELECT "id", "updated_at", "position" FROM "written"'
    )
    plain = unconverted(model)
    # In front of them are the owner's place in the feed, and the parameters of the end.
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
    """Makes these assignments to the owner's task of this key, unless it is in the trash,
    with its event: one statement, for PostgreSQL. `changes` are those that `plans.py`
    makes of the edit for a task. The outcome is that of the method of TaskQuerySet. Raises `GuardFailed`.

    None where the assignments' conditions do not hold, or where somebody has changed the
    task meanwhile: then nothing is written.
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
            *(*expected, *compared, *new, by.user_id, by.via),
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
    """Compares with the row as it was before the lock; if its version has changed by
    then, writes nothing."""
    columns = dict(shape)
    tracked = [name for name in columns if name in _TRACKED]
    differ = " OR ".join(
        f'"tasks_task"."{name}" IS DISTINCT FROM {columns[name]}' for name in tracked
    )
    where = [*(['"version" = ANY (%s)'] if versioned else []), *conditions]
    where += [f"({differ})"] if differ else []
    counts = columns.keys() & _COUNTED_COLUMNS
    toggles = counts == {"completed"} and tracked == ["completed"]
    # Only a row that changes is counted: updates past the methods leave the version.
    unchanged = 'AND "tasks_task"."completed" = "before"."completed" '
    read = "".join(f'"{name}", ' for name in tracked)
    settings = "".join(f'"{name}" = {sql}, ' for name, sql in shape)
    # The changes of the versions since the one that was expected.
    since = (
        '(SELECT jsonb_object_agg("version", "changes") FROM "tasks_event" WHERE '
        '"task_id" = "tasks_task"."id" AND "version" > "expected"."version" AND '
        '"expected"."version" BETWEEN "tasks_task"."version" - '
        f'{events.MOST_COMPARED} AND "tasks_task"."version" - 1)::text'
        if versioned
        else "NULL"
    )
    returned = columns_of(model)
    return (
        f'WITH "guard" AS MATERIALIZED (SELECT 1 WHERE {guard}), '
        f'"before" AS MATERIALIZED (SELECT {read}"id", "version", '
        f'{after_lock("clock_timestamp()", counted=toggles or not counts)} AS "now" '
        f'FROM "tasks_task" {OF_OWNER} "deleted_at" IS NULL AND '
        f'{"".join(f"{one} AND " for one in where)}EXISTS (SELECT FROM "guard")), '
        f'"written" AS (UPDATE "tasks_task" SET {settings}"updated_at" = '
        'greatest("before"."now", "tasks_task"."updated_at"), "version" = "tasks_task"."version" + 1 FROM "before" '
        'WHERE "tasks_task"."id" = "before"."id" AND '
        '"tasks_task"."version" = "before"."version" '
        f"{unchanged if toggles else ''}RETURNING {returned}), "
        f'{_TOGGLED if toggles else ""}"event" AS (INSERT INTO {events.COLUMNS} SELECT '
        '"written"."owner_id", "written"."id", NULL, NULL, %s, %s, '
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
    """The SQL of the event's verb, as `task_events.py` has it."""
    if "deleted_at" in columns:
        return "'trashed'"
    if "completed" not in tracked:
        return "'edited'"
    verb = "CASE WHEN \"written\".\"completed\" THEN 'completed' ELSE 'reopened' END"
    others = " AND ".join(_same(name) for name in tracked if name != "completed")
    return f"CASE WHEN {others} THEN {verb} ELSE 'edited' END" if others else verb


def _changes(model: type[Task], tracked: Sequence[str]) -> str:
    """The SQL of the event's changes, as `task_events.py` has them."""
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
    return [event.owner_id, by.user_id, by.via, event.verb, changes]
