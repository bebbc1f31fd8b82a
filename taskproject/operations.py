"""How an operation runs: authentication, inputs, handler, error shape.

django-ninja declares the operations (their paths, inputs and responses) and documents
them; this takes the place of its `Operation.run` for all of them, because a token can be
checked by the operation's own statement, and inputs are read more strictly.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from ninja.errors import AuthenticationError, ValidationErrorContext
from ninja.operation import Operation
from pydantic import BaseModel, ValidationError

from taskproject.accounts.auth import Caller, cached_caller
from taskproject.inputs import (
    StrictParser,
    check_body_headers,
    check_no_body,
    check_query,
    query_parameters,
)
from taskproject.problems import Invalid
from taskproject.rows import NO_GUARD, GuardFailed, check_guard

H = TypeVar("H", bound=Callable[..., Any])
_parser = StrictParser()
_no_request = HttpRequest()


def checks_token_itself(handler: H) -> H:
    """Marks a handler whose statements all take `request.auth.guard` along, so that its
    caller's token needs no statement of its own: see `auth.cached_caller`."""
    handler.checks_token_itself = True  # type: ignore[attr-defined]
    return handler


class OperationRun:
    """What ninja calls instead of `Operation.run`."""

    def __init__(self, run: Callable[..., Any]) -> None:
        operation: Operation = run.__self__  # type: ignore[attr-defined]  # of a method
        self._operation = operation
        handler = operation.view_func
        self._checks_token = getattr(handler, "checks_token_itself", False)
        self._parameters = query_parameters(handler)
        models = {model.__ninja_param_source__: model for model in operation.models}
        # Django's URL resolver has converted them.
        path: Any = models.pop("path", BaseModel)
        assert all(
            field.annotation in (int, str) for field in path.model_fields.values()
        )
        self._query, self._body = models.pop("query", None), models.pop("body", None)
        assert not models
        # Clients ask the same few questions over and over; nobody changes what is read.
        self._read_query = lru_cache(maxsize=1_000)(self._read_query_anew)

    def __call__(self, request: Any, **path: int | str) -> HttpResponseBase:
        operation = self._operation
        try:
            if operation.auth_callbacks:
                request.auth = self._known_caller(request) or self._caller(request)
            result = self._result(request, path)
            if isinstance(result, HttpResponseBase):
                return result
            blank = operation.api.create_temporal_response(request)
            return operation._result_to_response(request, result, blank)
        except Exception as error:  # noqa: BLE001  # every error becomes a problem
            return operation.api.on_exception(request, error)

    def _result(self, request: Any, path: dict[str, int | str]) -> Any:
        """What the handler returns; raises its problem, or that of the inputs. Where the
        token has changed since it was cached, nothing was read or written: the caller is
        looked up, and the handler called once more."""
        try:
            inputs = self._inputs(request, path)
        except Exception:
            # No refusal, and below no response, is for a caller whose token was not
            # checked.
            self._check_caller(request)
            raise
        try:
            try:
                return self._operation.view_func(request, **inputs)
            finally:
                if self._checks_token:
                    check_guard(request.auth.guard)
        except GuardFailed:
            self._look_up_caller(request)
        return self._operation.view_func(request, **inputs)

    def _check_caller(self, request: Any) -> None:
        """Raises the problem of a cached token that is not valid any more."""
        try:
            if self._checks_token:
                check_guard(request.auth.guard)
        except GuardFailed:
            self._look_up_caller(request)

    def _look_up_caller(self, request: Any) -> None:
        """Replaces the cached caller of the request. Raises the problem of the token."""
        request.auth = None  # for the log line, where the token is refused
        request.auth = self._caller(request)

    def _known_caller(self, request: HttpRequest) -> Caller | None:
        """The caller as cached; where the handler does not check the token, it is
        checked here."""
        caller = cached_caller(request)
        keyed = "HTTP_IDEMPOTENCY_KEY" in request.META  # a stored response is its own
        if caller is None or (self._checks_token and not keyed):
            return caller
        try:
            check_guard(caller.guard)
        except GuardFailed:
            return None
        return caller.with_guard(NO_GUARD)

    def _caller(self, request: HttpRequest) -> Any:
        """The caller by the first credential that is sent, looked up in the database."""
        for authenticate in self._operation.auth_callbacks:
            caller = authenticate(request)
            if caller:
                return caller
        raise AuthenticationError

    def _inputs(
        self, request: HttpRequest, path: dict[str, int | str]
    ) -> dict[str, Any]:
        """The handler's arguments. Raises the problem of those that are not valid."""
        check_body_headers(request)
        api, query = self._operation.api, request.META.get("QUERY_STRING", "")
        inputs: dict[str, Any] = {**path}
        wrong: list[ValidationErrorContext[Any]] = []
        if self._body is not None:
            try:
                inputs.update(self._body.resolve(request, api, path))
            except ValidationError as error:
                wrong.append(ValidationErrorContext(error, self._body))
        refusal = None
        try:
            inputs.update(self._read_query(query))
        except ValidationError as error:
            assert self._query is not None
            wrong.append(ValidationErrorContext(error, self._query))
        except Invalid as invalid:
            refusal = invalid
        if wrong:
            raise api.validation_error_from_error_contexts(wrong)
        if refusal is not None:
            raise refusal
        if self._body is None and request.META.get("CONTENT_LENGTH"):
            check_no_body(request)
        return inputs

    def _read_query_anew(self, query: str) -> dict[str, Any]:
        """The arguments that a query string gives. Raises `ValidationError`, or `Invalid`
        for parameters that are unknown or repeated."""
        given = QueryDict(query.encode("latin-1"))  # as WSGI decodes it
        values: dict[str, Any] = {}
        if self._query is not None:
            lists = getattr(self._query, "__ninja_collection_fields__", [])
            data = _parser.parse_querydict(given, lists, _no_request)
            values.update(self._query.model_validate(self._query._map_data_paths(data)))
        check_query(given, self._parameters)
        return values
