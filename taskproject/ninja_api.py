"""The API object: ninja's, with one error handler and a complete OpenAPI document."""

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.renderers import BaseRenderer

from taskproject import inputs, problems
from taskproject.deprecation import announced
from taskproject.docs_page import DocsPage
from taskproject.idempotency import idempotent
from taskproject.openapi_document import Document
from taskproject.openapi_errors import Part
from taskproject.operations import OperationRun


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
        openapi_extra: Part,
    ) -> None:
        super().__init__(
            title=title,
            version=version,
            description=description,
            openapi_extra=openapi_extra,
            servers=[{"url": "/", "description": "This service"}],
            parser=inputs.StrictParser(),
            renderer=Renderer(),
            docs=DocsPage(),
            docs_decorator=lambda view: csrf_exempt(require_safe(view)),
        )
        self.add_decorator(idempotent)
        self.add_decorator(OperationRun, mode="view")
        self.add_decorator(announced, mode="view")
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
        return problems.BY_STATUS.get(error.status_code, problems.BY_STATUS[400])

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The name of the handler, which is unique in the API."""
        name: str = operation.view_func.__name__
        return name

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: Part | None = None
    ) -> OpenAPISchema:
        """The document, with the error responses of every operation. It is made once."""
        if self._document is None:
            self._document = Document(
                self, path_prefix or self.get_root_path(path_params or {})
            )
        return self._document
