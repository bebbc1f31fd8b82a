"""`/api/tasks/{id}`: what can be done with one task of the caller's."""

from typing import Annotated

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import Field

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import WORD
from taskproject.operations import checks_token_itself
from tasks.api.responses import change, changed, clock_of, no_content, read
from tasks.api.schemas import InZone, Move, TaskIn, TaskOut, TaskPatch, stored
from tasks.models import TaskQuerySet

router = Router(tags=["tasks"])


class Removal(InZone):
    permanent: Annotated[bool, WORD] = Field(
        False, description="Delete for good instead of moving to the trash."
    )


@router.get("/tasks/{int:task_id}", response={200: TaskOut, 304: None})
@checks_token_itself
def get_task(request: ApiRequest, task_id: int, zone: Query[InZone]) -> HttpResponse:
    """One task of yours."""
    return read(request, task_id, clock_of(request, zone))


@router.put("/tasks/{int:task_id}", response=TaskOut)
@checks_token_itself
def replace_task(
    request: ApiRequest, task_id: int, body: TaskIn, zone: Query[InZone]
) -> HttpResponse:
    """Replaces a task: what is left out goes back to its default."""
    fields = stored(body.model_dump())
    if body.due_timezone is None:
        fields["due_timezone"] = body.due_at and request.auth.user.timezone
    return changed(request, task_id, TaskQuerySet.edit, zone, fields)


@router.patch("/tasks/{int:task_id}", response=TaskOut)
@checks_token_itself
def update_task(
    request: ApiRequest, task_id: int, body: TaskPatch, zone: Query[InZone]
) -> HttpResponse:
    """Changes the members that are sent, and no others.

    A due is one value in two forms: due_date clears due_at, and due_at clears due_date.
    Another list puts the task at its end.
    """
    fields = stored(body.model_dump(exclude_unset=True))
    fields["zone"] = request.auth.user.timezone
    return changed(request, task_id, TaskQuerySet.edit, zone, fields)


@router.delete("/tasks/{int:task_id}", response={204: None})
@checks_token_itself
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
@checks_token_itself
def toggle_task(request: ApiRequest, task_id: int, zone: Query[InZone]) -> HttpResponse:
    """Completes an open task, reopens a completed one; answers the task after it.

    Atomic: each of many callers at once sees the state that its own toggle made. A
    repeated toggle flips back: send an Idempotency-Key, or use complete and reopen.
    """
    return changed(request, task_id, TaskQuerySet.toggle, zone)


@router.post("/tasks/{int:task_id}/complete", response=TaskOut)
@checks_token_itself
def complete_task(
    request: ApiRequest, task_id: int, zone: Query[InZone]
) -> HttpResponse:
    """Completes a task; safe to repeat. Its subtasks stay as they are: `open_subtasks`
    tells how many are open."""
    return changed(request, task_id, TaskQuerySet.complete, zone)


@router.post("/tasks/{int:task_id}/reopen", response=TaskOut)
@checks_token_itself
def reopen_task(request: ApiRequest, task_id: int, zone: Query[InZone]) -> HttpResponse:
    """Reopens a task; safe to repeat."""
    return changed(request, task_id, TaskQuerySet.reopen, zone)


@router.post("/tasks/{int:task_id}/move", response=TaskOut)
@checks_token_itself
def move_task(
    request: ApiRequest, task_id: int, body: Move, zone: Query[InZone]
) -> HttpResponse:
    """Puts a task right before or right after another one, into the list of that one.
    It is the only one that changes."""
    fields = body.model_dump(exclude_unset=True)
    return changed(request, task_id, TaskQuerySet.move, zone, fields)
