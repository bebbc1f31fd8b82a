"""Reading of the feed: the events of one owner in the order of their commits."""

from functools import cache
from typing import NamedTuple

from django.contrib.auth import get_user_model

from taskproject.sql import ON_POSTGRESQL, Columns, Guard, check_found, fetch
from tasks.models.events import NEWEST, Event
from tasks.models.tasks import Task

_HORIZON = """COALESCE((SELECT "sequence" FROM "tasks_feedhorizon"
    WHERE "owner_id" = %s), 0)"""
# Whether this is the sequence of an event of the owner, as that of every cursor is.
_KNOWN = """(SELECT 1 FROM "tasks_event" WHERE "sequence" = %s AND "owner_id" = %s)"""
# A range of one index in its order, which PostgreSQL takes for large without statistics,
# and does not read to its end to sort it.
_AFTER = """("tasks_event"."owner_id", "tasks_event"."sequence") > (%s, %s)
    AND ("tasks_event"."owner_id", "tasks_event"."sequence") <= (%s, %s)"""
_LAST = 2**63 - 1
#: Most events that a filtered page looks at, so that it takes no longer with more.
WINDOW = 10_000
# The last event that it looks at, if there are so many.
_WINDOW_END = f"""(SELECT "sequence" FROM "tasks_event" WHERE {_AFTER}
    ORDER BY "owner_id", "sequence" LIMIT 1 OFFSET {WINDOW - 1})"""
# Of the task of an event, as it is now. Subqueries of one value always read one row by its
# key; PostgreSQL may read whole tables for joins and EXISTS.
_PARENT = """(SELECT "parent_id" FROM "tasks_task"
    WHERE "id" = "tasks_event"."task_id" AND "owner_id" = %s)"""
_LIST = """(SELECT "list_id" FROM "tasks_task" WHERE "id" = {} AND "owner_id" = %s)"""
_IN_OR_OUT = {Event.Verb.TRASHED, Event.Verb.RESTORED}


class Filter(NamedTuple):
    """The events that a page has: those of a task and of its subtasks, or those of a list,
    of the tasks in it and of their subtasks, each at the event or now."""

    task_id: int | None = None
    list_id: int | None = None

    def condition(self, owner_id: int) -> tuple[str, list[int]]:
        """As SQL, and its parameters."""
        conditions, parameters = ["TRUE"], []
        before, after = _changed("parent_id")
        if self.task_id is not None:
            conditions.append(
                f'("tasks_event"."task_id" = %s OR %s IN ({before}, {after}, {_PARENT}))'
            )
            parameters += [self.task_id, self.task_id, owner_id]
        if self.list_id is not None:
            tasks = ('"tasks_event"."task_id"', _PARENT, before, after)
            lists = ", ".join(
                (*_changed("list_id"), *(_LIST.format(key) for key in tasks))
            )
            conditions.append(f'("tasks_event"."list_id" = %s OR %s IN ({lists}))')
            parameters += [self.list_id, self.list_id, *[owner_id] * (len(tasks) + 1)]
        return " AND ".join(conditions), parameters


ALL = Filter()


def _changed(field: str) -> tuple[str, str]:
    """The ids in the field before and after the change, as SQL."""
    if ON_POSTGRESQL:
        text = f"""("tasks_event"."changes" -> '{field}' ->> %d)::bigint"""
    else:
        text = f"""json_extract("tasks_event"."changes", '$.{field}[%d]')"""
    return text % 0, text % 1


class Page(NamedTuple):
    """A page of the feed."""

    #: Each with the name of its actor.
    events: list[tuple[Event, str | None]]
    has_more: bool
    #: The sequence after which the next page begins.
    cursor: int
    #: Those of the owner's newest event, and of the newest one that was purged, or 0.
    latest: int
    horizon: int
    #: Whether this feed has given the cursor of `after`. If not, the database was restored
    #: from a backup since.
    was_issued: bool


def page(
    owner_id: int, after: int | None, limit: int, guard: Guard, wanted: Filter = ALL
) -> Page:
    """At most `limit` of the owner's events after this sequence, or none after the newest
    (`after` is None): one statement. With a filter, of the next WINDOW events; there may be
    more even if the page has fewer than `limit`. Raises `GuardFailed`."""
    start = _LAST if after is None else after
    span = [owner_id, start, owner_id, _LAST]
    state = [owner_id, owner_id, owner_id, start, owner_id]
    if wanted == ALL:
        parameters: list[int] = []
        statement = _page(limit + 1, guard.condition)
    else:
        condition, parameters = wanted.condition(owner_id)
        statement = _filtered_page(limit + 1, guard.condition, condition)
        state += span
    rows = fetch(statement, [*state, *guard.parameters, *span, *parameters])
    check_found(guard, rows)
    latest, horizon, known, window_end, *_ = rows[0]
    found = [
        (_columns().instance(row), name)
        for _, _, _, _, *row, name in rows
        if row[0] is not None
    ]
    events, has_more = found[:limit], len(found) > limit
    if has_more:
        cursor = events[-1][0].sequence
    else:
        cursor = window_end or max(latest, after or 0)
    was_issued = known is not None or start in (0, horizon, _LAST)
    return Page(events, cursor < latest, cursor, latest, horizon, was_issued)


def parents(event: Event, task: Task | None) -> set[int]:
    """The tasks whose number of open subtasks the event may have changed. `task` is the
    task of the event as it is now, in the trash or not, if it was not deleted."""
    if "parent_id" in event.changes:
        keys = event.changes["parent_id"]
    elif task and ("completed" in event.changes or event.verb in _IN_OR_OUT):
        keys = [task.parent_id]
    else:
        keys = []
    return {key for key in keys if key is not None}


@cache
def _columns() -> Columns[Event]:
    return Columns(Event)


@cache
def _page(limit: int, guard: str) -> str:
    return _statement(limit, guard, "NULL", '"tasks_event"', _AFTER)


# Not cached: there are few such requests.
def _filtered_page(limit: int, guard: str, condition: str) -> str:
    window = (
        f'(SELECT * FROM "tasks_event" WHERE {_AFTER} '
        f'ORDER BY "owner_id", "sequence" LIMIT {WINDOW}) "tasks_event"'
    )
    return _statement(limit, guard, _WINDOW_END, window, condition)


def _statement(
    limit: int, guard: str, window_end: str, events: str, condition: str
) -> str:
    # A subquery: for a join PostgreSQL, from 14 on, makes room at each execution to remember
    # as many actors as there are, whatever LIMIT says: 0.15 ms for 100,000 users.
    actor = (
        f'(SELECT "username" FROM "{get_user_model()._meta.db_table}" "actor" '
        'WHERE "actor"."id" = "tasks_event"."actor_id")'
    )
    # There is a first row even without events, and all is of the same moment.
    return (
        f'SELECT "state".*, "page".* FROM (SELECT {NEWEST}, {_HORIZON}, {_KNOWN}, {window_end} '
        f'WHERE {guard}) "state" LEFT JOIN (SELECT {_columns().sql}, {actor} AS "username" '
        f"FROM {events} WHERE {condition} "
        f'ORDER BY "tasks_event"."owner_id", "tasks_event"."sequence" LIMIT {limit:d}) '
        '"page" ON 1 = 1'
    )
