"""Undoing of changes of tasks, lists and tags: ordinary changes back to the values before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from taskproject.models import Job
from taskproject.problems import Conflict, Invalid, NotFound, Problem
from tasks.fields import Values
from tasks.models.batches import MAX_OPERATIONS, Batch
from tasks.models.due_dates import read_instant
from tasks.models.events import Event, EventQuerySet, as_json, lock_feeds
from tasks.models.lists import TaskList
from tasks.models.operations import Operation
from tasks.models.tags import Tag
from tasks.models.tasks import Task

#: The newest events of an owner, among which those of a request are looked for.
NEWEST = 10_000
#: Most changes that one request undoes, of tasks, of lists and of tags.
MAX_EVENTS = 2 * MAX_OPERATIONS
#: Most tasks of a tag that is renamed back; with more, renaming it takes a job.
MAX_OF_TAG = 1_000


class Undone(NamedTuple):
    """The rows after it. A list of which the creation was undone is not among them."""

    tasks: list[Task | Problem]
    lists: list[TaskList]
    tags: list[Tag]


def of_event(user_id: int, sequence: int) -> EventQuerySet:
    """The user's own change with this sequence, if there is one."""
    return Event.objects.owned_by(user_id).filter(actor_id=user_id, sequence=sequence)


def of_request(user_id: int, request: str) -> EventQuerySet:
    """The user's own changes by requests of this name, among the newest events."""
    mine = Event.objects.owned_by(user_id)
    newest = mine.order_by("-sequence").values_list("sequence", flat=True)
    first = next(iter(newest[NEWEST : NEWEST + 1]), 0)
    return mine.filter(actor_id=user_id, request=request, sequence__gt=first)


def undo(batch: Batch, events: EventQuerySet) -> Undone:
    """Undoes these events of the owner in one transaction.

    Raises `NotFound` without events, and `Conflict` where a change cannot be undone, or
    others have changed the same fields since."""
    with lock_feeds([batch.owner_id]):
        # Lists and tags first: a tag gets its name back in its tasks too.
        lists = _rows(batch, TaskList, _by_row(events, "list_id"))
        named = events.exclude(tag_id__isnull=False, verb=Event.Verb.CREATED)
        tags = _rows(batch, Tag, _by_row(named, "tag_id"))
        changes = _by_row(events, "task_id")
        if not (lists or tags or changes):
            if events.exists():
                raise Conflict("A tag that was created is kept. Delete it instead.")
            raise NotFound(
                "You have made no such change lately: GET /api/changes lists them."
            )
        tasks = Task.objects.owned_by(batch.owner_id).in_bulk(changes)
        # Reopening a task that recurs removes the next one, with the subtasks made for it.
        following = {
            task.next_occurrence
            for key, task in tasks.items()
            if changes[key][0].verb != Event.Verb.CREATED
        } - {None}
        made = {*following}
        made |= {task.pk for task in tasks.values() if task.parent_id in following}
        operations = [
            operation
            for key, undone in reversed(changes.items())
            if not (key in made and undone[0].verb == Event.Verb.CREATED)
            for operation in operations_of(key, tasks.get(key), undone)
        ]
        try:
            done = batch.run(operations) if operations else []
        except Invalid as error:
            raise Conflict(f"It cannot be as it was: {error.detail}") from None
    return Undone(done, *([row for row in rows if row.pk] for rows in (lists, tags)))


def _by_row(events: EventQuerySet, column: str) -> dict[int, list[Event]]:
    """The events in order, by the ids of their rows in this column."""
    found: dict[int, list[Event]] = {}
    about = events.filter(**{f"{column}__isnull": False}).order_by("sequence")
    read = list(about[: MAX_EVENTS + 1])
    for event in read:
        found.setdefault(getattr(event, column), []).append(event)
    if len(found) > MAX_OPERATIONS or len(read) > MAX_EVENTS:
        kind = column.removesuffix("_id")
        raise Conflict(
            f"A request undoes {MAX_EVENTS:,} changes of {MAX_OPERATIONS} {kind}s at most."
        )
    return found


def _rows(batch: Batch, model: Any, changes: dict[int, list[Event]]) -> list[Any]:
    """The owner's lists or tags after these changes of them are undone."""
    mine = model.objects.owned_by(batch.owner_id).select_for_update()
    rows = mine.in_bulk(changes)
    for key, undone in reversed(changes.items()):
        kind = model._meta.verbose_name
        subject, row = f"{kind.capitalize()} {key}", rows.get(key)
        if row is None or undone[-1].verb == Event.Verb.DELETED:
            raise Conflict(
                f"{subject} was deleted permanently, which cannot be undone."
            )
        if undone[0].verb == Event.Verb.CREATED:
            _remove_unused(batch, row, subject, undone[-1])
            continue
        now = {name: getattr(row, name) for event in undone for name in event.changes}
        fields = _back(subject, now, undone)
        if isinstance(row, TaskList):
            row.edit(batch.by, **fields)
        elif fields:
            _check_few(row, subject)
            row.rename(batch.by, str(fields["name"]))
    return [*rows.values()]


def _remove_unused(batch: Batch, row: TaskList, subject: str, last: Event) -> None:
    """Deletes a list that nobody has changed or used since. Raises `Conflict`."""
    if row.version != last.version:
        events = Event.objects.filter(list_id=row.pk)
        later = events.changed_fields_since(last.version, row.version)
        _check_same(subject, later or ["version"])
    if row.tasks.exists():
        raise Conflict(f"{subject} has tasks. Delete it, with or without them.")
    row.remove(batch.by)


def _check_few(tag: Tag, subject: str) -> None:
    """Raises `Conflict` for a tag that only a job can rename."""
    if tag.tasks.count() > MAX_OF_TAG or Job.objects.about("tag", tag.pk):
        raise Conflict(f"{subject} has thousands of tasks. Rename it instead.")


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
                _check_same(f"Task {key}", later or ())
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
    # The place of a task that was restored had been taken.
    undone = [event for event in undone if event.verb != Event.Verb.RESTORED]
    now = {name: _shown(task, name) for event in undone for name in event.changes}
    fields = _back(f"Task {key}", now, undone)
    return {name: _value(name, old) for name, old in fields.items()}


def _back(subject: str, now: Values, undone: Sequence[Event]) -> Values:
    """Those of the fields whose values differ from the ones before the changes, with these.
    Raises `Conflict` where they differ from the ones after the changes too."""
    old: Values = {}
    new: Values = {}
    for event in undone:
        for name, (before, after) in event.changes.items():
            old.setdefault(name, before)
            new[name] = after
    fields = {name: old[name] for name in new if old[name] != now[name]}
    _check_same(subject, sorted(name for name in fields if now[name] != new[name]))
    return fields


def _check_same(subject: str, changed: Sequence[str]) -> None:
    if changed:
        names = [name.removesuffix("_id") for name in changed]
        raise Conflict(
            f"{subject} was changed since, in: {', '.join(names)}.",
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
