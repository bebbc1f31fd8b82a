"""Tasks, and everything that can be done with them.

A change is one ``UPDATE ... RETURNING``: it is decided in the database, on the row as it
is at that moment, so no concurrent change is lost and the caller sees what its own change
made. Nothing here reads a task, alters it and saves it back.
"""

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Length, Trim
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThanOrEqual
from django.db.models.sql import UpdateQuery
from django.utils import timezone

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 10_000


class TaskQuerySet(models.QuerySet["Task"]):
    # Adjectives

    def owned_by(self, user_id: int) -> Self:
        return self.filter(owner_id=user_id)

    def open(self) -> Self:
        return self.filter(completed=False)

    def completed(self) -> Self:
        return self.filter(completed=True)

    def newest_first(self) -> Self:
        """By id, not by clock: an id never repeats and never goes back."""
        return self.order_by("-id")

    # Verbs: each changes every task in the set and returns those that changed, as they
    # are after it. A task that already is as asked for is left alone, version and all.

    def add(
        self,
        *,
        owner_id: int,
        title: str,
        description: str = "",
        completed: bool = False,
    ) -> "Task":
        """Stores a new task and returns it."""
        now = timezone.now()
        return self.create(
            owner_id=owner_id,
            title=title.strip(),
            description=description,
            completed=completed,
            completed_at=now if completed else None,
            created_at=now,
            updated_at=now,
        )

    def edit(self, **fields: Any) -> list["Task"]:
        """Sets `title`, `description`, `completed` or `owner_id`: those given."""
        if not fields:
            return []
        now = timezone.now()
        changes: dict[str, Any] = dict(fields)
        if "completed" in fields:
            changes["completed_at"] = (
                _first_completed(now) if fields["completed"] else None
            )
        return self.filter(~Q(**fields))._change(now, **changes)

    def complete(self) -> list["Task"]:
        return self.edit(completed=True)

    def reopen(self) -> list["Task"]:
        return self.edit(completed=False)

    def toggle(self) -> list["Task"]:
        """Completes the open ones and reopens the completed ones."""
        now = timezone.now()
        return self._change(
            now,
            completed=~F("completed"),
            completed_at=Case(When(completed=True, then=None), default=Value(now)),
        )

    def _change(self, now: datetime, **changes: Any) -> list["Task"]:
        """One UPDATE of the whole set, with RETURNING, which the ORM has for INSERT only."""
        query: UpdateQuery = self.order_by().query.chain(UpdateQuery)  # type: ignore[assignment]  # django-stubs: chain() returns the class it is given
        query.add_update_values(
            {**changes, "updated_at": now, "version": F("version") + 1}
        )
        sql, parameters = query.get_compiler(self.db).as_sql()
        columns = ", ".join(f'"{field.column}"' for field in Task._meta.concrete_fields)
        return list(self.raw(f"{sql} RETURNING {columns}", parameters))


def _first_completed(now: datetime) -> Case:
    """Completing again keeps the time of the first completion."""
    return Case(When(completed=True, then=F("completed_at")), default=Value(now))


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
    # 1, then one more at every change.
    version = models.PositiveBigIntegerField(default=1, editable=False)

    objects = TaskQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["owner", "-id"], name="task_owner_newest"),
            models.Index(fields=["owner", "completed", "-id"], name="task_owner_state"),
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
