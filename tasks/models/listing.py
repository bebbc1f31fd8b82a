"""Reading tasks: one statement a page, whatever is asked for and however many there are.

The statements are written here and not by the ORM, which takes longer to compose one
than the database to answer it. A page begins after the key of the last row of the page
before, never at a number of rows: nothing that keeps its place is skipped or repeated
while others write.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, Self

from django.db import connection

from taskproject.rows import PROVEN, Proof, Unproven, fetch
from tasks.models.dues import NEVER, Clock
from tasks.models.statements import OPEN_SUBTASKS
from tasks.models.words import same

#: Rows that are sorted in about the time in which fifty are read.
FEW = 1_000
_LABELLED = (
    '"tasks_label" "label" JOIN "tasks_task" ON "tasks_task"."id" = "label"."task_id"'
)
# Indexes that have the tasks of one list together.
_BY_LIST = ("task_list_position", "task_list_newest")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Row(NamedTuple):
    """A task as it is read: what is told of it, and what it is sorted by (None: the id)."""

    pk: int
    title: str
    description: str
    list_id: int | None
    parent_id: int | None
    # JSON, as it is stored.
    tags: str
    priority: int
    due_date: date | None
    due_at: datetime | None
    due_timezone: str | None
    position: str
    completed: bool
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    version: int
    open_subtasks: int
    sorted_by: Any = None


_COLUMNS = (
    ", ".join(
        f'"tasks_task"."{"id" if name == "pk" else name}"'
        for name in Row._fields
        if name not in ("open_subtasks", "sorted_by")
    )
    + f", {OPEN_SUBTASKS}"
)


State = tuple[int, datetime | None]
# BETWEEN, and the owner in the order, so that PostgreSQL takes the index of both: told
# that a third of all rows are this owner's, it would read the whole table's from its end,
# and meet none for long where the owner's are old.
_STATE = """SELECT
    COALESCE((SELECT "sequence" FROM "tasks_event" WHERE "owner_id" BETWEEN %s AND %s
        ORDER BY "owner_id" DESC, "sequence" DESC LIMIT 1), 0) AS "sequence",
    (SELECT "due_at" FROM "tasks_task" WHERE "owner_id" = %s AND "deleted_at" IS NULL
        AND NOT "completed" AND "due_at" IS NOT NULL AND "due_at" < %s
        ORDER BY "due_at" DESC LIMIT 1) AS passed"""
_TALLY = """SELECT "tally"."kind", "tally"."key", "tag"."name", "tally"."open",
    "tally"."completed" FROM "tasks_tally" "tally" LEFT JOIN "tasks_tag" "tag"
    ON "tally"."kind" = 'tag' AND "tag"."id" = "tally"."key" WHERE "tally"."owner_id" = %s"""
_OPEN = """SELECT %s, 0, NULL, count(*), 0 FROM "tasks_task" WHERE "owner_id" = %s AND
    "deleted_at" IS NULL AND NOT "completed" AND "due_moment" """
# Counted from the index alone, but for the tasks that are due about this moment.
_COUNTS = f"""{_TALLY}
UNION ALL {_OPEN} <= %s
UNION ALL {_OPEN} > %s AND "due_moment" <= %s AND ("due_date" < %s OR "due_at" < %s)
UNION ALL {_OPEN} BETWEEN %s AND %s
    AND ("due_date" = %s OR ("due_at" >= %s AND "due_at" < %s))"""


class Sort(NamedTuple):
    """What a list is ordered by: a column, then the id, both up or both down."""

    column: str
    # SQLite keeps no statistics and would pick an index by the number of conditions.
    sqlite_index: str


SORTS = {
    "created": Sort("id", "task_owner_newest"),
    "updated": Sort("updated_at", "task_owner_updated"),
    "due": Sort("due_moment", "task_owner_due"),
    "priority": Sort("priority", "task_owner_priority"),
    "title": Sort("sorted_title", "task_owner_title"),
    "position": Sort("position", "task_owner_position"),
}


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which tasks are asked for; None leaves a thing open. `list_id` and `parent_id` 0
    are those without one."""

    completed: bool | None = None
    list_id: int | None = None
    parent_id: int | None = None
    tags: Sequence[str] = ()
    priorities: Sequence[int] = ()
    due_before: date | datetime | None = None
    due_after: date | datetime | None = None
    overdue: bool | None = None
    has_due: bool | None = None
    created_after: datetime | None = None
    updated_after: datetime | None = None
    words: Sequence[str] = ()


