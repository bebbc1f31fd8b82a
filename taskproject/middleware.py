"""Requests for pages that are refused before Django parses them."""

import re
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

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
