"""OTEL_EXPORTER_OTLP_ENDPOINT: the spans that a collector gets, and what is not in them"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client
from pytest_django import Settings

from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_task, make_token
from tests.support.receivers import Receiver, receiving, status

# Optional, as for the service.
pytest.importorskip("opentelemetry.sdk")

from taskproject import tracing
from tests.support.traces import Span, spans_in

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def collector(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Receiver]:
    """What new clients of the API are traced to."""
    name = f"{tracing.__name__}.{tracing.TracingMiddleware.__name__}"
    settings.MIDDLEWARE = [name, *settings.MIDDLEWARE]
    with receiving() as receiver:
        receiver.answers = [status(200)]
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url(""))
        yield receiver
        tracing.stop()


@pytest.fixture
def sent(collector: Receiver) -> Callable[[], list[Span]]:
    """Sends the spans, and returns them."""

    def spans() -> list[Span]:
        tracing.stop()
        return spans_in(collector)

    return spans


def test_a_request_has_a_span_with_a_span_of_each_statement(
    alice: User, sent: Callable[[], list[Span]]
) -> None:
    task = make_task(alice)
    answer = ApiClient(make_token(alice)).send("GET", f"/api/tasks/{task.pk}")
    request, *statements = sent()[::-1]

    assert request.name == "GET /api/tasks/{task_id}" and not request.failed
    assert request.attributes == {
        "http.request.method": "GET",
        "http.route": "/api/tasks/{task_id}",
        "http.response.status_code": 200,
        "tasks.request.operation": "get_task",
        "tasks.request.id": answer.headers["X-Request-ID"],
    }
    assert any('FROM "tasks_task"' in one.query for one in statements)
    for one in statements:
        assert (one.parent, one.trace) == (request.id, request.trace)
        assert one.attributes["db.system.name"] == connection.vendor
        assert request.began <= one.began <= one.ended <= request.ended


def test_hand_written_statements_and_those_of_the_orm_are_traced_once(
    alice: User, sent: Callable[[], list[Span]]
) -> None:
    api = ApiClient(make_token(alice))
    api.send("POST", "/api/tasks", {"title": "Buy milk", "tags": ["errand"]})
    queries = [one.query for one in sent() if one.query]

    assert sum('INTO "tasks_task"' in query for query in queries) == 1
    assert sum('INTO "tasks_label"' in query for query in queries) == 1


def test_statements_on_the_connection_to_a_replica_are_traced(
    alice: User, sent: Callable[[], list[Span]], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = ApiClient(make_token(alice))

    fetch = tracing.Trace.fetch

    def fetch_from_replica(trace: tracing.Trace, *parameters: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(connections["default"], "execute_wrappers", [])
            return fetch(trace, *parameters)

    monkeypatch.setattr(tracing.Trace, "fetch", fetch_from_replica)
    assert api.send("GET", "/api/tasks").status_code == 200
    assert any('FROM "tasks_task"' in one.query for one in sent() if one.query)


def test_nothing_that_users_wrote_and_no_secret_is_in_a_span(
    alice: User, collector: Receiver, sent: Callable[[], list[Span]]
) -> None:
    token = make_token(alice)
    api = ApiClient(token)
    api.send("POST", "/api/tasks", {"title": "Zanzibar", "description": "Quagmire"})
    api.send("GET", "/api/tasks?q=Xylophone")
    calendar = api.send("POST", "/api/calendar").json()["url"]
    assert Client().get(calendar).status_code == 200
    spans = sent()
    text = b"".join(one.body for one in collector.received)

    assert any(one.name == "GET /api/calendar/{secret}.ics" for one in spans)
    for secret in ("Zanzibar", "Quagmire", "Xylophone", token, calendar[-30:-4]):
        assert secret.encode() not in text, secret


def test_a_failed_statement_is_told_without_its_message(
    alice: User,
    collector: Receiver,
    sent: Callable[[], list[Span]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError("Zanzibar")

    monkeypatch.setattr(type(connections["default"]), "fetch", broken)
    answer = ApiClient(make_token(alice)).send("GET", "/api/tasks")
    request, *statements = sent()[::-1]

    assert answer.status_code == 503
    assert request.failed and request.attributes["error.type"] == "503"
    assert statements[0].failed
    assert statements[0].attributes["error.type"] == "OperationalError"
    assert b"Zanzibar" not in b"".join(one.body for one in collector.received)


def test_the_trace_of_the_caller_goes_on(
    alice: User, sent: Callable[[], list[Span]]
) -> None:
    api = ApiClient(make_token(alice))
    api.send("GET", "/api/me", headers={"traceparent": TRACEPARENT})
    api.send("GET", "/api/me", headers={"traceparent": "nonsense"})
    continued, other = [one for one in sent() if one.name == "GET /api/me"]

    assert (continued.trace, continued.parent) == (TRACE, TRACEPARENT.split("-")[2])
    assert other.trace != TRACE and other.parent == ""


def test_what_is_not_sampled_and_probes_have_no_spans(
    alice: User, sent: Callable[[], list[Span]]
) -> None:
    api = ApiClient(make_token(alice))
    unsampled = {"traceparent": TRACEPARENT[:-2] + "00"}

    assert api.send("GET", "/api/me", headers=unsampled).status_code == 200
    assert api.send("GET", "/livez").status_code == 200
    assert sent() == []


def test_the_service_is_named_by_the_settings_of_the_sdk(
    alice: User, collector: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=todo,host=one")
    ApiClient(make_token(alice)).send("GET", "/api/me")
    tracing.stop()

    assert spans_in(collector)[-1].resource["service.name"] == "todo"
    assert spans_in(collector)[-1].resource["host"] == "one"
