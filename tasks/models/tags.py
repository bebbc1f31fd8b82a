"""Tags: names that tasks share, one row for each owner and name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Self

import orjson
from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Length, Trim
from django.db.models.lookups import Exact, GreaterThanOrEqual, LessThanOrEqual
from django.utils import timezone

from taskproject.names import casefold_key
from taskproject.problems import NameTaken
from taskproject.sql import ON_POSTGRESQL, adapted, batched, fetch
from tasks.limits import TAG_LENGTH
from tasks.models.bytewise import BytewiseField
from tasks.models.events import Actor, Changes, Event, NewEvent, append, database_now

if TYPE_CHECKING:
    from tasks.models.task_queryset import TaskQuerySet
    from tasks.models.tasks import Task

#: Most tasks whose labels one statement stores.
LABELLED = 1_000


# Rows are passed as one JSON parameter: psycopg takes ten times as long for arrays.
if ON_POSTGRESQL:
    _ROWS = """ROWS FROM (json_to_recordset(%s) AS ({})) WITH ORDINALITY
        AS "row"({}, "number")"""
    _LABELS = _ROWS.format(
        '"task" bigint, "owner" bigint, "key" text', '"task", "owner", "key"'
    )
    _NAMES = _ROWS.format('"key" text, "name" text', '"key", "name"')
else:
    _LABELS = """(SELECT "key" AS "number", json_extract("value", '$.task') AS "task",
        json_extract("value", '$.owner') AS "owner", json_extract("value", '$.key') AS "key" FROM json_each(%s)) AS row"""
    _NAMES = """(SELECT "key" AS "number", json_extract("value", '$.key') AS "key",
        json_extract("value", '$.name') AS "name" FROM json_each(%s)) AS row"""
_LABEL = f"""INSERT INTO "tasks_label" ("task_id", "tag_id")
    SELECT "row"."task", "tag"."id" FROM {_LABELS} CROSS JOIN "tasks_tag" "tag"
    WHERE "tag"."owner_id" = "row"."owner" AND "tag"."key" = "row"."key"
    ORDER BY "row"."number" """
_STORE = f"""INSERT INTO "tasks_tag" ("owner_id", "created_at", "version", "key", "name")
    SELECT %s, %s{"::timestamptz" if ON_POSTGRESQL else ""}, 1, "row"."key", "row"."name"
    FROM {_NAMES} ORDER BY "row"."number" """
_IDS = f"""SELECT "tag"."id", "tag"."key" FROM {_NAMES} CROSS JOIN "tasks_tag" "tag"
    WHERE "tag"."owner_id" = %s AND "tag"."key" = "row"."key" """


class TagQuerySet(models.QuerySet["Tag"]):
    def owned_by(self, user_id: int) -> Self:
        return self.filter(owner_id=user_id)

    def in_order(self) -> Self:
        return self.order_by("key")

    def after_cursor(self, _: int, key: str) -> Self:
        """The tags after this key in the order, which is unique."""
        return self.filter(key__gt=key)

    def named(self, names: Iterable[str]) -> Self:
        """The tags with these names, whatever their case."""
        return self.filter(key__in=[casefold_key(name) for name in names])

    def obtain(
        self, by: Actor, now: datetime, owner_id: int, names: Iterable[str]
    ) -> list[Tag]:
        """The owner's tags with these names, in order and without repetitions; missing ones are
        created. Call it inside `lock_feeds`."""
        wanted: dict[str, str] = {}
        for name in names:
            wanted.setdefault(casefold_key(name), name)
        stored = Tag.objects.owned_by(owner_id).named(wanted)
        known = {tag.key: tag for tag in stored}
        new = [
            Tag(owner_id=owner_id, name=name, key=key, created_at=now)
            for key, name in wanted.items()
            if key not in known
        ]
        if new:
            Tag.objects.bulk_create(new)
            known |= {tag.key: tag for tag in new}
            append(by, [created(now, owner_id, tag.pk, tag.name) for tag in new])
        return [known[key] for key in wanted]

    def remove_unused(self, by: Actor) -> int:
        """Deletes those that no task has, and returns their number. Call it inside
        `lock_feeds`."""
        labels = Label.objects.filter(tag_id=OuterRef("pk"))
        unused = list(self.filter(~Exists(labels)).select_for_update(of=("self",)))
        now = database_now()
        for tag in unused:
            tag.version += 1
        append(by, [_event(now, tag, Event.Verb.DELETED) for tag in unused])
        Tag.objects.filter(pk__in=[tag.pk for tag in unused]).delete()
        return len(unused)


class Tag(models.Model):
    """A tag. Tasks have the names of their tags themselves; `Label` is for finding tasks by tags."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=TAG_LENGTH)
    # The case-folded name: unique, and used for lookups and order.
    key = BytewiseField(max_length=3 * TAG_LENGTH, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    version = models.PositiveBigIntegerField(default=1, editable=False)

    objects = TagQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["owner", "key"], name="tag_name_once"),
            models.CheckConstraint(
                name="tag_name_length",
                condition=Q(GreaterThanOrEqual(Length("name"), 1))
                & Q(LessThanOrEqual(Length("name"), TAG_LENGTH)),
            ),
            models.CheckConstraint(
                name="tag_name_trimmed", condition=Q(Exact(Trim("name"), F("name")))
            ),
            models.CheckConstraint(
                name="tag_version_positive", condition=Q(version__gte=1)
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def all_tasks(self) -> TaskQuerySet:
        """The tasks that have the tag, in the trash or not."""
        return self.tasks.all().owned_by(self.owner_id)

    def rename(self, by: Actor, name: str, *, tasks: bool = True) -> None:
        """Renames the tag, and in all its tasks, if `tasks`. Call it inside `lock_feeds`, with the row
        locked.

        Raises `NameTaken` if the owner has another tag of that name."""
        name, old = name.strip(), self.name
        if name == old:
            return
        others = Tag.objects.owned_by(self.owner_id).named([name]).exclude(pk=self.pk)
        for taken in others:
            raise NameTaken(
                f"You have a tag {taken.name!r} already; choose another name."
            )
        self.name, self.key, self.version = name, casefold_key(name), self.version + 1
        self.save(update_fields=["name", "key", "version"])
        changes = {"name": [old, name]}
        append(by, [_event(database_now(), self, Event.Verb.EDITED, changes)])
        if tasks:
            self.all_tasks.retag(by, {old: name})

    def remove(self, by: Actor) -> None:
        """Deletes the tag, and removes it from all its tasks. Call it inside `lock_feeds`, with the
        row locked."""
        self.all_tasks.retag(by, {self.name: None})
        self.version += 1
        append(by, [_event(database_now(), self, Event.Verb.DELETED)])
        self.delete()


class Label(models.Model):
    """The relation of a task to a tag, for finding tasks by tags."""

    id = models.BigAutoField(primary_key=True)
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="+", db_index=False)
    task = models.ForeignKey(
        "tasks.Task", models.CASCADE, related_name="+", db_index=False
    )

    class Meta:
        indexes = (models.Index(fields=["task"], name="label_task"),)
        constraints = (
            models.UniqueConstraint(fields=["tag", "task"], name="label_once"),
        )

    def __str__(self) -> str:
        return f"tag {self.tag_id} on task {self.task_id}"


