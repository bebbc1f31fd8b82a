"""Tasks, and everything that can be done with them.

A write is one transaction: it takes its owner's place in the feed, reads the rows it
touches under a lock, changes them with ``UPDATE ... RETURNING`` (one statement for all
that change alike), and appends one event per changed task. A write of one task may do so
in one statement: where somebody changes the task meanwhile, nothing is written, and the
write takes its turn as above. Nothing else alters a task that it read without a lock.
"""

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models.expressions import RawSQL
from django.utils import timezone

from taskproject import timezones
from taskproject.sql import batched, check_guard
from tasks.limits import (
    DESCRIPTION_LENGTH,
    EXTERNAL_ID_LENGTH,
    LOCATION_LENGTH,
    POSITION_LENGTH,
    TIMEZONE_LENGTH,
    TITLE_LENGTH,
)
from tasks.models import (
    constraints,
    plans,
    positions,
    references,
    single_statement,
    statements,
    task_events,
)
from tasks.models.assignments import NOW, OPPOSITE, assignments
from tasks.models.bytewise import BytewiseField
from tasks.models.due_dates import NEVER
from tasks.models.events import Actor, lock_feeds
from tasks.models.lists import TaskList
from tasks.models.moves import moved
from tasks.models.outcomes import Outcome, Versions, expected
from tasks.models.positions import Ends
from tasks.models.statements import OPEN_SUBTASKS, UNREAD
from tasks.models.tags import Tag, label, relabel
from tasks.models.words import MATCH_KEY_LENGTH, SORT_KEY_LENGTH

#: Computes a task's new values; those that are equal to the old ones do not count.
Plan = Callable[["Task"], dict[str, Any]]


