"""Responses with tasks: representation, ETag, and the problems of tasks that are missing,
in the trash, or changed by somebody else."""

from collections.abc import Callable, Mapping
from dataclasses import make_dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from http.cookies import SimpleCookie
from operator import attrgetter
from types import MappingProxyType
from typing import ClassVar, TypeVar

import orjson
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import ResponseHeaders

from taskproject import timezones
from taskproject.accounts.auth import ApiRequest
from taskproject.conditions import expected_versions, not_modified, stale_version
from taskproject.idempotency import key_of
from taskproject.input_errors import input_error
from taskproject.problems import NO_SUCH_ROW, Gone, Invalid, NotFound, StaleVersion
from tasks import cursors
from tasks.api.schemas import REPRESENTATION, InZone, Page
from tasks.fields import ATTRIBUTES, FIELDS
from tasks.formats import jsonl
from tasks.models import Actor, Event, Outcome, Task, TaskQuerySet, listing
from tasks.models.batches import RESTORE, Batch
from tasks.models.due_dates import Clock, clock, is_overdue
from tasks.models.events import changed_fields
from tasks.models.listing import Row

M = TypeVar("M", bound=Model)
#: How values are written as JSON. (SQLite returns naive times, in UTC.)
JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
WORDS: list[str] = Task.Priority.labels
NO_FIELDS: Mapping[str, object] = MappingProxyType({})
_MEMBERS = [field.name for field in FIELDS]
#: The members of a task. (Objects of a class share the table of their attributes' names: 50 of
#: them and their JSON take 0.93 million instructions, and 1.23 million as dicts.)
_Shown = make_dataclass("_Shown", _MEMBERS)
# The members before `overdue`, which is computed, and those after it.
_BEFORE = slice(_MEMBERS.index("overdue"))
_AFTER = slice(_BEFORE.stop, len(ATTRIBUTES))
_attributes = attrgetter(*ATTRIBUTES.values())


def represent(task: Task | Row, clock: Clock) -> dict[str, object]:
    """The members of TaskOut, in its order; `clock` is the clock of the request. A change
    of the members changes REPRESENTATION."""
    values = task if type(task) is tuple else _attributes(task)
    shown = _Shown(*values[_BEFORE], False, *values[_AFTER])
    if values is task:
        shown.tags = orjson.loads(shown.tags)
        if shown.reminders:
            shown.reminders = orjson.loads(shown.reminders)
    if shown.reminders is None:
        shown.reminders = []
    shown.priority = WORDS[shown.priority]
    day, instant = shown.due_date, shown.due_at
    if day or instant:
        shown.overdue = is_overdue(shown.completed, day, instant, clock)
        shown.due_timezone = instant and timezones.known(shown.due_timezone)
    members: dict[str, object] = vars(shown)
    return members


def clock_of(request: ApiRequest, zone: InZone) -> Clock:
    """The current time in the time zone of the request: its `tz`, else the caller's."""
    return clock(zone.tz or request.auth.user.timezone)