class Place(NamedTuple):
    """Where a page ended: the last row's id, and its value in the sort's column."""

    id: int
    value: Any

    @classmethod
    def of(cls, row: Row) -> Self:
        """Where a page that ends with this row ends."""
        return cls(row.pk, row.sorted_by)

    @classmethod
    def told(cls, sort: str, number: int, value: str | int | None) -> Self | None:
        """The place in what `told_value` made of it; None where it made no such thing."""
        match SORTS[sort.removeprefix("-")].column:
            case "id" if value is None:
                return cls(number, None)
            case "updated_at" | "due_moment" if isinstance(
                value, int
            ) and _microseconds(_FIRST) <= value <= _microseconds(NEVER):
                return cls(number, _EPOCH + value * _MICROSECOND)
            case "priority" if isinstance(value, int) and 0 <= value <= 4:
                return cls(number, value)
            case "sorted_title" | "position" if (
                isinstance(value, str) and "\x00" not in value
            ):
                return cls(number, value)
        return None

    def told_value(self) -> str | int | None:
        """The value as JSON."""
        if isinstance(self.value, datetime):
            return _microseconds(self.value)
        told: str | int | None = self.value
        return told


def read(owner_id: int, task_id: int, proof: Proof = PROVEN) -> Row | None:
    """The owner's task, in the trash or not."""
    rows = fetch(
        f'SELECT {_COLUMNS} FROM "tasks_task" WHERE "id" = %s AND "owner_id" = %s '
        f"AND {proof.condition}",
        [task_id, owner_id, *proof.parameters],
    )
    return _row(rows[0]) if rows else None


def page(
    owner_id: int,
    criteria: Criteria,
    sort: str,
    limit: int,
    after: Place | None,
    clock: Clock,
    proof: Proof = PROVEN,
) -> tuple[list[Row], State]:
    """The owner's live tasks that meet the criteria, `limit` of them at most, and the
    state that they were read in. Raises `Unproven`.

    `sort` is a name in SORTS, with a minus for downwards; `after` is where the page
    before ended.
    """
    name, order = sort.removeprefix("-"), "DESC" if sort.startswith("-") else "ASC"
    statement = _Statement(owner_id, criteria, clock)
    column = f'"tasks_task"."{SORTS[name].column}"'
    if name == "created":
        ordered, shown = statement.newest(order), _COLUMNS
        key, places, values = statement.id, "%s", []
    else:
        ordered = f'{column} {order}, "tasks_task"."id" {order}'
        shown = f"{_COLUMNS}, {column} AS sorted_by"
        key, places = f'({column}, "tasks_task"."id")', "(%s, %s)"
        values = [after.value] if after else []
    if after is not None:
        than = "<" if order == "DESC" else ">"
        statement.add(f"{key} {than} {places}", *values, after.id)
    source = statement.source(SORTS[name].sqlite_index, name)
    tasks = (
        f"SELECT {shown} FROM {source} WHERE {' AND '.join(statement.conditions)} "
        # Were it a parameter, PostgreSQL would take it for a tenth of all rows, and
        # never keep the plan.
        f"ORDER BY {ordered} LIMIT {limit:d}"
    )
    # The state is there even where no task is; and both are of one moment.
    sql = (
        f'SELECT * FROM ({_STATE} WHERE {proof.condition}) "state" '
        f'LEFT JOIN ({tasks}) "page" ON 1 = 1'
    )
    rows = statement.fetch(
        sql,
        [
            *(owner_id, owner_id, owner_id, _adapted(clock.now)),
            *(*proof.parameters, *statement.parameters),
        ],
    )
    if not rows:
        raise Unproven
    found = [_row(row[2:]) for row in rows if row[2] is not None]
    return found, (rows[0][0], rows[0][1])


