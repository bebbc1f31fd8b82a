"""`/api/tasks/{id}`: the operations on one task."""

from typing import Annotated

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import Field

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import WORD
from taskproject.operations import checks_token_itself
from tasks.api.responses import (
    change,
    changed,
    clock_of,
    no_content,
    read,
    read_only_check,
)
from tasks.api.schemas import (
    InZone,
    OptionalBody,
    TaskIn,
    TaskMove,
    TaskOut,
    TaskPatch,
    to_model_fields,
)
from tasks.models import TaskQuerySet

router = Router(tags=["tasks"])


class Removal(InZone):
    permanent: Annotated[bool, WORD] = Field(
        False, description="For good, also from the trash."
    )


@router.get("/tasks/{int:task_id}", response={200: TaskOut, 304: None})
@checks_token_itself
def get_task(request: ApiRequest, task_id: int, zone: Query[InZone]) -> HttpResponse:
    """A task of yours."""
    return read(request, task_id, clock_of(request, zone))


@router.put("/tasks/{int:task_id}", response=TaskOut)
@checks_token_itself
def replace_task(
    request: ApiRequest, task_id: int, body: TaskIn, zone: Query[InZone]
) -> HttpResponse:
    """Members that are left out take their default."""
    fields, version = to_model_fields(body.writable()), body.version
    if body.due_timezone is None:
        fields["due_timezone"] = body.due_at and request.auth.user.timezone
    if read_only := body.read_only():
        fields["check"] = read_only_check(read_only, clock_of(request, zone))
    return changed(request, task_id, TaskQuerySet.edit, zone, fields, version=version)


@router.patch("/tasks/{int:task_id}", response=TaskOut)
@checks_token_itself
def update_task(
    request: ApiRequest, task_id: int, body: TaskPatch, zone: Query[InZone]
) -> HttpResponse:
    """Changes the members that are sent. In another list, a task goes to the end."""
    fields = to_model_fields(body.model_dump(exclude_unset=True, exclude={"version"}))
    fields["zone"] = request.auth.user.timezone
    version = body.version
    return changed(request, task_id, TaskQuerySet.edit, zone, fields, version=version)


@router.delete("/tasks/{int:task_id}", response={204: None})
@checks_token_itself
def delete_task(
    request: ApiRequest, task_id: int, removal: Query[Removal]
) -> HttpResponse:
    """Moves a task to the trash. Its subtasks are kept."""
    clock = clock_of(request, removal)
    if removal.permanent:
        change(request, task_id, TaskQuerySet.remove, clock, trashed_too=True)
    else:
        change(request, task_id, TaskQuerySet.trash, clock)
    return no_content()


@router.post("/tasks/{int:task_id}/toggle", response=TaskOut)
@checks_token_itself
def toggle_task(
    request: ApiRequest, task_id: int, body: OptionalBody, zone: Query[InZone]
) -> HttpResponse:
    """Repeating it reverts it: send an Idempotency-Key."""
    return changed(request, task_id, TaskQuerySet.toggle, zone, version=body.version)


@router.post("/tasks/{int:task_id}/complete", response=TaskOut)
@checks_token_itself
def complete_task(
    request: ApiRequest, task_id: int, body: OptionalBody, zone: Query[InZone]
) -> HttpResponse:
    """Completes a task, not its subtasks; safe to repeat."""
    return changed(request, task_id, TaskQuerySet.complete, zone, version=body.version)


@router.post("/tasks/{int:task_id}/reopen", response=TaskOut)
@checks_token_itself
def reopen_task(
    request: ApiRequest, task_id: int, body: OptionalBody, zone: Query[InZone]
) -> HttpResponse:
    """Reopens a task; safe to repeat."""
    return changed(request, task_id, TaskQuerySet.reopen, zone, version=body.version)


@router.post("/tasks/{int:task_id}/skip", response=TaskOut)
@checks_token_itself
def skip_task(
    request: ApiRequest, task_id: int, body: OptionalBody, zone: Query[InZone]
) -> HttpResponse:
    """Moves a task that recurs to its next due date. Repeating it moves it again: send an
    Idempotency-Key."""
    return changed(request, task_id, TaskQuerySet.skip, zone, version=body.version)


@router.post("/tasks/{int:task_id}/move", response=TaskOut)
@checks_token_itself
def move_task(
    request: ApiRequest, task_id: int, body: TaskMove, zone: Query[InZone]
) -> HttpResponse:
    """Moves a task next to another one, in the list of that one, or to an end of its list."""
    fields = body.model_dump(exclude_unset=True, exclude={"version"})
    version = body.version
    return changed(request, task_id, TaskQuerySet.move, zone, fields, version=version)
