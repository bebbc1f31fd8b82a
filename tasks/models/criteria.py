"""The filters of a list as SQL conditions, each with its access paths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from taskproject.names import casefold_key
from taskproject.sql import ON_POSTGRESQL
from tasks.models.due_dates import IS_BEFORE, IS_NOT_BEFORE, NEVER, Clock
from tasks.models.search import holding_of, in_row, needed
from tasks.models.tallies import day_key, stored
from tasks.models.words import match_key

#: The condition of open tasks in the partial indexes, whose text SQLite compares: the first
#: form in tables created by Django 5.2, the second by 6.1.
OPEN = 'NOT "tasks_task"."completed"'
if not ON_POSTGRESQL:
    OPEN += ' AND "tasks_task"."completed" = 0'
#: The id of a task that is found by a tag.
ID_BY_TAG = '"label"."task_id"'
#: The id of a task that SQLite finds by a word.
ID_BY_WORD = '"found"."rowid"'
#: The id of an owner's tag, by its key.
TAG_ID = '(SELECT "id" FROM "tasks_tag" WHERE "owner_id" = %s AND "key" = %s)'
_LIVE_OF_OWNER = '"owner_id" = %s AND "deleted_at" IS NULL'
# The number of tasks due until the end of a day.
_DUE = """(SELECT sum("open") FROM "tasks_tally" WHERE "owner_id" = %s AND "kind" = 'due'
    AND "key" <= %s)"""


@dataclass(frozen=True, slots=True)
class Criteria:
    """The filters of a list; None leaves one out. `list_id` and `parent_id` 0 mean tasks without
    one."""

    ids: Sequence[int] = ()
    completed: bool | None = None
    list_id: int | None = None
    parent_id: int | None = None
    tags: Sequence[str] = ()
    priorities: Sequence[int] = ()
    location: str | None = None
    client_id: UUID | None = None
    due_before: date | datetime | None = None
    due_after: date | datetime | None = None
    overdue: bool | None = None
    has_due: bool | None = None
    created_after: datetime | None = None
    updated_after: datetime | None = None
    words: Sequence[str] = ()

    @property
    def narrowing(self) -> set[str]:
        """The names of the given criteria other than `completed`."""
        return {
            name for name in _NARROWING if getattr(self, name) not in (None, (), [])
        }


_NARROWING = {field.name for field in fields(Criteria)} - {"completed"}


class AccessPath(NamedTuple):
    """A way to read the tasks of a condition: tables, and a condition on them that replaces the one
    on the task."""

    tables: str
    condition: str
    parameters: Sequence[object]
    #: The sort order in which it returns tasks, and its column with the id.
    sort: str = ""
    id: str = '"tasks_task"."id"'
    #: The SQL of the stored number of tasks, or the FROM clause to count them; neither if
    #: counting costs as much as reading. And the parameters of it.
    stored_count: str = ""
    count_from: str = ""
    count_parameters: Sequence[object] = ()


class Condition(NamedTuple):
    """A condition on a task."""

    condition: str
    parameters: Sequence[object]
    path: AccessPath | None = None


def conditions_of(
    owner_id: int, wanted: Criteria, sort: str, clock: Clock
) -> list[Condition]:
    """The conditions on the owner's tasks."""
    found = _Conditions(owner_id, sort)
    return [
        *found.fields(wanted),
        *found.dues(wanted, clock),
        *found.tags(wanted.tags),
        *found.words(wanted.words),
    ]


