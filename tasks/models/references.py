"""What tasks refer to, validated: lists, parents and tags of the same owner.

Call these functions inside `lock_feeds`, so that no other transaction changes these rows.
`tasks` is the manager of Task, whose module imports this one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from taskproject.problems import NO_SUCH_ROW, Invalid
from taskproject.sql import batched
from tasks.fields import Values
from tasks.models.events import Actor
from tasks.models.lists import TaskList
from tasks.models.tags import Tag

if TYPE_CHECKING:
    from tasks.models.moves import Aim
    from tasks.models.task_queryset import TaskQuerySet
    from tasks.models.tasks import Task

NO_LIST = ("list", NO_SUCH_ROW.format("list"), "not_found")
NO_PARENT = ("parent", NO_SUCH_ROW.format("task"), "not_found")
NO_CLIENT_ID = "You have no task with this client_id."
NO_TOP = ("parent", "A subtask can have no subtasks of its own.", "is_subtask")
ITSELF = ("parent", "A task cannot be its own parent.", "own_parent")
HAS_SUBTASKS = ("parent", "A task with subtasks cannot become one.", "has_subtasks")


def with_parent_ids(
    tasks: TaskQuerySet, owner_id: int | None, rows: Sequence[Values]
) -> list[Values]:
    """The rows with the ids of parents in place of their client_ids. Raises `Invalid` for a
    client_id that no task of the owner has."""
    wanted = {it for row in rows if isinstance(it := row.get("parent_id"), UUID)}
    if not wanted:
        return [*rows]
    found = tasks.filter(owner_id=owner_id, client_id__in=wanted)
    ids = dict(found.values_list("client_id", "pk"))
    if len(ids) < len(wanted):
        raise Invalid.of("parent", NO_CLIENT_ID, "not_found")
    return [
        {**row, "parent_id": ids.get(row.get("parent_id"), row.get("parent_id"))}
        for row in rows
    ]


def aim_by_id(
    tasks: TaskQuerySet, owner_id: int, side: str, other: int | UUID | str
) -> Aim:
    """The target of a move with the id of the other task in place of its client_id. Raises
    `Invalid` for a client_id that no task of the owner has."""
    if not isinstance(other, UUID):
        return {side: other}
    found = tasks.filter(owner_id=owner_id, client_id=other)
    key = found.values_list("pk", flat=True).first()
    if key is None:
        raise Invalid.of(side, NO_CLIENT_ID, "not_found")
    return {side: key}


def check(
    tasks: TaskQuerySet,
    rows: Iterable[Values],
    owners: set[int],
    children: Iterable[Task] = (),
) -> None:
    """Raises `Invalid` for a list or a parent that is not the owner's, and for a subtask of a
    subtask."""
    rows = list(rows)
    lists = {row["list_id"] for row in rows if row.get("list_id") is not None}
    parents = {row["parent_id"] for row in rows if row.get("parent_id") is not None}
    for owner_id in owners if lists or parents else ():
        lists_known = TaskList.objects.owned_by(owner_id).filter(pk__in=lists)
        if lists and lists_known.count() < len(lists):
            raise Invalid.of(*NO_LIST)
        top = tasks.owned_by(owner_id).live().filter(pk__in=parents)
        found = dict(top.values_list("pk", "parent_id")) if parents else {}
        if len(found) < len(parents):
            raise Invalid.of(*NO_PARENT)
        if any(parent is not None for parent in found.values()):
            raise Invalid.of(*NO_TOP)
    if parents and any(task.pk in parents for task in children):
        raise Invalid.of(*ITSELF)
    keys = [task.pk for task in children]
    if parents and keys and tasks.filter(parent_id__in=keys).exists():
        raise Invalid.of(*HAS_SUBTASKS)


def resolve(
    tasks: TaskQuerySet,
    by: Actor,
    now: datetime,
    edits: list[tuple[Task, Values]],
) -> dict[tuple[int, str], str]:
    """Validates the lists and parents that the edits refer to. Returns the names of the tags by
    owner and key; tags that do not exist are created. Raises `Invalid`."""
    names: dict[int, list[str]] = {}
    children: dict[int, list[Task]] = {}
    rows: list[Values] = []
    for task, fields in edits:
        owner_id = fields.get("owner_id", task.owner_id)
        wanted = fields.get("tags", task.tags if owner_id != task.owner_id else ())
        names.setdefault(owner_id, []).extend(wanted)
        if owner_id == task.owner_id and fields.get("parent_id") == task.parent_id:
            fields = {**fields, "parent_id": None}  # It may be in the trash.
        rows.append(fields)
        if fields.get("parent_id") is not None:
            children.setdefault(owner_id, []).append(task)
    for owner_id in names:
        check(tasks, rows, {owner_id}, children.get(owner_id, ()))
    return {
        (owner_id, tag.key): tag.name
        for owner_id, wanted in names.items()
        if wanted
        for tag in Tag.objects.obtain(by, now, owner_id, wanted)
    }


def detach(
    tasks: TaskQuerySet, by: Actor, now: datetime, parents: Collection[int]
) -> None:
    """Makes the subtasks of deleted or transferred tasks, unless they go along, plain tasks."""
    for keys in batched(parents):
        below = tasks.filter(parent_id__in=keys).values_list("pk", flat=True)
        for children in batched(key for key in below if key not in parents):
            tasks.filter(pk__in=children).write(
                by,
                None,
                lambda tasks, _: lambda task: {"parent_id": None},
                frozen=False,
                at=now,
            )
