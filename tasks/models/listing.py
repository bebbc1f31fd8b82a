"""Reading of tasks: pages, one task, counts and states.

The statements are hand-written: the ORM takes longer to compose one than the database to run
it. A page is one statement, and begins after the sort key of the previous page's last row,
not at an offset, so that concurrent writes cause no other row to be skipped or repeated."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple, Self
from uuid import UUID

from taskproject.sql import NO_GUARD, ON_POSTGRESQL, Guard, adapted, check_found, fetch
from taskproject.times import EPOCH, MICROSECOND, microseconds, midnight
from tasks.fields import ATTRIBUTES
from tasks.models import tagged
from tasks.models.access_paths import access_path_of, is_near, looks_ahead
from tasks.models.criteria import (
    AccessPath,
    Criteria,
    by_index,
    conditions_of,
    opaque_parameter,
)
from tasks.models.due_dates import NEVER, Clock
from tasks.models.events import NEWEST
from tasks.models.search import needed, relevance
from tasks.models.statements import OPEN_SUBTASKS
from tasks.models.tagged import Part, Wanted
from tasks.models.tallies import day_key
from tasks.models.words import MAX_WORDS

_FIRST = datetime(1, 1, 1, tzinfo=UTC)


#: A row of a task: its ATTRIBUTES in their order, `deleted_at`, and the sort column (None for
#: the id). Later columns are not of the task.
Row = tuple[Any, ...]
_READ = (*ATTRIBUTES.values(), "deleted_at")
_DUE_AT, _DELETED_AT = _READ.index("due_at"), _READ.index("deleted_at")
_CLIENT_ID = _READ.index("client_id")
_COLUMNS = ", ".join(
    OPEN_SUBTASKS if name == "open_subtasks" else f'"tasks_task"."{name}"'
    for name in _READ
)
_BY_ID = f"{_COLUMNS}, NULL AS sorted_by"
State = tuple[int, datetime | None]
_STATE = f"""SELECT {NEWEST} AS "sequence",
    (SELECT "due_at" FROM "tasks_task" WHERE "owner_id" = %s AND "deleted_at" IS NULL
        AND NOT "completed" AND "due_at" IS NOT NULL AND "due_at" < %s
        ORDER BY "due_at" DESC LIMIT 1) AS passed"""
# Past days are a sum of stored counts. The rest is counted by index-only scans: tasks due at
# one midnight (as days are), and between two instants, each multiplied by 1 or -1. (With both
# forms of criteria.OPEN, SQLite would read the rows.)
_COUNTED = f"""SELECT %s, 0, NULL, {opaque_parameter("bigint")} * count(*), 0 FROM (SELECT 1
    FROM "tasks_task" WHERE "deleted_at" IS NULL AND NOT "completed" AND {{}}) found"""
_INSTANT = opaque_parameter("timestamptz")
if ON_POSTGRESQL:
    # A range of one index in its order: without statistics, PostgreSQL could choose any index
    # of the owner's tasks, and read all of them. (It estimates the size of the range by the
    # due date alone.)
    _PLACE = f"({opaque_parameter('bigint')}, {_INSTANT})"
    _AT = _COUNTED.format(
        f"""("owner_id", "due_moment") >= {_PLACE} AND
        ("owner_id", "due_moment") <= {_PLACE} AND
        "due_moment" >= {_INSTANT} AND "due_moment" <= {_INSTANT} ORDER BY owner_id, due_moment"""
    )
    _BETWEEN = _COUNTED.format(
        f"""("owner_id", "due_at") >= {_PLACE} AND
        ("owner_id", "due_at") < {_PLACE} AND
        "due_at" >= {_INSTANT} AND "due_at" < {_INSTANT} ORDER BY owner_id, due_at"""
    )
else:
    _AT = _COUNTED.format('"owner_id" = %s AND "due_moment" = %s')
    _BETWEEN = _COUNTED.format('"owner_id" = %s AND "due_at" >= %s AND "due_at" < %s')
_COUNTS = f"""SELECT "tally"."kind", "tally"."key", "tag"."name", "tally"."open",
    "tally"."completed" FROM "tasks_tally" "tally" LEFT JOIN "tasks_tag" "tag"
    ON "tally"."kind" = 'tag' AND "tag"."id" = "tally"."key"
    WHERE "tally"."owner_id" = {opaque_parameter("bigint")}
    AND "tally"."kind" IN ('all', 'list', 'tag')
