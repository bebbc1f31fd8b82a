"""The time zone of who looks at a page of the admin."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from taskproject import timezones


class TimezoneMiddleware:
    """Pages of the admin show times, take them, and know "today" in the time zone of who
    is signed in. A template is rendered after its view has returned, so that only a
    middleware covers it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        name = getattr(request.user, "timezone", "UTC")
        with timezone.override(timezones.zone(name)):
            return self.get_response(request)
