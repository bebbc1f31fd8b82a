"""Deprecations of operations and query parameters, which responses and the document tell."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TypeVar

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils.http import http_date

from taskproject.accounts.auth import ApiRequest
from taskproject.operations import OperationRun

H = TypeVar("H", bound=Callable[..., object])
DOCUMENTATION = '</api/docs>; rel="deprecation"; type="text/html"'


@dataclass(frozen=True)
class Deprecation:
    """The deprecation of an operation, or of one of its query parameters."""

    since: date
    #: The day from which on it may be gone, at least a year after `since`.
    sunset: date
    #: What to use instead, as a sentence.
    instead: str
    parameter: str | None = None

    @property
    def description(self) -> str:
        return f"Deprecated, and may be gone from {self.sunset} on. {self.instead}"

    def is_used_by(self, request: HttpRequest) -> bool:
        query = request.META.get("QUERY_STRING", "")
        return self.parameter is None or self.parameter in QueryDict(query)


def deprecated(
    *, since: date, sunset: date, instead: str, parameter: str | None = None
) -> Callable[[H], H]:
    """Mark a handler, or one of its query parameters, as deprecated. Stands below the
    decorator of the router."""
    mark = Deprecation(since, sunset, instead, parameter)

    def decorate(handler: H) -> H:
        vars(handler)["deprecations"] = [*deprecations(handler), mark]
        return handler

    return decorate


def deprecations(handler: Callable[..., object]) -> list[Deprecation]:
    found: list[Deprecation] = getattr(handler, "deprecations", [])
    return found


def announced(run: OperationRun) -> Callable[..., HttpResponseBase]:
    """Decorate the run of an operation to add the headers `Deprecation` (RFC 9745) and
    `Sunset` (RFC 8594) to the responses to requests that use what is deprecated."""
    marks = deprecations(run.handler)

    def announcing(request: ApiRequest, **path: int | str) -> HttpResponseBase:
        response = run(request, **path)
        used = [mark for mark in marks if mark.is_used_by(request)]
        if used:
            since = _seconds(min(mark.since for mark in used))
            sunset = _seconds(min(mark.sunset for mark in used))
            response.headers["Deprecation"] = f"@{since}"
            response.headers["Sunset"] = http_date(sunset)
            links = (response.headers.get("Link"), DOCUMENTATION)
            response.headers["Link"] = ", ".join(filter(None, links))
        return response

    return announcing if marks else run


def _seconds(day: date) -> int:
    """The first second of the day, in seconds since 1970."""
    return int(datetime.combine(day, time(), UTC).timestamp())