UNION ALL SELECT %s, 0, NULL, COALESCE(CAST(sum("open") AS bigint), 0), 0
    FROM "tasks_tally" WHERE "owner_id" = {opaque_parameter("bigint")} AND "kind" = 'due'
    AND "key" < {opaque_parameter("bigint")}
UNION ALL {_AT} UNION ALL {_BETWEEN}
UNION ALL {_AT} UNION ALL {_BETWEEN} UNION ALL {_BETWEEN}"""


#: The order of searches: see `search.relevance`.
RELEVANCE = "relevance"
#: Most tasks that are put in this order, the newest.
RANKED = 10_000


class Sort(NamedTuple):
    """The order of a list: a column, then the id, both ascending or both descending."""

    column: str
    # Without statistics, SQLite chooses an index by the number of conditions.
    sqlite_index: str


SORTS = {
    "created": Sort("id", "task_owner_newest"),
    "updated": Sort("updated_at", "task_owner_updated"),
    "due": Sort("due_moment", "task_owner_due"),
    "priority": Sort("priority", "task_owner_priority"),
    "title": Sort("sorted_title", "task_owner_title"),
    "position": Sort("position", "task_owner_position"),
}


class Place(NamedTuple):
    """The end of a page: the id of its last row, and the value of the sort column."""

    id: int
    value: datetime | str | int | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """The end of a page with this last row."""
        return cls(row[0], row[len(_READ)])

    @classmethod
    def from_cursor(
        cls, sort: str, number: int, value: str | int | None
    ) -> Self | None:
        """The place in the values of a cursor; None if they are not valid for this sort."""
        if sort == RELEVANCE:
            known = isinstance(value, int) and 0 < value <= 4 * MAX_WORDS
            return cls(number, value) if known else None
        match SORTS[sort.removeprefix("-")].column:
            case "id" if value is None:
                return cls(number, None)
            case "updated_at" | "due_moment" if isinstance(value, int) and microseconds(
                _FIRST
            ) <= value <= microseconds(NEVER):
                return cls(number, EPOCH + value * MICROSECOND)
            case "priority" if isinstance(value, int) and 0 <= value <= 4:
                return cls(number, value)
            case "sorted_title" | "position" if (
                isinstance(value, str) and "\x00" not in value
            ):
                return cls(number, value)
        return None

    def cursor_value(self) -> str | int | None:
        """The value for a cursor."""
        if isinstance(self.value, datetime):
            moment = self.value
            # SQLite's are naive, in UTC.
            return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        return self.value


def read(owner_id: int, task_id: int, guard: Guard = NO_GUARD) -> Row | None:
    """The owner's task, in the trash or not; None if there is none. Raises `GuardFailed`."""
    rows = fetch(_read(guard.condition), [*guard.parameters, task_id, owner_id])
    check_found(guard, rows)
    return None if rows[0][0] is None else _rows(rows)[0]


@cache
def _read(condition: str) -> str:
    return (
        f'SELECT {_BY_ID} FROM (SELECT 1 WHERE {condition}) AS "guard" '
        'LEFT JOIN "tasks_task" ON "tasks_task"."id" = %s AND "owner_id" = %s'
    )


def is_trashed(row: Row) -> bool:
    return row[_DELETED_AT] is not None


