"""A whole write of one task in one statement, on PostgreSQL: instead of five round trips,
one. `statements.py` has the statements of the general way, whose rules these follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from taskproject.sql import ON_POSTGRESQL, check_found, fetch, mark_saved, this_thread
from tasks.models import events, positions
from tasks.models.due_dates import NEVER
from tasks.models.events import Actor, NewEvent, feed_lock_key, in_place
from tasks.models.outcomes import Outcome
from tasks.models.outcomes import expected as is_expected
from tasks.models.plans import REFERENCES
from tasks.models.statements import (
    LATER,
    OF_OWNER,
    OPEN_SUBTASKS,
    column,
    columns_of,
    new_columns,
    taken_as_they_are,
    tasks_of,
    to_column,
)
from tasks.models.tallies import counting
from tasks.models.words import (
    BETWEEN,
    CURRENT,
    MARK,
    description_searched_as,
    sorted_as,
    title_searched_as,
)

if TYPE_CHECKING:
    from tasks.models.tasks import Task

# How each text is searched, in the order that they have in `search`.
_SEARCHED = {"title": title_searched_as, "description": description_searched_as}
# The end of the tasks that are in no list, where a new one comes to.
_END = (
    f'"end" AS MATERIALIZED (SELECT "now", {positions.at_end_sql("now")} AS "position", '
    f'COALESCE({positions.last_sql(None)}, \'\') AS "last" FROM "moment")'
)
# The times of a new task that are the time of the write, unless they are given.
_TIMES = ("completed_at", "created_at", "updated_at")
_STAMP = f'{LATER}("moment"."now", "tasks_task"."updated_at")'
_TELLING = (
    f'"told" AS (INSERT INTO {events.COLUMNS} SELECT %s, "id", NULL, NULL, %s, %s, %s, '
    '"version", "updated_at", %s FROM "written")'
)
_LATER_NOW = 'greatest(clock_timestamp(), "updated_at")'
_MOVED = 'CASE WHEN "written"."completed" THEN {} ELSE {} END'
# The columns whose change changes a tally.
_COUNTED_COLUMNS = {"completed", "deleted_at", "due_moment", "list_id", "owner_id"}


def at_once() -> bool:
    """Whether a write may be one statement: nothing else belongs to its transaction."""
    return ON_POSTGRESQL and not this_thread.connection.in_atomic_block


def can_add(fields: Mapping[str, object]) -> bool:
    """Whether `add` is for a new task of these fields: it refers to no other row."""
    return at_once() and not any(map(fields.get, (*REFERENCES, "position")))


def add(
    model: type[Task], by: Actor, now: datetime, task: Task, story: NewEvent
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
    rows = fetch(statement, [*parameters, *by.guard.parameters, *_told(by, story)])
    if not rows:
        return False
    by.guard.held = True
    [(task.id, moment, task.position)] = rows
    for name in times:
        setattr(task, name, moment)
    mark_saved(task)
    return True


class _Insert(NamedTuple):
    """A statement, what takes its values from a task's attributes, and those of its
    parameters that the ORM makes something else of: their numbers and fields."""

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
        f"{events.moment(counted=True)}, {_END}, "
        f'"written" AS (INSERT INTO "tasks_task" ({columns}) '
        f'SELECT {", ".join(written.get(name, "%s") for name in names)} FROM "end" '
        f'WHERE "last" < "position" AND {guard} RETURNING "id", "version", "updated_at", '
        f'"position", "owner_id", "list_id", "due_moment", "completed"), {counted}, '
        f'{_TELLING} SELECT "id", "updated_at", "position" FROM "written"'
    )
    plain = taken_as_they_are(model)
    # In front of them are the owner's place in the feed, and the parameters of the end.
    converted = [(n, name) for n, name in enumerate(given, 4) if name not in plain]
    return _Insert(statement, itemgetter(*given), converted)


def change(
    model: type[Task],
    by: Actor,
    now: datetime,
    task: Task,
    values: dict[str, Any],
    story: NewEvent,
) -> bool:
    """Stores these values of a task, which has them and its next version already, with
    its event, and gives it the time of the write; False where somebody has changed it
    since it was read."""
    columns = [column(model, name) for name in values]
    places, stored = _places(model, now, [*values], [*values.values()], _STAMP)
    settings = "".join(
        f'"{column}" = {place}, ' for column, place in zip(columns, places, strict=True)
    )
    counted = _COUNTED_COLUMNS.isdisjoint(columns)
    statement = (
        f'{events.moment(counted=counted)}, "written" AS (UPDATE "tasks_task" SET {settings}"updated_at" = '
        f'{_STAMP}, "version" = "tasks_task"."version" + 1 FROM "moment" '
        f'{OF_OWNER} "version" = %s RETURNING "id", "version", "updated_at", '
        f'{OPEN_SUBTASKS}), {_TELLING} SELECT * FROM "written"'
    )
    parameters = [*feed_lock_key(task.owner_id), *stored]
    parameters += [task.pk, task.owner_id, task.version - 1]
    rows = fetch(statement, [*parameters, *_told(by, story)])
    for _, _, moment, open_subtasks in rows:
        task.updated_at, task.open_subtasks = moment, open_subtasks
        for name, value in values.items():
            if value is now:
                setattr(task, name, moment)
    return bool(rows)


def edit(
    model: type[Task],
    by: Actor,
    owner_id: int,
    key: int,
    versions: set[int] | None,
    values: Mapping[str, Any],
) -> Outcome | None:
    """Gives the owner's task of this key another title or description, or completes or
    reopens it (None: whichever it is not), with its event: one statement, for PostgreSQL.
    The outcome is that of the verb. Raises `GuardFailed`.

    None where other fields are given, where the task's search text is of an older
    release, or where somebody has changed the task meanwhile: then nothing is written.
    """
    compared: list[str] = []
    new: list[str] = []
    if values.keys() == {"completed"}:
        parts = _completing(values["completed"])
    elif values and values.keys() <= _SEARCHED.keys():
        parts, compared = _rewriting(*values), [*values.values()]
        new = _rewritten(values)
    else:
        return None
    expected = [] if versions is None else [list(versions)]
    rows = fetch(
        _edit(model, parts, versions is not None, by.guard.condition),
        [
            *(*by.guard.parameters, *feed_lock_key(owner_id), key, owner_id),
            *(*expected, *compared, *new, by.user_id, by.via),
            *(*([] if versions is None else [min(versions, default=0)]), key, owner_id),
        ],
    )
    check_found(by.guard, rows)
    [(written, changes, *row)] = rows
    if row[0] is None:
        return Outcome()
    [task] = tasks_of(model, [row])
    if written:
        return Outcome(changed={key: task})
    as_asked = all(getattr(task, name) == value for name, value in values.items())
    if task.deleted_at or as_asked or not is_expected(task, versions):
        return Outcome(found={key: task}, events=orjson.loads(changes or "{}"))
    return None


class _Parts(NamedTuple):
    """What differs from one edit to another."""

    #: What is read of the task as it was, each followed by a comma.
    read: str
    condition: str
    settings: str
    verb: str
    changes: str
    #: What the changes compare the written task with.
    compared: str = ""
    #: What adds to the tallies.
    counted: str = ""


@cache
def _edit(model: type[Task], parts: _Parts, versioned: bool, guard: str) -> str:
    """What is to be written is judged by the task as it was; where it is of another
    version once the owner's place is taken, nothing is written."""
    at_version = '"version" = ANY (%s) AND ' if versioned else ""
    # What a refusal tells of the versions since the one that was expected.
    since = (
        '(SELECT jsonb_object_agg("version", "changes") FROM "tasks_event" WHERE '
        '"task_id" = "tasks_task"."id" AND "version" > "expected"."version" AND '
        '"expected"."version" BETWEEN "tasks_task"."version" - '
        f'{events.MOST_COMPARED} AND "tasks_task"."version" - 1)::text'
        if versioned
        else "NULL"
    )
    columns = columns_of(model)
    return (
        f'WITH "guard" AS MATERIALIZED (SELECT 1 WHERE {guard}), '
        f'"was" AS MATERIALIZED (SELECT {parts.read}"id", "version", '
        f'{in_place(_LATER_NOW, counted=True)} AS "now" '
        f'FROM "tasks_task" {OF_OWNER} "deleted_at" IS NULL AND {at_version}'
        f'{parts.condition}EXISTS (SELECT FROM "guard")), '
        f'"written" AS (UPDATE "tasks_task" SET {parts.settings}, "updated_at" = '
        '"was"."now", "version" = "tasks_task"."version" + 1 FROM "was" '
        'WHERE "tasks_task"."id" = "was"."id" AND '
        f'"tasks_task"."version" = "was"."version" RETURNING {columns}), '
        f'{parts.counted}"told" AS (INSERT INTO {events.COLUMNS} SELECT "written"."owner_id", '
        f'"written"."id", NULL, NULL, %s, %s, {parts.verb}, "written"."version", '
        f'"written"."updated_at", {parts.changes} FROM "written"{parts.compared}) '
        f'SELECT "tasks_task".*, {OPEN_SUBTASKS} FROM ('
        'SELECT true, NULL, * FROM "written" UNION ALL '
        f'SELECT false, {since}, {columns} FROM "guard" '
        f"{'CROSS JOIN (SELECT %s::bigint) AS expected (version) ' if versioned else ''}"
        'LEFT JOIN "tasks_task" ON "tasks_task"."id" = %s AND "tasks_task"."owner_id" = '
        '%s WHERE NOT EXISTS (SELECT FROM "written")) AS "tasks_task"'
    )