def state(owner_id: int, clock: Clock, proof: Proof = PROVEN) -> State:
    """What changes whenever what is told of the owner's tasks does: the newest event's
    sequence, and the latest instant at which an open task became overdue. (Dates become
    overdue with the day.) Raises `Unproven`."""
    rows = fetch(
        f"{_STATE} WHERE {proof.condition}",
        [owner_id, owner_id, owner_id, _adapted(clock.now), *proof.parameters],
    )
    if not rows:
        raise Unproven
    [(sequence, passed)] = rows
    return sequence, passed


def counts(owner_id: int, clock: Clock) -> dict[str, Any]:
    """How many of the owner's live tasks are open, completed, overdue, and due today in
    the clock's zone; and how many are open in each list and with each tag."""
    now, today, tomorrow = clock.now, clock.today, clock.today + timedelta(days=1)
    begin, end = clock.begin(today), clock.begin(tomorrow)
    earliest, latest = sorted([_midnight(today), now])
    parameters = [
        owner_id,
        "overdue", owner_id, earliest,
        "overdue", owner_id, earliest, latest, today, now,
        "today", owner_id, min(begin, _midnight(today)), max(end, _midnight(tomorrow)),
        today, begin, end,
    ]  # fmt: skip
    rows = fetch(_COUNTS, [_adapted(value) for value in parameters])
    told: dict[str, Any] = {"open": 0, "completed": 0, "overdue": 0, "due_today": 0}
    lists, tags = [], []
    for kind, key, name, opened, completed in rows:
        match kind:
            case "all":
                told |= {"open": opened, "completed": completed}
            case "overdue":
                told["overdue"] += opened
            case "today":
                told["due_today"] = opened
            case "list" if opened:
                lists.append({"list": key or None, "open": opened})
            case "tag" if opened:
                tags.append({"tag": name, "open": opened})
    told["lists"] = sorted(lists, key=lambda one: one["list"] or 0)
    told["tags"] = sorted(tags, key=lambda one: str(one["tag"]))
    return told


