"""`/api/tasks`: the caller's tasks."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import orjson
from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import NO_NUL, Closed, QueryBoolean, QueryInteger, absent
from taskproject.problems import NotFound
from tasks import cursors
from tasks.models import DESCRIPTION_LENGTH, TITLE_LENGTH, Task, TaskQuerySet

router = Router(tags=["tasks"])

EXAMPLE: dict[str, Any] = {
    "id": 42,
    "title": "Buy oat milk",
    "description": "The barista kind.",
    "completed": False,
    "completed_at": None,
    "created_at": "2026-11-23T08:30:00.123456Z",
    "updated_at": "2026-11-23T08:30:00.123456Z",
    "version": 1,
}

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_LENGTH),
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


class TaskOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: int
    title: str
    description: str
    completed: bool
    completed_at: datetime | None = Field(description="When it was completed.")
    created_at: datetime
    updated_at: datetime = Field(description="When it last changed.")
    version: int = Field(description="1, then one more at every change.")


class TaskPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [EXAMPLE], "next_cursor": "YmVmb3JlOjQy"}]
        }
    )

    items: list[TaskOut]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class TaskFilters(Closed):
    completed: QueryBoolean | None = Field(
        None, description="Only completed (true) or only open (false) tasks."
    )
    limit: Annotated[QueryInteger, Field(ge=1, le=100)] = Field(
        50, description="Tasks a page."
    )
    cursor: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="The `next_cursor` of the page before."
    )


ETAG = {
    "ETag": {
        "description": "The version, as a validator (RFC 9110).",
        "schema": {"type": "string"},
        "example": '"1"',
    }
}
LOCATION = {
    "Location": {
        "description": "Where the new task is.",
        "schema": {"type": "string"},
        "example": "/api/tasks/42",
    }
}
LINK = {
    "Link": {
        "description": 'The next page, as rel="next" (RFC 8288).',
        "schema": {"type": "string"},
    }
}
RETURNS_TASK: dict[str, Any] = {"responses": {200: {"headers": ETAG}}}


@router.get(
    "/tasks", response=TaskPage, openapi_extra={"responses": {200: {"headers": LINK}}}
)
def list_tasks(request: ApiRequest, filters: Query[TaskFilters]) -> HttpResponse:
    """Your tasks, newest first, a page at a time.

    A page neither skips nor repeats a task while others are written.
    """
    tasks = Task.objects.owned_by(request.auth.user_id).newest_first()
    if filters.completed is not None:
        tasks = tasks.completed() if filters.completed else tasks.open()
    if filters.cursor is not None:
        tasks = tasks.filter(id__lt=cursors.decode(filters.cursor))
    rows = list(tasks[: filters.limit + 1])
    return _page(rows[: filters.limit], filters, more=len(rows) > filters.limit)


@router.post(
    "/tasks",
    response={201: TaskOut},
    openapi_extra={"responses": {201: {"headers": ETAG | LOCATION}}},
)
def create_task(request: ApiRequest, body: TaskIn) -> HttpResponse:
    """Adds a task."""
    task = Task.objects.add(owner_id=request.auth.user_id, **body.model_dump())
    response = _one([task], status=201)
    response.headers["Location"] = f"/api/tasks/{task.pk}"
    return response


@router.get("/tasks/{int:task_id}", response=TaskOut, openapi_extra=RETURNS_TASK)
def get_task(request: ApiRequest, task_id: int) -> HttpResponse:
    """One task of yours."""
    return _one(_tasks(request, task_id))


@router.put("/tasks/{int:task_id}", response=TaskOut, openapi_extra=RETURNS_TASK)
def replace_task(request: ApiRequest, task_id: int, body: TaskIn) -> HttpResponse:
    """Replaces a task: what is left out goes back to its default."""
    tasks = _tasks(request, task_id)
    return _one(tasks.edit(**body.model_dump()) or tasks)


@router.patch("/tasks/{int:task_id}", response=TaskOut, openapi_extra=RETURNS_TASK)
def update_task(request: ApiRequest, task_id: int, body: TaskPatch) -> HttpResponse:
    """Changes the members that are sent, and no others."""
    tasks = _tasks(request, task_id)
    return _one(tasks.edit(**body.model_dump(exclude_unset=True)) or tasks)


@router.delete("/tasks/{int:task_id}", response={204: None})
def delete_task(request: ApiRequest, task_id: int) -> HttpResponse:
    """Deletes a task for good."""
    deleted, _ = _tasks(request, task_id).delete()
    if not deleted:
        raise _missing()
    return HttpResponse(status=204)


@router.post(
    "/tasks/{int:task_id}/toggle", response=TaskOut, openapi_extra=RETURNS_TASK
)
def toggle_task(request: ApiRequest, task_id: int) -> HttpResponse:
    """Completes an open task, reopens a completed one; answers the task after it.

    Atomic: each of many callers at once sees the state that its own toggle made. A
    repeated toggle flips back; to be safe to repeat, use complete and reopen.
    """
    return _one(_tasks(request, task_id).toggle())


@router.post(
    "/tasks/{int:task_id}/complete", response=TaskOut, openapi_extra=RETURNS_TASK
)
def complete_task(request: ApiRequest, task_id: int) -> HttpResponse:
    """Completes a task; safe to repeat."""
    tasks = _tasks(request, task_id)
    return _one(tasks.complete() or tasks)


@router.post(
    "/tasks/{int:task_id}/reopen", response=TaskOut, openapi_extra=RETURNS_TASK
)
def reopen_task(request: ApiRequest, task_id: int) -> HttpResponse:
    """Reopens a task; safe to repeat."""
    tasks = _tasks(request, task_id)
    return _one(tasks.reopen() or tasks)


# Finding and answering


def _tasks(request: ApiRequest, task_id: int) -> TaskQuerySet:
    """The caller's task with this id: a set of one, or empty where it is not theirs."""
    if task_id > cursors.BIGINT:
        raise _missing()
    return Task.objects.owned_by(request.auth.user_id).filter(pk=task_id)


def _missing() -> NotFound:
    return NotFound("You have no task with this id.")


def _one(tasks: Iterable[Task], status: int = 200) -> HttpResponse:
    """The answer with the one task in `tasks`, or 404."""
    for task in tasks:
        response = _json(_represent(task), status)
        response.headers["ETag"] = f'"{task.version}"'
        return response
    raise _missing()


def _page(tasks: list[Task], filters: TaskFilters, more: bool) -> HttpResponse:
    cursor = cursors.encode(tasks[-1].pk) if more else None
    response = _json(
        {"items": [_represent(task) for task in tasks], "next_cursor": cursor}, 200
    )
    if more:
        query = filters.model_dump(mode="json", exclude_unset=True) | {"cursor": cursor}
        if filters.completed is not None:
            query["completed"] = "true" if filters.completed else "false"
        response.headers["Link"] = f'</api/tasks?{urlencode(query)}>; rel="next"'
    return response


def _represent(task: Task) -> dict[str, Any]:
    """The members of TaskOut, in its order."""
    return {
        "id": task.pk,
        "title": task.title,
        "description": task.description,
        "completed": task.completed,
        "completed_at": task.completed_at,
        "created_at": task.created_at,
        "updated_at": task.updated_at,
        "version": task.version,
    }


def _json(value: Any, status: int) -> HttpResponse:
    """orjson instead of ninja's renderer and a second validation of our own output:
    a page of 50 takes 0.1 ms instead of 2."""
    return HttpResponse(
        orjson.dumps(value, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC),
        content_type="application/json",
        status=status,
    )