def page(
    owner_id: int,
    criteria: Criteria,
    sort: str,
    limit: int,
    after: Place | None,
    clock: Clock,
    guard: Guard = NO_GUARD,
    names: Collection[str] | None = None,
) -> tuple[list[Row], State]:
    """At most `limit` of the owner's live tasks that meet the criteria, and the state at the same
    moment; with `names`, the rows may lack the values of other fields. Raises `GuardFailed`.

    `sort` is a name in SORTS, after a minus if descending; `after` is the end of the previous
    page."""
    columns = _COLUMNS if names is None else _columns(names)
    if sort == RELEVANCE:
        statement = _Statement(owner_id, criteria, "created", clock)
        tasks, values = _most_relevant(statement, criteria, columns, limit, after)
        return _page(owner_id, statement, tasks, values, clock, guard)
    name, order = sort.removeprefix("-"), "DESC" if sort.startswith("-") else "ASC"
    statement = _Statement(owner_id, criteria, name, clock)
    column = f'"tasks_task"."{SORTS[name].column}"'
    if name == "created":
        ordered, shown = statement.newest(order), f"{columns}, NULL AS sorted_by"
        key, places, values = statement.id, "%s", []
    else:
        ordered = f'{column} {order}, "tasks_task"."id" {order}'
        shown = f"{columns}, {column} AS sorted_by"
        key, places = f'({column}, "tasks_task"."id")', "(%s, %s)"
        values = [after.value] if after else []
    if after is not None:
        than = "<" if order == "DESC" else ">"
        statement.add(f"{key} {than} {places}", *values, after.id)
    tasks = statement.tasks(shown, ordered, limit)
    return _page(owner_id, statement, tasks, [], clock, guard)


def _most_relevant(
    statement: "_Statement",
    criteria: Criteria,
    columns: str,
    limit: int,
    after: Place | None,
) -> tuple[str, list[object]]:
    """The statement of a page of the newest `RANKED` tasks by relevance, newest first within the
    same, and its parameters after those of `statement`."""
    ranked = (
        f'"tasks_task"."id" AS "key", {relevance(needed(criteria.words))} AS "score"'
    )
    found = statement.tasks(ranked, statement.newest("DESC"), RANKED)
    than, values = "", list[object]()
    if after is not None:
        than, values = 'WHERE ("score", "key") < (%s, %s)', [after.value, after.id]
    order = '"score" DESC, "key" DESC'
    sql = (
        f'SELECT {columns}, "ranked"."score" AS sorted_by FROM (SELECT "key", "score" '
        f'FROM ({found}) "found_tasks" {than} ORDER BY {order} LIMIT {limit:d}) "ranked" '
        'CROSS JOIN "tasks_task" WHERE "tasks_task"."id" = "ranked"."key" '
        f"ORDER BY {order} LIMIT {limit:d}"
    )
    return sql, values


def _page(
    owner_id: int,
    statement: "_Statement",
    tasks: str,
    values: Sequence[object],
    clock: Clock,
    guard: Guard,
) -> tuple[list[Row], State]:
    """The rows of the statement `tasks`, and the state at the same moment."""
    # There is a state even without tasks, and both are of the same moment.
    sql = (
        f'SELECT "page".*, "state".* FROM ({_STATE} WHERE {guard.condition}) "state" '
        f'LEFT JOIN ({tasks}) "page" ON 1 = 1'
    )
    rows = statement.fetch(
        sql,
        [
            *(owner_id, owner_id, owner_id, adapted(clock.now)),
            *(*guard.parameters, *statement.parameters, *values),
        ],
    )
    check_found(guard, rows)
    *_, sequence, passed = rows[0]
    return _rows(rows if rows[0][0] is not None else []), (sequence, passed)


def _columns(names: Collection[str]) -> str:
    """The columns of rows that need only these fields: the long text, and the numbers that have to
    be counted, are not read in vain."""
    columns = _COLUMNS
    for name, column, instead in (
        ("description", '"tasks_task"."description"', "''"),
        ("open_subtasks", OPEN_SUBTASKS, "0"),
    ):
        if name not in names:
            columns = columns.replace(column, f'{instead} AS "{name}"')
    return columns