@cache
def _completing(completed: bool | None) -> _Parts:
    condition = {True: 'NOT "completed" AND ', False: '"completed" AND ', None: ""}
    return _Parts(
        "",
        condition[completed],
        '"completed" = NOT "completed", "completed_at" = '
        'CASE WHEN "completed" THEN NULL ELSE "was"."now" END',
        "CASE WHEN \"completed\" THEN 'completed' ELSE 'reopened' END",
        """CASE WHEN "completed" THEN '{"completed": [false, true]}'::jsonb
        ELSE '{"completed": [true, false]}'::jsonb END""",
        counted=f"{counting(_MOVED.format(-1, 1), _MOVED.format(1, -1), due=True, labelled=True)}, ",
    )


@cache
def _rewriting(*names: str) -> _Parts:
    settings = [*names, *(["sorted_title"] if "title" in names else [])]
    parts = {
        name: f'split_part("was"."search", \'{BETWEEN}\', {part})'
        for part, name in enumerate(_SEARCHED, 1)
    }
    searched = ["%s" if name in names else parts[name] for name in parts]
    kept = "".join(parts[name] for name in parts if name not in names)
    # As `searched_as` marks it: by what is new, or by what is kept.
    mark = (
        f"CASE WHEN octet_length({kept}) = length({kept}) THEN %s ELSE '{MARK}' END"
        if kept
        else "%s"
    )
    differ = " OR ".join(f'"{name}" <> %s' for name in names)
    return _Parts(
        '"title", "description", "search", ',
        # Without BETWEEN, as before version 1.3, it cannot be told apart.
        f"strpos(\"search\", '{BETWEEN}') > 0 AND ({CURRENT}) AND ({differ}) AND ",
        "".join(f'"{name}" = %s, ' for name in settings)
        + f"\"search\" = {searched[0]} || '{BETWEEN}' || {searched[1]} || {mark}",
        "'edited'",
        " || ".join(
            f'CASE WHEN "was"."{name}" = "written"."{name}" THEN \'{{}}\' ELSE '
            f'jsonb_build_object(\'{name}\', jsonb_build_array("was"."{name}", '
            f'"written"."{name}")) END'
            for name in names
        ),
        compared=', "was"',
    )


def _rewritten(values: Mapping[str, str]) -> list[str]:
    """The parameters of what `_rewriting` sets."""
    sorted_title = [sorted_as(values["title"])] if "title" in values else []
    searched = [
        words_of(values[name]) for name, words_of in _SEARCHED.items() if name in values
    ]
    mark = "" if "".join(searched).isascii() else MARK
    return [*values.values(), *sorted_title, *searched, mark]


def _places(
    model: type[Task],
    now: datetime,
    names: Sequence[str],
    values: Sequence[object],
    moment: str,
) -> tuple[list[str], list[Any]]:
    """What stands in the statement for each of the values, and its parameters. `now`
    itself stands for the time of the write, whose SQL is `moment`."""
    places, stored = [], []
    for name, value in zip(names, values, strict=True):
        if value is now:
            places.append(moment)
        else:
            places.append("%s")
            stored.append(to_column(model, name, value))
    return places, stored


def _told(by: Actor, story: NewEvent) -> list[Any]:
    changes = orjson.dumps(story.changes).decode()
    return [story.owner_id, by.user_id, by.via, story.verb, changes]
