"""`/api/tasks/trash`: deleted tasks, which can be restored."""

from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict

from taskproject.accounts.auth import ApiRequest
from tasks import jobs
from tasks.api.field_types import NextCursor
from tasks.api.jobs import JobOut, unfinished_response
from tasks.api.responses import (
    actor,
    changed,
    clock_of,
    no_content,
    page_response,
    represent,
)
from tasks.api.schemas import InZone, OptionalBody, Page, TaskOut
from tasks.models import Task, TaskQuerySet
from tasks.models.due_dates import Clock

router = Router(tags=["trash"])


class TrashedTaskOut(TaskOut):
    deleted_at: datetime
    purge_after: datetime


class TrashPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [], "next_cursor": None}]}
    )

    items: list[TrashedTaskOut]
    next_cursor: NextCursor


class TrashQuery(Page, InZone):
    """The query of a page of the trash."""


@router.get("/tasks/trash", response=TrashPage, summary="List the trash")
def list_trash(request: ApiRequest, page: Query[TrashQuery]) -> HttpResponse:
    """Your tasks in the trash, newest first."""
    tasks = Task.objects.owned_by(request.auth.user_id).trashed().newest_first()
    show = partial(_represent, clock=clock_of(request, page))
    return page_response(request, tasks.shown(), page, "trash", show)


@router.delete("/tasks/trash", response={204: None, 202: JobOut})
def empty_trash(request: ApiRequest) -> HttpResponse:
    """Deletes them for good; 202 with a job for thousands of tasks."""
    job = jobs.empty_trash(request.auth.user_id, actor(request))
    return unfinished_response(job) or no_content()


@router.post("/tasks/{int:task_id}/restore", response=TaskOut)
def restore_task(
    request: ApiRequest, task_id: int, body: OptionalBody, zone: Query[InZone]
) -> HttpResponse:
    """Restores a task from the trash; safe to repeat."""
    verb, version = TaskQuerySet.restore, body.version
    return changed(request, task_id, verb, zone, version=version, trashed_too=True)


def _represent(task: Task, clock: Clock) -> dict[str, object]:
    assert task.deleted_at is not None
    kept = timedelta(days=settings.TRASH_DAYS)
    return represent(task, clock) | {
        "deleted_at": task.deleted_at,
        "purge_after": task.deleted_at + kept,
    }
