"""How an operation runs: authentication, inputs, handler, error shape.

django-ninja declares the operations (paths, inputs and responses) and documents them.
`OperationRun` replaces its `Operation.run`, because the operation's own statement can
check the token, and because inputs are validated more strictly.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from types import MethodType
from typing import TypeVar

from django.db import OperationalError
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from ninja.errors import AuthenticationError
from ninja.operation import Operation
from ninja.params.models import ParamModel
from pydantic import ValidationError

from taskproject import replica
from taskproject.accounts.auth import ApiRequest, Caller, cached_caller
from taskproject.accounts.permissions import access_to
from taskproject.health import require_migrations
from taskproject.inputs import (
    StrictParser,
    check_body_headers,
    check_no_body,
    check_query,
    invalid,
    query_parameters,
)
from taskproject.problems import Invalid
from taskproject.sql import NO_GUARD, GuardFailed, check_guard

H = TypeVar("H", bound=Callable[..., object])
_parser = StrictParser()
_no_request = HttpRequest()
ABSENT = (None, "", "0")  # values of Content-Length, after `check_body_headers`


def checks_token_itself(handler: H) -> H:
    """Mark a handler whose statements all include `request.auth.guard`, so that no
    statement of its own is needed to check the token: see `auth.cached_caller`."""
    vars(handler)["checks_token_itself"] = True
    return handler


class OperationRun:
    """The replacement of `Operation.run`."""

    def __init__(self, run: MethodType) -> None:
        operation = run.__self__
        assert isinstance(operation, Operation)
        self._operation = operation
        self.handler = handler = operation.view_func
        self._name = operation.operation_id or handler.__name__
        self._access = access_to(operation)
        self._scope = self._access.scope
        self._authenticators = self._access.authenticators
        self._takes_tokens = "token" in self._access.credentials
        self._checks_token = getattr(handler, "checks_token_itself", False)
        self._newest_change = getattr(handler, "newest_change", None)
        self._parameters = query_parameters(handler)
        models: dict[str, type[ParamModel]] = {
            model.__ninja_param_source__: model for model in operation.models
        }
        path = models.pop("path", None)
        # Django's URL resolver has converted them.
        assert path is None or all(
            field.annotation in (int, str) for field in path.model_fields.values()
        )
        self._query, self._body = models.pop("query", None), models.pop("body", None)
        assert not models
        # What an absent body is read as; None if the body is required.
        self._no_body: object = None
        if self._body is not None:
            [(name, field)] = self._body.model_fields.items()
            assert name == "body"
            if not field.is_required():
                self._no_body = field.get_default()
        # Clients send the same few queries again and again. (The arguments are not mutated.)
        self._read_query = lru_cache(maxsize=1_000)(self._read_query_anew)

    def __call__(self, request: ApiRequest, **path: int | str) -> HttpResponseBase:
        operation = self._operation
        request.operation = self._name
        try:
            if self._authenticators:
                request.auth = self._known_caller(request) or self._caller(request)
                require_migrations()
            result = self._result(request, path)
            if isinstance(result, HttpResponseBase):
                return result
            blank = operation.api.create_temporal_response(request)
            return operation._result_to_response(request, result, blank)
        except Exception as error:  # noqa: BLE001  # every error becomes a problem
            return operation.api.on_exception(request, error)

    def _result(self, request: ApiRequest, path: dict[str, int | str]) -> object:
        """The return value of the handler; raises its problem, or that of the inputs. If
        the token has changed since it was cached, the guard has kept the handler from
        reading or writing: the caller is looked up, and the handler is called again, unless
        the database failed it: it would wait for a lock as long again."""
        try:
            inputs = self._inputs(request, path)
        except Exception:
            # Neither this problem nor a response is sent before the token was checked.
            self._check_caller(request)
            raise
        try:
            try:
                handler = self._operation.view_func
                if self._newest_change is not None:
                    handler = self._read
                return handler(request, **inputs)
            finally:
                if self._checks_token:
                    check_guard(request.auth.guard)
        except GuardFailed as failed:
            self._look_up_caller(request)
            unavailable = failed.__context__
            if isinstance(unavailable, OperationalError):
                raise unavailable from unavailable.__cause__
        return self._operation.view_func(request, **inputs)

    def _read(self, request: ApiRequest, **inputs: object) -> object:
        """The return value of the handler, from the replica if that can be read."""
        handler = self._operation.view_func
        assert self._newest_change is not None
        response: object = replica.read(
            request, self._newest_change, partial(handler, request, **inputs)
        )
        return handler(request, **inputs) if response is None else response

    def _check_caller(self, request: ApiRequest) -> None:
        """Raises the problem of a cached token that is no longer valid."""
        try:
            if self._checks_token:
                check_guard(request.auth.guard)
        except GuardFailed:
            self._look_up_caller(request)

    def _look_up_caller(self, request: ApiRequest) -> None:
        """Look up the caller of the request again. Raises the problem of the token."""
        del request.auth  # for the log line, where the token is refused
        request.auth = self._caller(request)

    def _known_caller(self, request: HttpRequest) -> Caller | None:
        """The cached caller, if there is one. Checks the token, unless the handler does."""
        caller = cached_caller(request) if self._takes_tokens else None
        if caller is None or self._scope not in caller.scopes:
            return None
        if self._checks_token:
            return caller
        try:
            check_guard(caller.guard)
        except GuardFailed:
            return None
        return caller.with_guard(NO_GUARD)

    def _caller(self, request: HttpRequest) -> Caller:
        """The caller that the first credential in the request identifies. Raises the problem
        of one who may not call this operation."""
        for authenticate in self._authenticators:
            caller = authenticate(request)
            if caller:
                self._access.check(caller)
                return caller
        raise AuthenticationError

    def _inputs(
        self, request: HttpRequest, path: dict[str, int | str]
    ) -> dict[str, object]:
        """The arguments of the handler. Raises the problem of invalid inputs."""
        check_body_headers(request)
        query = request.META.get("QUERY_STRING", "")
        inputs: dict[str, object] = {**path}
        wrong: list[tuple[type[ParamModel], ValidationError]] = []
        if self._body is not None:
            try:
                inputs["body"] = self._read_body(self._body, request)
            except ValidationError as error:
                wrong.append((self._body, error))
        refusal = None
        try:
            inputs.update(self._read_query(query))
        except ValidationError as error:
            assert self._query is not None
            wrong.append((self._query, error))
        except Invalid as error:
            refusal = error
        if wrong:
            raise invalid(wrong)
        if refusal is not None:
            raise refusal
        if self._body is None and request.META.get("CONTENT_LENGTH"):
            check_no_body(request)
        return inputs

    def _read_query_anew(self, query: str) -> dict[str, object]:
        """The arguments in a query string. Raises `ValidationError`, or `Invalid` for
        parameters that are unknown or repeated."""
        given = QueryDict(query.encode("latin-1"))  # as WSGI decodes it
        values: dict[str, object] = {}
        if self._query is not None:
            lists = getattr(self._query, "__ninja_collection_fields__", [])
            data = _parser.parse_querydict(given, lists, _no_request)
            values.update(self._query.model_validate(self._query._map_data_paths(data)))
        check_query(given, self._parameters)
        return values

    def _read_body(self, model: type[ParamModel], request: HttpRequest) -> object:
        """The body as the model's one field declares it; raises `ValidationError`. (The
        model's `resolve` takes 0.01 ms more, and validating an absent body 0.02.)"""
        if self._no_body and request.META.get("CONTENT_LENGTH") in ABSENT:
            return self._no_body
        given = {"body": _parser.parse_body(request)} if request.body else {}
        return vars(model.model_validate(given))["body"]
