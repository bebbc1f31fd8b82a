"""The time zone of the user in the admin."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from taskproject import timezones


class TimezoneMiddleware:
    """Activates the time zone of the signed-in user for pages of the admin. A middleware, because
    templates are rendered after their view has returned."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        name = getattr(request.user, "timezone", "UTC")
        with timezone.override(timezones.zone(name)):
            return self.get_response(request)
