"""Requests that are refused before their view: those that Django cannot parse, and those
without a CSRF token."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views import csrf

from taskproject import problems

CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class RefusalMiddleware:
    """Refuses control characters in cookies, and NUL in the query of a page: they would reach a
    statement (of the session, or of a filter in the admin) and fail there, on PostgreSQL only.
    The API validates its own query parameters."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        in_cookie = "HTTP_COOKIE" in request.META and any(
            map(CONTROL.search, request.COOKIES.values())
        )
        in_query = "%00" in request.META.get("QUERY_STRING", "")
        if in_cookie or (in_query and not problems.is_api(request)):
            refusal = problems.BadRequest(
                "Send no control characters in cookies or query."
            )
            return problems.respond(request, refusal)
        return self.get_response(request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    if not problems.is_api(request):
        page: HttpResponse = csrf.csrf_failure(request, reason)
        return page
    problem = problems.CSRFFailed(
        "Send the header X-CSRFToken, with the value that it has in the response before, "
        "from an origin in CSRF_TRUSTED_ORIGINS."
    )
    return problems.respond(request, problem)
