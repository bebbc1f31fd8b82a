"""The short way: what clients send all day, answered without what only others need.

A request by token for a task, a list, or a change of one task passes neither the
middleware (0.1 ms) nor ninja's reading of inputs (0.1 ms), and its token is looked up
within the statement that reads or writes (0.1 ms): `GET /api/tasks/{id}` is one statement
and 0.16 ms of CPU on PostgreSQL, where the long way takes 0.6.

Two ideas keep it honest. It is only a way to the same handlers, for requests that nothing
is wrong with: whatever is wrong, or unusual, goes the long way, which judges it anew: a
body that is no task, a token that this process has not seen or that has changed, a task
that is missing. Nothing has been written then. And the headers of an answer are those that
the middleware gave the first answer to the same host and origin, over the same scheme:
that one went through all of it, and was learned from.
"""

import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from http.client import responses
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import LimitedStream, WSGIHandler, WSGIRequest
from django.db import Error
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponse, HttpResponseBase
from ninja.errors import HttpError
from pydantic import BaseModel, ValidationError

from taskproject.accounts.auth import last_seen
from taskproject.deadlines import deadline
from taskproject.inputs import StrictParser, check_body_headers, is_unmeasured
from taskproject.middleware import log, request_id
from taskproject.problems import Invalid, Problem, respond
from taskproject.rows import Unproven, this_thread
from tasks.api.collection import count_tasks, create_task, list_tasks
from tasks.api.schemas import InZone, TaskFilters, TaskIn, TaskPatch
from tasks.api.tasks import (
    complete_task,
    get_task,
    reopen_task,
    toggle_task,
    update_task,
)

TASKS = "/api/tasks"
REWRITTEN = {"SCRIPT_URL", "REDIRECT_URL"}  # by Apache
TASK = re.compile(r"/api/tasks/([1-9][0-9]{0,18})(?:/([a-z]+))?")
VERBS = {"toggle": toggle_task, "complete": complete_task, "reopen": reopen_task}
# Headers that need what is left out here; so do cookies.
UNUSUAL = {"HTTP_IDEMPOTENCY_KEY", "HTTP_TRANSFER_ENCODING"}
LISTS = {"tag", "priority"}
REFERENCES = {"list", "parent", "tags"}
OWN_ZONE = InZone(tz=None)
#: A handler, and its inputs.
Call = tuple[Callable[..., Any], dict[str, Any]]
_parser = StrictParser()