class _Statement:
    """The conditions of a page, and the tables that they are about."""

    def __init__(self, owner_id: int, criteria: Criteria, clock: Clock) -> None:
        self.conditions = [
            '"tasks_task"."owner_id" = %s',
            '"tasks_task"."deleted_at" IS NULL',
        ]
        self.parameters: list[Any] = [owner_id]
        # The id that drives the statement: the ordered one of the table read first.
        self.id = '"tasks_task"."id"'
        self._criteria = criteria
        # What is asked for beside the state.
        self._narrowed = {
            one.name
            for one in fields(criteria)
            if one.name != "completed"
            and getattr(criteria, one.name) not in (None, (), [])
        }
        # Conditions that an index could answer by itself: its name, and the rest.
        self._ranges: list[tuple[str, str, list[Any]]] = []
        self._sqlite = connection.vendor == "sqlite"
        self._fields(criteria)
        self._dues(criteria, clock)
        self._tags(owner_id, criteria.tags)
        self._words(criteria.words)

    def add(self, condition: str, *parameters: Any) -> None:
        self.conditions.append(condition)
        self.parameters += map(_adapted, parameters)

    def newest(self, order: str) -> str:
        """What orders the tasks by their ids, up or down."""
        if self._sqlite or self._narrowed:
            return f"{self.id} {order}"
        # See _STATE.
        owner = self.hidden("bigint")
        self.conditions[0] = f'"tasks_task"."owner_id" BETWEEN {owner} AND {owner}'
        self.parameters.insert(0, self.parameters[0])
        other = "ASC" if order == "DESC" else "DESC"
        return f'"tasks_task"."owner_id" {other}, "tasks_task"."id" {order}'

    def hidden(self, kind: str) -> str:
        """A place for a value that PostgreSQL plans without: else it would find the plan
        for this value a little cheaper than the one it keeps, and plan every time."""
        return "%s" if self._sqlite else f"(SELECT %s::{kind})"

    def range(self, index: str, condition: str, *parameters: Any) -> None:
        """A condition on one column that has an index."""
        self.add(condition, *parameters)
        self._ranges.append((index, condition, list(parameters)))

    def fetch(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Plans that hold for any state and any list are kept; how many tasks have a tag,
        a word or a due differs too much."""
        if not self._narrowed or self._narrowed == {"list_id"}:
            return fetch(sql, parameters)
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows

    def source(self, index: str, sort: str) -> str:
        """The tables to read, the one that leads first."""
        if self.id == '"label"."task_id"':
            return _LABELLED
        if self.id == '"found"."rowid"':
            return '"tasks_search" "found" CROSS JOIN "tasks_task"'
        if not self._sqlite:
            return '"tasks_task"'
        wanted = self._criteria
        if sort == "created" and (wanted.completed is not None or wanted.overdue):
            index = "task_owner_state"
        if wanted.list_id is not None and sort == "position":
            index = "task_list_position"
        elif wanted.list_id and sort == "created":
            index = "task_list_newest"
        return f'"tasks_task" INDEXED BY "{self._narrow(index)}"'

    def _narrow(self, ordered: str) -> str:
        """The index of the condition that fewest tasks meet, if so few that putting them
        in order costs less than reading in order: by the index `ordered`, which goes on
        if not. One statement. PostgreSQL knows that from statistics."""
        served = {ordered, "task_list_position" if ordered in _BY_LIST else ordered}
        ranges = [one for one in self._ranges if one[0] not in served]
        if not ranges:
            return ordered
        counts = ", ".join(
            '(SELECT count(*) FROM (SELECT 1 FROM "tasks_task" INDEXED BY '
            f'"{index}" WHERE "owner_id" = %s AND "deleted_at" IS NULL AND '
            f"{condition} LIMIT {FEW}))"
            for index, condition, _ in ranges
        )
        parameters: list[Any] = []
        for _, _, values in ranges:
            parameters += [self.parameters[0], *map(_adapted, values)]
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {counts}", parameters)
            numbers = cursor.fetchone()
        fewest = min(numbers)
        return ranges[numbers.index(fewest)][0] if fewest < FEW else ordered

    def _fields(self, wanted: Criteria) -> None:
        if wanted.completed is not None:
            state = self.hidden("boolean")
            self.add(f'"tasks_task"."completed" = {state}', wanted.completed)
        for name in ("list_id", "parent_id"):
            value = getattr(wanted, name)
            if value == 0:
                self.add(f'"tasks_task"."{name}" IS NULL')
            elif value is not None:
                index = "task_parent" if name == "parent_id" else "task_list_position"
                self.range(index, f'"tasks_task"."{name}" = %s', value)
        if wanted.priorities:
            places = ", ".join(["%s"] * len(wanted.priorities))
            self.add(f'"tasks_task"."priority" IN ({places})', *wanted.priorities)
        for name in ("created", "updated"):
            moment = getattr(wanted, f"{name}_after")
            if moment is not None:
                condition = f'"tasks_task"."{name}_at" > %s'
                self.range(f"task_owner_{name}", condition, moment)

    def _dues(self, wanted: Criteria, clock: Clock) -> None:
        """Each condition on the two forms of a due goes with a range of what both are
        sorted by, so that the index of that narrows it down."""
        day, moment = '"tasks_task"."due_date"', '"tasks_task"."due_at"'
        both = '"tasks_task"."due_moment"'
        if wanted.has_due is not None:
            self.add(f"{both} {'<' if wanted.has_due else '='} %s", NEVER)
        if wanted.due_before is not None:
            until, instant = _both(wanted.due_before, clock)
            self.range(
                "task_owner_due", f"{both} <= %s", max(_midnight(until), instant)
            )
            self.add(f"({day} < %s OR {moment} < %s)", until, instant)
        if wanted.due_after is not None:
            since, instant = _both(wanted.due_after, clock)
            self.range(
                "task_owner_due", f"{both} >= %s", min(_midnight(since), instant)
            )
            self.add(f"({day} >= %s OR {moment} >= %s)", since, instant)
        if wanted.overdue is True:
            today, now = clock.today, clock.now
            self.add('"tasks_task"."completed" = %s', False)
            self.add(f"{both} <= %s", max(_midnight(today), now))
            self.add(f"({day} < %s OR {moment} < %s)", today, now)
        elif wanted.overdue is False:
            self.add(
                f'("tasks_task"."completed" OR {both} = %s OR {day} >= %s OR '
                f"{moment} >= %s)",
                NEVER,
                clock.today,
                clock.now,
            )

    def _tags(self, owner_id: int, names: Sequence[str]) -> None:
        """All of them must be there; the first one leads."""
        tag = '(SELECT "id" FROM "tasks_tag" WHERE "owner_id" = %s AND "key" = %s)'
        for number, name in enumerate(names):
            if number == 0:
                self.id = '"label"."task_id"'
                self.add(f'"label"."tag_id" = {tag}', owner_id, same(name))
            else:
                self.add(
                    'EXISTS (SELECT 1 FROM "tasks_label" "also" WHERE "also"."task_id" '
                    f'= "tasks_task"."id" AND "also"."tag_id" = {tag})',
                    owner_id,
                    same(name),
                )

    def _words(self, words: Sequence[str]) -> None:
        """Every word must be there, or be the beginning of one that is."""
        if not words:
            return
        if self._sqlite and self.id == '"tasks_task"."id"':
            self.id = '"found"."rowid"'
            self.add('"tasks_task"."id" = "found"."rowid"')
            self.add('"found"."tasks_search" MATCH %s', _question(words))
        else:
            self.add(*holding(words))


def holding(words: Sequence[str]) -> tuple[str, str]:
    """The condition that a task holds all of these words, or words that begin so, and
    its parameter. They are letters and digits only: nothing in them means anything to a
    query."""
    if connection.vendor == "postgresql":
        question = " & ".join(f"'{word}':*" for word in words)
        vector = """array_to_tsvector(string_to_array("tasks_task"."search", ' '))"""
        return f"{vector} @@ %s::tsquery", question
    found = 'SELECT "rowid" FROM "tasks_search" WHERE "tasks_search" MATCH %s'
    return f'"tasks_task"."id" IN ({found})', _question(words)


def _question(words: Sequence[str]) -> str:
    """For SQLite's index of words."""
    return " AND ".join(f'"{word}"*' for word in words)


def _microseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def _both(due: date | datetime, clock: Clock) -> tuple[date, datetime]:
    """The day and the instant that a due is compared with, in the caller's zone."""
    if isinstance(due, datetime):
        return due.astimezone(clock.zone).date(), due
    return due, clock.begin(due)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _adapted(value: Any) -> Any:
    """As the database keeps it."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, date):
        return connection.ops.adapt_datefield_value(value)
    return value


def _row(columns: Sequence[Any]) -> Row:
    row = Row(*columns)
    due_at = row.due_at
    if due_at is not None and due_at.tzinfo is None:  # SQLite's are naive, in UTC
        return row._replace(due_at=due_at.replace(tzinfo=UTC))
    return row
