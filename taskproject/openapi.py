"""The API object: ninja's, with one error handler and a document that tells all."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationErrorContext
from ninja.openapi.schema import OpenAPISchema

from taskproject import inputs, problems

#: Headers that answers carry, for the `responses` of the document.
HEADERS: dict[str, dict[str, Any]] = {
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
}
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457). Decide by `code`.",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "description": "Where the code is explained."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do, for people."},
        "instance": {"type": "string", "description": "The path that met it."},
        "code": {"type": "string", "description": "Stable; decide by it."},
        "errors": {
            "type": "array",
            "description": "The members of the input that are wrong.",
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


class API(NinjaAPI):
    """A NinjaAPI whose every error is a problem, and whose document says so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(parser=inputs.StrictParser(), **options)
        self.add_decorator(inputs.closed_query)
        self._document: OpenAPISchema | None = None

    def on_exception(self, request: HttpRequest, exc: Any) -> HttpResponse:
        """The one handler of errors: ninja's own are translated first."""
        if isinstance(exc, AuthenticationError):
            exc = problems.Unauthenticated(
                "Send Authorization: Bearer tk_..., a token from "
                "`manage.py create_token`, or sign in for a session."
            )
        elif isinstance(exc, HttpError):
            cause = exc.__cause__
            exc = cause if isinstance(cause, problems.Problem) else self._plain(exc)
        return problems.respond(request, exc)

    def _plain(self, error: HttpError) -> problems.Problem:
        return problems.BY_STATUS.get(
            error.status_code, problems.BadRequest("The request cannot be understood.")
        )

    def validation_error_from_error_contexts(  # type: ignore[override]
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> problems.Problem:  # raised by ninja like its own ValidationError
        return inputs.invalid(error_contexts)

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        """ninja calls this after authentication and before it reads any input."""
        inputs.check_body_headers(request)
        return super().create_temporal_response(request)

    def get_openapi_operation_id(self, operation: Any) -> str:
        """The handler's name, which the house keeps unique over the API."""
        name: str = operation.view_func.__name__
        return name

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The document, made once: every operation with all of its error answers."""
        if self._document is None:
            document = super().get_openapi_schema(**options)
            document["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _complete(path, method, operation)
            self._document = document
        return self._document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Adds what every operation shares: error answers, headers, the guest."""
    secured = "security" in operation
    if secured and settings.API_GUEST:
        operation["security"].append({})
    # Any request can name a body too large, an unknown parameter or a bad header.
    kinds = [problems.BadRequest, problems.Invalid]
    kinds += [problems.ContentTooLarge, problems.LengthRequired]
    kinds += [problems.UnsupportedMediaType]
    kinds += [problems.ServerError, problems.Unavailable]
    if secured:
        kinds += [problems.Unauthenticated, problems.Forbidden]
    if "{" in path:
        kinds += [problems.NotFound]
    if method not in ("get", "head"):
        kinds += [problems.Conflict]
    responses = operation["responses"]
    for kind in sorted(kinds, key=lambda kind: kind.status):
        responses.setdefault(kind.status, {"description": kind.title})
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["X-Request-ID"] = HEADERS["X-Request-ID"]
        if int(status) >= 400:
            example = _example(int(status), path)
            response["content"] = {
                problems.CONTENT_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": example,
                }
            }
        if int(status) == 401:
            headers["WWW-Authenticate"] = HEADERS["WWW-Authenticate"]
        if int(status) == 503:
            headers["Retry-After"] = HEADERS["Retry-After"]


def _example(status: int, path: str) -> dict[str, Any]:
    kind = next(kind for kind in problems.kinds() if kind.status == status)
    problem = kind((kind.__doc__ or "").strip())
    if status == 422:
        detail = "Unknown member 'titel'; did you mean 'title'?"
        problem = kind(
            f"/titel: {detail}",
            errors=[
                {"in": "body", "pointer": "/titel", "code": "unknown", "detail": detail}
            ],
        )
    return problem.as_dict(path.replace("{task_id}", "42"))
