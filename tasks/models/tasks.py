"""Tasks, and everything that can be done with them.

A write is one transaction: it takes its owner's place in the feed, reads the rows it
touches under a lock, changes them with one ``UPDATE ... WHERE ... RETURNING``, and
appends one event per changed task. Nothing reads a task, alters it and saves it back.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Length, Trim
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThanOrEqual
from django.db.models.sql import UpdateQuery
from django.utils import timezone

from tasks.models.events import Actor, Event, feed_of

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 10_000
# What is in the trash changes by nothing but restoring and removing.
LIVE = Q(deleted_at__isnull=True)


@dataclass
class Outcome:
    """What a verb did: the tasks it found, as they were, and those it changed, as they
    are now. A task that already was as asked for, or whose version was not the expected
    one, is found and not changed."""

    found: dict[int, "Task"] = field(default_factory=dict)
    changed: dict[int, "Task"] = field(default_factory=dict)


class TaskQuerySet(models.QuerySet["Task"]):
    # Whose tasks these are, where one owner is known from the start.
    _owner_id: int | None = None

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]  # not in the stubs
        clone._owner_id = self._owner_id
        return clone

    # Adjectives

    def owned_by(self, user_id: int) -> Self:
        owned = self.filter(owner_id=user_id)
        owned._owner_id = user_id
        return owned

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

    # Verbs: each changes every task in the set that is not yet as asked for, by one
    # statement, and leaves one event for each. With `versions`, only tasks at one of
    # these versions change.

    def add(
        self,
        by: Actor,
        *,
        owner_id: int,
        title: str,
        description: str = "",
        completed: bool = False,
    ) -> "Task":
        """Stores a new task and returns it."""
        with feed_of([owner_id]):
            now = timezone.now()
            task = self.create(
                owner_id=owner_id,
                title=title.strip(),
                description=description,
                completed=completed,
                completed_at=now if completed else None,
                created_at=now,
                updated_at=now,
            )
            record(by, now, [(None, task)], Event.Verb.CREATED)
        return task

    def edit(
        self, by: Actor, versions: set[int] | None = None, **fields: Any
    ) -> Outcome:
        """Sets `title`, `description`, `completed` or `owner_id`: those given."""

        def changes(now: datetime) -> dict[str, Any]:
            if "completed" not in fields:
                return fields
            # Completing again keeps the time of the first completion.
            kept = Case(
                When(completed=True, then=F("completed_at")), default=Value(now)
            )
            return {**fields, "completed_at": kept if fields["completed"] else None}

        wanting = LIVE & ~Q(**fields) if fields else None
        return self._write(by, versions, wanting, changes, fields.get("owner_id"))

    def complete(self, by: Actor, versions: set[int] | None = None) -> Outcome:
        return self.edit(by, versions, completed=True)

    def reopen(self, by: Actor, versions: set[int] | None = None) -> Outcome:
        return self.edit(by, versions, completed=False)

    def toggle(self, by: Actor, versions: set[int] | None = None) -> Outcome:
        """Completes the open ones and reopens the completed ones."""
        return self._write(
            by,
            versions,
            LIVE,
            lambda now: {
                "completed": ~F("completed"),
                "completed_at": Case(
                    When(completed=True, then=None), default=Value(now)
                ),
            },
        )

    def trash(self, by: Actor, versions: set[int] | None = None) -> Outcome:
        """Takes the tasks out of every list; `restore` brings them back."""
        return self._write(by, versions, LIVE, lambda now: {"deleted_at": now})

    def restore(self, by: Actor, versions: set[int] | None = None) -> Outcome:
        return self._write(by, versions, ~LIVE, lambda now: {"deleted_at": None})

    def remove(self, by: Actor, versions: set[int] | None = None) -> Outcome:
        """Deletes the tasks for good; their events stay and tell of it."""
        with self._locked() as outcome:
            for task in outcome.found.values():
                if versions is None or task.version in versions:
                    outcome.changed[task.pk] = task
            Task.objects.filter(pk__in=list(outcome.changed)).delete()
            gone = [(task, None) for task in outcome.changed.values()]
            record(by, timezone.now(), gone, Event.Verb.DELETED)
        return outcome

    def _write(
        self,
        by: Actor,
        versions: set[int] | None,
        wanting: Q | None,
        changes: Callable[[datetime], dict[str, Any]],
        new_owner: int | None = None,
    ) -> Outcome:
        """Makes the changes to those of the tasks that are `wanting` them.

        The time is taken under the lock: a later version never has an earlier time.
        """
        with self._locked(new_owner) as outcome:
            found, now = outcome.found, timezone.now()
            if found and wanting is not None:
                tasks = Task.objects.filter(wanting, pk__in=list(found))
                if versions is not None:
                    tasks = tasks.filter(version__in=versions)
                changed = tasks._update(updated_at=now, **changes(now))
                outcome.changed = {task.pk: task for task in changed}
                record(by, now, [(found[task.pk], task) for task in changed])
        return outcome

    @contextmanager
    def _locked(self, new_owner: int | None = None) -> Iterator[Outcome]:
        """A transaction in which nobody else changes the tasks of this set."""
        tasks = self.order_by("pk")
        owners = {self._owner_id, new_owner} - {None}
        if self._owner_id is None:
            keys = dict(self.order_by().values_list("pk", "owner_id"))
            owners |= set(keys.values())
            # One that is given to somebody else before we hold it is in a feed that we
            # have no place in: it is left alone.
            tasks = tasks.filter(pk__in=list(keys), owner_id__in=owners)
        with feed_of(owner for owner in owners if owner is not None):
            rows = tasks.select_for_update(of=("self",))
            yield Outcome({task.pk: task for task in rows})

    def _update(self, **changes: Any) -> list["Task"]:
        """One UPDATE of the whole set, with RETURNING, which the ORM has for INSERT only."""
        query: UpdateQuery = self.query.chain(UpdateQuery)  # type: ignore[assignment]  # django-stubs: chain() returns the class it is given
        query.add_update_values({**changes, "version": F("version") + 1})
        try:
            sql, parameters = query.get_compiler(self.db).as_sql()
        except EmptyResultSet:  # a condition that nothing can meet
            return []
        columns = ", ".join(f'"{field.column}"' for field in Task._meta.concrete_fields)
        return list(self.raw(f"{sql} RETURNING {columns}", parameters))


class Task(models.Model):
    """Something that one person has to do."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="tasks", db_index=False
    )
    title = models.CharField(max_length=TITLE_LENGTH)
    description = models.TextField(
        max_length=DESCRIPTION_LENGTH, blank=True, default=""
    )
    completed = models.BooleanField(default=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    # When it went to the trash.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    # 1, then one more at every change.
    version = models.PositiveBigIntegerField(default=1, editable=False)

    objects = TaskQuerySet.as_manager()

    class Meta:
        permissions = (("remove_task", "Can delete tasks permanently"),)
        indexes = (
            models.Index(
                fields=["owner", "-id"],
                name="task_owner_newest",
                condition=Q(deleted_at__isnull=True),
            ),
            models.Index(
                fields=["owner", "completed", "-id"],
                name="task_owner_state",
                condition=Q(deleted_at__isnull=True),
            ),
            models.Index(
                fields=["owner", "-id"],
                name="task_owner_trash",
                condition=Q(deleted_at__isnull=False),
            ),
            models.Index(
                fields=["deleted_at"],
                name="task_trashed",
                condition=Q(deleted_at__isnull=False),
            ),
            models.Index(fields=["created_at"], name="task_created"),
        )
        constraints = (
            models.CheckConstraint(
                name="task_title_length",
                condition=Q(GreaterThanOrEqual(Length("title"), 1))
                & Q(LessThanOrEqual(Length("title"), TITLE_LENGTH)),
            ),
            models.CheckConstraint(
                name="task_title_trimmed", condition=Q(Exact(Trim("title"), F("title")))
            ),
            models.CheckConstraint(
                name="task_description_length",
                condition=Q(LessThanOrEqual(Length("description"), DESCRIPTION_LENGTH)),
            ),
            models.CheckConstraint(
                name="task_completed_at_when_completed",
                condition=Q(completed=True, completed_at__isnull=False)
                | Q(completed=False, completed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="task_version_positive", condition=Q(version__gte=1)
            ),
        )

    def __str__(self) -> str:
        return self.title


#: The fields whose old and new values an event tells.
TOLD = ("title", "description", "completed", "owner_id")


def record(
    by: Actor,
    now: datetime,
    pairs: Iterable[tuple[Task | None, Task | None]],
    verb: Event.Verb | None = None,
) -> None:
    """Appends the event of each change, told by the task before and after it.

    Without a `verb` the change itself says which. Call it inside `feed_of`.
    """
    events: list[Event] = []
    for before, after in pairs:
        task = after or before
        assert task is not None
        changes = _difference(before, after)
        event = Event(
            owner_id=task.owner_id,
            task_id=task.pk,
            version=task.version if after else task.version + 1,
            verb=verb or _verb(before, after, changes),
            at=now,
            actor_id=by.user_id,
            via=by.via,
            changes=changes,
        )
        events.append(event)
        if "owner_id" in changes and before and after:
            # It left one feed as well as entering another.
            events.append(Event(**_values(event) | {"owner_id": before.owner_id}))
    if len(events) == 1:
        events[0].save(force_insert=True)
    else:
        Event.objects.bulk_create(events, batch_size=500)


def _difference(before: Task | None, after: Task | None) -> dict[str, list[Any]]:
    """The told fields that changed, each with its old and its new value. A new task
    tells what it was given; a deleted one, nothing."""
    if after is None:
        return {}
    if before is None:
        default = type(after)(owner_id=after.owner_id)
        given = {name: getattr(after, name) for name in TOLD}
        return {
            name: [None, value]
            for name, value in given.items()
            if value != getattr(default, name)
        }
    return {
        name: [getattr(before, name), getattr(after, name)]
        for name in TOLD
        if getattr(before, name) != getattr(after, name)
    }


def _verb(
    before: Task | None, after: Task | None, changes: dict[str, list[Any]]
) -> Event.Verb:
    assert before is not None
    assert after is not None
    if before.deleted_at != after.deleted_at:
        return Event.Verb.TRASHED if after.deleted_at else Event.Verb.RESTORED
    if "owner_id" in changes:
        return Event.Verb.TRANSFERRED
    if set(changes) == {"completed"}:
        return Event.Verb.COMPLETED if after.completed else Event.Verb.REOPENED
    return Event.Verb.EDITED


def _values(event: Event) -> dict[str, Any]:
    return {
        column.attname: getattr(event, column.attname)
        for column in Event._meta.concrete_fields
        if not column.primary_key
    }
