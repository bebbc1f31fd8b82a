"""`/api/tasks/{id}`: what can be done with one task of the caller's."""

from typing import Annotated, Any, Self

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import WORD, Closed, Zone, absent
from tasks.api.answers import (
    InZone,
    TaskOut,
    change,
    changed,
    clock_of,
    no_content,
    read,
)
from tasks.api.fields import (
    Day,
    Description,
    Id,
    Instant,
    ListId,
    ParentId,
    Priority,
    Tags,
    Title,
    stored,
)
from tasks.models import TaskQuerySet

router = Router(tags=["tasks"])

DUE = "Due on this day; null for none. A task has due_date or due_at, never both."
DUE_AT = "Due at this instant; null for none. Setting it clears due_date."
ZONE = "The zone that due_at is meant in; yours if it is left out."


def _one_due(members: Any) -> Any:
    if members.due_date is not None and members.due_at is not None:
        raise PydanticCustomError("two_dues", "Send due_date or due_at, not both.")
    return members


class TaskIn(Closed):
    """A whole task: what is left out takes its default."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Buy oat milk",
                    "description": "The barista kind.",
                    "tags": ["errand"],
                    "priority": "high",
                    "due_date": "2026-11-30",
                }
            ]
        }
    )

    title: Title
    description: Description = ""
    completed: bool = False
    list: ListId = None
    parent: ParentId = None
    tags: Tags = Field([])
    priority: Priority = "none"
    due_date: Annotated[Day | None, Field(description=DUE)] = None
    due_at: Annotated[Instant | None, Field(description=DUE_AT)] = None
    due_timezone: Annotated[Zone | None, Field(description=ZONE)] = None

    @model_validator(mode="after")
    def _one_due(self) -> Self:
        _one_due(self)
        if self.due_timezone is not None and self.due_at is None:
            raise PydanticCustomError(
                "zone_alone", "Send due_timezone together with due_at only."
            )
        return self


class TaskPatch(Closed):
    """The members to change; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"completed": True}]})

    title: Title = absent()
    description: Description = absent()
    completed: bool = absent()
    list: ListId = None
    parent: ParentId = None
    tags: Tags = absent()
    priority: Priority = absent()
    due_date: Annotated[Day | None, Field(description=DUE)] = None
    due_at: Annotated[Instant | None, Field(description=DUE_AT)] = None
    due_timezone: Zone = absent()

    @model_validator(mode="after")
    def _one_due(self) -> Self:
        _one_due(self)
        return self


class Move(Closed):
    """Where to put the task: beside another one, into its list."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"before": 41}]})

    before: Id = absent()
    after: Id = absent()

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError(
                "one_place", "Send either before or after, with the id of another task."
            )
        return self


class Removal(InZone):
    permanent: Annotated[bool, WORD] = Field(
        False, description="Delete for good instead of moving to the trash."
    )


@router.get("/tasks/{int:task_id}", response={200: TaskOut, 304: None})
def get_task(request: ApiRequest, task_id: int, zone: Query[InZone]) -> HttpResponse:
    """One task of yours."""
    return read(request, task_id, clock_of(request, zone))


@router.put("/tasks/{int:task_id}", response=TaskOut)
def replace_task(
    request: ApiRequest, task_id: int, body: TaskIn, zone: Query[InZone]
) -> HttpResponse:
    """Replaces a task: what is left out goes back to its default."""
    fields = stored(body.model_dump())
    if body.due_timezone is None:
        fields["due_timezone"] = body.due_at and request.auth.user.timezone
    return changed(request, task_id, TaskQuerySet.edit, zone, **fields)


@router.patch("/tasks/{int:task_id}", response=TaskOut)
def update_task(
    request: ApiRequest, task_id: int, body: TaskPatch, zone: Query[InZone]
) -> HttpResponse:
    """Changes the members that are sent, and no others.

    A due is one value in two forms: due_date clears due_at, and due_at clears due_date.
    Another list puts the task at its end.
    """
    fields = stored(body.model_dump(exclude_unset=True))
    fields["zone"] = request.auth.user.timezone
    return changed(request, task_id, TaskQuerySet.edit, zone, **fields)


@router.delete("/tasks/{int:task_id}", response={204: None})
def delete_task(
    request: ApiRequest, task_id: int, removal: Query[Removal]
) -> HttpResponse:
    """Moves a task to the trash, from where restore brings it back; with
    `permanent=true` deletes it for good, out of the trash as well. Its subtasks stay."""
    clock = clock_of(request, removal)
    if removal.permanent:
        change(request, task_id, TaskQuerySet.remove, clock, trashed_too=True)
    else:
        change(request, task_id, TaskQuerySet.trash, clock)
    return no_content()


@router.post("/tasks/{int:task_id}/toggle", response=TaskOut)
def toggle_task(request: ApiRequest, task_id: int, zone: Query[InZone]) -> HttpResponse:
    """Completes an open task, reopens a completed one; answers the task after it.

    Atomic: each of many callers at once sees the state that its own toggle made. A
    repeated toggle flips back: send an Idempotency-Key, or use complete and reopen.
    """
    return changed(request, task_id, TaskQuerySet.toggle, zone)


@router.post("/tasks/{int:task_id}/complete", response=TaskOut)
def complete_task(
    request: ApiRequest, task_id: int, zone: Query[InZone]
) -> HttpResponse:
    """Completes a task; safe to repeat. Its subtasks stay as they are: `open_subtasks`
    tells how many are open."""
    return changed(request, task_id, TaskQuerySet.complete, zone)


@router.post("/tasks/{int:task_id}/reopen", response=TaskOut)
def reopen_task(request: ApiRequest, task_id: int, zone: Query[InZone]) -> HttpResponse:
    """Reopens a task; safe to repeat."""
    return changed(request, task_id, TaskQuerySet.reopen, zone)


@router.post("/tasks/{int:task_id}/move", response=TaskOut)
def move_task(
    request: ApiRequest, task_id: int, body: Move, zone: Query[InZone]
) -> HttpResponse:
    """Puts a task right before or right after another one, into the list of that one.
    It is the only one that changes."""
    fields = body.model_dump(exclude_unset=True)
    return changed(request, task_id, TaskQuerySet.move, zone, **fields)
