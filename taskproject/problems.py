"""The one shape of every error response: RFC 9457, ``application/problem+json``.

    Problem
    ├── BadRequest              400 bad_request
    │   ├── BadHost             400 bad_host
    │   ├── MalformedBody       400 malformed_body
    │   ├── MalformedCondition  400 malformed_condition
    │   ├── MalformedKey        400 malformed_key
    │   └── KeyRefused          400 key_refused
    ├── Unauthenticated         401 unauthenticated
    │   └── InvalidToken        401 invalid_token
    ├── Forbidden               403 forbidden
    │   ├── CSRFFailed          403 csrf_failed
    │   ├── HTTPSRequired       403 https_required
    │   ├── InsufficientScope   403 insufficient_scope
    │   ├── NoMail              403 no_mail
    │   ├── OriginRefused       403 origin_refused
    │   └── SignUpClosed        403 sign_up_closed
    ├── NotFound                404 not_found
    ├── MethodNotAllowed        405 method_not_allowed
    ├── RequestTimeout          408 request_timeout
    ├── Conflict                409 conflict
    │   ├── InProgress          409 in_progress
    │   ├── NameTaken           409 name_taken
    │   ├── NoRoom              409 no_room
    │   └── TooManyTokens       409 too_many_tokens
    ├── Gone                    410 gone
    │   └── CursorExpired       410 cursor_expired
    ├── LengthRequired          411 length_required
    ├── StaleVersion            412 stale_version
    │   └── AlteredTag          412 altered_tag
    ├── ContentTooLarge         413 content_too_large
    ├── UnsupportedMediaType    415 unsupported_media_type
    ├── Invalid                 422 invalid
    │   └── KeyReused           422 key_reused
    ├── VersionRequired         428 version_required
    ├── TooManyRequests         429 too_many_requests
    ├── ServerError             500 server_error
    └── Unavailable             503 unavailable

Raise one anywhere below a handler; `respond` is the only place that writes one out.
Clients decide by `code`, which never changes; `detail` is for people.
"""

