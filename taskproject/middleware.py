"""What every request passes: its identifier, its log line and its error shape."""

import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import DisallowedHost
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from taskproject import problems
from taskproject.deadlines import deadline
from taskproject.logs import Line

logger = logging.getLogger("taskproject.requests")

# Seconds that a page of the admin may wait for PostgreSQL.
PAGE_TIMEOUT = 20
WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")
# The address of a calendar feed is all that opens it: whatever follows the word, and
# whatever is as long as a secret, however the path is written.
SECRET = re.compile(r"(?i)(?<=calendar).+|[\w-]{32,}")
SHORTEST_SECRET = 32  # characters
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class RequestMiddleware:
    """Outermost middleware.

    - `X-Request-ID`: the caller's if it is 1-128 plain characters, else a new one; the
      answer and the log line carry it.
    - A trailing slash below /api is taken off, so that no redirect loses a POST.
    - HEAD is answered as GET without its body (RFC 9110, section 9.3.2).
    - An error below /api that Django made itself becomes a problem.
    - Answers to API calls are never stored by a cache on the way.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # The short way may have begun it (taskproject/express.py).
        started = getattr(request, "started", None) or time.perf_counter()
        request.id = request_id(request)  # type: ignore[attr-defined]  # for problems.respond
        api = problems.is_api(request)
        if api:
            # A Content-Type tells of the body, and never how a query is to be read.
            # (What `encoding` sets; it would read the query first.)
            request._encoding = None  # type: ignore[attr-defined]  # not in the stubs
        if api and len(request.path_info) > 1:
            request.path_info = request.path_info.rstrip("/")
        method = request.method
        if api and method == "HEAD":
            request.method = "GET"
        seconds = settings.DATABASE_TIMEOUT if api else PAGE_TIMEOUT
        with deadline(max(0.0, getattr(request, "left", seconds))):
            response = self.get_response(request)
        request.method = method
        if response.status_code == 503:
            _distrust_connection()
        _read_to_the_end(request, response)
        if api:
            if response.status_code >= 400:
                problems.rewrite(request, response)
            response.headers.setdefault("Cache-Control", "private, no-cache")
        if response.status_code in (204, 304):
            # RFC 9110, section 8.6: without content there is no length to tell.
            response.headers.pop("Content-Length", None)
        response.headers["X-Request-ID"] = request.id  # type: ignore[attr-defined]
        response.headers.setdefault(
            "Content-Security-Policy", settings.CONTENT_SECURITY_POLICY
        )
        log(request, method, response, started)
        return response


class RefusalMiddleware:
    """Refuses what would only fail further in. Below CORS, so that a page can read why.

    - A host that is not served, below /api: Django's own answer would be a page.
    - Control characters in cookies, and NUL in the query of a page: they would reach a
      statement (the session's, an admin filter's) and fail there, on PostgreSQL only.
      The API judges its own query, parameter by parameter.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        api = problems.is_api(request)
        if api:
            try:
                request.get_host()
            except DisallowedHost as error:
                return problems.respond(request, error)
        in_cookie = "HTTP_COOKIE" in request.META and any(
            map(CONTROL.search, request.COOKIES.values())
        )
        in_query = "%00" in request.META.get("QUERY_STRING", "")
        if in_cookie or (in_query and not api):
            refusal = problems.BadRequest(
                "Send no control characters in cookies or query."
            )
            return problems.respond(request, refusal)
        return self.get_response(request)


def _read_to_the_end(request: HttpRequest, response: HttpResponseBase) -> None:
    """Takes in a body that was answered unread (401, 404, 405, 503, ...).

    granian closes the connection, and does not say so, when an answer overtakes the
    body of its request; the caller's next request would break.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        response.headers["Connection"] = "close"
    elif length != "0":
        with suppress(OSError):
            request.read()


def _distrust_connection() -> None:
    """The next request connects anew: this one may lead to a server that has become
    read-only. SQLite's stays open, because a full disk could not open it again."""
    if settings.ON_POSTGRESQL and not connection.in_atomic_block:
        connection.close()


def request_id(request: HttpRequest) -> str:
    """The caller's, if it is well formed; else a new one."""
    given: str = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if WELL_FORMED_ID.fullmatch(given) else os.urandom(16).hex()


def _masked(path: str) -> str:
    if len(path) <= SHORTEST_SECRET and "calendar" not in path.lower():
        return path
    return SECRET.sub("/…", path)


def log(
    request: HttpRequest,
    method: str | None,
    response: HttpResponseBase,
    started: float,
) -> None:
    """The line of a request, which came with this method, when it has been answered."""
    if not logger.isEnabledFor(logging.INFO):
        return
    caller = getattr(request, "auth", None)
    user = getattr(caller, "user_id", None)
    if user is None:
        # Only what was loaded: a log line asks no database, least of all one that
        # has just failed.
        loaded = getattr(getattr(request, "session", None), "_session_cache", {})
        user = int(loaded[SESSION_KEY]) if SESSION_KEY in loaded else None
    line = Line(
        logger.name,
        "request",
        {
            "id": request.id,  # type: ignore[attr-defined]
            "method": method,
            "path": _masked(request.path),
            "status": response.status_code,
            "ms": round((time.perf_counter() - started) * 1000, 1),
            "user": user,
            "via": getattr(caller, "via", None),
        },
    )
    logger.handle(line)
