"""`/api/tags`: the caller's tags."""

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import Closed, absent
from taskproject.models import Job
from tasks.api.field_types import NextCursor, TagName, Version
from tasks.api.jobs import JobOut
from tasks.api.lists_and_tags import (
    TagOut,
    changed_by_job,
    read_row,
    removed,
    represent_row,
)
from tasks.api.responses import page_response
from tasks.api.schemas import Page
from tasks.jobs import remove_tag
from tasks.jobs import rename_tag as rename
from tasks.models import Actor, Tag

router = Router(tags=["tags"])


class TagPage(BaseModel):
    items: list[TagOut]
    next_cursor: NextCursor


class TagPatch(Closed):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "errands"}]})

    name: TagName
    version: Version = absent()


@router.get("/tags", response=TagPage)
def list_tags(request: ApiRequest, page: Query[Page]) -> HttpResponse:
    """Your tags, by name."""
    tags = Tag.objects.owned_by(request.auth.user_id).in_order()
    return page_response(
        request, tags, page, "tags", represent_row, "key", tags.after_cursor
    )


@router.get("/tags/{int:tag_id}", response={200: TagOut, 304: None})
def get_tag(request: ApiRequest, tag_id: int) -> HttpResponse:
    """A tag of yours."""
    return read_row(request, Tag.objects.owned_by(request.auth.user_id), tag_id)


@router.patch("/tags/{int:tag_id}", response={200: TagOut, 202: JobOut})
def rename_tag(request: ApiRequest, tag_id: int, body: TagPatch) -> HttpResponse:
    """Renames a tag in all of its tasks; 202 with a job for thousands of tasks."""
    tags = Tag.objects.owned_by(request.auth.user_id)

    def verb(row: Tag, by: Actor) -> Job | None:
        return rename(row, by, body.name)

    return changed_by_job(request, tags, tag_id, verb, body.version)


@router.delete("/tags/{int:tag_id}", response={204: None, 202: JobOut})
def delete_tag(request: ApiRequest, tag_id: int) -> HttpResponse:
    """Removes a tag from all of its tasks; 202 with a job for thousands of tasks."""
    tags = Tag.objects.owned_by(request.auth.user_id)
    return removed(request, tags, tag_id, remove_tag)