import logging
import sys
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import orjson
from django.core.exceptions import BadRequest as UnreadableRequest
from django.core.exceptions import (
    DisallowedHost,
    ObjectDoesNotExist,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import DataError, IntegrityError, InterfaceError, InternalError
from django.db.utils import Error, OperationalError, ProgrammingError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

logger = logging.getLogger("taskproject.problems")

CONTENT_TYPE = "application/problem+json"
ROOTS = {"api", "livez", "readyz", "todo-backend"}
#: The name in `request.META` of whether it failed because of the database, for the metrics.
DATABASE_ERROR = "taskproject.database_error"
# SQLSTATE of a table or column that a migration has not made yet, or that the role may not use.
UNUSABLE = {"42P01", "42703", "42501"}

#: The detail where the caller has no row with the id; `{}` is what the row would be.
NO_SUCH_ROW = "You have no {} with this id."
#: An error of one member of the input: `in`, `pointer`, `code`, `detail`, and the parameters of
#: its code (see `taskproject.input_errors`).
InputError = dict[str, Any]


class Problem(Exception):
    """A response with status 400 or above.

    `detail` says what to do, `errors` lists the invalid members of the input, `headers`
    are added to the response, and `extensions` are further members.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "server_error"
    title: ClassVar[str] = "The service failed"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        detail: str,
        *,
        errors: list[InputError] | None = None,
        headers: dict[str, str] | None = None,
        **extensions: object,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.extra_headers = {**self.headers, **(headers or {})}
        self.extensions = extensions

    def as_dict(self, instance: str) -> dict[str, object]:
        """The members of the problem; `instance` is the path of the request."""
        members: dict[str, object] = {
            "type": f"/api/problems#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
        }
        if self.errors:
            members["errors"] = self.errors
        if "Retry-After" in self.extra_headers:
            members["retry_after"] = int(self.extra_headers["Retry-After"])
        return members | self.extensions


class BadRequest(Problem):
    """The request could not be understood."""

    status, code, title = 400, "bad_request", "The request cannot be understood"


class BadHost(BadRequest):
    """The Host header names a host that ALLOWED_HOSTS does not list."""

    code, title = "bad_host", "This host is not served here"


class MalformedBody(BadRequest):
    """The body is no JSON: cut off, not UTF-8, NaN, or a name given twice."""

    code, title = "malformed_body", "The body is not valid JSON"


class MalformedCondition(BadRequest):
    """If-Match is no list of quoted versions, such as "7"."""

    code, title = "malformed_condition", "If-Match cannot be understood"


class MalformedKey(BadRequest):
    """Idempotency-Key is not 1-255 printable ASCII characters without spaces."""

    code, title = "malformed_key", "The Idempotency-Key cannot be understood"


class KeyRefused(BadRequest):
    """Idempotency-Key was sent with a request whose response contains a secret."""

    code, title = "key_refused", "No Idempotency-Key is taken here"


class Unauthenticated(Problem):
    """No credential was sent, and this installation has no guest."""

    status, code, title = 401, "unauthenticated", "A credential is needed"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Bearer realm="api"'}


class InvalidToken(Unauthenticated):
    """The token is unknown, revoked or expired, or its user is disabled."""

    code, title = "invalid_token", "The token is not valid"
    headers: ClassVar[dict[str, str]] = {
        "WWW-Authenticate": 'Bearer realm="api", error="invalid_token"'
    }


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status, code, title = 403, "forbidden", "This is not allowed"


class CSRFFailed(Forbidden):
    """A write with the session cookie lacks the X-CSRFToken header."""

    code, title = "csrf_failed", "The CSRF token is missing or wrong"


class HTTPSRequired(Forbidden):
    """A credential came over plain http, and this installation has HTTPS on."""

    code, title = "https_required", "Credentials must come over https"


class InsufficientScope(Forbidden):
    """The token lacks the scope that this operation needs."""

    code, title = "insufficient_scope", "The token's scopes do not allow this"


class NoMail(Forbidden):
    """This needs mail, and this installation sends none (EMAIL_URL)."""

    code, title = "no_mail", "This installation sends no mail"


class OriginRefused(Forbidden):
    """A page of a foreign origin tried to write as the guest."""

    code, title = "origin_refused", "This origin may not write here"


class SignUpClosed(Forbidden):
    """This installation lets nobody sign up, or invited people only (SIGNUP)."""

    code, title = "sign_up_closed", "Sign-up is closed"


class NotFound(Problem):
    """Nothing is here, or it belongs to somebody else."""

    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(Problem):
    """The path exists and does not take this method; see the Allow header."""

    status, code, title = 405, "method_not_allowed", "The method is not allowed here"


class RequestTimeout(Problem):
    """The body did not come in time; the connection is closed."""

    status, code, title = 408, "request_timeout", "The body did not come in time"


class Conflict(Problem):
    """What is stored does not allow the change."""

    status, code, title = 409, "conflict", "This conflicts with what is stored"


class InProgress(Conflict):
    """A request with this Idempotency-Key is still running; retry after Retry-After."""

    code, title = "in_progress", "The first request with this key is still running"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class NameTaken(Conflict):
    """A list or tag of yours has this name already, be it in another case."""

    code, title = "name_taken", "The name is taken"


class NoRoom(Conflict):
    """Too many moves into one and the same place; move to a start or an end first."""

    code, title = "no_room", "There is no room between the two"


class TooManyTokens(Conflict):
    """You have as many working API tokens as one user may have; revoke one first."""

    code, title = "too_many_tokens", "You have too many tokens"


class Gone(Problem):
    """The task is in the trash; POST to `restore` to restore it."""

    status, code, title = 410, "gone", "This is in the trash"


class CursorExpired(Gone):
    """Events after this cursor have been purged, or the database was restored from a backup
    of before it; `restart` says how to start again."""

    code, title = "cursor_expired", "The feed cannot go on from this cursor"


class LengthRequired(Problem):
    """A body came without its length (Transfer-Encoding: chunked)."""

    status, code, title = 411, "length_required", "Content-Length is needed"


class StaleVersion(Problem):
    """The row has changed since the version in If-Match; `current` is the row now."""

    status, code, title = 412, "stale_version", "Somebody changed this meanwhile"


class AlteredTag(StaleVersion):
    """If-Match has the version, in an ETag that a proxy has made weak or longer."""

    code, title = "altered_tag", "If-Match holds an ETag that was altered on its way"


class ContentTooLarge(Problem):
    """The body is larger than 256 KB."""

    status, code, title = 413, "content_too_large", "The body is too large"


class UnsupportedMediaType(Problem):
    """The body is not application/json, or it is compressed."""

    status, code, title = 415, "unsupported_media_type", "The body must be JSON"


class Invalid(Problem):
    """The input is not valid; `errors` names each member, and the reason."""

    status, code, title = 422, "invalid", "The input is not valid"

    @classmethod
    def of(
        cls,
        member: str,
        detail: str,
        code: str,
        place: str = "body",
        **parameters: int | str,
    ) -> Self:
        """The refusal of one member of the input, with the parameters of the code."""
        error: InputError = {"in": place, "pointer": f"/{member}", "code": code}
        error |= {"detail": detail, **parameters}
        return cls(f"/{member}: {detail}", errors=[error])

    def within(self, place: str) -> "Invalid":
        """The same for an object within the body; `place` is its JSON pointer."""
        errors = [
            {**error, "pointer": place + error["pointer"]}
            for error in self.errors or ()
        ]
        detail = "; ".join(f"{error['pointer']}: {error['detail']}" for error in errors)
        return type(self)(detail, errors=errors)


class KeyReused(Invalid):
    """This Idempotency-Key was sent with a different request before."""

    code, title = "key_reused", "The Idempotency-Key belongs to another request"


class VersionRequired(Problem):
    """This installation requires If-Match on every change (REQUIRE_IF_MATCH)."""

    status, code, title = 428, "version_required", "If-Match is needed"


class TooManyRequests(Problem):
    """Too many requests, or attempts to sign in or sign up; retry after Retry-After."""

    status, code, title = 429, "too_many_requests", "Too many requests"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "60"}


class ServerError(Problem):
    """A bug of the service. The log line with this X-Request-ID has the cause."""

    status, code, title = 500, "server_error", "The service failed"


class Unavailable(Problem):
    """The database cannot be reached or is too busy; retry after Retry-After."""

    status, code, title = 503, "unavailable", "The service is unavailable for now"
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


def kinds(root: type[Problem] = Problem) -> Iterator[type[Problem]]:
    """All classes of problems, in the order of the tree above."""
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


def from_exception(error: BaseException) -> Problem:
    """The problem for `error`, without details of the implementation."""
    match error:
        case Problem():
            return error
        case Http404():
            return BY_STATUS[404]
        case PermissionDenied():
            return BY_STATUS[403]
        case DisallowedHost():
            return BadHost(
                "Send the request to a host name that is listed in ALLOWED_HOSTS."
            )
        case RequestDataTooBig():
            return BY_STATUS[413]
        case SuspiciousOperation() | MultiPartParserError() | UnreadableRequest():
            return BY_STATUS[400]
        case OverflowError():  # SQLite's, for a number beyond 64 bits
            return Invalid("A number is beyond what can be stored.")
        case IntegrityError():
            return Conflict(
                "The change breaks a rule of what is stored. Read it again."
            )
        case DataError():
            return Invalid("A value is beyond what can be stored.")
        case ProgrammingError() if _sqlstate(error) in UNUSABLE:
            return Unavailable("The database is not ready yet. Try again shortly.")
        # InternalError: among others a server that has become read-only.
        case OperationalError() | InterfaceError() | InternalError():
            return Unavailable("The database is not available. Try again shortly.")
    return FAILED


def _sqlstate(error: BaseException) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def respond(request: HttpRequest, error: BaseException) -> HttpResponse:
    """The response to `error`, which is logged if the status is 500 or above."""
    problem = from_exception(error)
    if problem.status >= 500 and problem is not error:
        fields = {"id": getattr(request, "id", None), "sqlstate": _sqlstate(error)}
        logger.error(
            "%s: %s",
            type(error).__name__,
            problem.title,
            # An unavailable database is no bug: log one line without a traceback.
            exc_info=error if problem.status == 500 else None,
            extra={"fields": fields},
        )
        request.META[DATABASE_ERROR] = isinstance(error, Error)
    body = orjson.dumps(problem.as_dict(request.path), option=orjson.OPT_UTC_Z)
    return HttpResponse(
        body,
        content_type=CONTENT_TYPE,
        status=problem.status,
        headers={"Content-Length": str(len(body)), **problem.extra_headers},
    )


FAILED = ServerError("The service failed. Its log knows this X-Request-ID.")
# The problems of responses that Django made itself.
BY_STATUS: dict[int, Problem] = {
    400: BadRequest("The request cannot be understood."),
    403: Forbidden("You may not do this."),
    404: NotFound("Nothing is here. GET /api/openapi.json lists what is."),
    405: MethodNotAllowed("Use one of the methods in the Allow header."),
    413: ContentTooLarge("Send at most 256 KB."),
}


def rewrite(request: HttpRequest, response: HttpResponseBase) -> None:
    """Replaces the content of an error response that Django made by a problem, in place.
    Status and headers (Allow, CORS, Retry-After) stay as they are."""
    if response.streaming or "keeps_shape" in vars(response):  # allauth's
        return
    if response.headers.get("Content-Type") == CONTENT_TYPE:
        return
    problem = BY_STATUS.get(response.status_code)
    if problem is None:
        problem = FAILED
        response.status_code = problem.status
    assert isinstance(response, HttpResponse)
    response.content = orjson.dumps(problem.as_dict(request.path))
    response.headers["Content-Type"] = CONTENT_TYPE
    response.headers["Content-Length"] = str(len(response.content))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    return page(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, which also sees errors of middleware and of the admin. A row that
    was deleted after a page had found it is a 404."""
    error = sys.exception() or RuntimeError("unknown")
    return page(request, Http404() if isinstance(error, ObjectDoesNotExist) else error)


def page(request: HttpRequest, error: BaseException) -> HttpResponse:
    response = respond(request, error)
    if not is_api(request):
        values = {"problem": from_exception(error), "request": request}
        response.content = render_to_string("error.html", values)
        response.headers["Content-Type"] = "text/html; charset=utf-8"
        del response.headers["Content-Length"]
    return response


def is_api(request: HttpRequest) -> bool:
    """Whether errors under this path are problems rather than pages."""
    return is_api_path(request.path_info)


def is_api_path(path: str) -> bool:
    # OPTIONS * has no slash at all.
    return path.startswith("/api/") or path.lstrip("/").split("/", 1)[0] in ROOTS
