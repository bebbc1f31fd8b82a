"""`/api/changes` and a task's history: readers of the events."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import DIGITS
from taskproject.problems import CursorExpired
from tasks import cursors
from tasks.api.responses import (
    clock_of,
    find,
    json_response,
    missing,
    page_response,
    represent,
)
from tasks.api.schemas import EXAMPLE, InZone, Page, TaskOut
from tasks.models import Event, FeedHorizon, Task

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
    "changes": {"title": {"old": None, "new": "Buy oat milk"}},
}
Verb = Literal[
    "created",
    "edited",
    "completed",
    "reopened",
    "trashed",
    "restored",
    "deleted",
    "transferred",
    "moved",
]


class ActorOut(BaseModel):
    id: int
    username: str | None = Field(description="Null when the user is gone.")


class FieldChange(BaseModel):
    old: object
    new: object


class EventOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [CHANGE]})

    sequence: int = Field(description="Rises with every change of yours.")
    at: datetime
    verb: Verb
    task_id: int | None = Field(description="What changed: one of these three.")
    list_id: int | None
    tag_id: int | None
    version: int = Field(description="The version after the change.")
    actor: ActorOut | None = Field(description="Who did it; null for the service.")
    via: str = Field(description="token, session, guest, admin or command.")
    changes: dict[str, FieldChange]


class ChangeOut(EventOut):
    model_config = ConfigDict(
        json_schema_extra={"examples": [CHANGE | {"task": EXAMPLE}]}
    )

    task: TaskOut | None = Field(
        description="The task as it is now; null when it is deleted or in the trash, "
        "and where the change is of a list or a tag."
    )


class ChangePage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [CHANGE | {"task": EXAMPLE}], "next_cursor": "YWZ0ZXI6MTIwMQ"}
            ]
        }
    )

    items: list[ChangeOut]
    next_cursor: str = Field(description="To come back with, also when nothing is new.")


class HistoryPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [CHANGE], "next_cursor": None}]}
    )

    items: list[EventOut]
    next_cursor: str | None = Field(description="For the next page; null on the last.")


class ChangesQuery(InZone):
    after: Annotated[str, Field(max_length=100)] | None = Field(
        None,
        description="The `next_cursor` that you remember; `latest` for the cursor of "
        "this moment and no items; without it, everything that is kept.",
    )
    limit: Annotated[int, Field(ge=1, le=500), DIGITS] = Field(
        100, description="Changes a page."
    )


@router.get("/changes", response=ChangePage)
def list_changes(request: ApiRequest, query: Query[ChangesQuery]) -> HttpResponse:
    """Your changes of tasks, lists and tags in the order of their commits, each of a
    task with the task as it is now.

    To stay up to date: take the cursor of `?after=latest`, read your tasks, then ask
    again and again with the `next_cursor` of the answer before. Nothing is missed and
    nothing repeated, however many write meanwhile. A page shorter than `limit` is the
    last for now. History is kept for 90 days unless configured otherwise; a cursor
    from before that is 410.
    """
    user_id = request.auth.user_id
    if query.after == "latest":
        return _changes(request, query, [], _latest(user_id))
    after = 0
    if query.after is not None:
        after = cursors.decode_number(query.after, "after", "after", least=0)
    page = list(Event.objects.feed(user_id, after)[: query.limit])
    if query.after is not None:
        _check_horizon(request, after)
    return _changes(request, query, page, page[-1].sequence if page else after)


@router.get("/tasks/{int:task_id}/history", response=HistoryPage)
def list_history(request: ApiRequest, task_id: int, page: Query[Page]) -> HttpResponse:
    """Who changed what in this task, and when: newest first, the trash and the time
    after its deletion included."""
    known = find(request, task_id)
    events = Event.objects.of_task_of(request.auth.user_id, task_id)
    if not events.exists() and not known.exists():
        raise missing()
    rows = events.in_order().reverse()
    return page_response(request, rows, page, "history", _event)


def _latest(user_id: int) -> int:
    return Event.objects.owned_by(user_id).last_sequence()


def _check_horizon(request: ApiRequest, after: int) -> None:
    """410 where events behind the cursor are purged. Asked after the events were read:
    what was purged meanwhile shows here."""
    owner_id = request.auth.user_id
    if not FeedHorizon.objects.filter(owner_id=owner_id, sequence__gt=after).exists():
        return
    latest = _latest(owner_id)
    raise CursorExpired(
        "Read your tasks anew, then come back with the cursor in `restart`.",
        restart={"cursor": cursors.encode("after", latest), "tasks": "/api/tasks"},
    )


def _changes(
    request: ApiRequest, zone: InZone, events: list[Event], cursor: int
) -> HttpResponse:
    clock = clock_of(request, zone)
    keys = {event.task_id for event in events if event.task_id is not None}
    tasks = Task.objects.live().shown().in_bulk(keys)
    items: list[dict[str, object]] = []
    for event in events:
        task = tasks.get(event.task_id or 0)
        # After a transfer the task is another owner's to see.
        mine = task is not None and task.owner_id == event.owner_id
        items.append(
            _event(event) | {"task": represent(task, clock) if task and mine else None}
        )
    return json_response(
        {"items": items, "next_cursor": cursors.encode("after", cursor)}
    )


def _event(event: Event) -> dict[str, object]:
    actor = event.actor_id and {
        "id": event.actor_id,
        "username": event.actor.username if event.actor else None,
    }
    return {
        "sequence": event.sequence,
        "at": event.at,
        "verb": event.verb,
        "task_id": event.task_id,
        "list_id": event.list_id,
        "tag_id": event.tag_id,
        "version": event.version,
        "actor": actor,
        "via": event.via,
        "changes": {
            name.removesuffix("_id"): {"old": old, "new": new}
            for name, (old, new) in event.changes.items()
        },
    }
