"""The spans that a collector has received by OTLP over HTTP."""

from collections.abc import Iterable
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from tests.support.receivers import Receiver

Attributes = dict[str, str | int]


@dataclass
class Span:
    name: str
    id: str
    trace: str
    #: The id of the span that it is part of, or an empty string.
    parent: str
    began: int
    ended: int
    failed: bool
    attributes: Attributes
    #: Those of the service.
    resource: Attributes

    @property
    def query(self) -> str:
        """The statement, or an empty string."""
        return str(self.attributes.get("db.query.text", ""))


def spans_in(receiver: Receiver) -> list[Span]:
    """In the order of their ends."""
    found = [
        Span(
            one.name,
            one.span_id.hex(),
            one.trace_id.hex(),
            one.parent_span_id.hex(),
            one.start_time_unix_nano,
            one.end_time_unix_nano,
            one.status.code == one.status.STATUS_CODE_ERROR,
            _attributes(one.attributes),
            _attributes(of_service.resource.attributes),
        )
        for received in receiver.received
        for of_service in ExportTraceServiceRequest.FromString(
            received.body
        ).resource_spans
        for scope in of_service.scope_spans
        for one in scope.spans
    ]
    return sorted(found, key=lambda span: span.ended)


def _attributes(given: Iterable[KeyValue]) -> Attributes:
    return {one.key: one.value.int_value or one.value.string_value for one in given}
