"""`/api/tasks`: the caller's tasks."""

from typing import Annotated

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from taskproject.accounts.auth import ApiRequest
from taskproject.conditions import not_modified
from taskproject.inputs import (
    NO_NUL,
    STRIPPED,
    WORD,
    Closed,
    absent,
)
from tasks.api.answers import (
    EXAMPLE,
    Page,
    TaskOut,
    actor,
    change,
    no_content,
    page_answer,
    read,
    represent,
    task_answer,
    unchanged,
)
from tasks.models import DESCRIPTION_LENGTH, TITLE_LENGTH, Event, Task, TaskQuerySet

router = Router(tags=["tasks"])

Title = Annotated[
    str,
    StringConstraints(min_length=1, max_length=TITLE_LENGTH),
    STRIPPED,
    NO_NUL,
    Field(
        description=f"1-{TITLE_LENGTH} characters; space around it is taken off.",
        examples=["Buy oat milk"],
        json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"},
    ),
]
Description = Annotated[
    str,
    StringConstraints(max_length=DESCRIPTION_LENGTH),
    NO_NUL,
    Field(
        description=f"At most {DESCRIPTION_LENGTH:,} characters.",
        examples=["The barista kind."],
        json_schema_extra={"pattern": r"^[^\u0000]*$"},
    ),
]


class TaskIn(Closed):
    """A whole task: what is left out takes its default."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"title": "Buy oat milk", "description": "The barista kind."}]
        }
    )

    title: Title
    description: Description = ""
    completed: bool = False


class TaskPatch(Closed):
    """The members to change; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"completed": True}]})

    title: Title = absent()
    description: Description = absent()
    completed: bool = absent()


class TaskPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [EXAMPLE], "next_cursor": "YmVmb3JlOjQy"}]
        }
    )

    items: list[TaskOut]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class TaskFilters(Page):
    completed: Annotated[bool, WORD] | None = Field(
        None, description="Only completed (true) or only open (false) tasks."
    )


class Removal(Closed):
    permanent: Annotated[bool, WORD] = Field(
        False, description="Delete for good instead of moving to the trash."
    )


@router.get("/tasks", response={200: TaskPage, 304: None})
def list_tasks(request: ApiRequest, filters: Query[TaskFilters]) -> HttpResponse:
    """Your tasks, newest first, a page at a time.

    A page neither skips nor repeats a task while others are written. The ETag changes
    with every change of a task of yours: polling with If-None-Match costs one small
    query and a 304.
    """
    tag = _list_tag(request)
    if not_modified(request, tag):
        return unchanged(tag)
    tasks = Task.objects.owned_by(request.auth.user_id).live().newest_first()
    if filters.completed is not None:
        tasks = tasks.completed() if filters.completed else tasks.open()
    response = page_answer(request, tasks, filters, "before", represent)
    response.headers["ETag"] = tag
    return response


def _list_tag(request: ApiRequest) -> str:
    """Read before the tasks: a change between the two makes it too old, never too new."""
    return f'"{Event.objects.owned_by(request.auth.user_id).last_sequence()}"'


@router.post("/tasks", response={201: TaskOut})
def create_task(request: ApiRequest, body: TaskIn) -> HttpResponse:
    """Adds a task."""
    fields = body.model_dump()
    task = Task.objects.add(actor(request), owner_id=request.auth.user_id, **fields)
    response = task_answer(task, status=201)
    response.headers["Location"] = f"/api/tasks/{task.pk}"
    return response


@router.get("/tasks/{int:task_id}", response={200: TaskOut, 304: None})
def get_task(request: ApiRequest, task_id: int) -> HttpResponse:
    """One task of yours."""
    return read(request, task_id)


@router.put("/tasks/{int:task_id}", response=TaskOut)
def replace_task(request: ApiRequest, task_id: int, body: TaskIn) -> HttpResponse:
    """Replaces a task: what is left out goes back to its default."""
    fields = body.model_dump()
    return task_answer(change(request, task_id, TaskQuerySet.edit, **fields))


@router.patch("/tasks/{int:task_id}", response=TaskOut)
def update_task(request: ApiRequest, task_id: int, body: TaskPatch) -> HttpResponse:
    """Changes the members that are sent, and no others."""
    fields = body.model_dump(exclude_unset=True)
    return task_answer(change(request, task_id, TaskQuerySet.edit, **fields))


@router.delete("/tasks/{int:task_id}", response={204: None})
def delete_task(
    request: ApiRequest, task_id: int, removal: Query[Removal]
) -> HttpResponse:
    """Moves a task to the trash, from where restore brings it back; with
    `permanent=true` deletes it for good, out of the trash as well."""
    if removal.permanent:
        change(request, task_id, TaskQuerySet.remove, trashed_too=True)
    else:
        change(request, task_id, TaskQuerySet.trash)
    return no_content()


@router.post("/tasks/{int:task_id}/toggle", response=TaskOut)
def toggle_task(request: ApiRequest, task_id: int) -> HttpResponse:
    """Completes an open task, reopens a completed one; answers the task after it.

    Atomic: each of many callers at once sees the state that its own toggle made. A
    repeated toggle flips back: send an Idempotency-Key, or use complete and reopen.
    """
    return task_answer(change(request, task_id, TaskQuerySet.toggle))


@router.post("/tasks/{int:task_id}/complete", response=TaskOut)
def complete_task(request: ApiRequest, task_id: int) -> HttpResponse:
    """Completes a task; safe to repeat."""
    return task_answer(change(request, task_id, TaskQuerySet.complete))


@router.post("/tasks/{int:task_id}/reopen", response=TaskOut)
def reopen_task(request: ApiRequest, task_id: int) -> HttpResponse:
    """Reopens a task; safe to repeat."""
    return task_answer(change(request, task_id, TaskQuerySet.reopen))
