"""The statements of a change of tasks, written out.

The ORM takes longer to compose one of them (0.25 to 0.45 ms) than the database to run
it, and knows RETURNING for INSERT only. What goes in and what comes out are the ORM's
own values and rows all the same. `model` is Task, whose module uses this one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import connection, models

from taskproject.rows import Columns, Proof, fetch, is_stored, this_thread
from tasks.models import events, plans, positions
from tasks.models.events import IN_PLACE, Actor, Story, place_of
from tasks.models.portions import portions
from tasks.models.words import (
    BETWEEN,
    CURRENT,
    MARK,
    description_searched_as,
    sorted_as,
    title_searched_as,
)

#: How many open subtasks a task has: one look into an index, in any statement on tasks.
OPEN_SUBTASKS = (
    '(SELECT count(*) FROM "tasks_task" "child" WHERE "child"."parent_id" = '
    '"tasks_task"."id" AND NOT "child"."completed" AND "child"."deleted_at" IS NULL)'
)
#: Columns that only the database needs: long, and read by nobody.
UNREAD = plans.DERIVED
#: Tasks of one statement that writes most of their fields.
STORED = 1_000
# How each text is searched, in the order that they have in `search`.
_SEARCHED = {"title": title_searched_as, "description": description_searched_as}
_ONE = 'WHERE "tasks_task"."id" = %s AND "tasks_task"."owner_id" = %s AND'
# The end of the tasks that are in no list, where a new one comes to.
_END = (
    f'"end" AS MATERIALIZED (SELECT "now", {positions.at_end_sql("now")} AS "position", '
    f'COALESCE({positions.last_sql(None)}, \'\') AS "last" FROM "moment")'
)
# The time of a change of a task: never before that of the change before.
_LATER = "greatest" if settings.ON_POSTGRESQL else "max"
_STAMP = f'{_LATER}("moment"."now", "tasks_task"."updated_at")'
_TELLING = (
    f'"told" AS (INSERT INTO {events.COLUMNS} SELECT %s, "id", NULL, NULL, %s, %s, %s, '
    '"version", "updated_at", %s FROM "written") SELECT * FROM "written"'
)


@cache
def nothing(model: Any) -> Any:
    """The ORM's query of an empty set, made once for all. (Composing one that finds a task
    takes 0.1 ms, and a verb of one task does not need it.)"""
    return model.objects.none().query


def one(model: Any, owner_id: int, key: int, proof: Proof) -> list[Any]:
    """The owner's task of this key: one or none."""
    statement = f'SELECT {_shown(model)} FROM "tasks_task" {_ONE} {proof.condition}'
    return _rows(model, statement, [key, owner_id, *proof.parameters])


def locked(
    model: Any, owner_id: int, key: int, proof: Proof
) -> tuple[list[Any], datetime]:
    """The same task, which nobody else changes before the commit, and the database's time.
    Takes the owner's place in the feed as well, before the lock of the row, which
    PostgreSQL takes last: see `feed_of`."""
    if not settings.ON_POSTGRESQL:
        return one(model, owner_id, key, proof), events.database_now()
    statement = (
        f"SELECT clock_timestamp(), {_shown(model)} FROM "
        "(SELECT pg_advisory_xact_lock(%s, %s)) AS place, "
        f'"tasks_task" {_ONE} {proof.condition} FOR UPDATE OF "tasks_task"'
    )
    parameters = [*place_of(owner_id), key, owner_id, *proof.parameters]
    rows = fetch(statement, parameters)
    now = rows[0][0] if rows else events.database_now()
    return _tasks(model, [row[1:] for row in rows]), now


def insert(model: Any, now: datetime, task: Any) -> bool:
    """Stores a new task, and gives it its key; one without a position comes to the end of
    its list. False where that is beyond the end by the clock: see `positions.end_after`.
    Call it inside `feed_of`."""
    names, columns, places = _new(model)
    condition, last = "", []
    if not task.position:
        task.position = positions.at_end(now)
        condition = f" WHERE COALESCE({positions.last_sql(task.list_id)}, '') < %s"
        last = [*positions.row_of(task), task.position]
    values = [_stored(model, name, getattr(task, name)) for name in names]
    keys = fetch(
        f'INSERT INTO "tasks_task" ({columns}) SELECT {places}{condition} '
        'RETURNING "id"',
        [*values, *last],
    )
    if not keys:
        task.position = ""
        return False
    [(task.pk,)] = keys
    is_stored(task)
    return True