def state(owner_id: int, clock: Clock, guard: Guard = NO_GUARD) -> State:
    """A validator of the owner's tasks, which changes whenever a representation does: the newest
    event's sequence, and the latest instant at which an open task became overdue. (Days become
    overdue with the date.) Raises `GuardFailed`."""
    rows = fetch(
        f"{_STATE} WHERE {guard.condition}",
        [owner_id, owner_id, owner_id, adapted(clock.now), *guard.parameters],
    )
    check_found(guard, rows)
    [(sequence, passed)] = rows
    return sequence, passed


def counts(owner_id: int, clock: Clock) -> dict[str, Any]:
    """The numbers of the owner's live tasks that are open, completed, overdue, and due today in the
    clock's time zone; and the numbers of open ones in each list and with each tag."""
    now, today, tomorrow = clock.now, clock.today, clock.today + timedelta(days=1)
    # Calendar dates have the end of their day in UTC as `due_moment`, like instants then.
    over, ends = midnight(today), midnight(tomorrow)
    above, sign = over + MICROSECOND, 1 if now > over else -1
    parameters = [
        owner_id,
        "overdue", owner_id, day_key(today),
        "overdue", 1, *_at(owner_id, over),
        "overdue", sign, *_between(owner_id, *sorted([above, now])),
        "due_today", 1, *_at(owner_id, ends),
        "due_today", -1, *_between(owner_id, ends, ends + MICROSECOND),
        "due_today", 1, *_between(owner_id, clock.begin(today), clock.begin(tomorrow)),
    ]  # fmt: skip
    rows = fetch(_COUNTS, [adapted(value) for value in parameters])
    numbers: dict[str, Any] = {"open": 0, "completed": 0, "overdue": 0, "due_today": 0}
    lists, tags = [], []
    for kind, key, name, opened, completed in rows:
        match kind:
            case "all":
                numbers |= {"open": opened, "completed": completed}
            case "overdue" | "due_today":
                numbers[kind] += opened
            case "list" if opened:
                lists.append({"list": key or None, "open": opened})
            case "tag" if opened:
                tags.append({"tag": name, "open": opened})
    numbers["lists"] = sorted(lists, key=lambda one: one["list"] or 0)
    numbers["tags"] = sorted(tags, key=lambda one: str(one["tag"]))
    return numbers


def _at(owner_id: int, moment: datetime) -> list[object]:
    """The parameters of _AT."""
    if ON_POSTGRESQL:
        return [owner_id, moment, owner_id, moment, moment, moment]
    return [owner_id, moment]


def _between(owner_id: int, since: datetime, until: datetime) -> list[object]:
    """The parameters of _BETWEEN."""
    if ON_POSTGRESQL:
        return [owner_id, since, owner_id, until, since, until]
    return [owner_id, since, until]


