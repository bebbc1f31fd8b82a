"""Batches: many changes of one owner's tasks in one transaction.

All rows that the operations need are read first. Then the operations are done in memory, in
order, each on the result of the previous ones; at the end each changed row is written once.
So a batch takes a dozen statements. Writing one row 500 times in a transaction would leave
500 versions of it to the database, and on SQLite keep all other writers waiting.

An operation that completes or reopens a task that recurs changes other rows too. It is done
in the database, as by itself, after what the operations before it changed is written; those
after it begin anew."""

from collections import ChainMap, Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from taskproject.names import casefold_key
from taskproject.problems import Invalid, Problem
from taskproject.sql import NO_GUARD, check_guard
from tasks.fields import TEXTS, Values
from tasks.models import new_values, positions, references, statements, task_events
from tasks.models.events import (
    MOST_COMPARED,
    Actor,
    Changes,
    Event,
    NewEvent,
    append,
    changed_fields,
    database_now,
    lock_feeds,
)
from tasks.models.lists import TaskList
from tasks.models.moves import Order
from tasks.models.operations import OTHERS, Operation, with_ids
from tasks.models.outcomes import Outcome, expected
from tasks.models.positions import Ends, Row
from tasks.models.reminders import schedule
from tasks.models.tags import Tag, created, label, relabel, store
from tasks.models.tasks import Task

MAX_OPERATIONS = 500
#: The verb of the only operation that changes tasks in the trash.
RESTORE = "restore"
#: Most tags that one batch creates: each is a row, a label and an event.
MAX_NEW_TAGS = 5_000
#: Most events that are read to find the changes since stale versions.
MAX_READ = 5_000
# The columns to write if the texts of a task have changed, and in all cases.
_TEXTS = (*TEXTS, *new_values.DERIVED)
_UNCHANGING = ("id", "owner_id", "client_id", "external_id", "created_at")
_FIELDS = tuple(
    field.attname
    for field in Task._meta.concrete_fields
    if field.attname not in (*_TEXTS, *_UNCHANGING)
)


#: Returns the fields that differ between two versions of a task; None if unknown.
Differences = Callable[[int, int], list[str] | None]
#: Returns the task of an outcome, or raises its problem.
Verdict = Callable[[Outcome, Operation, Differences], Task]


class Batch:
    """A batch. `task_or_raise` raises the problem of a task that an operation did not change."""

    def __init__(
        self, by: Actor, owner_id: int, zone: str, task_or_raise: Verdict, atomic: bool
    ) -> None:
        self.by, self.owner_id, self.zone = by, owner_id, zone
        self.task_or_raise, self.atomic = task_or_raise, atomic
        #: The numbers of the creating operations whose tasks existed before.
        self.existing: set[int] = set()

    def run(self, operations: Sequence[Operation]) -> list[Task | Problem]:
        """Does all operations in order. In an atomic batch, the first problem is raised, with the
        number of its operation, and nothing is written."""
        results: list[Task | Problem] = []
        with lock_feeds([self.owner_id]) as now:
            check_guard(self.by.guard)
            while len(results) < len(operations):
                self._run_some(operations, now, results)
                now = database_now() if len(results) < len(operations) else now
        return results

    def _run_some(
        self,
        operations: Sequence[Operation],
        now: datetime,
        results: list[Task | Problem],
    ) -> None:
        """Does the operations after those that have results, to the end, or up to the first that
        follows one that is done in the database."""
        first = len(results)
        left = operations[first:]
        creates = sum(one.verb == "create" for one in left)
        keys = iter(statements.new_keys(creates) if creates else ())
        left = with_ids(self.owner_id, left, keys, first)
        todo = [one for one in left if one.refusal is None]
        changes, written = _Changes(self.owner_id, now, todo), False
        for number, operation in enumerate(left, first):
            turns = changes.turns_series(operation)
            if written and not turns:
                return
            if turns and not written:
                changes.write(self.by)
                written = True
            if operation.verb == "create" and operation.key in changes.tasks:
                self.existing.add(number)
            try:
                done = self._in_database if turns else partial(self._done, changes)
                results.append(done(operation))
            except Problem as problem:
                told = problem
                if isinstance(problem, Invalid) and operation.refusal is None:
                    told = problem.within(f"/operations/{number}/body")
                if self.atomic:
                    told.extensions["operation"] = number
                    raise told from None
                results.append(told)
        if not written:
            changes.write(self.by)

    def _in_database(self, operation: Operation) -> Task:
        """The task after the operation, by the method of a single one. Raises its problem."""
        key, versions = operation.key, operation.versions
        task = Task.one(self.owner_id, key)
        by = self.by._replace(guard=NO_GUARD)
        with transaction.atomic():
            if operation.verb == "update":
                outcome = task.edit(by, versions, self.zone, **operation.fields)
            else:
                outcome = getattr(task, operation.verb)(by, versions)
            told = Event.objects.of_task(key).changed_fields_since
            return self.task_or_raise(outcome, operation, told)

    def _done(self, changes: "_Changes", operation: Operation) -> Task:
        """The task after the operation. Raises its problem."""
        if operation.refusal is not None:
            raise operation.refusal
        key, versions = operation.key, operation.versions
        task = changes.tasks.get(key)
        if operation.verb == "create" and task is None:
            return changes.create(key, operation.fields)
        frozen = task and task.deleted_at and operation.verb != RESTORE
        if task is None or frozen or not expected(task, versions):
            found = Outcome({} if task is None else {key: changes.shown(task)})
            return self.task_or_raise(
                found,
                operation,
                lambda version, current: changes.changed_fields_since(
                    key, version, current
                ),
            )
        if operation.verb == "create":
            return changes.shown(task)
        return changes.change(task, operation, self.zone)


