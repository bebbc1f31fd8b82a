"""Lists and tags: representation, responses, and changes under If-Match with the row locked."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from django.db.models import QuerySet
from django.http import HttpResponse
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from taskproject.accounts.auth import ApiRequest
from taskproject.conditions import expected_versions, not_modified, stale_version
from taskproject.models import Job
from taskproject.problems import StaleVersion
from tasks.api.jobs import unfinished_response
from tasks.api.responses import (
    actor,
    find_row,
    json_response,
    no_content,
    unchanged,
)
from tasks.models import Actor, Event, Tag, TaskList, lock_feeds

#: A list or a tag.
R = TypeVar("R", TaskList, Tag)
#: The format of the representation, as a part of the ETags: increase it when the members
#: change, or the way that one of them is written.
REPRESENTATION = 2

LIST: JsonDict = {
    "id": 3,
    "name": "Shopping",
    "archived": False,
    "position": "n0hog8tngddri",
    "created_at": "2026-11-23T08:30:00.123456Z",
    "updated_at": "2026-11-23T08:30:00.123456Z",
    "version": 1,
}
TAG: JsonDict = {"id": 5, "name": "errand", "version": 1}


class ListOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [LIST]})

    id: int
    name: str
    archived: bool
    position: str = Field(description="Compare as ASCII text.")
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="1, and one more after every change.")


class TagOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [TAG]})

    id: int
    name: str
    version: int = Field(description="1, and one more after every change.")


def represent_row(row: TaskList | Tag) -> dict[str, object]:
    """The members of ListOut or TagOut."""
    schema = ListOut if isinstance(row, TaskList) else TagOut
    return {name: getattr(row, name) for name in schema.model_fields}


def row_response(row: R, status: int = 200) -> HttpResponse:
    return json_response(represent_row(row), status, ETag=_etag(row))


def read_row(request: ApiRequest, rows: QuerySet[R], key: int) -> HttpResponse:
    """The response with one row: 200 or 304. Raises `NotFound`."""
    row = find_row(rows, key)
    tag = _etag(row)
    return unchanged(tag) if not_modified(request, tag) else row_response(row)


def change_row(
    request: ApiRequest,
    rows: QuerySet[R],
    key: int,
    verb: Callable[[R, Actor], None],
    version: int | None = None,
) -> R:
    """Changes the caller's row by `verb`, and returns it.

    Raises the problem of a row that is missing (404) or at another version (412).
    """
    versions = expected_versions(request, version)
    with lock_feeds([request.auth.user_id]):
        row = find_row(rows.select_for_update(), key)
        if versions is not None and row.version not in versions:
            raise _stale(row, versions)
        verb(row, actor(request))
    return row


def changed_by_job(
    request: ApiRequest,
    rows: QuerySet[R],
    key: int,
    verb: Callable[[R, Actor], Job | None],
    version: int | None = None,
) -> HttpResponse:
    """The response to a change: the row, or 202 if the verb returned a job that has not
    finished yet."""
    row, unfinished = _with_job(request, rows, key, verb, version)
    return unfinished or row_response(row)


def removed(
    request: ApiRequest,
    rows: QuerySet[R],
    key: int,
    verb: Callable[[R, Actor], Job | None],
) -> HttpResponse:
    """The response to a deletion: 204, or 202 as above."""
    _, unfinished = _with_job(request, rows, key, verb)
    return unfinished or no_content()


def _with_job(
    request: ApiRequest,
    rows: QuerySet[R],
    key: int,
    verb: Callable[[R, Actor], Job | None],
    version: int | None = None,
) -> tuple[R, HttpResponse | None]:
    """Changes the row, and runs its job, if there is one, for as long as a request may.
    Returns the row, and the response of a job that has not finished yet."""
    created: list[Job | None] = []
    row = change_row(
        request, rows, key, lambda row, by: created.append(verb(row, by)), version
    )
    return row, unfinished_response(created[0])


def _stale(row: R, versions: set[int]) -> StaleVersion:
    changed = None
    if len(versions) == 1:
        kind = "list_id" if isinstance(row, TaskList) else "tag_id"
        events = Event.objects.filter(**{kind: row.pk})
        changed = events.changed_fields_since(min(versions), row.version)
    return stale_version(versions, row.version, _etag(row), represent_row(row), changed)


def _etag(row: TaskList | Tag) -> str:
    return f'"{row.version}.{REPRESENTATION}"'