class _Statement:
    """The statement of a page: its conditions and its access path."""

    def __init__(
        self, owner_id: int, criteria: Criteria, sort: str, clock: Clock
    ) -> None:
        self.conditions = [
            '"tasks_task"."owner_id" = %s',
            '"tasks_task"."deleted_at" IS NULL',
        ]
        self.parameters: list[object] = [owner_id]
        self._sqlite = not ON_POSTGRESQL
        if (criteria.parent_id or criteria.ids) and ON_POSTGRESQL:
            # Found by the parent or the ids alone: without statistics, PostgreSQL would
            # combine an index of all live tasks, or the owner's, with that one.
            self.conditions = [
                '"tasks_task"."owner_id" IS NOT DISTINCT FROM %s',
                'num_nonnulls("tasks_task"."deleted_at") = 0',
            ]
        self._narrowed = criteria.narrowing
        self._owner_id, self._criteria = owner_id, criteria
        self._tag_alone = self._narrowed == {"tags"} and len(criteria.tags) == 1
        self._wanted = conditions_of(owner_id, criteria, sort, clock)
        self._everything = AccessPath(by_index(SORTS[sort].sqlite_index), "", (), sort)
        self._path = access_path_of(owner_id, self._wanted, sort, self._everything)
        self._in_order = self._path.sort == sort or ON_POSTGRESQL
        self._looks_ahead = looks_ahead(self._wanted, sort)
        # The column with the id, for ORDER BY.
        self.id = self._path.id if self._in_order else '"tasks_task"."id"'

    def add(self, condition: str, *parameters: object) -> None:
        self.conditions.append(condition)
        self.parameters += map(adapted, parameters)

    def newest(self, order: str) -> str:
        """The ORDER BY for the order of ids."""
        if self._sqlite or self._narrowed:
            return f"{self.id} {order}"
        # See _STATE.
        owner = opaque_parameter("bigint")
        self.conditions[0] = f'"tasks_task"."owner_id" BETWEEN {owner} AND {owner}'
        self.parameters.insert(0, self.parameters[0])
        other = "ASC" if order == "DESC" else "DESC"
        return f'"tasks_task"."owner_id" {other}, "tasks_task"."id" {order}'

    def fetch(self, sql: str, parameters: Sequence[object]) -> list[Row]:
        """Plans that hold for any state and any list are kept; how many tasks have a tag,
        a word or a due differs too much. (A tag alone is looked up in the statement.)"""
        prepare = self._narrowed <= {"list_id"} or self._tag_alone
        return fetch(sql, parameters, prepare=prepare)

    def tasks(self, columns: str, ordered: str, limit: int) -> str:
        """The statement that reads the page."""
        path, in_order = self._path, self._in_order
        if self._looks_ahead:
            others = " AND ".join(self.conditions)
            [wanted] = self._wanted
            if is_near(self._everything, wanted, others, self.parameters, ordered):
                path, in_order = self._everything, True
        for one in self._wanted:
            part = path if one.path is path else one
            self.add(part.condition, *part.parameters)
        if self._criteria.tags and ON_POSTGRESQL:
            of_tags = tagged.page(
                self._owner_id,
                self._criteria,
                Wanted(
                    columns,
                    Part(" AND ".join(self.conditions), self.parameters),
                    ordered,
                    limit,
                    self._tag_alone,
                ),
            )
            self.parameters = [*of_tags.parameters]
            return of_tags.sql
        found = (
            f"FROM {path.tables} WHERE {' AND '.join(self.conditions)} "
            # Were it a parameter, PostgreSQL would take it for a tenth of all rows, and
            # never keep the plan.
            f"ORDER BY {ordered} LIMIT {limit:d}"
        )
        if in_order:
            return f"SELECT {columns} {found}"
        # What is put in order is the ids: the rest is read of those on the page alone.
        # (Without its LIMIT, SQLite would make one statement of this and what is around
        # it, and leave out the order.)
        return (
            f'SELECT {columns} FROM "tasks_task" WHERE "tasks_task"."id" IN '
            f'(SELECT "tasks_task"."id" {found}) ORDER BY {ordered} LIMIT -1'
        )


def _rows(rows: list[Row]) -> list[Row]:
    if ON_POSTGRESQL:
        return rows
    return [*map(_row_of_sqlite, rows)]


def _row_of_sqlite(row: Row) -> Row:
    """The row with an aware `due_at`, which is compared, and a UUID. (SQLite returns naive times
    in UTC, and hexadecimal digits.)"""
    due_at, client_id = row[_DUE_AT], row[_CLIENT_ID]
    if due_at is None and client_id is None:
        return row
    values = [*row]
    values[_DUE_AT] = due_at and due_at.replace(tzinfo=UTC)
    values[_CLIENT_ID] = client_id and UUID(hex=client_id)
    return tuple(values)
