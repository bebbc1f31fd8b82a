"""`/api/changes`, the feed of a user's changes, and the history of a task."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from typing_extensions import TypeAliasType

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import DIGITS, Closed
from taskproject.operations import checks_token_itself
from taskproject.problems import CursorExpired
from tasks import cursors
from tasks.api.field_types import Id, NextCursor
from tasks.api.lists_and_tags import ListOut, TagOut, represent_row
from tasks.api.responses import (
    clock_of,
    find,
    json_response,
    missing,
    page_response,
    represent,
    represent_event,
)
from tasks.api.schemas import InZone, Page, TaskOut
from tasks.hints import HintResponse, hint
from tasks.models import Event, Tag, Task, TaskList, feed
from tasks.models.due_dates import Clock
from tasks.models.newest_events import newest

router = Router(tags=["changes"])

CHANGE: JsonDict = {
    "sequence": 1201,
    "at": "2026-11-23T08:30:00.123456Z",
    "verb": "created",
    "task_id": 42,
    "list_id": None,
    "tag_id": None,
    "version": 1,
    "actor": {"id": 7, "username": "alice"},
    "via": "token",
    "request": "7f1b",
    "changes": {"title": {"old": None, "new": "Buy oat milk"}},
}
STREAM = {
    "text/event-stream": {
        "schema": {"type": "string"},
        "example": hint(1201).decode(),
    }
}
EventVerb = TypeAliasType(
    "EventVerb",
    Literal[
        "created",
        "edited",
        "completed",
        "reopened",
        "trashed",
        "restored",
        "deleted",
        "transferred",
        "moved",
        "reminded",
    ],
)
EventVia = TypeAliasType(
    "EventVia", Literal["token", "oidc", "session", "guest", "admin", "command"]
)


class ActorOut(BaseModel):
    id: int
    username: str | None = Field(description="Null if deleted.")


class FieldChange(BaseModel):
    old: object
    new: object


#: By the names of fields.
FieldChanges = TypeAliasType("FieldChanges", dict[str, FieldChange])


class EventOut(BaseModel):
    sequence: int
    at: datetime
    verb: EventVerb
    task_id: int | None = Field(description="One of these three.")
    list_id: int | None
    tag_id: int | None
    version: int = Field(description="After the change.")
    actor: ActorOut | None = Field(description="Null for the service.")
    via: EventVia
    request: str | None = Field(description="Its Idempotency-Key or X-Request-ID.")
    changes: FieldChanges


# Within ChangeOut `list` is a member.
Tasks = list[TaskOut]


class ChangeOut(EventOut):
    task: TaskOut | None = Field(
        description="As it is now; null if deleted or in the trash."
    )
    parents: Tasks = Field(description="Whose `open_subtasks` may have changed.")
    list: ListOut | None = Field(description="As it is now; null if deleted.")
    tag: TagOut | None = Field(description="As it is now; null if deleted.")


class ChangePage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        CHANGE
                        | {"task": None, "parents": [], "list": None, "tag": None}
                    ],
                    "next_cursor": "WyJhZnRlciIsMTIwMV0",
                    "has_more": False,
                }
            ]
        }
    )

    items: list[ChangeOut]
    next_cursor: str
    has_more: bool


class HistoryPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [], "next_cursor": None}]}
    )

    items: list[EventOut]
    next_cursor: NextCursor


class ChangesQuery(InZone):
    after: Annotated[str, Field(max_length=100)] | None = Field(
        None,
        description="The last `next_cursor`; `latest`: no items, only the cursor.",
    )
    limit: Annotated[int, Field(ge=1, le=500), DIGITS] = Field(
        100, description="Items on a page."
    )
    task: Annotated[Id, DIGITS] | None = Field(
        None, description="Only of this task and its subtasks."
    )
    list: Annotated[Id, DIGITS] | None = Field(
        None, description="Only of this list and its tasks."
    )

    def sequence(self) -> int | None:
        """The sequence after which the page begins; None: after the newest."""
        if self.after == "latest":
            return None
        if self.after is None:
            return 0
        return cursors.decode_number(self.after, "after", "after", least=0)


@router.get("/changes", response=ChangePage)
@checks_token_itself
def list_changes(request: ApiRequest, query: Query[ChangesQuery]) -> HttpResponse:
    """Your changes, in order. Begin with the `cursor` of `GET /api/snapshot`; 410 if it is too
    old."""
    after, wanted = query.sequence(), feed.Filter(query.task, query.list)
    asked = after, query.limit, request.auth.guard, wanted
    page = feed.page(request.auth.user_id, *asked)
    if query.after and after is not None:
        _check_issued(page, after)
    return _changes(page, clock_of(request, query))


class StreamQuery(Closed):
    lastEventId: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="Instead of the header."
    )


@router.get(
    "/changes/stream",
    response={200: None},
    summary="Wait for changes",
    openapi_extra={"responses": {200: {"description": "OK", "content": STREAM}}},
)
@checks_token_itself
def stream_changes(request: ApiRequest, query: Query[StreamQuery]) -> HintResponse:
    """Server-sent events, each with the newest cursor of `GET /api/changes`."""
    user_id, guard = request.auth.user_id, request.auth.guard
    known = request.META.get("HTTP_LAST_EVENT_ID", query.lastEventId)
    return HintResponse(user_id, newest(user_id, guard), known)


@router.get(
    "/tasks/{int:task_id}/history",
    response=HistoryPage,
    summary="List the changes of a task",
)
def list_history(request: ApiRequest, task_id: int, page: Query[Page]) -> HttpResponse:
    """The changes of a task, newest first, also of a deleted one."""
    known = find(request, task_id)
    events = Event.objects.of_task_in_feed(request.auth.user_id, task_id)
    if not events.exists() and not known.exists():
        raise missing()
    rows = events.in_order().reverse()
    return page_response(request, rows, page, "history", _past_event)


def _past_event(event: Event) -> dict[str, object]:
    return represent_event(event, event.actor.username if event.actor else None)


def _check_issued(page: feed.Page, after: int) -> None:
    """Raises `CursorExpired` for a cursor after which events are missing."""
    if after < page.horizon:
        reason = "Events as old as this cursor are not kept"
    elif not page.was_issued:
        reason = "The feed has no such cursor, because the database was restored from a backup"
    else:
        return
    raise CursorExpired(
        f"{reason}: read your tasks again by GET /api/snapshot, then continue with the "
        "cursor in `restart`.",
        restart={
            "cursor": cursors.encode("after", page.latest),
            "tasks": "/api/tasks",
        },
    )


def _changes(page: feed.Page, clock: Clock) -> HttpResponse:
    # Most requests find no events: they prepare no queries.
    items = _items(page, clock) if page.events else []
    return json_response(
        {
            "items": items,
            "next_cursor": cursors.encode("after", page.cursor),
            "has_more": page.has_more,
        }
    )


def _items(page: feed.Page, clock: Clock) -> list[dict[str, object]]:
    now = _Now(page, clock)
    return [
        represent_event(event, username) | now.of(event)
        for event, username in page.events
    ]


class _Now:
    """The rows that the events of a page are about, as they are now."""

    def __init__(self, page: feed.Page, clock: Clock) -> None:
        events = [event for event, _ in page.events]
        tasks, lists, tags = (
            {getattr(event, name) for event in events} - {None}
            for name in ("task_id", "list_id", "tag_id")
        )
        self._clock = clock
        self._tasks = Task.objects.shown().in_bulk(tasks)
        self._lists = TaskList.objects.in_bulk(lists)
        self._tags = Tag.objects.in_bulk(tags)
        self._parents = {event.sequence: self._parents_of(event) for event in events}
        others = set().union(*self._parents.values()) - self._tasks.keys()
        if others:
            self._tasks |= Task.objects.shown().in_bulk(others)

    def of(self, event: Event) -> dict[str, object]:
        """The members that ChangeOut has beside those of EventOut."""
        row = self._lists.get(event.list_id or 0)
        tag = self._tags.get(event.tag_id or 0)
        parents = [
            self._task(event, key) for key in sorted(self._parents[event.sequence])
        ]
        return {
            "task": self._task(event, event.task_id),
            "parents": [parent for parent in parents if parent],
            "list": row and represent_row(row),
            "tag": tag and represent_row(tag),
        }

    def _parents_of(self, event: Event) -> set[int]:
        return feed.parents(event, self._tasks.get(event.task_id or 0))

    def _task(self, event: Event, key: int | None) -> dict[str, object] | None:
        task = self._tasks.get(key or 0)
        # After a transfer it belongs to another user.
        shown = task and not task.deleted_at and task.owner_id == event.owner_id
        return represent(task, self._clock) if task and shown else None