class TaskQuerySet(models.QuerySet["Task"]):
    # Set by `owned_by` and `one`: the one owner, and the one task's key.
    _owner_id: int | None = None
    _key: int | None = None

    def _clone(self) -> Self:
        assert self._key is None, "The set of `one` is for its methods alone."
        clone: Self = super()._clone()  # type: ignore[misc]  # not in the stubs
        clone._owner_id = self._owner_id
        return clone

    # Filters

    def owned_by(self, user_id: int) -> Self:
        owned = self.filter(owner_id=user_id)
        owned._owner_id = user_id
        return owned

    @classmethod
    def one(cls, user_id: int, key: int) -> Self:
        """The owner's task of this key, in the trash or not, for a verb to change."""
        found = cls(Task, query=statements.empty_query(Task))
        found._owner_id, found._key = user_id, key
        return found

    def live(self) -> Self:
        """Not in the trash."""
        return self.filter(deleted_at__isnull=True)

    def trashed(self) -> Self:
        return self.filter(deleted_at__isnull=False)

    def open(self) -> Self:
        return self.filter(completed=False)

    def completed(self) -> Self:
        return self.filter(completed=True)

    def newest_first(self) -> Self:
        """By id, not by clock: an id never repeats and never goes back."""
        return self.order_by("-id")

    def shown(self) -> Self:
        """With all that is shown of a task, without the columns that only the database needs."""
        counted = RawSQL(OPEN_SUBTASKS, [], models.IntegerField())
        return self.defer(*UNREAD).annotate(open_subtasks=counted)

    # Changes: each method changes every task in the set that is not yet as asked for, and leaves
    # one event for each. With `versions`, only tasks at one of these versions change.

    def add(self, by: Actor, *, owner_id: int, **fields: object) -> "Task":
        """Stores a new task and returns it: see `add_all`."""
        if single_statement.can_add(fields):
            now = timezones.now()  # A placeholder: the database's time replaces it.
            task: Task = plans.new(Task, now, {}, {**fields, "owner_id": owner_id})
            [event] = task_events.new_events(now, [(None, task)])
            if single_statement.add(Task, by, now, task, event):
                return task
        return self.add_all(by, owner_id, [fields])[0]

    def add_all(
        self,
        by: Actor,
        owner_id: int,
        rows: Sequence[Mapping[str, Any]],
        *,
        trusted: bool = False,
    ) -> list["Task"]:
        """Stores new tasks, one for each row of fields, and returns them in that order.

        `title` must be given; the others have their defaults. `tags` are names, made
        where they are new. Raises `Invalid` where a list or a parent is not the owner's,
        unless they are `trusted` to be.
        """
        with lock_feeds([owner_id]) as now:
            check_guard(by.guard)
            if not trusted:
                references.check(Task.objects.all(), rows, {owner_id})
            names = [name for row in rows for name in row.get("tags", ())]
            tags = Tag.objects.obtain(by, now, owner_id, names) if names else []
            known = {tag.key: tag.name for tag in tags}
            tasks = [
                plans.new(Task, now, known, {**row, "owner_id": owner_id})
                for row in rows
            ]
            if len(tasks) > 1 or not statements.insert(Task, now, tasks[0]):
                ends = Ends(now)
                for task in tasks:
                    if not task.position:
                        task.position = ends.next((owner_id, task.list_id))
                statements.insert_all(Task, tasks)
            label(tasks)
            task_events.record(by, now, [(None, task) for task in tasks])
        return tasks

    def edit(
        self,
        by: Actor,
        versions: Versions = None,
        zone: str = "UTC",
        **fields: Any,
    ) -> Outcome:
        """Sets those fields that are given, `owner_id` among them.

        A due is one value in two forms: setting `due_date` clears `due_at` and the other
        way round. An instant without `due_timezone` keeps the task's, or gets `zone`.
        Another list puts the task at its end. Raises `Invalid` where a list or a parent
        is not the owner's.
        """

        def planned(tasks: Iterable[Task], now: datetime) -> Plan:
            edits = [(task, fields) for task in tasks]
            known, ends = (
                references.known(Task.objects.all(), by, now, edits),
                Ends(now),
            )
            return lambda task: plans.edited(task, now, known, zone, fields, ends.next)

        return self._write(
            by,
            versions,
            planned,
            new_owner=fields.get("owner_id"),
            edit=(fields, zone),
        )

    def complete(self, by: Actor, versions: Versions = None) -> Outcome:
        return self.edit(by, versions, completed=True)

    def reopen(self, by: Actor, versions: Versions = None) -> Outcome:
        return self.edit(by, versions, completed=False)

    def toggle(self, by: Actor, versions: Versions = None) -> Outcome:
        """Completes the open ones and reopens the completed ones."""
        return self._write(
            by,
            versions,
            lambda tasks, now: (
                lambda task: plans.completing(task, now, not task.completed)
            ),
            edit=({"completed": OPPOSITE}, "UTC"),
        )

    def move(
        self,
        by: Actor,
        versions: Versions = None,
        *,
        before: int | None = None,
        after: int | None = None,
    ) -> Outcome:
        """Puts a task right before or right after another one, into the other's list.

        Raises `Invalid` where the other is not the owner's, and `NoRoom` after thousands
        of moves to one place.
        """
        aim = {"before": before} if before else {"after": after or 0}
        return self._write(
            by,
            versions,
            lambda tasks, now: moved(tasks, now, {task.pk: aim for task in tasks}),
        )

    def retag(self, by: Actor, names: Mapping[str, str | None]) -> Outcome:
        """Renames tags in the tasks, those in the trash too; takes off those that get no
        name. The tags themselves, and their labels, are the caller's to change."""

        def plan(task: Task) -> dict[str, Any]:
            tags = [names.get(name, name) for name in task.tags]
            return {"tags": [name for name in tags if name is not None]}

        return self._write(
            by, None, lambda tasks, now: plan, frozen=False, labelled=False
        )

    def leave_list(self, by: Actor) -> Outcome:
        """Takes the tasks out of their lists, those in the trash too. They keep their
        places; one whose place is taken there goes to the end."""

        def planned(tasks: Iterable[Task], now: datetime) -> Plan:
            taken, ends = positions.taken(Task.objects.live(), tasks), Ends(now)
            return lambda task: plans.left(task, ends.next, taken)

        return self._write(by, None, planned, frozen=False)

    def trash(self, by: Actor, versions: Versions = None, **fields: object) -> Outcome:
        """Moves the tasks to the trash. They keep their list; `restore` brings them back."""
        return self._write(
            by,
            versions,
            lambda tasks, now: lambda task: {"deleted_at": now, **fields},
            edit=({"deleted_at": NOW, **fields}, "UTC"),
        )

    def restore(self, by: Actor, versions: Versions = None) -> Outcome:
        """Brings the tasks back to their places; one whose place is taken, to the end."""

        def planned(tasks: Iterable[Task], now: datetime) -> Plan:
            taken, ends = positions.taken(Task.objects.live(), tasks), Ends(now)
            return lambda task: plans.restored(task, ends.next, taken)

        return self._write(by, versions, planned, frozen=False)

    def remove(self, by: Actor, versions: Versions = None) -> Outcome:
        """Deletes the tasks for good; their events are kept. Their subtasks
        stay, and have no parent any more."""
        with self._locked(by) as (outcome, now):
            for task in outcome.found.values():
                if expected(task, versions):
                    outcome.changed[task.pk] = task
            gone = [(task, None) for task in outcome.changed.values()]
            _detach_subtasks(by, now, outcome.changed)
            for keys in batched(outcome.changed):
                Task.objects.filter(pk__in=keys).delete()
            task_events.record(by, now, gone)
        return outcome

    def _write(
        self,
        by: Actor,
        versions: Versions,
        planned: Callable[[Iterable["Task"], datetime], Plan],
        *,
        frozen: bool = True,
        new_owner: int | None = None,
        edit: tuple[Mapping[str, Any], str] | None = None,
        labelled: bool = True,
        at: datetime | None = None,
    ) -> Outcome:
        """Makes the planned changes to those of the tasks that are not so already.

        What is in the trash is `frozen`: it changes by restoring and removing alone. The
        time is the database's, taken under the lock: a later version never has an earlier
        time. It is `at` where this is part of a change of that time. An `edit` (fields, and
        the zone of an instant) of one task is one statement where that is possible.
        """
        outcome = edit and self._edit_at_once(by, versions, planned, *edit)
        if outcome:
            return outcome
        with self._locked(by, new_owner) as (outcome, moment):
            now = at or moment
            tasks = [
                task
                for task in outcome.found.values()
                if expected(task, versions) and not (frozen and task.deleted_at)
            ]
            if not tasks:
                return outcome
            plan = planned(tasks, now)
            rows_by_fields: dict[tuple[str, ...], list[tuple[int, list[Any]]]] = {}
            for task in tasks:
                values = plans.changes(task, plan(task))
                if values:
                    row = (task.pk, list(values.values()))
                    rows_by_fields.setdefault(tuple(values), []).append(row)
            for names, rows in rows_by_fields.items():
                for portion in batched(rows):
                    for task in statements.update(Task, now, names, portion):
                        outcome.changed[task.pk] = task
            pairs = [
                (outcome.found[key], task) for key, task in outcome.changed.items()
            ]
            if labelled:
                relabel(pairs)
            if new_owner is not None:
                _detach_subtasks(by, now, outcome.changed)
            task_events.record(by, now, pairs)
        return outcome

    def _edit_at_once(
        self,
        by: Actor,
        versions: Versions,
        planned: Callable[[Iterable["Task"], datetime], Plan],
        fields: Mapping[str, Any],
        zone: str,
    ) -> Outcome | None:
        """The outcome of the edit by one statement; None where that is not possible."""
        if self._key is None or self._owner_id is None or isinstance(versions, Mapping):
            return None
        assigned = assignments(fields, zone) if single_statement.at_once() else None
        if assigned is None:
            return None

        def changes(task: "Task") -> Mapping[str, object]:
            return plans.changes(task, planned([task], task.updated_at)(task))

        found = self._owner_id, self._key
        return single_statement.edit(Task, by, *found, versions, assigned, changes)

    @contextmanager
    def _locked(
        self, by: Actor, new_owner: int | None = None
    ) -> Iterator[tuple[Outcome, datetime]]:
        """A transaction in which nobody else changes the tasks of this set, and its time."""
        owners = {self._owner_id, new_owner} - {None}
        if self._owner_id is not None and self._key is not None:
            # The statement that reads the task takes its owner's place in the feed too.
            others = {owner for owner in owners if owner not in (None, self._owner_id)}
            with lock_feeds([*others, self._owner_id] if others else ()):
                rows, now = statements.locked(Task, self._owner_id, self._key, by.guard)
                yield Outcome({task.pk: task for task in rows}), now
            return
        check_guard(by.guard)
        tasks = self.order_by("pk")
        if self._owner_id is None:
            owners |= set(self.order_by().values_list("owner_id", flat=True).distinct())
            # One that is given to somebody else before we hold it is in a feed that we
            # have no place in: it is left alone.
            tasks = tasks.filter(owner_id__in=owners)
        with lock_feeds(owner for owner in owners if owner is not None) as now:
            found = tasks.shown().select_for_update(of=("self",))
            yield Outcome({task.pk: task for task in found}), now