class JSONResponse(HttpResponse):
    """A response that is constructed without Django's conversion and checks of the
    headers, which are plain ASCII: saves 0.01 ms."""

    _blank: ClassVar = vars(HttpResponse(content_type="application/json"))

    def __init__(self, content: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.__dict__.update(
            self._blank,
            headers=ResponseHeaders({}),
            cookies=SimpleCookie(),
            status_code=status,
            _container=[content],
            _resource_closers=[],
        )
        self.headers._store.update(
            {
                "content-type": ("Content-Type", "application/json"),
                "content-length": ("Content-Length", str(len(content))),
                **{name.lower(): (name, value) for name, value in headers.items()},
            }
        )


def json_response(value: object, status: int = 200, **headers: str) -> HttpResponse:
    """A response with this value as JSON. It is not validated against a schema again:
    0.1 ms for a page of 50 tasks instead of 2. The headers are plain ASCII."""
    content = orjson.dumps(value, option=JSON_OPTIONS)
    return JSONResponse(content, status, headers)


def json_line(members: Mapping[str, object]) -> bytes:
    """A line of JSON Lines."""
    return jsonl.encoded(members, JSON_OPTIONS)


def page_response(
    request: HttpRequest,
    rows: QuerySet[M],
    page: Page,
    kind: str,
    show: Callable[[M], dict[str, object]],
    order: str = "",
    after_cursor: Callable[[int, str], QuerySet[M]] | None = None,
) -> HttpResponse:
    """One page of `rows`, with the Link to the next. They descend by primary key, or
    ascend by the text in the field `order`; then `after_cursor` returns the rows
    that follow a key and a text.

    `kind` is a part of the cursor, so that the cursor of another list is refused. The
    next page begins after a key, not at an offset: concurrent writes cause no row to be
    skipped or repeated.
    """
    if page.cursor is not None and after_cursor is not None:
        rows = after_cursor(*cursors.decode_text(page.cursor, kind))
    elif page.cursor is not None:
        rows = rows.filter(pk__lt=cursors.decode_number(page.cursor, kind))
    found = list(rows[: page.limit + 1])
    shown, more = found[: page.limit], len(found) > page.limit
    cursor = None
    if more:
        last = shown[-1]
        cursor = cursors.encode(kind, last.pk, getattr(last, order) if order else None)
    return items_response(request, [*map(show, shown)], cursor)


def items_response(
    request: HttpRequest,
    items: list[dict[str, object]],
    cursor: str | None,
    members: Mapping[str, object] = MappingProxyType({}),
    **headers: str,
) -> HttpResponse:
    """A page with these items and further members, and the Link to the next page, if there is a
    `cursor`."""
    if cursor is not None:
        others = _others(request.META.get("QUERY_STRING", ""))
        headers["Link"] = f'<{request.path_info}?{others}cursor={cursor}>; rel="next"'
    page = {"items": items, "next_cursor": cursor, **members}
    return json_response(page, 200, **headers)


@lru_cache(maxsize=1_000)
def _others(query: str) -> str:
    """The parameters of a query without its cursor, to put before another cursor. Cached,
    because clients send the same few queries again and again, and this takes 0.02 ms."""
    parameters = QueryDict(query.encode("latin-1"), mutable=True)  # as Django reads it
    parameters.pop("cursor", None)
    return f"{parameters.urlencode()}&" if parameters else ""


def no_content(status: int = 204) -> HttpResponse:
    response = HttpResponse(status=status)
    del response.headers["Content-Type"]
    return response


def unchanged(etag: str) -> HttpResponse:
    response = no_content(304)
    response.headers["ETag"] = etag
    return response


def task_response(
    task: Task | Row, clock: Clock, status: int = 200, **headers: str
) -> HttpResponse:
    shown = represent(task, clock)
    return json_response(shown, status, ETag=etag(shown), **headers)


def etag(shown: Mapping[str, object]) -> str:
    """The ETag of a represented task: version and format, then a hyphen and what changes
    without the version: the number of open subtasks, and whether it is overdue. If-Match
    compares the version alone."""
    derived = str(shown["open_subtasks"] or "")
    if shown["overdue"]:
        derived += "overdue"
    tag = f"{shown['version']}.{REPRESENTATION}"
    return f'"{tag}-{derived}"' if derived else f'"{tag}"'


def actor(request: ApiRequest) -> Actor:
    """The actor of the events of this request."""
    caller = request.auth
    return Actor(caller.user_id, caller.via, caller.guard, name_of(request))


def name_of(request: ApiRequest) -> str | None:
    """What events name the request by: its Idempotency-Key, else its X-Request-ID."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    return getattr(request, "id", None) if key is None else key_of(key)


def find(request: ApiRequest, task_id: int) -> TaskQuerySet:
    """The caller's task with this id, in the trash or not, as a queryset."""
    if task_id > cursors.BIGINT:
        raise missing()
    return Task.objects.owned_by(request.auth.user_id).filter(pk=task_id)


def read(request: ApiRequest, task_id: int, clock: Clock) -> HttpResponse:
    """The response with one task: 200 or 304. Raises the problem of a task that is
    missing (404) or in the trash (410)."""
    if task_id > cursors.BIGINT:
        raise missing()
    task = listing.read(request.auth.user_id, task_id, request.auth.guard)
    if task is None:
        raise missing()
    if listing.is_trashed(task):
        raise gone(task_id)
    shown = represent(task, clock)
    tag = etag(shown)
    return (
        unchanged(tag) if not_modified(request, tag) else json_response(shown, ETag=tag)
    )


def change(
    request: ApiRequest,
    task_id: int,
    verb: Callable[..., Outcome],
    clock: Clock,
    fields: Mapping[str, object] = NO_FIELDS,
    *,
    version: int | None = None,
    trashed_too: bool = False,
) -> Task:
    """Changes the caller's task by `verb`, a method of TaskQuerySet, which gets the
    fields. Returns the task afterwards; if it was deleted, as it was before.

    If-Match, or the `version` in the body, is checked by the statement that changes the
    task. Raises the problem of a task that is missing (404), in the trash (410) or at
    another version (412).
    """
    versions = expected_versions(request, version)
    if task_id > cursors.BIGINT:
        raise missing()
    task = Task.one(request.auth.user_id, task_id)
    outcome = verb(task, actor(request), versions, **fields)
    return task_or_raise(outcome, task_id, versions, clock, trashed_too)


def changed(
    request: ApiRequest,
    task_id: int,
    verb: Callable[..., Outcome],
    zone: InZone,
    fields: Mapping[str, object] = NO_FIELDS,
    *,
    version: int | None = None,
    trashed_too: bool = False,
) -> HttpResponse:
    """The response to a change of one task: see `change`."""
    clock = clock_of(request, zone)
    task = change(
        request,
        task_id,
        verb,
        clock,
        fields,
        version=version,
        trashed_too=trashed_too,
    )
    return task_response(task, clock)


def read_only_check(
    given: Mapping[str, object], clock: Clock
) -> Callable[[Task], None]:
    """The function that raises `Invalid` for a task that has not these members."""

    def check(task: Task) -> None:
        shown = represent(task, clock)
        wrong = [name for name in given if not _is_same(given[name], shown[name])]
        detail = "Only the service writes it: leave it out, or send its current value."
        if wrong:
            raise Invalid(
                "; ".join(f"/{name}: {detail}" for name in wrong),
                errors=[
                    input_error("body", [name], "read_only", detail) for name in wrong
                ],
            )

    return check


def _is_same(given: object, shown: object) -> bool:
    if isinstance(given, datetime) and isinstance(shown, datetime):
        # Clocks of many clients have milliseconds.
        return abs(given - shown) < timedelta(milliseconds=1)
    return given == shown


def task_or_raise(
    outcome: Outcome,
    task_id: int,
    versions: set[int] | None,
    clock: Clock,
    trashed_too: bool = False,
    differences: Callable[[int, int], list[str] | None] | None = None,
) -> Task:
    """The task after a verb; raises the problem of a task that the verb did not change.

    `clock` is the clock of the request; `differences` returns the fields that differ
    between two versions of the task, where the stored events do not show them.
    """
    changed = outcome.changed.get(task_id)
    if changed is not None:
        return changed
    task = outcome.found.get(task_id)
    if task is None:
        raise missing()
    if task.deleted_at and not trashed_too:
        raise gone(task_id)
    if versions is not None and task.version not in versions:
        differences = differences or _differences(task_id, outcome)
        raise _stale(task, versions, clock, differences)
    return task


def _differences(
    task_id: int, outcome: Outcome
) -> Callable[[int, int], list[str] | None]:
    """The function that returns the fields that differ between two versions of the task,
    from the events that were read with it, else from the stored ones."""
    if outcome.events is None:
        return Event.objects.of_task(task_id).changed_fields_since
    events = {int(version): changes for version, changes in outcome.events.items()}
    return lambda version, current: changed_fields(events, version, current)


def find_row(rows: QuerySet[M], key: int) -> M:
    """The row with this id. Raises `NotFound`."""
    row = rows.filter(pk=key).first() if key <= cursors.BIGINT else None
    if row is None:
        raise NotFound(NO_SUCH_ROW.format(rows.model._meta.verbose_name))
    return row


def missing() -> NotFound:
    return NotFound(NO_SUCH_ROW.format("task"))


def gone(task_id: int) -> Gone:
    """The problem of a task in the trash. For its owner only."""
    path = f"/api/tasks/{task_id}/restore"
    return Gone(f"POST {path} restores the task.", restore=path)


def _stale(
    task: Task,
    versions: set[int],
    clock: Clock,
    differences: Callable[[int, int], list[str] | None],
) -> StaleVersion:
    """The problem with all that a client needs to merge: the task as it is now, and the
    fields that differ since the client's version, or null if that is unknown."""
    changed = None
    if len(versions) == 1:
        changed = differences(min(versions), task.version)
    current = represent(task, clock)
    if changed is not None:
        names = [name.removesuffix("_id") for name in changed]
        changed = [name for name in names if name in current]
    return stale_version(versions, task.version, etag(current), current, changed)


def batch_of(request: ApiRequest, clock: Clock, atomic: bool) -> Batch:
    """A batch of the caller's changes; `clock` is the clock of the request."""
    return Batch(
        actor(request),
        request.auth.user_id,
        request.auth.user.timezone,
        lambda outcome, operation, differences: task_or_raise(
            outcome,
            operation.key,
            operation.versions,
            clock,
            trashed_too=operation.verb == RESTORE,
            differences=differences,
        ),
        atomic,
    )


def represent_event(event: Event, username: str | None) -> dict[str, object]:
    """The event; the name of its actor is None if the user was deleted."""
    actor = event.actor_id and {"id": event.actor_id, "username": username}
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
        "request": event.request,
        "changes": {
            name.removesuffix("_id"): {"old": old, "new": new}
            for name, (old, new) in event.changes.items()
        },
    }
