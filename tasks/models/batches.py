"""Batches: many changes of one owner's tasks in one transaction, set by set."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction

from taskproject.problems import Invalid, Problem
from tasks.models import moves, plans, references
from tasks.models.events import Actor, feed_of
from tasks.models.outcomes import Outcome, expected
from tasks.models.tasks import Task, TaskQuerySet

MOST_OPERATIONS = 500
VERBS: dict[str, Callable[..., Outcome]] = {
    "update": TaskQuerySet.edit_each,
    "delete": TaskQuerySet.trash,
    "complete": TaskQuerySet.complete,
    "reopen": TaskQuerySet.reopen,
    "toggle": TaskQuerySet.toggle,
    "move": TaskQuerySet.move_each,
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One change: a verb, the task it is about (not of `create`), the versions that it
    may be made to, and its fields. Or the problem that its input already is."""

    verb: str
    key: int = 0
    versions: set[int] | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    refusal: Problem | None = None


#: What an outcome means for one task: the task, or its problem, raised.
Verdict = Callable[[Outcome, int, set[int] | None], Task]


class Batch:
    """The run of a batch: what came of each operation, in `results`.

    Neighbours of one verb that are about different tasks are done as a set. Where the
    verb refuses one of them, those that it would refuse whatever the others do are put
    aside; else it is found by halving the set, each time from a savepoint.
    """

    def __init__(
        self, by: Actor, owner_id: int, zone: str, verdict: Verdict, atomic: bool
    ) -> None:
        self.by, self.owner_id, self.zone = by, owner_id, zone
        self.verdict, self.atomic = verdict, atomic
        self.results: list[Task | Problem] = []

    def run(self, operations: Sequence[Operation]) -> list[Task | Problem]:
        """Does all of them in order. In an atomic batch the first problem is raised, with
        the number of its operation, and nothing has changed."""
        with feed_of([self.owner_id]):
            for together in _sets(operations):
                self._try(together)
        return self.results

    def _try(self, operations: Sequence[Operation]) -> None:
        several = len(operations) > 1
        done: list[Task | Problem]
        try:
            # A single one that fails ends an atomic batch: there is nothing to go back to.
            with transaction.atomic(savepoint=several or not self.atomic):
                done = self._do(operations)
        except Problem as problem:
            if several:
                for part in self._parted(operations):
                    self._try(part)
                return
            done = [problem]
        for operation, result in zip(operations, done, strict=True):
            number = len(self.results)
            if isinstance(result, Invalid) and result is not operation.refusal:
                result = result.within(_body(number))
            if self.atomic and isinstance(result, Problem):
                result.extensions["operation"] = number
                raise result
            self.results.append(result)

    def _parted(self, operations: Sequence[Operation]) -> list[Sequence[Operation]]:
        """A set that the verb refused, without those that are at fault by themselves, or
        its two halves."""
        first = next(one for one in operations if one.refusal is None)
        judged = first.verb in ("create", "update", "move")
        faults = self._faults(first.verb, operations) if judged else {}
        if not faults:
            half = len(operations) // 2
            return [operations[:half], operations[half:]]
        start = len(self.results)
        return [
            [
                replace(one, refusal=faults[number].within(_body(start + number)))
                if number in faults
                else one
                for number, one in enumerate(operations)
            ]
        ]

    def _faults(self, verb: str, operations: Sequence[Operation]) -> dict[int, Invalid]:
        """What creating, updating or moving would refuse of each, by its place in the
        set; not what there is no room for."""
        keys = [operation.key for operation in operations]
        mine = Task.objects.owned_by(self.owner_id).live()
        tasks = {task.pk: task for task in mine.filter(pk__in=keys)}
        found: dict[int, Invalid] = {}
        edits: list[tuple[Task | None, dict[str, Any]]] = []
        for number, one in enumerate(operations):
            task = tasks.get(one.key)
            untouched = one.verb != "create" and not (
                task and expected(task, one.versions)
            )
            if one.refusal or untouched:
                edits.append((None, {}))
                continue
            edits.append((task, one.fields))
            # (A parent is judged first, and maybe by what comes of the others.)
            if task and one.fields.get("parent_id") is None:
                try:
                    plans.due(task, self.zone, one.fields)
                except Invalid as problem:
                    found[number] = problem
        if verb == "move":
            return moves.faults(mine, edits)
        return found | references.faults(Task.objects, self.owner_id, edits)

    def _do(self, operations: Sequence[Operation]) -> list[Task | Problem]:
        """What came of each: a task that the verb left alone is the problem of its
        operation only. Raises where the verb refused one of them."""
        todo = [one for one in operations if one.refusal is None]
        done = iter(self._done(todo) if todo else ())
        return [one.refusal or next(done) for one in operations]

    def _done(self, operations: Sequence[Operation]) -> list[Task | Problem]:
        first = operations[0]
        if first.verb == "create":
            rows = [operation.fields for operation in operations]
            return [*Task.objects.add_all(self.by, self.owner_id, rows)]
        keys = [operation.key for operation in operations]
        versions = {
            operation.key: operation.versions
            for operation in operations
            if operation.versions is not None
        }
        options: dict[str, Any] = {}
        if first.verb == "update":
            options["fields"] = {one.key: one.fields for one in operations}
            options["zone"] = self.zone
        elif first.verb == "move":
            options["places"] = {one.key: one.fields for one in operations}
        tasks = Task.objects.owned_by(self.owner_id).filter(pk__in=keys)
        outcome = VERBS[first.verb](tasks, self.by, versions, **options)
        _count_subtasks(outcome, keys)
        return [self._judged(outcome, operation) for operation in operations]

    def _judged(self, outcome: Outcome, operation: Operation) -> Task | Problem:
        try:
            return self.verdict(outcome, operation.key, operation.versions)
        except Problem as problem:
            return problem


def _body(number: int) -> str:
    """The JSON pointer to the body of an operation."""
    return f"/operations/{number}/body"


def _count_subtasks(outcome: Outcome, keys: Sequence[int]) -> None:
    """How many open subtasks each of the tasks had at its turn. The statement that
    changed them all at once saw none of its own changes."""
    more: dict[int | None, int] = {}
    for key in keys:
        if key not in outcome.found:
            continue
        before = outcome.found[key]
        after = outcome.changed.get(key, before)
        after.open_subtasks = before.open_subtasks + more.get(key, 0)
        for task, change in ((before, -1), (after, 1)):
            if not task.completed and task.deleted_at is None:
                more[task.parent_id] = more.get(task.parent_id, 0) + change


def _sets(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Neighbours of one verb that are about different tasks. What is refused already goes
    with any."""
    together: list[Operation] = []
    keys: set[int] = set()
    verb = None
    for operation in operations:
        if operation.refusal is None:
            again = operation.verb != "create" and operation.key in keys
            if verb is not None and (again or operation.verb != verb):
                yield together
                together, keys = [], set()
            verb = operation.verb
            keys.add(operation.key)
        together.append(operation)
    if together:
        yield together
