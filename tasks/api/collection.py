"""`/api/tasks`: the caller's tasks, filtered, sorted and counted; and new ones."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field

from taskproject.accounts.auth import ApiRequest
from taskproject.conditions import not_modified
from taskproject.inputs import WORD
from tasks import cursors
from tasks.api.answers import (
    EXAMPLE,
    REPRESENTATION,
    InZone,
    OrderedPage,
    TaskOut,
    actor,
    clock_of,
    items_answer,
    json_answer,
    represent,
    task_answer,
    unchanged,
)
from tasks.api.fields import (
    DayOrInstant,
    IdOrNone,
    Instant,
    Priority,
    Question,
    TagWanted,
    stored,
)
from tasks.api.tasks import TaskIn
from tasks.limits import MOST_TAGS
from tasks.models import PRIORITIES, Task, listing
from tasks.models.criteria import Criteria
from tasks.models.dues import Clock
from tasks.models.words import asked

router = Router(tags=["tasks"])

Sort = Literal[
    "created",
    "-created",
    "updated",
    "-updated",
    "due",
    "-due",
    "priority",
    "-priority",
    "title",
    "-title",
    "position",
    "-position",
]


class TaskPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [EXAMPLE], "next_cursor": "WyItY3JlYXRlZCIsNDJd"}]
        }
    )

    items: list[TaskOut]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


# Within TaskFilters `list` is a member.
TagNames = list[TagWanted]
PriorityNames = list[Priority]


class TaskFilters(OrderedPage, InZone):
    """Which tasks, in which order; several filters must all be met."""

    completed: Annotated[bool, WORD] | None = Field(
        None, description="Only completed (true) or only open (false) tasks."
    )
    list: IdOrNone | None = Field(
        None, description="Only those in this list; `none` for those in no list."
    )
    parent: IdOrNone | None = Field(
        None, description="Only its subtasks; `none` for those that are no subtasks."
    )
    tag: TagNames = Field(
        [],
        max_length=MOST_TAGS,
        description="Only those with this tag; repeated, with all of them.",
    )
    priority: PriorityNames = Field(
        [],
        max_length=5,
        description="Only those of this priority; repeated, of any of them.",
    )
    due_before: DayOrInstant | None = Field(
        None, description="Due before this day (not on it), or before this instant."
    )
    due_after: DayOrInstant | None = Field(
        None, description="Due on this day or later, or from this instant on."
    )
    overdue: Annotated[bool, WORD] | None = Field(
        None, description="Open and past its due (true), or not (false)."
    )
    has_due: Annotated[bool, WORD] | None = Field(
        None, description="Only those with a due, or only those without."
    )
    created_after: Instant | None = Field(None, description="Made after this instant.")
    updated_after: Instant | None = Field(
        None, description="Changed after this instant."
    )
    q: Question | None = None
    sort: Sort = Field(
        "-created",
        description="A minus turns the order around. `created` is the order in which "
        "the tasks were added here; `due` has those without one last, a day at its end; "
        "`title` is without regard to case and accents.",
    )

    def criteria(self) -> Criteria:
        return Criteria(
            completed=self.completed,
            list_id=self.list,
            parent_id=self.parent,
            tags=self.tag,
            priorities=[PRIORITIES[word] for word in self.priority],
            due_before=self.due_before,
            due_after=self.due_after,
            overdue=self.overdue,
            has_due=self.has_due,
            created_after=self.created_after,
            updated_after=self.updated_after,
            words=asked(self.q or ""),
        )

    def place(self) -> listing.Place | None:
        """Where the page before ended."""
        if self.cursor is None:
            return None
        place = listing.Place.told(self.sort, *cursors.decode(self.cursor, self.sort))
        return place or cursors.refuse("cursor")


class OpenInList(BaseModel):
    list: int | None = Field(description="Null for those that are in no list.")
    open: int


class OpenWithTag(BaseModel):
    tag: str
    open: int


COUNTS: dict[str, Any] = {
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
    overdue: int = Field(description="Open, and their due has passed in your zone.")
    due_today: int = Field(description="Open, and due today in your zone.")
    lists: list[OpenInList] = Field(description="Those with open tasks.")
    tags: list[OpenWithTag] = Field(description="Those of open tasks.")


@router.get("/tasks", response={200: TaskPage, 304: None})
def list_tasks(request: ApiRequest, filters: Query[TaskFilters]) -> HttpResponse:
    """Your tasks, newest first unless sorted otherwise, a page at a time.

    A page neither skips nor repeats a task that keeps its place while others are
    written. The ETag changes with every change of a task of yours, and when one becomes
    overdue: polling with If-None-Match costs one small query and a 304.
    """
    owner_id, clock = request.auth.user_id, clock_of(request, filters)
    if "HTTP_IF_NONE_MATCH" in request.META:
        tag = _tag(listing.state(owner_id, clock, request.auth.proof), clock)
        if not_modified(request, tag):
            return unchanged(tag)
    return _page(request, filters, clock)


@router.post("/tasks", response={201: TaskOut})
def create_task(request: ApiRequest, body: TaskIn, zone: Query[InZone]) -> HttpResponse:
    """Adds a task, at the end of its list."""
    fields = stored(vars(body))
    if body.due_at is not None and body.due_timezone is None:
        fields["due_timezone"] = request.auth.user.timezone
    task = Task.objects.add(actor(request), owner_id=request.auth.user_id, **fields)
    location = f"/api/tasks/{task.id}"
    return task_answer(task, clock_of(request, zone), status=201, Location=location)


@router.get("/tasks/counts", response={200: Counts, 304: None})
def count_tasks(request: ApiRequest, zone: Query[InZone]) -> HttpResponse:
    """How many tasks you have, for badges. Tasks in the trash do not count."""
    owner_id, clock = request.auth.user_id, clock_of(request, zone)
    tag = _tag(listing.state(owner_id, clock, request.auth.proof), clock)
    if not_modified(request, tag):
        return unchanged(tag)
    return json_answer(listing.counts(owner_id, clock), ETag=tag)


def _page(request: ApiRequest, filters: TaskFilters, clock: Clock) -> HttpResponse:
    owner_id, sort = request.auth.user_id, filters.sort
    asked = filters.criteria(), sort, filters.limit + 1, filters.place()
    rows, state = listing.page(owner_id, *asked, clock, request.auth.proof)
    shown = rows[: filters.limit]
    cursor = None
    if len(rows) > filters.limit:
        place = listing.Place.of(shown[-1])
        cursor = cursors.encode(sort, place.id, place.told_value())
    items = [represent(row, clock) for row in shown]
    return items_answer(request, items, cursor, ETag=_tag(state, clock))


def _tag(state: tuple[int, datetime | None], clock: Clock) -> str:
    """The newest change, the form, the day and whose it is, and the latest instant at
    which a task became overdue. See REPRESENTATION, which is of the counts too."""
    sequence, passed = state
    instant = f"{passed:%Y%m%d%H%M%S%f}" if passed else "0"
    return (
        f'"{sequence}.{REPRESENTATION}-{clock.today:%Y%m%d}-{clock.zone.key}-{instant}"'
    )
