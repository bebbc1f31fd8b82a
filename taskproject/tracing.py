"""Traces by OpenTelemetry: a span for each request, and within it for each of its statements.
Imported only if OTEL_EXPORTER_OTLP_ENDPOINT is set, because the packages are optional.

A span has the route, the status and the request id, or the text of a statement without its
values: no path, query, header or message of an exception, in which there are addresses of
calendars, tokens and what users wrote. The command `opentelemetry-instrument` is no
substitute: it records paths and queries, and sees only statements that use a cursor."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Span,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from taskproject import __version__
from taskproject.sql import Row, this_thread

#: Requests without spans.
PROBES = {"/livez", "/readyz", "/metrics"}
#: Methods that are recorded by their names.
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
#: Characters of a statement: one that writes many rows has thousands of placeholders.
LONGEST = 2_000
#: Seconds that a process which stops has to send its last spans.
PATIENCE = 2.0
# A parameter of a route, as in api/tasks/<int:task_id>.
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_propagator = TraceContextTextMapPropagator()


class _Exporting:
    """What sends the spans of this process."""

    processor: BatchSpanProcessor | None = None


def start() -> Tracer:
    """Begins to send spans, by the settings that the SDK reads from the environment. Call it in
    the process that serves: a thread would not survive a fork."""
    # Without, a line for each attempt to send the same spans while the collector is away.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    told = Resource.create({"service.name": "tasks", "service.version": __version__})
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
    provider = TracerProvider(resource=told.merge(OTELResourceDetector().detect()))
    _Exporting.processor = BatchSpanProcessor(OTLPSpanExporter())
    provider.add_span_processor(_Exporting.processor)
    return provider.get_tracer(__name__, __version__)


def stop() -> None:
    """Sends what is left, for at most PATIENCE."""
    if _Exporting.processor is not None:
        # It has no time limit of its own below that of the exporter (10 s).
        last = Thread(target=_Exporting.processor.shutdown, daemon=True)
        last.start()
        last.join(PATIENCE)
        _Exporting.processor = None


class TracingMiddleware:
    """Stands above all other middleware, so that every request passes it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._tracer = start()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info in PROBES:
            return self.get_response(request)
        method = request.method if request.method in METHODS else "_OTHER"
        # Part of the caller's trace, if it names one (W3C Trace Context).
        caller = {"traceparent": request.META.get("HTTP_TRACEPARENT", "")}
        span = self._tracer.start_span(
            str(method), _propagator.extract(caller), SpanKind.SERVER
        )
        if not span.is_recording():
            return self.get_response(request)
        try:
            with _traced(Trace(self._tracer, set_span_in_context(span))):
                response = self.get_response(request)
            _describe(span, str(method), request, response)
            return response
        finally:
            span.end()


class Trace:
    """The statements of one request."""

    def __init__(self, tracer: Tracer, request: Context) -> None:
        self._tracer = tracer
        self._request = request

    def fetch(
        self, statement: str, parameters: Sequence[object], prepare: bool
    ) -> list[Row]:
        """See `taskproject.sql.fetch`."""
        session = this_thread.connection
        with self._span(statement), _without(session.execute_wrappers, self.execute):
            return session.fetch(statement, parameters, prepare)

    def execute(
        self,
        execute: Callable[..., object],
        statement: str,
        parameters: object,
        many: bool,
        context: dict[str, object],
    ) -> object:
        """A wrapper of Django's cursors: see `connection.execute_wrapper`."""
        with self._span(statement):
            return execute(statement, parameters, many, context)

    @contextmanager
    def _span(self, statement: str) -> Iterator[None]:
        text = statement.strip()
        span = self._tracer.start_span(
            text.split(None, 1)[0],
            self._request,
            SpanKind.CLIENT,
            {
                "db.system.name": connection.vendor,
                "db.query.text": text[:LONGEST],
            },
        )
        try:
            yield
        except BaseException as error:
            _fail(span, type(error).__name__)
            raise
        finally:
            span.end()


@contextmanager
def _traced(trace: Trace) -> Iterator[None]:
    this_thread.trace = trace
    try:
        with connection.execute_wrapper(trace.execute):
            yield
    finally:
        this_thread.trace = None


@contextmanager
def _without(wrappers: list[Any], wrapper: object) -> Iterator[None]:
    """With any wrapper, `fetch` of the database backend would use Django's cursor. The connection
    to a replica has none."""
    if wrapper not in wrappers:
        yield
        return
    place = wrappers.index(wrapper)
    removed = wrappers.pop(place)
    try:
        yield
    finally:
        wrappers.insert(place, removed)


def _describe(
    span: Span, method: str, request: HttpRequest, response: HttpResponseBase
) -> None:
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.response.status_code", response.status_code)
    for name in ("id", "operation"):
        if value := getattr(request, name, None):
            span.set_attribute(f"tasks.request.{name}", value)
    if request.resolver_match is not None:
        route = "/" + _PARAMETER.sub(r"{\1}", request.resolver_match.route)
        span.set_attribute("http.route", route)
        span.update_name(f"{method} {route}")
    if response.status_code >= 500:
        _fail(span, str(response.status_code))


def _fail(span: Span, kind: str) -> None:
    """Without the message of an exception, which may quote values."""
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))
