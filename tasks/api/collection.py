"""`/api/tasks`: listing, counting and creating tasks."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from taskproject.accounts.auth import ApiRequest
from taskproject.conditions import not_modified
from taskproject.inputs import absent
from taskproject.operations import checks_token_itself
from taskproject.replica import reads_replica
from tasks import cursors
from tasks.api.field_types import NextCursor
from tasks.api.filters import TaskFilters
from tasks.api.responses import (
    actor,
    clock_of,
    gone,
    items_response,
    json_response,
    represent,
    task_response,
    unchanged,
)
from tasks.api.schemas import (
    REPRESENTATION,
    InZone,
    TaskCreate,
    TaskOut,
    to_model_fields,
)
from tasks.models import Task, listing, totals
from tasks.models.due_dates import Clock
from tasks.models.events import NEWEST
from tasks.models.highlights import parts
from tasks.models.totals import Total

router = Router(tags=["tasks"])


class TotalOut(BaseModel):
    """On all pages."""

    count: int
    exact: bool = Field(description="False: there are at least so many.")


class HighlightsOut(BaseModel):
    """Texts in parts, of which every second matches."""

    title: list[str]
    description: list[str]


class TaskPage(BaseModel):
    items: list[TaskOut]
    next_cursor: NextCursor
    total: TotalOut = absent()
    highlights: list[HighlightsOut] = absent()


class OpenInList(BaseModel):
    list: int | None = Field(description="Null: in no list.")
    open: int


class OpenWithTag(BaseModel):
    tag: str
    open: int


COUNTS: JsonDict = {
    "open": 12,
    "completed": 30,
    "overdue": 2,
    "due_today": 1,
    "lists": [{"list": 3, "open": 8}, {"list": None, "open": 4}],
    "tags": [{"tag": "errand", "open": 5}],
}


class Counts(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [COUNTS]})

    open: int
    completed: int
    overdue: int = Field(description="Open ones.")
    due_today: int = Field(description="Open ones.")
    lists: list[OpenInList]
    tags: list[OpenWithTag]


@router.get("/tasks", response={200: TaskPage, 304: None})
@checks_token_itself
@reads_replica(NEWEST)
def list_tasks(request: ApiRequest, filters: Query[TaskFilters]) -> HttpResponse:
    """Your tasks. The ETag changes when one of them changes or becomes overdue."""
    owner_id, clock = request.auth.user_id, clock_of(request, filters)
    if "HTTP_IF_NONE_MATCH" in request.META:
        tag = _tag(listing.state(owner_id, clock, request.auth.guard), clock)
        if not_modified(request, tag):
            return unchanged(tag)
    return _page(request, filters, clock)


@router.post("/tasks", response={200: TaskOut, 201: TaskOut})
@checks_token_itself
def create_task(
    request: ApiRequest, body: TaskCreate, zone: Query[InZone]
) -> HttpResponse:
    """Creates a task at the end of its list. If one has its `client_id`: 200 with that, 410 if
    it is in the trash."""
    fields = to_model_fields(vars(body))
    if body.due_at is not None and body.due_timezone is None:
        fields["due_timezone"] = request.auth.user.timezone
    by, owner_id = actor(request), request.auth.user_id
    task, created = Task.objects.obtain(by, owner_id=owner_id, **fields)
    if task.deleted_at:
        raise gone(task.id)
    status, location = 201 if created else 200, f"/api/tasks/{task.id}"
    return task_response(task, clock_of(request, zone), status, Location=location)


@router.get("/tasks/counts", response={200: Counts, 304: None})
@checks_token_itself
@reads_replica(NEWEST)
def count_tasks(request: ApiRequest, zone: Query[InZone]) -> HttpResponse:
    """The number of your tasks."""
    owner_id, clock = request.auth.user_id, clock_of(request, zone)
    tag = _tag(listing.state(owner_id, clock, request.auth.guard), clock)
    if not_modified(request, tag):
        return unchanged(tag)
    return json_response(listing.counts(owner_id, clock), ETag=tag)


def _page(request: ApiRequest, filters: TaskFilters, clock: Clock) -> HttpResponse:
    owner_id, sort = request.auth.user_id, filters.sort
    asked = filters.criteria(), sort, filters.limit + 1, filters.place()
    names = filters.shown()
    # Highlights are of the description even if that is not shown.
    read = names | {"description"} if names and filters.highlight else names
    rows, state = listing.page(owner_id, *asked, clock, request.auth.guard, read)
    shown = rows[: filters.limit]
    cursor = None
    if len(rows) > filters.limit:
        place = listing.Place.of(shown[-1])
        cursor = cursors.encode(sort, place.id, place.cursor_value())
    items = [represent(row, clock) for row in shown]
    members: dict[str, object] = {}
    highlights = _highlights(items, asked[0].words) if filters.highlight else None
    if names is not None:
        items = [
            {name: value for name, value in item.items() if name in names}
            for item in items
        ]
    if filters.total:
        total = Total(len(rows), exact=True)
        if filters.cursor or cursor:
            total = totals.total(owner_id, asked[0], clock)
        members["total"] = {"count": total.number, "exact": total.exact}
    if highlights is not None:
        members["highlights"] = highlights
    return items_response(request, items, cursor, members, ETag=_tag(state, clock))


def _highlights(
    items: Sequence[Mapping[str, object]], words: Sequence[str]
) -> list[dict[str, list[str]]]:
    """The members of HighlightsOut for each item."""
    return [
        {name: parts(str(item[name]), words) for name in HighlightsOut.model_fields}
        for item in items
    ]


def _tag(state: tuple[int, datetime | None], clock: Clock) -> str:
    """The ETag of a list of tasks or of the counts. Made of the newest event, the format
    of the representation, the day and its time zone, and the latest instant at which a
    task became overdue."""
    sequence, passed = state
    instant = f"{passed:%Y%m%d%H%M%S%f}" if passed else "0"
    return (
        f'"{sequence}.{REPRESENTATION}-{clock.today:%Y%m%d}-{clock.zone.key}-{instant}"'
    )
