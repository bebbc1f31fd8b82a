"""`/api/tasks/export` and `/api/calendar`: tasks as files for other programs."""

from datetime import datetime
from functools import partial
from typing import Literal

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from typing_extensions import TypeAliasType

from taskproject.accounts.auth import ApiRequest, require_https
from taskproject.addresses import address
from taskproject.conditions import not_modified
from taskproject.deadlines import extend
from taskproject.downloads import CHUNK_TIMEOUT, download
from taskproject.inputs import Closed
from taskproject.problems import NotFound
from taskproject.sql import this_thread
from tasks import calendar
from tasks.api.responses import json_response, no_content, unchanged
from tasks.exports import WITH_TRASH, records_of
from tasks.formats import WRITERS, ics
from tasks.models import CalendarFeed, listing
from tasks.models.due_dates import clock

router = Router(tags=["export"])
#: Calendar programs have no credential but the address.
public = Router(tags=["export"])

CALENDAR: JsonDict = {
    "url": "/api/calendar/4MHs3g1c….ics",
    "prefix": "4MHs3g1c",
    "created_at": "2026-11-23T08:30:00.123456Z",
}


FIRST_LINES = {
    "jsonl": '{"kind":"header","format":"tasks","version":2}\n',
    "csv": "\ufeffexternal_id,title,…\r\n",
    "ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n…",
}


ExportFormat = TypeAliasType("ExportFormat", Literal["jsonl", "csv", "ics"])


class Export(Closed):
    format: ExportFormat = Field(
        "jsonl",
        description="`jsonl` has all data, with the trash.",
    )


class CalendarOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [CALENDAR]})

    url: str | None = Field(description="Only when it is created.")
    prefix: str = Field(description="Of the secret.")
    created_at: datetime


def _files(*formats: str) -> dict[str, object]:
    """The media types of the response, for the OpenAPI document."""
    content = {
        WRITERS[name].media_type.partition(";")[0]: {
            "schema": {"type": "string"},
            "example": FIRST_LINES[name],
        }
        for name in formats
    }
    return {"responses": {200: {"description": "OK", "content": content}}}


@router.get(
    "/tasks/export",
    response={200: None},
    openapi_extra=_files("jsonl", "csv", "ics"),
)
def export_tasks(request: ApiRequest, export: Query[Export]) -> StreamingHttpResponse:
    """All of your tasks as a file; 503 while others are made."""
    writer, user_id = WRITERS[export.format], request.auth.user_id
    wait, trashed = partial(extend, CHUNK_TIMEOUT), export.format in WITH_TRASH
    chunks = writer.write(records_of(user_id, None, wait, trashed=trashed), "Tasks")
    name = f"tasks-{clock('UTC').today}{writer.extension}"
    within = this_thread.connection.snapshot()
    return download(request, user_id, chunks, within, writer.media_type, name)


@router.get("/calendar", response=CalendarOut)
def get_calendar(request: ApiRequest) -> HttpResponse:
    """Your calendar feed."""
    feed = CalendarFeed.objects.owned_by(request.auth.user_id).first()
    if feed is None:
        raise NotFound("You have no calendar feed; POST makes one.")
    return _calendar(feed, None)


@router.post("/calendar", response={201: CalendarOut})
def create_calendar(request: ApiRequest) -> HttpResponse:
    """A new secret address instead of the previous one. Whoever has it can read your tasks
    with due dates."""
    feed, secret = CalendarFeed.objects.issue(request.auth.user_id)
    url = address(request, f"/api/calendar/{secret}.ics")
    response = _calendar(feed, url, status=201)
    response.headers["Location"] = "/api/calendar"
    response.headers["Cache-Control"] = "no-store"
    return response


@router.delete("/calendar", response={204: None})
def delete_calendar(request: ApiRequest) -> HttpResponse:
    """Deletes your calendar feed."""
    if not CalendarFeed.objects.owned_by(request.auth.user_id).revoke():
        raise NotFound("You have no calendar feed.")
    return no_content()


@public.get(
    "/calendar/{secret}.ics",
    response={200: None, 304: None},
    openapi_extra=_files("ics"),
)
def read_calendar(request: HttpRequest, secret: str) -> HttpResponse:
    """Tasks due since a year ago, at most 2,000, for calendar programs."""
    require_https(request)
    feed = CalendarFeed.objects.opened_by(secret).select_related("owner").first()
    if feed is None:
        raise NotFound("There is no calendar at this address.")
    # One snapshot, so that the ETag belongs to the calendar.
    with this_thread.connection.snapshot():
        return _calendar_file(request, feed)


def _calendar_file(request: HttpRequest, feed: CalendarFeed) -> HttpResponse:
    now = clock(feed.owner.timezone)
    sequence, _ = listing.state(feed.owner_id, now)
    tag = f'"{sequence}.{ics.REPRESENTATION}-{now.today:%Y%m%d}"'
    if not_modified(request, tag):
        return unchanged(tag)
    response = HttpResponse(
        calendar.write(feed.owner_id, now.today, "Tasks"),
        content_type=WRITERS["ics"].media_type,
    )
    response.headers["ETag"] = tag
    return response


def _calendar(feed: CalendarFeed, url: str | None, status: int = 200) -> HttpResponse:
    members = {"url": url, "prefix": feed.prefix, "created_at": feed.created_at}
    return json_response(members, status)