# What the middleware before ExpressMiddleware looks at in a request of the short way, but
# for its X-Request-ID. What another one looks at belongs here too.
LOOKED_AT = (
    *("wsgi.url_scheme", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT"),
    *("HTTP_HOST", "HTTP_ORIGIN", "HTTP_X_FORWARDED_PROTO"),
)
# The headers that it added to an answer, by what it looked at; as Django keeps them.
_added: dict[tuple[str | None, ...], dict[str, tuple[str, str]]] = {}
MOST_ADDED = 1_000
LONGEST_LOOKED_AT = 1_000  # characters: callers choose them
REQUEST = "taskproject.request"  # in a WSGI environment


class Express:
    """Django's handlers with the short way before their middleware."""

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        response = None if _tried(request) else answer_whole(request)
        return response or self._learn(request)

    def _learn(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = super().get_response(request)  # type: ignore[misc]  # Django's
        bare = getattr(request, "bare", None)
        if bare is not None and bare.items() <= dict(response.items()).items():
            looked_at = _looked_at(request)
            if sum(len(value or "") for value in looked_at) > LONGEST_LOOKED_AT:
                return response
            if len(_added) >= MOST_ADDED:
                _added.clear()
            _added[looked_at] = {
                name.lower(): (name, value)
                for name, value in response.items()
                if name not in bare and name != "X-Request-ID"
            }
        return response


class Request(WSGIRequest):
    """Django's request, made without what is nothing to do for a plain path (10 calls)."""

    def __init__(self, environ: dict[str, Any]) -> None:
        path = environ.get("PATH_INFO", "")
        at_root = environ.get("SCRIPT_NAME") == "" and not REWRITTEN & environ.keys()
        if not (at_root and path.startswith(TASKS) and path.isascii()):
            super().__init__(environ)
            return
        self.environ = self.META = environ
        self.path = self.path_info = path
        self.method = environ["REQUEST_METHOD"].upper()
        self.content_type, self.content_params = "", {}
        length = 0
        if "CONTENT_TYPE" in environ or "CONTENT_LENGTH" in environ:
            self._set_content_type_params(environ)  # type: ignore[attr-defined]  # not in the stubs
            with suppress(ValueError):
                length = int(environ.get("CONTENT_LENGTH", ""))
        stream: Any = LimitedStream(environ["wsgi.input"], length)
        self._stream = stream
        self._read_started = False
        self.resolver_match = None


class Application(Express, WSGIHandler):
    """Django's application, with the short way before everything that it does for a
    request, such as its signals (0.05 ms). What they are for here is done here, but that
    with DEBUG on the statements of earlier requests are not forgotten, 9,000 at most."""

    def __call__(  # type: ignore[override]  # the stubs want Django's own response
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        request = Request(environ)
        this_thread.connection.close_if_unusable_or_obsolete()
        response = answer_whole(request)
        if response is None:
            environ[REQUEST] = request
            return super().__call__(environ, start_response)
        status = f"{response.status_code} {responses[response.status_code]}"
        start_response(status, [*response.headers._store.values()])
        return [response.content]

    @staticmethod
    def request_class(  # type: ignore[override]  # all that is done with it is to call it
        environ: dict[str, Any],
    ) -> WSGIRequest:
        """The request that was not for the short way, which may have read its body."""
        request: WSGIRequest = environ.pop(REQUEST)
        return request


class ExpressMiddleware:
    """Stands after what every answer passes, and before what only pages need: here the
    short way is taken where it is not known yet what the middleware adds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            response = _outcome(request)
        except Error as error:  # of the database, as the API answers it
            return respond(request, error)
        if response is None:
            return self.get_response(request)
        request.bare = dict(response.items())  # type: ignore[attr-defined]  # for Express
        return response


def answer_whole(request: HttpRequest) -> HttpResponse | None:
    """The answer with all its headers; None where the middleware is to give it, which
    finds what has come of the request already."""
    if not request.path_info.startswith(TASKS):
        return None
    added = _added.get(_looked_at(request))
    if added is None:
        return None
    started = request.started = time.perf_counter()  # type: ignore[attr-defined]  # for RequestMiddleware
    request.id = request_id(request)  # type: ignore[attr-defined]  # as RequestMiddleware
    try:
        with deadline(settings.DATABASE_TIMEOUT) as wait:
            response = answer(request)
    except Exception as error:  # noqa: BLE001  # it is raised again, by ExpressMiddleware
        request.outcome = error  # type: ignore[attr-defined]
        return None
    request.outcome = response  # type: ignore[attr-defined]
    if response is None:
        if wait is not None:
            request.left = wait.remaining()  # type: ignore[attr-defined]  # for RequestMiddleware
        return None
    headers = response.headers._store  # as they are: each by its own way is 0.015 ms
    if not added.keys().isdisjoint(headers):
        return None
    headers.update(added)
    headers["x-request-id"] = ("X-Request-ID", request.id)  # type: ignore[attr-defined]
    log(request, request.method, response, started)
    return response


def forget() -> None:
    """Forgets what the middleware adds: for tests, which change what it is told."""
    _added.clear()


def _looked_at(request: HttpRequest) -> tuple[str | None, ...]:
    return tuple(map(request.META.get, LOOKED_AT))


def _tried(request: HttpRequest) -> bool:
    return hasattr(request, "outcome")


def _outcome(request: HttpRequest) -> HttpResponse | None:
    """What came of the short way, which is taken now unless it was before."""
    if not _tried(request):
        return answer(request)
    outcome: HttpResponse | Exception | None = request.outcome  # type: ignore[attr-defined]
    if isinstance(outcome, Exception):
        request.outcome = None  # type: ignore[attr-defined]  # or it would hold itself
        raise outcome
    return outcome


def answer(request: HttpRequest) -> HttpResponse | None:
    """The answer to a request that may go the short way; None for any other.

    Where the database fails, the request is still said to be its caller's as last seen:
    the log tells whose requests fail."""
    meta = request.META
    if meta.get("HTTP_COOKIE") or UNUSUAL & meta.keys():
        return None
    if not request.path_info.startswith(TASKS):
        return None
    caller = last_seen(request)
    if caller is None:
        return None
    try:
        call = _call(request)
        if call is None:
            return None
        request.auth = caller  # type: ignore[attr-defined]  # as ninja does
        handler, inputs = call
        response: HttpResponse = handler(request, **inputs)
        return response
    except (Problem, HttpError, SuspiciousOperation, ValidationError, Unproven):
        request.auth = None  # type: ignore[attr-defined]  # it was not proven
        return None


def _call(request: HttpRequest) -> Call | None:
    """The handler of a request, and its inputs. Raises what ninja would."""
    query = request.META.get("QUERY_STRING", "")
    if not query.isascii():  # raw bytes, which Django reads as UTF-8
        return None
    if request.path_info == TASKS:
        match request.method:
            case "GET" if not _length(request):
                return list_tasks, {"filters": _filters(query)}
            case "POST" if not query and not is_unmeasured(request):
                return _with_body(create_task, request, TaskIn, zone=OWN_ZONE)
        return None
    if request.path_info == "/api/tasks/counts":
        counted = request.method == "GET" and not query and not _length(request)
        return (count_tasks, {"zone": OWN_ZONE}) if counted else None
    path = TASK.fullmatch(request.path_info)
    if path is None or query or is_unmeasured(request):
        return None
    task_id = int(path[1])
    match request.method, path[2]:
        case "GET", None if not _length(request):
            return get_task, {"task_id": task_id, "zone": OWN_ZONE}
        case "PATCH", None:
            inputs = {"task_id": task_id, "zone": OWN_ZONE}
            return _with_body(update_task, request, TaskPatch, **inputs)
        case "POST", verb if verb in VERBS and not _length(request):
            return VERBS[verb], {"task_id": task_id, "zone": OWN_ZONE}
    return None


def _length(request: HttpRequest) -> bool:
    return request.META.get("CONTENT_LENGTH", "") not in ("", "0")


def _with_body(
    handler: Callable[..., Any],
    request: HttpRequest,
    model: type[BaseModel],
    **inputs: Any,
) -> Call | None:
    """None for a body that refers to other rows, which are looked at first."""
    check_body_headers(request)
    if not hasattr(request, "_body"):
        # What `request.body` does, which would look at the length four times more.
        request._body = request.read()
    body = model.model_validate(_parser.parse_body(request))
    if body.model_fields_set & REFERENCES:
        return None
    return handler, {**inputs, "body": body}


@lru_cache(maxsize=1_000)
def _filters(query: str) -> TaskFilters:
    """Clients ask the same few questions over and over."""
    given = QueryDict(query)
    if any(len(values) > 1 and name not in LISTS for name, values in given.lists()):
        raise Invalid("Send each parameter once.")
    members = _parser.parse_querydict(given, [*LISTS], HttpRequest())
    return TaskFilters.model_validate(members)
