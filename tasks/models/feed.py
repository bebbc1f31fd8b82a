"""Reading of the feed: the events of one owner in the order of their commits."""

from functools import cache
from typing import NamedTuple

from django.contrib.auth import get_user_model

from taskproject.sql import Columns, Guard, check_found, fetch
from tasks.models.events import Event
from tasks.models.tasks import Task

# The owner's newest event: see `listing._STATE`.
_LATEST = """COALESCE((SELECT "sequence" FROM "tasks_event" WHERE "owner_id" BETWEEN %s AND %s
    ORDER BY "owner_id" DESC, "sequence" DESC LIMIT 1), 0)"""
_HORIZON = """COALESCE((SELECT "sequence" FROM "tasks_feedhorizon"
    WHERE "owner_id" = %s), 0)"""
# A range of one index in its order, which PostgreSQL takes for large without statistics,
# and does not read to its end to sort it.
_AFTER = """("tasks_event"."owner_id", "tasks_event"."sequence") > (%s, %s)
    AND ("tasks_event"."owner_id", "tasks_event"."sequence") <= (%s, %s)"""
_LAST = 2**63 - 1
_IN_OR_OUT = {Event.Verb.TRASHED, Event.Verb.RESTORED}


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


def page(owner_id: int, after: int | None, limit: int, guard: Guard) -> Page:
    """At most `limit` of the owner's events after this sequence, or none after the newest
    (`after` is None): one statement. Raises `GuardFailed`."""
    start = _LAST if after is None else after
    rows = fetch(
        _page(limit + 1, guard.condition),
        [
            *(owner_id, owner_id, owner_id, *guard.parameters),
            *(owner_id, start, owner_id, _LAST),
        ],
    )
    check_found(guard, rows)
    latest, horizon, *_ = rows[0]
    found = [
        (_columns().instance(row), name)
        for _, _, *row, name in rows
        if row[0] is not None
    ]
    events, has_more = found[:limit], len(found) > limit
    cursor = events[-1][0].sequence if has_more else max(latest, after or 0)
    return Page(events, has_more, cursor, latest, horizon)


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
    users = get_user_model()._meta.db_table
    # There is a first row even without events, and all is of the same moment.
    return (
        f'SELECT "state".*, "page".* FROM (SELECT {_LATEST}, {_HORIZON} WHERE {guard}) '
        f'"state" LEFT JOIN (SELECT {_columns().sql}, "actor"."username" '
        f'FROM "tasks_event" LEFT JOIN "{users}" "actor" '
        f'ON "actor"."id" = "tasks_event"."actor_id" WHERE {_AFTER} '
        f'ORDER BY "tasks_event"."owner_id", "tasks_event"."sequence" LIMIT {limit:d}) '
        '"page" ON 1 = 1'
    )