class _Changes:
    """The tasks of a batch in memory, with the changes so far."""

    def __init__(
        self, owner_id: int, now: datetime, operations: Sequence[Operation]
    ) -> None:
        self.owner_id, self.now = owner_id, now
        named = {
            one.key
            for one in operations
            if one.verb != "create" or one.fields.get("client_id")
        }
        others = {key for one in operations for key in _others(one.fields)}
        mine = Task.objects.owned_by(owner_id).filter(pk__in=named | others)
        stored = mine.shown().select_for_update(of=("self",)).order_by("pk")
        #: The tasks before the batch and now, by their ids.
        self._before: dict[int, Task] = {task.pk: task for task in stored}
        self.tasks = dict(self._before)
        self._open = {task.pk: task.open_subtasks for task in self.tasks.values()}
        self._children = Counter(task.parent_id for task in self.tasks.values())
        self._parents = self._with_other_children(others)
        self._lists = self._known_lists(operations)
        self._tags = self._known_tags(operations)
        self._ends = Ends(now)
        self._taken = self._places_of_others(operations)
        moves = any(one.verb == "move" for one in operations)
        self._order = Order(self.tasks) if moves else None
        # The names of new tags by their keys.
        self._new_tags: dict[str, str] = {}
        # The events in order; of a new tag only the key, because it has no id yet.
        self._events: list[NewEvent | str] = []
        self._told: dict[int, dict[int, Changes]] = {}
        self._read_events(operations)

    # Reading

    def _with_other_children(self, others: set[int]) -> set[int]:
        """Those of the tasks that have subtasks other than the known ones. Needed only if a task may
        become a subtask."""
        if not others:
            return set()
        below = Task.objects.filter(parent_id=OuterRef("pk")).exclude(pk__in=self.tasks)
        found = Task.objects.filter(Exists(below), pk__in=self.tasks)
        return set(found.values_list("pk", flat=True))

    def _known_lists(self, operations: Iterable[Operation]) -> set[int]:
        named = {
            one.fields["list_id"]
            for one in operations
            if one.fields.get("list_id") is not None
        }
        if not named:
            return set()
        lists = TaskList.objects.owned_by(self.owner_id).filter(pk__in=named)
        return set(lists.values_list("pk", flat=True))

    def _known_tags(self, operations: Iterable[Operation]) -> dict[str, str]:
        named = {name for one in operations for name in one.fields.get("tags", ())}
        if not named:
            return {}
        tags = Tag.objects.owned_by(self.owner_id).named(named)
        return dict(tags.values_list("key", "name"))

    def _places_of_others(
        self, operations: Iterable[Operation]
    ) -> set[new_values.Place]:
        """The places of tasks to be restored that other live tasks than the known ones have."""
        back = {one.key for one in operations if one.verb == RESTORE}
        tasks = [self.tasks[key] for key in back if key in self.tasks]
        if not tasks:
            return set()
        others = Task.objects.live().exclude(pk__in=self.tasks)
        return positions.taken(others, tasks)

    def _read_events(self, operations: Iterable[Operation]) -> None:
        """Reads the events since the stale versions that operations expect, up to a limit."""
        since: dict[int, int] = {}
        for one in operations:
            for version in one.versions or ():
                since[one.key] = min(version, since.get(one.key, version))
        wanted, left = Q(), MAX_READ
        for key, version in since.items():
            task = self.tasks.get(key)
            behind = task.version - version if task else 0
            if 0 < behind <= min(left, MOST_COMPARED):
                left -= behind
                wanted |= Q(task_id=key, version__gt=version)
        if wanted:
            self._told |= Event.objects.filter(wanted).changes_by_task()

    # Doing

    def turns_series(self, operation: Operation) -> bool:
        """Whether the operation may complete or reopen a task that recurs."""
        task = self.tasks.get(operation.key)
        if task is None or operation.refusal is not None:
            return False
        if operation.verb == "create":
            return False  # It exists, and is not changed.
        series = (task.recurrence, task.next_occurrence)
        if series == (None, None) and not operation.fields.get("recurrence"):
            return False
        completing = operation.verb in ("complete", "reopen", "toggle")
        return completing or "completed" in operation.fields

    def shown(self, task: Task) -> Task:
        """A copy of the task as it is represented now."""
        shown = copy(task)
        shown.open_subtasks = self._open.get(task.pk, 0)
        return shown

    def create(self, key: int, fields: Values) -> Task:
        """Creates the task with this id. Raises `Invalid` for references to rows that are not the owner's."""
        self._check(None, fields)
        tags = self._new_names(fields)
        task: Task = new_values.new(
            Task,
            self.now,
            ChainMap(tags, self._tags),
            {**fields, "owner_id": self.owner_id},
        )
        task.position = task.position or self._end((self.owner_id, task.list_id))
        task.pk = key
        self._make(tags)
        self._note(None, task)
        return self.shown(task)

    def change(self, task: Task, operation: Operation, zone: str) -> Task:
        """The task after the change. Raises the problem of a change that is not possible."""
        values, tags = self._planned(task, operation, zone)
        self._make(tags)
        values = new_values.changes(task, values)
        if values:
            before, task = task, copy(task)
            for name, value in values.items():
                setattr(task, name, value)
            task.version += 1
            task.updated_at = max(self.now, task.updated_at)
            self._note(before, task)
        return self.shown(task)

    def _planned(
        self, task: Task, operation: Operation, zone: str
    ) -> tuple[Values, dict[str, str]]:
        """The new values of the task, and the tags that they create."""
        fields = operation.fields
        match operation.verb:
            case "complete" | "reopen":
                completed = operation.verb == "complete"
                return new_values.completing(task, self.now, completed), {}
            case "toggle":
                return new_values.completing(task, self.now, not task.completed), {}
            case "delete":
                return {"deleted_at": self.now}, {}
            case "restore":
                return new_values.restored(task, self._end, self._taken_place(task)), {}
            case "move" if self._order is not None:
                moment = self._ends.moment()
                list_id, position = self._order.move(task.pk, fields, moment)
                return {"list_id": list_id, "position": position}, {}
        self._check(task, fields)
        tags = self._new_names(fields)
        names = {
            (self.owner_id, key): tags[key] if key in tags else self._tags[key]
            for key in map(casefold_key, fields.get("tags", ()))
        }
        return new_values.edited(task, self.now, names, zone, fields, self._end), tags

    def _taken_place(self, task: Task) -> set[new_values.Place]:
        """The place of the task, if another live task has it."""
        place = _place(task)
        taken = place in self._taken or any(
            # In this order, because most positions differ.
            other.position == task.position
            and other.deleted_at is None
            and _place(other) == place
            for other in self.tasks.values()
        )
        return {place} if taken else set()

    def _check(self, task: Task | None, fields: Values) -> None:
        """Raises `Invalid` for references to missing rows, and for a subtask of a subtask: as
        `references.check`, but in memory."""
        list_id, parent_id = fields.get("list_id"), fields.get("parent_id")
        if list_id is not None and list_id not in self._lists:
            raise Invalid.of(*references.NO_LIST)
        if parent_id is None or (task and parent_id == task.parent_id):
            return  # The old parent may be in the trash.
        parent = self.tasks.get(parent_id)
        if parent is None or parent.deleted_at:
            raise Invalid.of(*references.NO_PARENT)
        if parent.parent_id is not None:
            raise Invalid.of(*references.NO_TOP)
        if task and parent_id == task.pk:
            raise Invalid.of(*references.ITSELF)
        if task and (task.pk in self._parents or self._children[task.pk]):
            raise Invalid.of(*references.HAS_SUBTASKS)

    def _new_names(self, fields: Values) -> dict[str, str]:
        """The names of tags to create, by their keys. Raises `Invalid` if they are more than a batch
        may create."""
        new: dict[str, str] = {}
        for name in fields.get("tags", ()):
            key = casefold_key(name)
            if key not in self._tags and key not in new:
                new[key] = name
        if new and len(self._new_tags) + len(new) > MAX_NEW_TAGS:
            most = f"{MAX_NEW_TAGS:,}"
            detail = f"A batch makes at most {most} new tags. Send the rest in another."
            raise Invalid.of("tags", detail, "too_many", max=MAX_NEW_TAGS)
        return new

    def _make(self, tags: Mapping[str, str]) -> None:
        self._tags |= tags
        self._new_tags |= tags
        self._events += tags

    def _end(self, row: Row) -> str:
        """The next position at the end of a list."""
        if self._order is not None:
            self._order.know(row, self._ends.last(row))
        return self._ends.next(row)

    def _note(self, before: Task | None, after: Task) -> None:
        """Records a change and its event."""
        key = after.pk
        self.tasks[key] = after
        [event] = task_events.new_events(self.now, [(before, after)])
        self._events.append(event)
        self._told.setdefault(key, {})[after.version] = event.changes
        for task, more in ((before, -1), (after, 1)):
            if task is not None and task.parent_id is not None:
                self._children[task.parent_id] += more
                if not task.completed and task.deleted_at is None:
                    was = self._open.get(task.parent_id, 0)
                    self._open[task.parent_id] = was + more
        if after.deleted_at is None:
            self._ends.note((self.owner_id, after.list_id), after.position)
        if self._order is not None:
            there = after.deleted_at is None
            place = (self.owner_id, after.list_id, after.position) if there else None
            self._order.put(key, place)

    def changed_fields_since(
        self, key: int, version: int, current: int
    ) -> list[str] | None:
        return changed_fields(self._told.get(key, {}), version, current)

    # Writing

    def write(self, by: Actor) -> None:
        """Stores all changes."""
        ids = store(self.owner_id, self.now, self._new_tags)
        new = [task for key, task in self.tasks.items() if key not in self._before]
        if new:
            statements.insert_all(Task, new)
        pairs = [
            (self._before[key], task)
            for key, task in self.tasks.items()
            if key in self._before and task is not self._before[key]
        ]
        rewritten, others = list[Task](), list[Task]()
        for before, task in pairs:
            texts = any(getattr(before, it) != getattr(task, it) for it in TEXTS)
            (rewritten if texts else others).append(task)
        statements.overwrite(Task, (*_TEXTS, *_FIELDS), rewritten)
        statements.overwrite(Task, _FIELDS, others)
        label(new)
        relabel(pairs)
        schedule(self.now, [*((None, task) for task in new), *pairs])
        append(
            by,
            [
                created(self.now, self.owner_id, ids[one], self._new_tags[one])
                if isinstance(one, str)
                else one
                for one in self._events
            ],
        )


def _place(task: Task) -> new_values.Place:
    return task.owner_id, task.list_id, task.position


def _others(fields: Values) -> list[int]:
    """The ids of the other tasks in the fields of an operation."""
    return [fields[name] for name in OTHERS if fields.get(name) is not None]
