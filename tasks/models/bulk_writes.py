"""A portion of a bulk change: its writes, and their undoing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from taskproject.models import Job
from taskproject.names import casefold_key
from taskproject.problems import Conflict, Invalid, NotFound, Problem
from tasks.fields import Values
from tasks.limits import MAX_TAGS
from tasks.models import new_values, references
from tasks.models.batches import Batch
from tasks.models.events import Event, lock_feeds
from tasks.models.operations import Operation
from tasks.models.outcomes import Outcome
from tasks.models.positions import Ends
from tasks.models.task_queryset import Plan
from tasks.models.tasks import Task
from tasks.models.undo import operations_of

if TYPE_CHECKING:
    from tasks.models.bulk import BulkChange

GONE = "It does not exist any more."
IN_TRASH = "It is in the trash."
# The reasons of tasks that exist and were not found: by verbs, and of others.
OTHERS = "It belongs to another user now."
NOT_FOUND = {
    "assign": "It is a subtask or has subtasks, which would be separated: assign it on "
    "its page.",
    "place": OTHERS,
}
MEANWHILE = "It was assigned to another user at this moment; try again."
NO_USER = "The user does not exist any more."
SAME_ID = "The user has a task with the same external_id."
SAME_ID_BEFORE = (
    "Its earlier owner has a task with the same client_id or external_id by now."
)
TOO_MANY_TAGS = f"It would have more than {MAX_TAGS} tags."


def do(change: BulkChange, keys: list[int]) -> dict[str, object]:
    """Changes the tasks; what is stored of it."""
    after = Event.objects.last_sequence()
    refused: dict[int, str] = {}
    outcome = Outcome()

    def write(some: list[int]) -> Outcome:
        return _written(change, some, refused)

    same_id = SAME_ID if change.verb == "assign" else None
    try:
        outcome = _halved(keys, write, refused, same_id)
    except NotFound as refusal:
        # The user was deleted meanwhile: of every task the same.
        refused = dict.fromkeys(keys, _reason(refusal))
    for key in keys:
        task = outcome.found.get(key)
        if task and task.deleted_at and change.kind.frozen and change.verb != "trash":
            refused[key] = IN_TRASH
    absent = [key for key in keys if key not in outcome.found and key not in refused]
    if absent:
        there = set(Task.objects.filter(pk__in=absent).values_list("pk", flat=True))
        why = NOT_FOUND.get(change.verb, MEANWHILE)
        refused |= {key: why if key in there else GONE for key in absent}
    changed = outcome.changed.values()
    done = {
        "after": after,
        "changed": {task.pk: task.version for task in changed},
        "refused": refused,
    }
    if change.verb == "assign":
        # Of the old owner, and in no event.
        found = (outcome.found[task.pk] for task in changed)
        done["client_ids"] = {
            task.pk: str(task.client_id) for task in found if task.client_id
        }
    return done


def _halved(
    keys: list[int],
    write: Callable[[list[int]], Outcome],
    refused: dict[int, str],
    same_id: str | None,
) -> Outcome:
    """Writes the tasks in one go. Where that is refused, each half by itself, so that the tasks
    at fault do not keep the others from it. `same_id` is the reason where the database refuses
    it; without, that is an error."""
    try:
        with transaction.atomic():
            return write(keys)
    except (Conflict, Invalid, IntegrityError) as fault:
        told = _reason(fault) if isinstance(fault, Problem) else same_id
        if told is None:
            raise
        if len(keys) == 1:
            refused[keys[0]] = told
            return Outcome()
    outcome, middle = Outcome(), len(keys) // 2
    for half in (keys[:middle], keys[middle:]):
        one = _halved(half, write, refused, same_id)
        outcome.found |= one.found
        outcome.changed |= one.changed
    return outcome


def _written(change: BulkChange, keys: list[int], refused: dict[int, str]) -> Outcome:
    by, tasks = change.by(), Task.objects.filter(pk__in=keys)
    match change.verb:
        case "complete":
            return tasks.complete(by)
        case "reopen":
            return tasks.reopen(by)
        case "take_out":
            return tasks.edit(by, list_id=None)
        case "trash":
            return tasks.trash(by)
        case "restore":
            return tasks.restore(by)
        case "remove":
            return tasks.remove(by)
        case "add_tags" | "remove_tags":
            return tasks.write(by, None, _tagging(change, refused))
        case "assign":
            below = Task.objects.filter(parent_id=OuterRef("pk"))
            alone = tasks.filter(~Exists(below), parent__isnull=True)
            fields = change.fields()
            # Called when the feeds are locked, as they are while a user is deleted.
            there = cache(lambda: _check_user(fields["owner_id"]))
            return alone.edit(by, check=lambda _: there(), **fields)
        case "place":
            # A list of one owner.
            return tasks.filter(owner_id=change.values["owner"]).edit(
                by, **change.fields()
            )
    return tasks.edit(by, **change.fields())


def _tagging(
    change: BulkChange, refused: dict[int, str]
) -> Callable[[Iterable[Task], datetime], Plan]:
    """For `TaskQuerySet.write`: adds or removes the tags."""
    given = {casefold_key(name): name for name in change.values["tags"]}

    def after(task: Task) -> list[str]:
        if change.verb == "remove_tags":
            kept: list[str] = [
                name for name in task.tags if casefold_key(name) not in given
            ]
            return kept
        has = set(map(casefold_key, task.tags))
        return [*task.tags, *(name for key, name in given.items() if key not in has)]

    def planned(tasks: Iterable[Task], now: datetime) -> Plan:
        names = {task.pk: after(task) for task in tasks}
        for key, some in names.items():
            if change.verb == "add_tags" and len(some) > MAX_TAGS:
                refused[key] = TOO_MANY_TAGS
        edits = [
            (task, {"tags": names[task.pk]})
            for task in tasks
            if task.pk not in refused and names[task.pk] != task.tags
        ]
        known = references.resolve(Task.objects.all(), change.by(), now, edits)
        tags = {
            task.pk: [known[task.owner_id, casefold_key(name)] for name in some["tags"]]
            for task, some in edits
        }
        return lambda task: {"tags": tags.get(task.pk, task.tags)}

    return planned


def undo(change: BulkChange, done: Mapping[str, Any]) -> dict[str, object]:
    """Undoes what `do` has stored, except of tasks that others have changed since in
    the same fields; what is stored of it."""
    versions = {int(key): version for key, version in done["changed"].items()}
    refused: dict[int, str] = {}
    events = Event.objects.after(done["after"]).changes_only()
    events = events.filter(task_id__in=versions)
    own = {
        event.task_id: event
        for event in events
        if event.version == versions[event.task_id or 0]
    }
    owners = {event.owner_id for event in events}
    with lock_feeds(owners):
        everybodys = Task.objects.in_bulk(versions)
        tasks = {key: it for key, it in everybodys.items() if it.owner_id in owners}
        todo: dict[int, list[Operation]] = {}
        for key in versions:
            if key not in own or (key in everybodys and key not in tasks):
                refused[key] = OTHERS if key in own else "Its history was purged."
                continue
            task = tasks.get(key)
            moved = task is not None and task.owner_id != own[key].owner_id
            if moved and change.verb != "assign":
                refused[key] = OTHERS
                continue
            try:
                operations = [*operations_of(key, task, [own[key]])]
            except Conflict as conflict:
                told = conflict.detail.removeprefix(f"Task {key} ")
                refused[key] = told[:1].upper() + told[1:]
                continue
            if task and operations:
                todo.setdefault(task.owner_id, []).extend(operations)
        for owner_id, some in todo.items():
            if change.verb == "assign":
                refused |= _give_back(change, some, done["client_ids"])
                continue
            batch = Batch(change.by(), owner_id, "UTC", _unchanged, atomic=False)
            for operation, result in zip(some, batch.run(some), strict=True):
                if isinstance(result, Problem):
                    refused[operation.key] = _reason(result)
    return {"count": len(versions) - len(refused), "refused": refused}


def _give_back(
    change: BulkChange, operations: list[Operation], client_ids: Mapping[str, str]
) -> dict[int, str]:
    """Assigns the tasks of an owner to their earlier owners; the reasons of those that stay."""
    refused: dict[int, str] = {}
    fields: dict[int, Values] = {}
    owners: dict[int, list[int]] = {}
    for operation in operations:
        key = operation.key
        fields[key] = dict(operation.fields)
        if client_id := client_ids.get(str(key)):
            fields[key]["client_id"] = UUID(client_id)
        owners.setdefault(fields[key]["owner_id"], []).append(key)

    def planned(tasks: Iterable[Task], now: datetime) -> Plan:
        _check_user(fields[next(iter(tasks)).pk]["owner_id"])
        edits, ends = [(task, fields[task.pk]) for task in tasks], Ends(now)
        tags = references.resolve(Task.objects.all(), change.by(), now, edits)
        return lambda task: new_values.edited(
            task, now, tags, "UTC", fields[task.pk], ends.next
        )

    for owner_id, keys in owners.items():

        def write(some: list[int], owner_id: int = owner_id) -> Outcome:
            tasks = Task.objects.filter(pk__in=some)
            return tasks.write(change.by(), None, planned, new_owner=owner_id)

        try:
            _halved(keys, write, refused, SAME_ID_BEFORE)
        except NotFound as refusal:
            refused |= dict.fromkeys(keys, _reason(refusal))
    return refused


def _check_user(key: int) -> None:
    """Raises `NotFound` unless there is a user with this id, who is not being deleted."""
    users = get_user_model().objects.filter(pk=key)
    if not users.exists() or Job.objects.about("user", key):
        raise NotFound(NO_USER)


def _unchanged(outcome: Outcome, operation: Operation, differences: object) -> Task:
    """The verdict on a task that an operation did not change."""
    if operation.key in outcome.found:
        raise Conflict(IN_TRASH)
    raise NotFound(GONE)


def _reason(problem: Problem) -> str:
    told = [error["detail"] for error in problem.errors or ()]
    return " ".join(told) or problem.detail
