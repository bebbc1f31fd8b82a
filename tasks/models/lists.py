"""Lists of tasks."""

from datetime import datetime
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length, Trim
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThanOrEqual
from django.utils import timezone

from taskproject.names import casefold_key
from taskproject.problems import NO_SUCH_ROW, Invalid, NameTaken
from tasks.limits import LIST_NAME_LENGTH, POSITION_LENGTH
from tasks.models import positions
from tasks.models.bytewise import BytewiseField
from tasks.models.events import (
    Actor,
    Event,
    NewEvent,
    append,
    changes_between,
    database_now,
    lock_feeds,
)

if TYPE_CHECKING:
    from tasks.models.task_queryset import TaskQuerySet

#: The fields whose old and new values are in events.
TRACKED_FIELDS = ("name", "archived", "position")


class TaskListQuerySet(models.QuerySet["TaskList"]):
    def owned_by(self, user_id: int) -> Self:
        return self.filter(owner_id=user_id)

    def named(self, name: str) -> Self:
        """The list with this name, whatever its case."""
        return self.filter(key=casefold_key(name))

    def in_order(self) -> Self:
        return self.order_by("position", "id")

    def after_cursor(self, key: int, position: str) -> Self:
        """The lists after this id and position in the order."""
        further = Q(position__gt=position) | Q(position=position, pk__gt=key)
        return self.filter(further, position__gte=position)

    def add(
        self,
        by: Actor,
        *,
        owner_id: int,
        name: str,
        archived: bool = False,
        position: str | None = None,
    ) -> "TaskList":
        """Creates a list at the end of the owner's lists, or at `position`, and returns it.

        Raises `NameTaken` if the owner has a list of that name."""
        with lock_feeds([owner_id]) as now:
            rows = TaskList.objects.owned_by(owner_id)
            last = rows.order_by("-position").values_list("position", flat=True).first()
            new = TaskList(
                owner_id=owner_id,
                name=name.strip(),
                key=casefold_key(name.strip()),
                archived=archived,
                position=position
                or positions.end_after(last, now)
                or positions.at_end(now),
                created_at=now,
                updated_at=now,
            )
            new._check_name()
            new.save(force_insert=True)
            new._record(by, now, None, Event.Verb.CREATED)
        return new


class TaskList(models.Model):
    """A list of tasks. A task is in at most one."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=LIST_NAME_LENGTH)
    # The case-folded name, which is unique.
    key = models.CharField(max_length=3 * LIST_NAME_LENGTH, editable=False)
    position = BytewiseField(max_length=POSITION_LENGTH, editable=False)
    archived = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    version = models.PositiveBigIntegerField(default=1, editable=False)

    objects = TaskListQuerySet.as_manager()

    class Meta:
        verbose_name = "list"
        indexes = (
            models.Index(fields=["owner", "position", "id"], name="list_owner_order"),
        )
        constraints = (
            models.UniqueConstraint(fields=["owner", "key"], name="list_name_once"),
            models.CheckConstraint(
                name="list_name_length",
                condition=Q(GreaterThanOrEqual(Length("name"), 1))
                & Q(LessThanOrEqual(Length("name"), LIST_NAME_LENGTH)),
            ),
            models.CheckConstraint(
                name="list_name_trimmed", condition=Q(Exact(Trim("name"), F("name")))
            ),
            models.CheckConstraint(
                name="list_position_given", condition=~Q(position="")
            ),
            models.CheckConstraint(
                name="list_version_positive", condition=Q(version__gte=1)
            ),
        )

    def __str__(self) -> str:
        return self.name

    # Call these inside `lock_feeds`, with the row locked.

    def edit(self, by: Actor, **fields: object) -> None:
        """Sets `name`, `archived` or `position`, if given.

        Raises `NameTaken` if the owner has another list of that name."""
        before = TaskList(**{name: getattr(self, name) for name in TRACKED_FIELDS})
        if "name" in fields:
            name = str(fields["name"]).strip()
            fields |= {"name": name, "key": casefold_key(name)}
        for name, value in fields.items():
            setattr(self, name, value)
        if not changes_between(before, self, TRACKED_FIELDS):
            return
        self._check_name()
        self.version += 1
        self.updated_at = now = max(database_now(), self.updated_at)
        self.save(update_fields=[*fields, "version", "updated_at"])
        moved = set(fields) == {"position"}
        verb = Event.Verb.MOVED if moved else Event.Verb.EDITED
        self._record(by, now, before, verb)

    def move(
        self,
        by: Actor,
        *,
        before: int | None = None,
        after: int | None = None,
        position: str | None = None,
    ) -> None:
        """Moves it right before or right after another list of the owner, or to the `position`
        `first` or `last`.

        Raises `Invalid` if there is no such list."""
        lists = TaskList.objects.owned_by(self.owner_id).exclude(pk=self.pk)
        if position:
            end = (
                lists.in_order() if position == "first" else lists.in_order().reverse()
            )
            at = end.first()
            if at is None:
                return
            before = at.pk if position == "first" else None
        else:
            at = lists.filter(pk=before or after or 0).first()
        if at is None:
            name = "before" if before else "after"
            detail = NO_SUCH_ROW.format("other list")
            raise Invalid.of(name, detail, "not_found")
        place = positions.beside(
            lists, at, database_now(), before=bool(before), own=self.position
        )
        self.edit(by, position=place)

    def remove(self, by: Actor, *, tasks: bool = False) -> None:
        """Deletes the list. Its tasks are kept without a list; with `tasks` they are moved to the
        trash."""
        if tasks:
            self._tasks.trash(by, list_id=None)
        self._tasks.leave_list(by)
        self.version += 1
        now = max(database_now(), self.updated_at)
        self._record(by, now, self, Event.Verb.DELETED)
        self.delete()

    @property
    def _tasks(self) -> "TaskQuerySet":
        """Its tasks, in the trash or not."""
        return self.tasks.all().owned_by(self.owner_id)

    def _check_name(self) -> None:
        others = TaskList.objects.owned_by(self.owner_id).exclude(pk=self.pk)
        for taken in others.named(self.name):
            raise NameTaken(
                f"You have a list {taken.name!r} already; choose another name."
            )

    def _record(
        self, by: Actor, now: datetime, before: "TaskList | None", verb: Event.Verb
    ) -> None:
        after = None if verb == Event.Verb.DELETED else self
        names = TRACKED_FIELDS if before else ("name", "archived")
        changes = changes_between(before, after, names)
        subject = (self.owner_id, "list_id", self.pk, self.version)
        append(by, [NewEvent(now, *subject, verb, changes)])