def label(tasks: Iterable[Task]) -> None:
    """Stores the labels of new tasks. Call it, and `relabel`, in the transaction that writes their
    `tags`."""
    for portion in batched(tasks, LABELLED):
        _label(portion)


def relabel(pairs: Iterable[tuple[Task, Task]]) -> None:
    """Stores the labels of changed tasks, given as pairs of the task before and after."""
    changed = [
        (old, new)
        for old, new in pairs
        if (old.owner_id, old.tags) != (new.owner_id, new.tags)
    ]
    for portion in batched(changed, LABELLED):
        labelled = [new.pk for old, new in portion if old.tags]
        if labelled:
            Label.objects.filter(task_id__in=labelled).delete()
        _label([new for _, new in portion])


def _label(tasks: list[Task]) -> None:
    wanted = [
        {"task": task.pk, "owner": task.owner_id, "key": casefold_key(name)}
        for task in tasks
        for name in task.tags
    ]
    if wanted:
        # The ORM takes 0.9 s to read 5,000 tags and store as many labels.
        fetch(_LABEL, [orjson.dumps(wanted).decode()], prepare=False)


def store(owner_id: int, now: datetime, names: Mapping[str, str]) -> dict[str, int]:
    """Creates tags, given by key and name, and returns their ids by their keys. (The ORM takes 1 s
    for 5,000.) Call it inside `lock_feeds`."""
    if not names:
        return {}
    found = [{"key": key, "name": name} for key, name in names.items()]
    rows = orjson.dumps(found).decode()
    fetch(_STORE, [owner_id, adapted(now), rows], prepare=False)
    ids = fetch(_IDS, [rows, owner_id], prepare=False)
    return {key: tag_id for tag_id, key in ids}


def created(at: datetime, owner_id: int, tag_id: int, name: str) -> NewEvent:
    """The event of a new tag."""
    changes = {"name": [None, name]}
    return NewEvent(at, owner_id, "tag_id", tag_id, 1, Event.Verb.CREATED, changes)


def _event(
    at: datetime,
    tag: Tag,
    verb: Event.Verb,
    changes: Changes | None = None,
) -> NewEvent:
    return NewEvent(
        at, tag.owner_id, "tag_id", tag.pk, tag.version, verb, changes or {}
    )