class Task(models.Model):
    """Something that one person has to do."""

    class Priority(models.IntegerChoices):
        NONE = 0, "none"
        LOW = 1, "low"
        MEDIUM = 2, "medium"
        HIGH = 3, "high"
        URGENT = 4, "urgent"

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="tasks", db_index=False
    )
    title = models.CharField(max_length=TITLE_LENGTH)
    description = models.TextField(
        max_length=DESCRIPTION_LENGTH, blank=True, default=""
    )
    location = models.CharField(max_length=LOCATION_LENGTH, null=True, blank=True)
    # What filters compare of it (see words.py).
    location_key = BytewiseField(max_length=MATCH_KEY_LENGTH, null=True, editable=False)
    completed = models.BooleanField(default=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The names of its tags in the order given, so that they are shown without a join.
    tags = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        editable=False,
    )
    labels = models.ManyToManyField(
        Tag, through="tasks.Label", related_name="tasks", editable=False
    )
    # The verbs take a task out of its list and off its parent before these go; a
    # deletion past them is refused by the database.
    list = models.ForeignKey(
        TaskList,
        models.DO_NOTHING,
        related_name="tasks",
        db_index=False,
        null=True,
        blank=True,
    )
    parent = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        related_name="subtasks",
        db_index=False,
        null=True,
        blank=True,
    )
    priority = models.SmallIntegerField(
        choices=Priority.choices, default=Priority.NONE, db_default=Priority.NONE
    )
    due_date = models.DateField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    # The zone that `due_at` is meant in: a name of the IANA's database.
    due_timezone = models.CharField(max_length=TIMEZONE_LENGTH, null=True, blank=True)
    # What tasks are sorted by when sorted by due (see due_dates.py).
    due_moment = models.DateTimeField(default=NEVER, db_default=NEVER, editable=False)
    # The manual order (see positions.py).
    position = BytewiseField(max_length=POSITION_LENGTH, db_default="", editable=False)
    # What tasks are sorted and found by (see words.py).
    sorted_title = BytewiseField(
        max_length=SORT_KEY_LENGTH, db_default="", editable=False
    )
    search = models.TextField(db_default="", editable=False)
    # What it is called where it was imported from.
    external_id = models.CharField(
        max_length=EXTERNAL_ID_LENGTH, null=True, editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    # When it went to the trash.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    # 1, then one more at every change.
    version = models.BigIntegerField(default=1, editable=False)

    objects = TaskQuerySet.as_manager()

    #: Of what `shown` and the verbs give back.
    open_subtasks: int = 0

    class Meta:
        permissions = (("remove_task", "Can delete tasks permanently"),)
        indexes = constraints.INDEXES
        constraints = constraints.CONSTRAINTS

    def __str__(self) -> str:
        return self.title


def _detach_subtasks(by: Actor, now: datetime, parents: Collection[int]) -> None:
    """Takes subtasks off tasks that go away; those that are deleted too are skipped."""
    for keys in batched(parents):
        below = Task.objects.filter(parent_id__in=keys).values_list("pk", flat=True)
        for children in batched(key for key in below if key not in parents):
            Task.objects.filter(pk__in=children)._write(
                by,
                None,
                lambda tasks, _: lambda task: {"parent_id": None},
                frozen=False,
                at=now,
            )
