"""The methods that find tasks and change them.

A write is one transaction: it locks the feeds of the owners and the rows, reads the rows,
updates them with ``UPDATE ... RETURNING`` (one statement for all rows with the same
changed fields), and appends an event for each changed task. A write of one task may be a
single statement, which writes nothing if another transaction changed the task meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db import models
from django.db.models.expressions import RawSQL

from taskproject.sql import batched, check_guard
from tasks.fields import Values
from tasks.models import (
    new_values,
    positions,
    references,
    series,
    single_statement,
    statements,
    task_events,
)
from tasks.models.assignments import NOW, OPPOSITE, assignments
from tasks.models.events import Actor, lock_feeds
from tasks.models.moves import moved
from tasks.models.outcomes import Outcome, Versions, expected
from tasks.models.positions import Ends
from tasks.models.tags import Tag, label, relabel

if TYPE_CHECKING:
    from tasks.models.tasks import Task

#: Returns the new values of a task. Values that are equal to the old ones are no changes.
Plan = Callable[["Task"], Values]


class TaskQuerySet(models.QuerySet["Task"]):
    # Set by `owned_by` and `one`: the only owner, and the id of the only task.
    _owner_id: int | None = None
    _key: int | None = None

    def _clone(self) -> Self:
        assert self._key is None, "The set of `one` cannot be queried."
        clone: Self = super()._clone()  # type: ignore[misc]  # not in the stubs
        clone._owner_id = self._owner_id
        return clone

    # Filters

    def owned_by(self, user_id: int) -> Self:
        owned = self.filter(owner_id=user_id)
        owned._owner_id = user_id
        return owned

    @classmethod
    def one(cls, model: type["Task"], user_id: int, key: int) -> Self:
        """See `Task.one`."""
        found = cls(model, query=statements.empty_query(model))
        found._owner_id, found._key = user_id, key
        return found

    def live(self) -> Self:
        """Not in the trash."""
        return self.filter(deleted_at__isnull=True)

    def trashed(self) -> Self:
        return self.filter(deleted_at__isnull=False)

    def newest_first(self) -> Self:
        """By id, not by time: ids are unique and ascending."""
        return self.order_by("-id")

    def shown(self) -> Self:
        """With the number of open subtasks, without the columns that are used in SQL only."""
        counted = RawSQL(statements.OPEN_SUBTASKS, [], models.IntegerField())
        return self.defer(*statements.UNREAD).annotate(open_subtasks=counted)

    # Each of these methods changes the tasks in the set that do not have the new values yet,
    # and appends an event for each change. With `versions`, it changes only tasks with one
    # of these versions.

    def add(self, by: Actor, *, owner_id: int, **fields: object) -> "Task":
        """Creates a task and returns it: see `add_all`."""
        return self.obtain(by, owner_id=owner_id, **fields)[0]

    def obtain(
        self, by: Actor, *, owner_id: int, **fields: object
    ) -> tuple["Task", bool]:
        """The task of the owner that has this `client_id`, in the trash or not; if there is
        none, or no `client_id`, creates a task. Returns the task and whether it is new."""
        if task := single_statement.add(self.model, by, owner_id, fields):
            return task, True
        client_id = fields.get("client_id")
        if client_id is None:
            return self.add_all(by, owner_id, [fields])[0], True
        with lock_feeds([owner_id]):
            check_guard(by.guard)
            for task in self.owned_by(owner_id).shown().filter(client_id=client_id):
                return task, False
            return self.add_all(by, owner_id, [fields])[0], True

    def add_all(
        self,
        by: Actor,
        owner_id: int,
        rows: Sequence[Values],
        *,
        trusted: bool = False,
    ) -> list["Task"]:
        """Creates a task for each row of fields, and returns the tasks in that order.

        `title` is required; other fields have defaults. `tags` are names; tags that do not
        exist are created. Raises `Invalid` if a list or a parent is not the owner's; if
        `trusted`, this is not checked.
        """
        with lock_feeds([owner_id]) as now:
            check_guard(by.guard)
            if not trusted:
                rows = references.with_parent_ids(
                    self.model.objects.all(), owner_id, rows
                )
                references.check(self.model.objects.all(), rows, {owner_id})
            names = [name for row in rows for name in row.get("tags", ())]
            tags = Tag.objects.obtain(by, now, owner_id, names) if names else []
            known = {tag.key: tag.name for tag in tags}
            tasks = [
                new_values.new(self.model, now, known, {**row, "owner_id": owner_id})
                for row in rows
            ]
            if len(tasks) > 1 or not statements.insert(self.model, now, tasks[0]):
                ends = Ends(now)
                for task in tasks:
                    if not task.position:
                        task.position = ends.next((owner_id, task.list_id))
                statements.insert_all(self.model, tasks)
            label(tasks)
            task_events.record(by, now, [(None, task) for task in tasks])
        return tasks

    def edit(
        self,
        by: Actor,
        versions: Versions = None,
        zone: str = "UTC",
        check: Callable[["Task"], None] | None = None,
        **fields: Any,
    ) -> Outcome:
        """Sets the given fields, which may include `owner_id`.

        A due date has one of two forms: setting `due_date` clears `due_at`, and setting
        `due_at` clears `due_date`. If `due_at` is set without `due_timezone`, the task
        keeps its time zone, or gets `zone`. If the list changes, the task is moved to the
        end of the new list. Raises `Invalid` if a list or a parent is not the owner's.
        `check` is called with each task before its change, and may raise a problem.
        """

        def planned(tasks: Iterable["Task"], now: datetime) -> Plan:
            if check:
                for task in tasks:
                    check(task)
            mine = self.model.objects.all()
            [values] = references.with_parent_ids(mine, self._owner_id, [fields])
            edits, ends = [(task, values) for task in tasks], Ends(now)
            tags = references.resolve(mine, by, now, edits)
            return lambda it: new_values.edited(it, now, tags, zone, values, ends.next)

        edit = None if check else (fields, zone)
        return self.write(
            by, versions, planned, new_owner=fields.get("owner_id"), edit=edit
        )

    def complete(self, by: Actor, versions: Versions = None) -> Outcome:
        return self.edit(by, versions, completed=True)

    def reopen(self, by: Actor, versions: Versions = None) -> Outcome:
        return self.edit(by, versions, completed=False)

    def toggle(self, by: Actor, versions: Versions = None) -> Outcome:
        """Completes open tasks and reopens completed ones."""
        return self.write(
            by,
            versions,
            lambda tasks, now: (
                lambda task: new_values.completing(task, now, not task.completed)
            ),
            edit=({"completed": OPPOSITE}, "UTC"),
        )

    def skip(self, by: Actor, versions: Versions = None) -> Outcome:
        """The task becomes its next occurrence. Raises `Conflict`."""
        return self.write(by, versions, lambda tasks, now: series.skipped)

    def move(
        self,
        by: Actor,
        versions: Versions = None,
        *,
        before: int | UUID | None = None,
        after: int | UUID | None = None,
        position: str | None = None,
    ) -> Outcome:
        """Moves a task into the list of another task, given by its id or client_id, to the
        place before or after it, or to the `position` `first` or `last` of its own list.

        Raises `Invalid` if the other task is not the owner's, and `NoRoom` without a place.
        """
        side = "position" if position else "before" if before else "after"
        other = position or before or after or 0
        mine = self.model.objects.all()

        def plan(tasks: Iterable["Task"], now: datetime) -> Plan:
            aims = {
                task.pk: references.aim_by_id(mine, task.owner_id, side, other)
                for task in tasks
            }
            return moved(tasks, now, aims)

        return self.write(by, versions, plan)

    def retag(self, by: Actor, names: Mapping[str, str | None]) -> Outcome:
        """Replaces names of tags in tasks, in the trash or not; None removes a tag. The
        caller updates the tags and their labels."""

        def plan(task: "Task") -> Values:
            tags = [names.get(name, name) for name in task.tags]
            return {"tags": [name for name in tags if name is not None]}

        return self.write(
            by, None, lambda tasks, now: plan, frozen=False, labelled=False
        )

    def leave_list(self, by: Actor) -> Outcome:
        """Removes tasks, in the trash or not, from their lists. A task keeps its position,
        or is moved to the end if another task in no list has that position."""

        def planned(tasks: Iterable["Task"], now: datetime) -> Plan:
            taken, ends = positions.taken(self.model.objects.live(), tasks), Ends(now)
            return lambda task: new_values.without_list(task, ends.next, taken)

        return self.write(by, None, planned, frozen=False)

    def trash(self, by: Actor, versions: Versions = None, **fields: object) -> Outcome:
        """Moves the tasks to the trash. They keep their list: see `restore`."""
        return self.write(
            by,
            versions,
            lambda tasks, now: lambda task: {"deleted_at": now, **fields},
            edit=({"deleted_at": NOW, **fields}, "UTC"),
        )

    def restore(self, by: Actor, versions: Versions = None) -> Outcome:
        """Restores tasks from the trash. A task keeps its position, or is moved to the end
        of its list if another task has that position."""

        def planned(tasks: Iterable["Task"], now: datetime) -> Plan:
            taken, ends = positions.taken(self.model.objects.live(), tasks), Ends(now)
            return lambda task: new_values.restored(task, ends.next, taken)

        return self.write(by, versions, planned, frozen=False)

    def remove(self, by: Actor, versions: Versions = None) -> Outcome:
        """Deletes the tasks permanently; their events are kept. Their subtasks become tasks
        without a parent."""
        with self._locked(by) as (outcome, now):
            for task in outcome.found.values():
                if expected(task, versions):
                    outcome.changed[task.pk] = task
            gone = [(task, None) for task in outcome.changed.values()]
            references.detach(self.model.objects.all(), by, now, outcome.changed)
            for keys in batched(outcome.changed):
                self.model.objects.filter(pk__in=keys).delete()
            task_events.record(by, now, gone)
        return outcome

    def write(
        self,
        by: Actor,
        versions: Versions,
        planned: Callable[[Iterable["Task"], datetime], Plan],
        *,
        frozen: bool = True,
        new_owner: int | None = None,
        edit: tuple[Values, str] | None = None,
        labelled: bool = True,
        at: datetime | None = None,
    ) -> Outcome:
        """Makes the planned changes to the tasks that differ from them.

        With `frozen`, tasks in the trash do not change. `updated_at` is the database's time
        once the lock is held, so that later versions have later times; or `at`, if the
        change is part of another one made at that time. An `edit` (the fields, and the time
        zone of an instant) of one task is a single statement if possible.
        """
        outcome = edit and self._edit_in_one_statement(by, versions, planned, *edit)
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
            changes = [(task, new_values.changes(task, plan(task))) for task in tasks]
            series.follow(self.model, by, now, changes)
            for task in statements.update(self.model, now, changes):
                outcome.changed[task.pk] = task
            found = outcome.found
            pairs = [(found[key], task) for key, task in outcome.changed.items()]
            if labelled:
                relabel(pairs)
            if new_owner is not None:
                references.detach(self.model.objects.all(), by, now, outcome.changed)
            task_events.record(by, now, pairs)
        return outcome

    def _edit_in_one_statement(
        self,
        by: Actor,
        versions: Versions,
        planned: Callable[[Iterable["Task"], datetime], Plan],
        fields: Values,
        zone: str,
    ) -> Outcome | None:
        """The outcome of the edit; None if it cannot be done in one statement."""
        if self._key is None or self._owner_id is None or isinstance(versions, Mapping):
            return None
        assigned = assignments(fields, zone) if single_statement.is_possible() else None
        if assigned is None:
            return None

        def changes(task: "Task") -> Mapping[str, object]:
            return new_values.changes(task, planned([task], task.updated_at)(task))

        found = self._owner_id, self._key
        return single_statement.edit(
            self.model, by, *found, versions, assigned, changes
        )

    @contextmanager
    def _locked(
        self, by: Actor, new_owner: int | None = None
    ) -> Iterator[tuple[Outcome, datetime]]:
        """A transaction that has locked the tasks of this set and the feeds of their owners.
        Yields the tasks as an outcome without changes, and the time."""
        owners = {one for one in (self._owner_id, new_owner) if one is not None}
        if self._owner_id is not None and self._key is not None:
            # The statement that reads the task also locks the feed of its owner.
            with lock_feeds(owners if len(owners) > 1 else ()):
                rows, now = statements.locked(
                    self.model, self._owner_id, self._key, by.guard
                )
                yield Outcome({task.pk: task for task in rows}), now
            return
        check_guard(by.guard)
        tasks = self.order_by("pk")
        if self._owner_id is None:
            owners |= set(self.order_by().values_list("owner_id", flat=True).distinct())
            # A task that is transferred to another owner before it is locked belongs to a
            # feed that is not locked: it is left out.
            tasks = tasks.filter(owner_id__in=owners)
        with lock_feeds(owners) as now:
            found = tasks.shown().select_for_update(of=("self",))
            yield Outcome({task.pk: task for task in found}), now