def update(
    model: Any, now: datetime, names: tuple[str, ...], rows: list[tuple[int, list[Any]]]
) -> list[Any]:
    """Writes the named fields of tasks, each row its key and its values, and returns the
    tasks as they are then: one UPDATE for all of them."""
    columns = [model._meta.get_field(name).column for name in names]
    stamp = _stored(model, "updated_at", now)
    stamped = (
        f'"updated_at" = {_LATER}(%s, "tasks_task"."updated_at"), '
        '"version" = "tasks_task"."version" + 1'
    )
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
    return _rows(model, statement, parameters, kept=False)


def store(model: Any, names: Sequence[str], tasks: Iterable[Any]) -> None:
    """Writes the named fields of tasks as they are, `version` and `updated_at` among
    them: one UPDATE for all of them."""
    columns = ["id", *(model._meta.get_field(name).column for name in names)]
    assigned = ", ".join(
        f'"{column}" = "new"."column{number}"'
        for number, column in enumerate(columns, 1)
        if number > 1
    )
    row = f"({', '.join(_typed(model, name) for name in ('id', *names))})"
    for portion in portions(tasks, STORED):
        values = [
            _stored(model, name, getattr(task, name))
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
    """Keys for so many new tasks, which nobody else gets. Call it in the transaction that
    stores the tasks."""
    if settings.ON_POSTGRESQL:
        sequence = "pg_get_serial_sequence('tasks_task', 'id')"
        statement = f"SELECT nextval({sequence}) FROM generate_series(1, %s)"
        return [key for (key,) in fetch(statement, [count])]
    [(last,)] = fetch(
        "SELECT COALESCE(max(seq), 0) FROM sqlite_sequence WHERE name = %s",
        ["tasks_task"],
    )
    return [*range(last + 1, last + 1 + count)]


# A whole write in one statement, on PostgreSQL: instead of five round trips, one.


def at_once() -> bool:
    """Whether a write may be one statement: nothing else belongs to its transaction."""
    return settings.ON_POSTGRESQL and not this_thread.connection.in_atomic_block


def add(model: Any, by: Actor, now: datetime, task: Any, story: Story) -> bool:
    """Stores a new task that is in no list with its event, and gives it its key, the time
    of the write, and the end of these tasks for its position. False where that is beyond
    the end by the clock (see `positions.end_after`), or the actor's proof does not hold."""
    names, _, _ = _new(model)
    given = itemgetter(*names)(vars(task))
    places, values = _places(model, now, names, given, '"end"."now"')
    statement = _add(model, tuple(places), by.proof.condition)
    parameters = [*place_of(task.owner_id), task.owner_id, *values]
    rows = fetch(statement, [*parameters, *by.proof.parameters, *_told(by, story)])
    if not rows:
        return False
    [(task.id, _, moment, task.position)] = rows
    for name, value in zip(names, given, strict=True):
        if value is now:
            setattr(task, name, moment)
    is_stored(task)
    return True


@cache
def _add(model: Any, places: Sequence[str], proof: str) -> str:
    _, columns, _ = _new(model)
    return (
        f'{IN_PLACE}, {_END}, "written" AS (INSERT INTO "tasks_task" ({columns}) '
        f'SELECT {", ".join(places)} FROM "end" WHERE "last" < "position" AND {proof} '
        f'RETURNING "id", "version", "updated_at", "position"), {_TELLING}'
    )


def change(
    model: Any,
    by: Actor,
    now: datetime,
    task: Any,
    values: dict[str, Any],
    story: Story,
) -> bool:
    """Stores these values of a task, which has them and its next version already, with
    its event, and gives it the time of the write; False where somebody has changed it
    since it was read."""
    columns = [model._meta.get_field(name).column for name in values]
    places, stored = _places(model, now, [*values], [*values.values()], _STAMP)
    settings = "".join(
        f'"{column}" = {place}, ' for column, place in zip(columns, places, strict=True)
    )
    statement = (
        f'{IN_PLACE}, "written" AS (UPDATE "tasks_task" SET {settings}"updated_at" = '
        f'{_STAMP}, "version" = "tasks_task"."version" + 1 FROM "moment" '
        f'{_ONE} "version" = %s RETURNING "id", "version", "updated_at", '
        f"{OPEN_SUBTASKS}), {_TELLING}"
    )
    parameters = [*place_of(task.owner_id), *stored]
    parameters += [task.pk, task.owner_id, task.version - 1]
    rows = fetch(statement, [*parameters, *_told(by, story)])
    for _, _, moment, open_subtasks in rows:
        task.updated_at, task.open_subtasks = moment, open_subtasks
        for name, value in values.items():
            if value is now:
                setattr(task, name, moment)
    return bool(rows)


def edit(
    model: Any,
    by: Actor,
    owner_id: int,
    key: int,
    versions: Collection[int] | None,
    values: Mapping[str, Any],
) -> Any:
    """Gives the owner's task of this key another title or description, or completes or
    reopens it (None: whichever it is not), with its event, and returns it as it is then.
    None where that is not all that is wanted, or would change nothing; and where the task
    is not there, in the trash, not at one of the versions, or changed while this waited
    for its turn, or where the actor's proof does not hold. Waits only where there is
    something to write.

    One round trip less than reading the task and then `change`: 0.15 ms of CPU, and 0.05
    of PostgreSQL's.
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
    statement = _edit(model, parts, versions is not None, by.proof.condition)
    expected = [] if versions is None else [list(versions)]
    tasks = _rows(
        model,
        statement,
        [
            *(*place_of(owner_id), key, owner_id, *expected, *compared),
            *(*by.proof.parameters, *new, by.user_id, by.via),
        ],
    )
    return tasks[0] if tasks else None


class _Parts(NamedTuple):
    """What differs from one edit to another."""

    condition: str
    settings: str
    verb: str
    changes: str


@cache
def _edit(model: Any, parts: _Parts, versioned: bool, proof: str) -> str:
    """What is to be written is judged by the task as it was; where it is of another
    version once the owner's place is taken, nothing is written."""
    at_version = '"version" = ANY (%s) AND ' if versioned else ""
    return (
        'WITH "was" AS MATERIALIZED (SELECT "id", "version", "updated_at", '
        '"title", "description", "search", '
        f'pg_advisory_xact_lock(%s, %s) FROM "tasks_task" {_ONE} "deleted_at" '
        f"IS NULL AND {at_version}{parts.condition}{proof}), "
        '"moment" AS MATERIALIZED (SELECT greatest(clock_timestamp(), '
        '"was"."updated_at") AS "now" FROM "was"), '
        f'"written" AS (UPDATE "tasks_task" SET {parts.settings}, "updated_at" = '
        '"moment"."now", "version" = "tasks_task"."version" + 1 FROM "was", "moment" '
        'WHERE "tasks_task"."id" = "was"."id" AND '
        f'"tasks_task"."version" = "was"."version" RETURNING {_shown(model)}), '
        f'"told" AS (INSERT INTO {events.COLUMNS} SELECT "written"."owner_id", '
        f'"written"."id", NULL, NULL, %s, %s, {parts.verb}, "written"."version", '
        f'"written"."updated_at", {parts.changes} FROM "written", "was") SELECT * FROM "written"'
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
    model: Any, now: datetime, names: Sequence[str], values: Sequence[Any], moment: str
) -> tuple[list[str], list[Any]]:
    """What stands in the statement for each of the values, and its parameters. `now`
    itself stands for the time of the write, whose SQL is `moment`, and no position for
    the end of the tasks in no list."""
    plain = _taken_as_they_are(model)
    places, stored = [], []
    for name, value in zip(names, values, strict=True):
        if value is now:
            places.append(moment)
        elif name == "position" and not value:
            places.append('"end"."position"')
        else:
            places.append("%s")
            stored.append(value if name in plain else _stored(model, name, value))
    return places, stored


def _told(by: Actor, story: Story) -> list[Any]:
    changes = orjson.dumps(story.changes).decode()
    return [story.owner_id, by.user_id, by.via, story.verb, changes]


def _rows(
    model: Any, statement: str, parameters: Sequence[Any], *, kept: bool = True
) -> list[Any]:
    """The tasks that a statement gives back, with all that is told of a task; `kept`
    where it is one of few, as `fetch` wants it."""
    return _tasks(model, fetch(statement, parameters, kept=kept))


def _tasks(model: Any, rows: Sequence[Sequence[Any]]) -> list[Any]:
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
    if value is None or name in _taken_as_they_are(model):
        return value
    field = model._meta.get_field(name)
    if isinstance(field, models.JSONField):
        return orjson.dumps(value).decode()  # psycopg's wrapper takes 6 us more
    return field.get_db_prep_save(value, connection)


@cache
def _taken_as_they_are(model: Any) -> frozenset[str]:
    """The fields of whose values the ORM would make nothing else: to ask it for each of
    twenty takes 0.07 ms. (A process has one kind of database.)"""
    plain: list[type[models.Field[Any, Any]]] = [
        *(models.CharField, models.TextField, models.BooleanField),
        *(models.IntegerField, models.ForeignKey),
    ]
    if settings.ON_POSTGRESQL:
        plain.append(models.DateField)  # and DateTimeField, which is one
    kinds = tuple(plain)
    fields: list[Any] = model._meta.concrete_fields
    return frozenset(each.attname for each in fields if isinstance(each, kinds))


def _typed(model: Any, name: str) -> str:
    """A place among VALUES, where PostgreSQL alone needs to be told the type."""
    if not settings.ON_POSTGRESQL:
        return "%s"  # SQLite would convert it
    return f"%s::{model._meta.get_field(name).db_type(connection)}"
