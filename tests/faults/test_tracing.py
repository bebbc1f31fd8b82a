"""Traces of forked workers, and a collector that does not respond."""

import time
from collections import Counter

import pytest

from tests.faults.conftest import Start
from tests.faults.databases import Database
from tests.support.receivers import hang, receiving, status

# Optional, as for the service.
pytest.importorskip("opentelemetry.sdk")

from tests.support.traces import spans_in

TASKS = 30
STOPS_WITHIN = 15.0  # seconds


@pytest.mark.parametrize("responds", [True, False])
def test_workers_send_their_spans_before_they_stop(
    start: Start, on_postgresql: Database, responds: bool
) -> None:
    with receiving() as collector:
        collector.answers = [status(200) if responds else hang]
        service = start(
            on_postgresql,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url(""),
            # None are sent before the workers stop, and the second case fills no queue.
            OTEL_BSP_SCHEDULE_DELAY="60000",
        )
        for number in range(TASKS):
            # On connections of their own, so that both workers have some.
            with service.client() as client:
                client.create(f"Task {number}")
        began = time.monotonic()
        service.process.terminate()
        service.process.wait(STOPS_WITHIN)

        assert time.monotonic() - began < STOPS_WITHIN
        service.record.check()
        if responds:
            names = Counter(span.name for span in spans_in(collector))
            assert names["POST /api/tasks"] == TASKS
            assert len(collector.received) >= 2  # of two workers
            assert all(span.query for span in spans_in(collector) if span.parent)
