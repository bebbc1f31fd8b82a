"""The API object: ninja's, with one error handler and a complete OpenAPI document."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.renderers import BaseRenderer

from taskproject import inputs, problems
from taskproject.idempotency import idempotent
from taskproject.operations import OperationRun

#: A part of the OpenAPI document: JSON of any depth.
Part = dict[str, Any]
#: Headers of responses, for the document.
HEADERS: dict[str, Part] = {
    "X-Request-ID": {
        "description": "Identifies this request in the service's log.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next attempt.",
        "schema": {"type": "integer"},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 6750).",
        "schema": {"type": "string"},
    },
    "ETag": {
        "description": "Identifies this state, for If-Match and If-None-Match.",
        "schema": {"type": "string"},
        "example": '"7.2"',
    },
    "Location": {
        "description": "The address of the new row, or of the job.",
        "schema": {"type": "string"},
        "example": "/api/tasks/42",
    },
    "Link": {
        "description": 'The next page, as rel="next" (RFC 8288); not on the last.',
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "true if this is the stored response to an earlier request with the "
        "same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
TAG = r"[1-9][0-9]{0,17}(\.[0-9]{1,9})?(-[0-9]*(overdue)?)?"
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    # Without `example`, which the interactive page would send.
    "description": 'Makes the change only if the row has this version, such as `"7"`; else 412.',
    "schema": {
        "type": "string",
        "pattern": rf'^(\*|"{TAG}"(, ?"{TAG}")*)$',
    },
}
IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "description": "Returns 304 if this is still the ETag.",
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Makes the request safe to retry: the same request with the same "
    "key gets the first response again. Use a new key, such as a UUID, for each new request.",
    "schema": {"type": "string", "pattern": '^("[!#-\\[\\]-~]{1,255}"|[!#-~]{1,255})$'},
}
#: Operations whose response contains a secret, and is not stored for an Idempotency-Key.
UNSTORED = {"create_calendar"}
#: Problems that every operation can respond with.
ANYWHERE = (
    problems.BadRequest,
    problems.RequestTimeout,
    problems.LengthRequired,
    problems.ContentTooLarge,
    problems.UnsupportedMediaType,
    problems.Invalid,
    problems.ServerError,
    problems.Unavailable,
)
PROBLEM_SCHEMA: Part = {
    "type": "object",
    "description": "An error (RFC 9457). Programs should decide by `code`.",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {
            "type": "string",
            "description": "The address of the explanation of the code.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do about it, for people."},
        "instance": {"type": "string", "description": "The path of the request."},
        "code": {
            "type": "string",
            "description": "Identifies the kind of error; never changes.",
        },
        "current": {
            "description": "With stale_version: the current task, list or tag.",
            "anyOf": [
                {"$ref": f"#/components/schemas/{name}"}
                for name in ("TaskOut", "ListOut", "TagOut")
            ],
        },
        "changed": {
            "description": "With stale_version: the members that have changed since the "
            "version in If-Match; null if that is not known.",
            "type": ["array", "null"],
            "items": {"type": "string"},
        },
        "restore": {
            "description": "With gone: the address to POST to, to restore the task.",
            "type": "string",
        },
        "operation": {
            "description": "With an atomic batch: the number of the operation that failed.",
            "type": "integer",
        },
        "restart": {
            "description": "With cursor_expired: the address of what to read again, and the "
            "cursor to continue with after that.",
            "type": "object",
            "required": ["cursor", "tasks"],
            "properties": {
                "cursor": {"type": "string"},
                "tasks": {"type": "string"},
            },
        },
        "errors": {
            "type": "array",
            "description": "The invalid members of the input.",
            "items": {
                "type": "object",
                "required": ["in", "pointer", "code", "detail"],
                "properties": {
                    "in": {"type": "string", "enum": ["body", "query", "path"]},
                    "pointer": {
                        "type": "string",
                        "description": "JSON pointer (RFC 6901) to the member.",
                    },
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


class Renderer(BaseRenderer):
    """JSON with times in RFC 3339 in UTC, to the microsecond."""

    media_type = "application/json"

    def render(
        self, request: HttpRequest, data: object, *, response_status: int
    ) -> bytes:
        return orjson.dumps(data, option=orjson.OPT_UTC_Z)


class API(NinjaAPI):
    """A NinjaAPI whose errors are problems, in responses and in the document."""

    def __init__(
        self,
        *,
        title: str,
        version: str,
        description: str,
        auth: Sequence[Callable[[HttpRequest], object]],
    ) -> None:
        super().__init__(
            title=title,
            version=version,
            description=description,
            auth=auth,
            parser=inputs.StrictParser(),
            renderer=Renderer(),
            docs_decorator=lambda view: csrf_exempt(require_safe(view)),
        )
        self.add_decorator(idempotent)
        self.add_decorator(OperationRun, mode="view")
        self._document: OpenAPISchema | None = None

    def on_exception(
        self, request: HttpRequest, exc: Exception | type[Exception]
    ) -> HttpResponse:
        """Handle every error; ninja's own are translated to problems first."""
        if isinstance(exc, AuthenticationError):
            exc = problems.Unauthenticated(
                "Send Authorization: Bearer tk_..., a token from "
                "`manage.py create_token`, or sign in for a session."
            )
        elif isinstance(exc, HttpError):
            exc = self._plain(exc)
        assert isinstance(exc, Exception)
        return problems.respond(request, exc)

    def _plain(self, error: HttpError) -> problems.Problem:
        return problems.BY_STATUS.get(
            error.status_code, problems.BadRequest("The request cannot be understood.")
        )

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The name of the handler, which is unique in the API."""
        name: str = operation.view_func.__name__
        return name

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: Part | None = None
    ) -> OpenAPISchema:
        """The document, with the error responses of every operation. It is made once."""
        if self._document is None:
            document = super().get_openapi_schema(
                path_prefix=path_prefix, path_params=path_params
            )
            document["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _complete(path, method, operation)
            self._document = document
        return self._document


def _complete(path: str, method: str, operation: Part) -> None:
    """Adds what the operations share: error responses, headers, the guest."""
    secured = "security" in operation
    if secured and settings.API_GUEST:
        operation["security"].append({})
    responses = operation["responses"]
    parameters = operation["parameters"]
    kinds = [*ANYWHERE]
    if secured:
        kinds += [problems.Unauthenticated, problems.Forbidden]
    batch = path.endswith("/batch")  # any problem of the other operations can happen
    if "{" in path or batch:
        kinds += [problems.NotFound, problems.Gone]
    if path.endswith("/calendar"):  # one or none
        kinds += [problems.NotFound]
    if path.endswith("/changes"):
        kinds += [problems.CursorExpired]
    if method not in ("get", "head"):
        kinds += [problems.Conflict]
        if "{" in path or batch:
            kinds += [problems.StaleVersion, problems.VersionRequired]
        if "{" in path:
            parameters.append(IF_MATCH)
        if operation["operationId"] not in UNSTORED:
            parameters.append(_idempotency_key())
    if 304 in responses:
        parameters.append(IF_NONE_MATCH)
    for kind in sorted(kinds, key=lambda kind: kind.status):
        responses.setdefault(kind.status, {"description": kind.title})
        if kind.status >= 400:
            example = _example(kind, path)
            responses[kind.status]["content"] = {
                problems.CONTENT_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": example,
                }
            }
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        for name in _headers(int(status), method, operation):
            headers[name] = HEADERS[name]


def _idempotency_key() -> Part:
    stored = f"Stored for {settings.IDEMPOTENCY_HOURS:,} hours."
    return IDEMPOTENCY_KEY | {
        "description": f"{IDEMPOTENCY_KEY['description']} {stored}"
    }


def _headers(status: int, method: str, operation: Part) -> Iterator[str]:
    """The headers of a response of this status."""
    yield "X-Request-ID"
    shown = json.dumps(operation["responses"][status].get("content", ""))
    rows = ("/TaskOut", "/ListOut", "/TagOut")
    tagged = 304 in operation["responses"] or any(name in shown for name in rows)
    if tagged and status < 400:
        yield "ETag"
    match status:
        case 201:
            yield "Location"
        case 202:
            yield from ("Location", "Retry-After")
        case 401:
            yield "WWW-Authenticate"
        case 503:
            yield "Retry-After"
    if status == 200 and "Page" in shown and "ChangePage" not in shown:
        yield "Link"
    if status < 300 and any(
        parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"]
    ):
        yield "Idempotency-Replayed"


def _example(kind: type[problems.Problem], path: str) -> Part:
    problem = kind((kind.__doc__ or "").strip())
    if kind is problems.Invalid:
        detail = "Unknown member 'titel'; did you mean 'title'?"
        problem = kind(
            f"/titel: {detail}",
            errors=[
                {"in": "body", "pointer": "/titel", "code": "unknown", "detail": detail}
            ],
        )
    return problem.as_dict(re.sub(r"{\w+}", "42", path))
