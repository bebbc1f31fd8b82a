"""What every request passes: its identifier, its log line and its error shape."""

import logging
import re
import time
from collections.abc import Callable
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from taskproject import problems

logger = logging.getLogger("taskproject.requests")

WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")
# Control characters in a cookie reach the session table and, on PostgreSQL, fail there.
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
        started = time.perf_counter()
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if WELL_FORMED_ID.fullmatch(given) else uuid4().hex
        request.id = request_id  # type: ignore[attr-defined]  # read by problems.respond
        api = problems.is_api(request)
        if api and len(request.path_info) > 1:
            request.path_info = request.path_info.rstrip("/")
        method = request.method
        if api and method == "HEAD":
            request.method = "GET"
        if self._has_control_characters(request):
            error = problems.BadRequest(
                "Send no control characters in cookies or query."
            )
            response: HttpResponseBase = problems.respond(request, error)
        else:
            response = self.get_response(request)
        if api:
            if response.status_code >= 400:
                problems.rewrite(request, response)
            response.headers.setdefault("Cache-Control", "private, no-cache")
        response.headers["X-Request-ID"] = request_id
        response.headers.setdefault(
            "Content-Security-Policy", settings.CONTENT_SECURITY_POLICY
        )
        self._log(request, method, response, started)
        return response

    def _has_control_characters(self, request: HttpRequest) -> bool:
        """Whether a cookie, or a query outside the API, would break a statement.

        The API judges its own query, parameter by parameter.
        """
        cookies = request.META.get("HTTP_COOKIE")
        if cookies and any(map(CONTROL.search, request.COOKIES.values())):
            return True
        query = request.META.get("QUERY_STRING", "")
        return "%" in query and not problems.is_api(request) and "%00" in query

    def _log(
        self,
        request: HttpRequest,
        method: str | None,
        response: HttpResponseBase,
        started: float,
    ) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        caller = getattr(request, "auth", None)
        logger.info(
            "request",
            extra={
                "fields": {
                    "id": response.headers["X-Request-ID"],
                    "method": method,
                    "path": request.path,
                    "status": response.status_code,
                    "ms": round((time.perf_counter() - started) * 1000, 1),
                    "user": getattr(caller, "user_id", None),
                    "via": getattr(caller, "via", None),
                }
            },
        )
