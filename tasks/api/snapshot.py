"""`/api/snapshot`: lists, tags and tasks, and the cursor of the changes after them."""

from collections.abc import Callable, Iterator
from functools import partial

from django.http import StreamingHttpResponse
from ninja import Query, Router

from taskproject.accounts.auth import ApiRequest
from taskproject.deadlines import extend
from taskproject.downloads import CHUNK_TIMEOUT, download
from taskproject.sql import this_thread
from tasks import cursors
from tasks.api.lists_and_tags import represent_row
from tasks.api.responses import clock_of, json_line, represent
from tasks.api.schemas import InZone
from tasks.formats import WRITERS
from tasks.models import Tag, TaskList, listing
from tasks.models.criteria import Criteria
from tasks.models.due_dates import Clock

router = Router(tags=["changes"])

#: Rows that one statement reads.
CHUNK = 1_000
HEADER = {"kind": "header", "format": "snapshot", "version": 1}
MEDIA_TYPE = WRITERS["jsonl"].media_type
EXAMPLE = """\
{"kind":"header","format":"snapshot","version":1,"cursor":"WyJhZnRlciIsMTIwMV0"}
{"kind":"tag","id":5,"name":"errand","version":1}
{"kind":"end","lists":0,"tags":1,"tasks":0}
"""
FILE = {MEDIA_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}}


@router.get(
    "/snapshot",
    response={200: None},
    summary="Get a snapshot",
    openapi_extra={"responses": {200: {"description": "OK", "content": FILE}}},
)
def get_snapshot(request: ApiRequest, zone: Query[InZone]) -> StreamingHttpResponse:
    """Your lists, tags and tasks, and the cursor of the changes after them: lines of JSON,
    each with a `kind`. Without the line `end` it is incomplete."""
    user_id, clock = request.auth.user_id, clock_of(request, zone)
    lines = _lines(user_id, clock, partial(extend, CHUNK_TIMEOUT))
    within = this_thread.connection.snapshot()
    return download(request, user_id, lines, within, MEDIA_TYPE, "snapshot.jsonl")


def _lines(
    owner_id: int, clock: Clock, before_read: Callable[[], None]
) -> Iterator[bytes]:
    """The lines. Takes several statements, and calls `before_read` before each. Call it
    within one `snapshot()` of the connection, so that all of them read the same state."""
    before_read()
    tasks, sequence = _tasks(owner_id, None, clock)
    yield json_line(HEADER | {"cursor": cursors.encode("after", sequence)})
    numbers = {"lists": 0, "tags": 0, "tasks": 0}
    for row in _rows(TaskList, "position", owner_id, before_read):
        numbers["lists"] += 1
        yield json_line({"kind": "list", **represent_row(row)})
    for row in _rows(Tag, "key", owner_id, before_read):
        numbers["tags"] += 1
        yield json_line({"kind": "tag", **represent_row(row)})
    while tasks:
        for task in tasks:
            yield json_line({"kind": "task", **represent(task, clock)})
        numbers["tasks"] += len(tasks)
        before_read()
        tasks, _ = _tasks(owner_id, listing.Place.of(tasks[-1]), clock)
    yield json_line({"kind": "end", **numbers})


def _tasks(
    owner_id: int, after: listing.Place | None, clock: Clock
) -> tuple[list[listing.Row], int]:
    """The next tasks by id, and the sequence of the owner's newest event."""
    rows, (sequence, _) = listing.page(
        owner_id, Criteria(), "created", CHUNK, after, clock
    )
    return rows, sequence


def _rows(
    kind: type[TaskList | Tag],
    order: str,
    owner_id: int,
    before_read: Callable[[], None],
) -> Iterator[TaskList | Tag]:
    """The owner's lists or tags in their order, by the field `order`."""
    rows = kind.objects.owned_by(owner_id).in_order()
    page = rows
    while True:
        before_read()
        found: list[TaskList | Tag] = list(page[:CHUNK])
        yield from found
        if len(found) < CHUNK:
            return
        page = rows.after_cursor(found[-1].pk, getattr(found[-1], order))