class _Conditions:
    def __init__(self, owner_id: int, sort: str) -> None:
        self._owner_id = owner_id
        self._sort = sort

    def fields(self, wanted: Criteria) -> Iterator[Condition]:
        if wanted.ids:
            yield self._ids(wanted.ids)
        if wanted.completed is not None:
            yield self._completed(wanted.completed)
        if wanted.list_id is not None:
            yield self._list(wanted.list_id)
        if wanted.parent_id == 0:
            yield Condition('"tasks_task"."parent_id" IS NULL', [])
        elif wanted.parent_id is not None:
            condition = '"tasks_task"."parent_id" = %s'
            yield self._range("task_parent", "created", condition, wanted.parent_id)
        if wanted.priorities:
            places = ", ".join(["%s"] * len(wanted.priorities))
            condition = f'"tasks_task"."priority" IN ({places})'
            yield self._range(
                "task_owner_priority", "priority", condition, *wanted.priorities
            )
        if wanted.location is not None:
            condition = '"tasks_task"."location_key" = %s'
            key = match_key(wanted.location)
            yield self._range("task_owner_location", "created", condition, key)
        if wanted.client_id is not None:
            condition = '"tasks_task"."client_id" = %s'
            yield self._range("task_client_id_once", "", condition, wanted.client_id)
        for name in ("created", "updated"):
            moment = getattr(wanted, f"{name}_after")
            if moment is not None:
                # The sort order `created` is that of the id.
                sort = name if name == "updated" else ""
                condition = f'"tasks_task"."{name}_at" > %s'
                yield self._range(f"task_owner_{name}", sort, condition, moment)

    def dues(self, wanted: Criteria, clock: Clock) -> Iterator[Condition]:
        """Each condition on the two kinds of due dates includes a range of `due_moment`, so that its
        index can be used."""
        both = '"tasks_task"."due_moment"'
        bounds: list[tuple[str, datetime]] = []
        if wanted.has_due is not None:
            bounds.append((f"{both} {'<' if wanted.has_due else '='} %s", NEVER))
        if wanted.due_before is not None:
            until = clock.boundary(wanted.due_before)
            bounds.append((f"{both} <= %s", until.latest))
            yield Condition(IS_BEFORE, until)
        if wanted.due_after is not None:
            since = clock.boundary(wanted.due_after)
            bounds.append((f"{both} >= %s", since.earliest))
            yield Condition(IS_NOT_BEFORE, since)
        if bounds:
            condition = " AND ".join(condition for condition, _ in bounds)
            values = [value for _, value in bounds]
            yield self._range("task_owner_due", "due", condition, *values)
        if wanted.overdue is True:
            opened = self._completed(False)
            # By due, the range alone is narrower.
            yield opened if self._sort != "due" else opened._replace(path=None)
            bound = f"{OPEN} AND {both} <= %s"
            latest = clock.present.latest
            yield self._range(
                *("task_owner_open_due", "due", bound, latest),
                stored_count=_DUE,
                count_parameters=[self._owner_id, day_key(latest.date())],
            )
            yield Condition(IS_BEFORE, clock.present)
        elif wanted.overdue is False:
            yield Condition(
                f'("tasks_task"."completed" OR {both} = %s OR {IS_NOT_BEFORE})',
                [NEVER, *clock.present],
            )

    def tags(self, names: Sequence[str]) -> Iterator[Condition]:
        """All of them must be there. (For PostgreSQL see tagged.py.)"""
        if ON_POSTGRESQL:
            return
        for name in names:
            values = [self._owner_id, casefold_key(name)]
            yield Condition(
                'EXISTS (SELECT 1 FROM "tasks_label" "also" WHERE "also"."task_id" '
                f'= "tasks_task"."id" AND "also"."tag_id" = {TAG_ID})',
                values,
                AccessPath(
                    '"tasks_label" "label" CROSS JOIN "tasks_task"',
                    f'"tasks_task"."id" = {ID_BY_TAG} AND "label"."tag_id" = {TAG_ID}',
                    values,
                    "created",
                    ID_BY_TAG,
                    stored_count=stored("tag", TAG_ID),
                    count_parameters=[self._owner_id, *values],
                ),
            )

    def words(self, words: Sequence[str]) -> Iterator[Condition]:
        """The task must have all words, or words that begin with them."""
        if not words:
            return
        words = needed(words)
        seen, values = in_row(words)
        match, asked = holding_of(self._owner_id, words)
        if ON_POSTGRESQL:
            has_words, parameters = f"{seen} AND {match}", [*values, asked]
            path = AccessPath(
                '"tasks_task"',
                has_words,
                parameters,
                count_from=f'"tasks_task" WHERE {_LIVE_OF_OWNER} AND {has_words}',
                count_parameters=[self._owner_id, *parameters],
            )
            # What is in the row is looked at first, in a third of the time; and that the
            # planner knows nothing of that keeps it from reading all tasks in order to
            # meet the words, which it takes to be evenly spread and cheap to look at.
            yield Condition(has_words, parameters, path)
            return
        # Several common words that hardly meet cost 10 ms to count, of a million tasks.
        known = self._sort != "created"
        yield Condition(
            seen,
            values,
            AccessPath(
                '"tasks_words" "found" CROSS JOIN "tasks_task"',
                f'"found".{match} AND "tasks_task"."id" = {ID_BY_WORD}',
                [asked],
                "created",
                ID_BY_WORD,
                count_from=f'"tasks_words" WHERE {match}' if known else "",
                count_parameters=[asked] if known else [],
            ),
        )

    def _ids(self, ids: Sequence[int]) -> Condition:
        condition = f'"tasks_task"."id" IN ({", ".join(["%s"] * len(ids))})'
        path = AccessPath(
            by_index(None),
            condition,
            ids,
            "created",
            stored_count=str(len(ids)),
        )
        return Condition(condition, ids, path)

    def _completed(self, value: bool) -> Condition:
        condition = f'"tasks_task"."completed" = {opaque_parameter("boolean")}'
        by_due = self._sort == "due" and not value
        index = "task_owner_open_due" if by_due else "task_owner_state"
        path = AccessPath(
            by_index(index),
            OPEN if by_due else condition,
            [] if by_due else [value],
            "due" if by_due else "created",
            stored_count=stored("all", "0", value),
            count_parameters=[self._owner_id],
        )
        return Condition(condition, [value], path)

    def _list(self, key: int) -> Condition:
        is_it = "= %s" if key else "IS NULL"
        condition, values = f'"tasks_task"."list_id" {is_it}', [key] if key else []
        stored_count = stored("list", "%s")
        count_parameters = [self._owner_id, key]
        path = AccessPath(
            by_index("task_list_position"),
            condition,
            values,
            "position",
            stored_count=stored_count,
            count_parameters=count_parameters,
        )
        # It has the lists of all: somebody else's would be read to its end in vain.
        if key and self._sort == "created":
            path = AccessPath(
                by_index("task_list_newest"),
                '"tasks_task"."list_id" = (SELECT "id" FROM "tasks_tasklist" '
                'WHERE "owner_id" = %s AND "id" = %s)',
                count_parameters,
                "created",
                stored_count=stored_count,
                count_parameters=count_parameters,
            )
        return Condition(condition, values, path)

    def _range(
        self,
        index: str,
        sort: str,
        condition: str,
        *values: object,
        stored_count: str = "",
        count_parameters: Sequence[object] = (),
    ) -> Condition:
        """A condition on one indexed column, in whose order the index returns tasks. They are counted in
        the index, unless `stored_count` is given."""
        tables = by_index(index)
        path = AccessPath(
            tables,
            condition,
            values,
            sort,
            stored_count=stored_count,
            count_from=f"{tables} WHERE {_LIVE_OF_OWNER} AND {condition}",
            count_parameters=count_parameters or [self._owner_id, *values],
        )
        return Condition(condition, values, path)


def opaque_parameter(kind: str) -> str:
    """A parameter within a sub-select, so that PostgreSQL keeps its generic plan: it would find
    custom plans a little cheaper, and plan each time."""
    return f"(SELECT %s::{kind})" if ON_POSTGRESQL else "%s"


def by_index(name: str | None) -> str:
    """The table of tasks, which SQLite is to read by this index; by the ids, if None."""
    if ON_POSTGRESQL:
        return '"tasks_task"'
    return '"tasks_task" ' + (f'INDEXED BY "{name}"' if name else "NOT INDEXED")
