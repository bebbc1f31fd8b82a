"""Series of recurring tasks: an open task is one occurrence; completing it makes the next one.

The rules and their dates are in `tasks/recurrence.py`. The completed occurrence keeps its id,
and has that of the next one in `next_occurrence`; reopening it takes the next one back.
`model` is Task, whose module imports this one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from taskproject import timezones
from taskproject.names import casefold_key
from taskproject.problems import Conflict
from tasks import recurrence
from tasks.fields import ATTRIBUTES, FIELDS, Values
from tasks.models import new_values, statements, task_events
from tasks.models.due_dates import Clock, is_overdue
from tasks.models.events import Actor, append
from tasks.models.positions import Ends
from tasks.models.reminders import schedule, zones_of
from tasks.models.tags import label
from tasks.recurrence import Occurrence, Step
from tasks.recurrence_rules import Rule, parse
from tasks.reminder_rules import of_next_occurrence

if TYPE_CHECKING:
    from tasks.models.tasks import Task

# The fields that the next occurrence has values of its own for.
_OF_OCCURRENCE = {
    *("due_date", "due_at", "due_timezone", "reminders", "completed"),
    *recurrence.SERIES,
}
# The attributes that it takes over.
_KEPT = (
    "owner_id",
    *(
        ATTRIBUTES[field.name]
        for field in FIELDS
        if field.writable and field.name not in _OF_OCCURRENCE
    ),
)
_ALONE = (
    "To reopen this one alone, end its series: PATCH "
    '{"completed": false, "recurrence": null}.'
)


def occurrence_of(task: Task) -> tuple[Rule, Occurrence]:
    """The rule and the planned date of a recurring task."""
    planned = recurrence.occurrence(task.occurrence or "")
    assert task.recurrence is not None and planned is not None
    return parse(task.recurrence), planned


def skipped(task: Task) -> Values:
    """The values of the task as the next occurrence, without this one being done. Raises
    `Conflict`."""
    if task.recurrence is None or task.completed:
        why = "It is completed" if task.completed else "It has no recurrence"
        raise Conflict(f"{why}: only an open task that recurs can be skipped.")
    step = recurrence.step(*occurrence_of(task))
    if step is None:
        raise Conflict("It is the last occurrence: complete or delete it.")
    values = step.next.fields()
    return {
        **values,
        **new_values.due(task, "UTC", values),
        "recurrence": str(step.rule),
        "occurrence": str(step.next),
    }


class _Turn(NamedTuple):
    """An occurrence that is completed, with its values, and what follows it."""

    task: Task
    values: Values
    step: Step

    @property
    def key(self) -> int:
        """The id of the next one."""
        key: int = self.values["next_occurrence"]
        return key

    def value(self, name: str) -> Any:
        return self.values.get(name, getattr(self.task, name))


def follow(
    model: type[Task],
    by: Actor,
    now: datetime,
    changes: Collection[tuple[Task, Values]],
) -> None:
    """Makes what follows the occurrences that these changes complete, and takes back what followed
    those that they reopen; adds the ids of the next ones to the changes. Call it before the
    changes are written. Raises `Conflict` if one that has to be taken back was changed, or is
    not known."""
    completed = {task.pk for task, values in changes if values.get("completed")}
    turns = _Turns(model, by, now, completed)
    for task, values in changes:
        if "completed" in values:
            turns.add(task, values)
    turns.make()


class _Turns:
    """The occurrences that one write completes or reopens; `completed` has the ids of all tasks
    that it completes, which are not stored yet."""

    def __init__(
        self, model: type[Task], by: Actor, now: datetime, completed: set[int]
    ) -> None:
        self._model, self._by, self._now = model, by, now
        self._completed = completed
        self._turns: list[_Turn] = []
        self._back: list[tuple[Task, Task]] = []
        self._ends = Ends(now)
        self._zones: dict[int, ZoneInfo] = {}

    def add(self, task: Task, values: Values) -> None:
        rule = values.get("recurrence", task.recurrence)
        if rule is None:
            return
        if values["completed"]:
            # Undoing names the next one, which may still be there.
            key = self._existing(task, values.pop("next_occurrence", None))
            if key is not None:
                values["next_occurrence"] = key
            elif (step := self._step(task, values)) is not None:
                self._turns.append(_Turn(task, values, step))
        elif task.next_occurrence is not None:
            self._take_back(task, task.next_occurrence)
        elif task.external_id is not None and self._step(task, values) is not None:
            # Files do not have the id of the next one, which may be open here.
            raise Conflict(
                f"It was imported as completed, without its next occurrence. {_ALONE}"
            )

    def _existing(self, task: Task, key: int | None) -> int | None:
        """The id, if a task of the same owner has it."""
        if key is None:
            return None
        found = self._model.objects.filter(pk=key, owner_id=task.owner_id)
        return found.values_list("pk", flat=True).first()

    def make(self) -> None:
        if self._turns:
            keys = statements.new_keys(len(self._turns))
            for turn, key in zip(self._turns, keys, strict=True):
                turn.values["next_occurrence"] = key
                self._make(turn)
        for turn in self._turns:
            self._bring_subtasks(turn)
        for task, following in self._back:
            self._remove(task, following)

    def _step(self, task: Task, values: Values) -> Step | None:
        text = values.get("occurrence", task.occurrence)
        planned = recurrence.occurrence(text or "")
        rule = parse(values.get("recurrence", task.recurrence) or "")
        assert planned is not None
        if planned.zone:
            zone = timezones.zone(planned.zone)
        else:
            zone = self._zone(values.get("owner_id", task.owner_id))
        clock = Clock(self._now, zone)
        source = values.get("recurrence_from", task.recurrence_from)
        if source == "completion":
            return recurrence.step_from_completion(rule, planned, clock.today)
        if source == "each_due":
            return recurrence.step(rule, planned)

        def late(one: Occurrence) -> bool:
            day = one.day if one.at is None else None
            return is_overdue(False, day, one.due_at, clock)

        return recurrence.step_from_due(rule, planned, clock.today, late)

    def _zone(self, owner_id: int) -> ZoneInfo:
        """The owner's time zone."""
        if owner_id not in self._zones:
            self._zones |= zones_of([owner_id])
        return self._zones[owner_id]

    def _make(self, turn: _Turn) -> None:
        rule, following = turn.step.rule, turn.step.next
        fields = {name: turn.value(name) for name in _KEPT} | {
            **following.fields(),
            "recurrence": str(rule),
            "recurrence_from": turn.value("recurrence_from"),
            "recurrence_subtasks": turn.value("recurrence_subtasks"),
            "occurrence": str(following),
            "reminders": of_next_occurrence(turn.value("reminders")),
        }
        self._insert(fields, turn.key, turn.step.passed)

    def _bring_subtasks(self, turn: _Turn) -> None:
        """Moves the open subtasks to the next occurrence, and makes the others again, unless they
        are to be done once."""
        subtasks = [*self._model.objects.filter(parent_id=turn.task.pk).live().shown()]
        if not subtasks:
            return
        completed = self._completed | {it.pk for it in subtasks if it.completed}
        self._put_below(turn.key, [it.pk for it in subtasks if it.pk not in completed])
        if turn.value("recurrence_subtasks") == "once":
            return
        # Of the values: the change may have begun the series too.
        planned = recurrence.occurrence(turn.value("occurrence"))
        assert planned is not None
        later = turn.step.next.day - planned.day
        for subtask in subtasks:
            if subtask.pk in completed and subtask.recurrence is None:
                again = {name: getattr(subtask, name) for name in _KEPT}
                again["reminders"] = of_next_occurrence(subtask.reminders)
                again |= _later(subtask, later) | {"parent_id": turn.key}
                self._insert(again, None, [])

    def _insert(self, fields: Values, key: int | None, passed: list[str]) -> None:
        names = [*fields["tags"]]
        known = {casefold_key(name): name for name in names}
        values = {**fields, "id": key}
        task: Task = new_values.new(self._model, self._now, known, values)
        task.position = self._ends.next((task.owner_id, task.list_id))
        statements.insert_all(self._model, [task])
        label([task])
        [event] = task_events.new_events(self._now, [(None, task)])
        if passed:
            event.changes["skipped_occurrences"] = [None, passed]
        append(self._by, [event])
        schedule(self._now, [(None, task)])

    def _take_back(self, task: Task, key: int) -> None:
        found = self._model.objects.filter(pk=key, owner_id=task.owner_id)
        for following in found.shown().select_for_update(of=("self",)):
            copies = self._copies(following)
            if following.version != 1 or any(copy.version != 1 for copy in copies):
                raise Conflict(
                    f"Task {key}, its next occurrence, was changed since. {_ALONE}"
                )
            self._back.append((task, following))

    def _copies(self, following: Task) -> list[Task]:
        """The subtasks that were made with it, in the trash or not."""
        below = self._model.objects.filter(parent_id=following.pk)
        return [*below.filter(created_at=following.created_at)]

    def _remove(self, task: Task, following: Task) -> None:
        copies = [copy.pk for copy in self._copies(following)]
        self._model.objects.filter(pk__in=copies).remove(self._by)
        below = self._model.objects.filter(parent_id=following.pk)
        self._put_below(task.pk, [*below.values_list("pk", flat=True)])
        self._model.objects.filter(pk=following.pk).remove(self._by)

    def _put_below(self, parent: int, keys: list[int]) -> None:
        """Makes the tasks subtasks of this one."""
        if keys:
            self._model.objects.filter(pk__in=keys).write(
                self._by,
                None,
                lambda tasks, now: lambda task: {"parent_id": parent},
                frozen=False,
                at=self._now,
            )


def _later(subtask: Task, delta: timedelta) -> Values:
    """The due date of a subtask, so many days later; none beyond the last day."""
    due = recurrence.planned(subtask.due_date, subtask.due_at, subtask.due_timezone)
    if due is None:
        return {}
    later = due.on(due.day + delta)
    return {} if recurrence.is_over(Rule("DAILY"), later) else later.fields()
