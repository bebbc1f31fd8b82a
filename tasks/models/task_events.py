"""The events of tasks, made from the task before and after a change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from tasks.fields import TRACKED
from tasks.models.events import Actor, Changes, Event, NewEvent, append, changes_between
from tasks.models.reminders import schedule

if TYPE_CHECKING:
    from tasks.models.tasks import Task

#: The attributes whose old and new values are in an event.
TRACKED_ATTRIBUTES = (*TRACKED, "owner_id")
# Attributes that no client sets for a new task.
GIVEN_BY_SERVICE = ("owner_id", "position")
#: What the event of a deleted task tells, because nothing else does any more.
LEFT_BY_DELETED = ("list_id", "parent_id")


def record(
    by: Actor, now: datetime, pairs: Iterable[tuple[Task | None, Task | None]]
) -> None:
    """Appends the events of these changes, and schedules the reminders of the tasks. Call it inside
    `lock_feeds`."""
    pairs = list(pairs)
    append(by, new_events(now, pairs))
    schedule(now, pairs)


def new_events(
    now: datetime, pairs: Iterable[tuple[Task | None, Task | None]]
) -> list[NewEvent]:
    """The events of these changes, given as pairs of the task before (None: it is new) and
    after (None: it is deleted). The time of an event is the `updated_at` of the changed
    task; that of a new task, which may be imported, or a deleted one is `now`, but not
    earlier than its last version."""
    events: list[NewEvent] = []
    for before, after in pairs:
        task = after or before
        assert task is not None
        changes = _changes(before, after)
        at = now
        if before:
            at = after.updated_at if after else max(now, before.updated_at)
        event = NewEvent(
            at,
            task.owner_id,
            "task_id",
            task.id,
            task.version if after else task.version + 1,
            _verb(before, after, changes),
            changes,
        )
        events.append(event)
        if before and "owner_id" in changes:
            # A transfer is in the feeds of both owners.
            events.append(event._replace(owner_id=before.owner_id))
    return events


def _changes(before: Task | None, after: Task | None) -> Changes:
    """The same rule as SQL: `_changes` in `single_statement.py`."""
    if after is None:
        return {
            name: [key, None]
            for name in LEFT_BY_DELETED
            if (key := getattr(before, name)) is not None
        }
    names = [
        name for name in TRACKED_ATTRIBUTES if before or name not in GIVEN_BY_SERVICE
    ]
    changes = changes_between(before, after, names)
    if "priority" in changes:
        changes["priority"] = [
            None if value is None else after.Priority(value).label
            for value in changes["priority"]
        ]
    return changes


def _verb(before: Task | None, after: Task | None, changes: Changes) -> Event.Verb:
    """The same rule as SQL: `_verb` in `single_statement.py`."""
    if before is None:
        return Event.Verb.CREATED
    if after is None:
        return Event.Verb.DELETED
    if before.deleted_at != after.deleted_at:
        return Event.Verb.TRASHED if after.deleted_at else Event.Verb.RESTORED
    if "owner_id" in changes:
        return Event.Verb.TRANSFERRED
    if set(changes) - {"next_occurrence"} == {"completed"}:
        return Event.Verb.COMPLETED if after.completed else Event.Verb.REOPENED
    if "position" in changes and set(changes) <= {"position", "list_id"}:
        return Event.Verb.MOVED
    return Event.Verb.EDITED
