"""Undoing of changes of tasks: ordinary changes back to the values before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from taskproject.problems import Conflict, Invalid, NotFound, Problem
from tasks.fields import Values
from tasks.models.batches import MAX_OPERATIONS, Batch, Operation
from tasks.models.due_dates import read_instant
from tasks.models.events import Event, EventQuerySet, as_json, lock_feeds
from tasks.models.tasks import Task

#: The newest events of an owner, among which those of a request are looked for.
NEWEST = 10_000


def of_event(user_id: int, sequence: int) -> EventQuerySet:
    """The user's own change with this sequence, if there is one."""
    return Event.objects.owned_by(user_id).filter(actor_id=user_id, sequence=sequence)


def of_request(user_id: int, request: str) -> EventQuerySet:
    """The user's own changes by requests of this name, among the newest events."""
    mine = Event.objects.owned_by(user_id)
    newest = mine.order_by("-sequence").values_list("sequence", flat=True)
    first = next(iter(newest[NEWEST : NEWEST + 1]), 0)
    return mine.filter(actor_id=user_id, request=request, sequence__gt=first)


def undo(batch: Batch, events: EventQuerySet) -> list[Task | Problem]:
    """Undoes these events of the owner, and returns their tasks, in one transaction.

    Raises `NotFound` without events of tasks, and `Conflict` where a change cannot be
    undone, or others have changed the same fields since."""
    with lock_feeds([batch.owner_id]):
        of_tasks = events.filter(task_id__isnull=False).order_by("sequence")
        changes: dict[int, list[Event]] = {}
        for event in of_tasks[: 2 * MAX_OPERATIONS + 1]:
            changes.setdefault(event.task_id or 0, []).append(event)
        if not changes:
            raise NotFound("You have made no such change of tasks, or not lately.")
        if len(changes) > MAX_OPERATIONS:
            raise Conflict(
                f"A request undoes changes of {MAX_OPERATIONS} tasks at most."
            )
        tasks = Task.objects.owned_by(batch.owner_id).in_bulk(changes)
        operations = [
            operation
            for key, undone in reversed(changes.items())
            for operation in operations_of(key, tasks.get(key), undone)
        ]
        try:
            return batch.run(operations)
        except Invalid as error:
            raise Conflict(f"It cannot be as it was: {error.detail}") from None


def operations_of(
    key: int, task: Task | None, undone: Sequence[Event]
) -> Iterable[Operation]:
    """The operations that undo these changes of one task. Raises `Conflict` where others have
    changed the same fields since."""
    first, last = undone[0], undone[-1]
    if task is None or last.verb == Event.Verb.DELETED:
        raise Conflict(f"Task {key} was deleted permanently, which cannot be undone.")
    if first.verb == Event.Verb.CREATED:
        if task.deleted_at is None:
            if task.version != last.version:
                events = Event.objects.of_task(key)
                later = events.changed_fields_since(last.version, task.version)
                _check_same(key, later or ())
            yield Operation("delete", key)
        return
    trashed = [
        event.verb == Event.Verb.RESTORED
        for event in undone
        if event.verb in (Event.Verb.TRASHED, Event.Verb.RESTORED)
    ]
    fields = _fields(key, task, undone)
    if (trashed and not trashed[0]) and task.deleted_at is not None:
        yield Operation("restore", key)
    elif task.deleted_at is not None and fields:
        raise Conflict(f"Task {key} is in the trash. Restore it first.")
    if fields:
        yield Operation("update", key, fields=fields)
    if trashed and trashed[0] and task.deleted_at is None:
        yield Operation("delete", key)


def _fields(key: int, task: Task, undone: Sequence[Event]) -> Values:
    """The fields of the task that differ from those before the changes, as they were."""
    old: Values = {}
    new: Values = {}
    for event in undone:
        if event.verb == Event.Verb.RESTORED:
            continue  # Its place was taken.
        for name, (before, after) in event.changes.items():
            old.setdefault(name, before)
            new[name] = after
    now = {name: _shown(task, name) for name in new}
    fields = {name for name in new if old[name] != now[name]}
    _check_same(key, sorted(name for name in fields if now[name] != new[name]))
    return {name: _value(name, old[name]) for name in fields}


def _check_same(key: int, changed: Sequence[str]) -> None:
    if changed:
        names = [name.removesuffix("_id") for name in changed]
        raise Conflict(
            f"Task {key} was changed since, in: {', '.join(names)}.",
            changed=names,
        )


def _shown(task: Task, name: str) -> object:
    """The value of the field as events have it."""
    value = getattr(task, name)
    return Task.Priority(value).label if name == "priority" else as_json(value)


def _value(name: str, stored: object) -> object:
    """The value of the field that an event has."""
    if name == "priority":
        return next(kind.value for kind in Task.Priority if kind.label == stored)
    if isinstance(stored, str) and name == "due_date":
        return date.fromisoformat(stored)
    if isinstance(stored, str) and name == "due_at":
        return read_instant(stored)
    return stored
