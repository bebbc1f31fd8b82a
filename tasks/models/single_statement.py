"""A whole write of one task in one statement, on PostgreSQL: instead of five round trips,
one. `statements.py` has the statements of the general way, whose rules these follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from django.conf import settings

from taskproject.sql import check_found, fetch, mark_saved, this_thread
from tasks.models import events, positions
from tasks.models.events import IN_PLACE, Actor, NewEvent, feed_lock_key
from tasks.models.outcomes import Outcome
from tasks.models.outcomes import expected as is_expected
from tasks.models.statements import (
    LATER,
    OF_OWNER,
    OPEN_SUBTASKS,
    column,
    new_columns,
    shown,
    taken_as_they_are,
    tasks_of,
    to_column,
)
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
_STAMP = f'{LATER}("moment"."now", "tasks_task"."updated_at")'
_TELLING = (
    f'"told" AS (INSERT INTO {events.COLUMNS} SELECT %s, "id", NULL, NULL, %s, %s, %s, '
    '"version", "updated_at", %s FROM "written") SELECT * FROM "written"'
)


def at_once() -> bool:
    """Whether a write may be one statement: nothing else belongs to its transaction."""
    return settings.ON_POSTGRESQL and not this_thread.connection.in_atomic_block


def add(
    model: type[Task], by: Actor, now: datetime, task: Task, story: NewEvent
) -> bool:
    """Stores a new task that is in no list with its event, and gives it its key, the time
    of the write, and the end of these tasks for its position. False where that is beyond
    the end by the clock (see `positions.end_after`), or the actor's guard does not hold."""
    names, _, _ = new_columns(model)
    given = itemgetter(*names)(vars(task))
    places, values = _places(model, now, names, given, '"end"."now"')
    statement = _add(model, tuple(places), by.guard.condition)
    parameters = [*feed_lock_key(task.owner_id), task.owner_id, *values]
    rows = fetch(statement, [*parameters, *by.guard.parameters, *_told(by, story)])
    if not rows:
        return False
    by.guard.held = True
    [(task.id, _, moment, task.position)] = rows
    for name, value in zip(names, given, strict=True):
        if value is now:
            setattr(task, name, moment)
    mark_saved(task)
    return True


@cache
def _add(model: type[Task], places: Sequence[str], guard: str) -> str:
    _, columns, _ = new_columns(model)
    return (
        f'{IN_PLACE}, {_END}, "written" AS (INSERT INTO "tasks_task" ({columns}) '
        f'SELECT {", ".join(places)} FROM "end" WHERE "last" < "position" AND {guard} '
        f'RETURNING "id", "version", "updated_at", "position"), {_TELLING}'
    )


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
    statement = (
        f'{IN_PLACE}, "written" AS (UPDATE "tasks_task" SET {settings}"updated_at" = '
        f'{_STAMP}, "version" = "tasks_task"."version" + 1 FROM "moment" '
        f'{OF_OWNER} "version" = %s RETURNING "id", "version", "updated_at", '
        f"{OPEN_SUBTASKS}), {_TELLING}"
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

    condition: str
    settings: str
    verb: str
    changes: str


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
    return (
        f'WITH "guard" AS MATERIALIZED (SELECT 1 WHERE {guard}), '
        '"was" AS MATERIALIZED (SELECT "id", "version", "updated_at", '
        '"title", "description", "search", '
        f'pg_advisory_xact_lock(%s, %s) FROM "tasks_task" {OF_OWNER} "deleted_at" '
        f'IS NULL AND {at_version}{parts.condition}EXISTS (SELECT FROM "guard")), '
        '"moment" AS MATERIALIZED (SELECT greatest(clock_timestamp(), '
        '"was"."updated_at") AS "now" FROM "was"), '
        f'"written" AS (UPDATE "tasks_task" SET {parts.settings}, "updated_at" = '
        '"moment"."now", "version" = "tasks_task"."version" + 1 FROM "was", "moment" '
        'WHERE "tasks_task"."id" = "was"."id" AND '
        f'"tasks_task"."version" = "was"."version" RETURNING {shown(model)}), '
        f'"told" AS (INSERT INTO {events.COLUMNS} SELECT "written"."owner_id", '
        f'"written"."id", NULL, NULL, %s, %s, {parts.verb}, "written"."version", '
        f'"written"."updated_at", {parts.changes} FROM "written", "was") '
        'SELECT true, NULL, * FROM "written" UNION ALL '
        f'SELECT false, {since}, {shown(model)} FROM "guard" '
        f"{'CROSS JOIN (SELECT %s::bigint) AS expected (version) ' if versioned else ''}"
        'LEFT JOIN "tasks_task" ON "tasks_task"."id" = %s AND '
        '"tasks_task"."owner_id" = %s WHERE NOT EXISTS (SELECT FROM "written")'
    )


@cache
def _completing(completed: bool | None) -> _Parts:
    condition = {True: 'NOT "completed" AND ', False: '"completed" AND ', None: ""}
    return _Parts(
        condition[completed],
        '"completed" = NOT "completed", "completed_at" = '
        'CASE WHEN "completed" THEN NULL ELSE "moment"."now" END',
        "CASE WHEN \"completed\" THEN 'completed' ELSE 'reopened' END",
        """CASE WHEN "completed" THEN '{"completed": [false, true]}'::jsonb
        ELSE '{"completed": [true, false]}'::jsonb END""",
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
    itself stands for the time of the write, whose SQL is `moment`, and no position for
    the end of the tasks in no list."""
    plain = taken_as_they_are(model)
    places, stored = [], []
    for name, value in zip(names, values, strict=True):
        if value is now:
            places.append(moment)
        elif name == "position" and not value:
            places.append('"end"."position"')
        else:
            places.append("%s")
            stored.append(value if name in plain else to_column(model, name, value))
    return places, stored


def _told(by: Actor, story: NewEvent) -> list[Any]:
    changes = orjson.dumps(story.changes).decode()
    return [story.owner_id, by.user_id, by.via, story.verb, changes]
