"""Clients and readers that are slow: a log that nobody reads, bodies half sent."""

import json
import socket
from contextlib import ExitStack
from http.client import HTTPResponse
from threading import Thread

from tests.faults.conftest import Share, Start
from tests.faults.databases import Database
from tests.faults.load import AT_MOST, Client, Record, until
from tests.faults.test_workers import half_sent, live, serve_at
from tests.support.copies import free_port

REQUESTS = 600  # whose lines are more than a pipe holds


def test_a_reader_of_the_log_that_stalls_stops_nobody_and_loses_no_line(
    on_sqlite: Database, record: Record
) -> None:
    port = free_port()
    process = serve_at(port, on_sqlite, LOG_LEVEL="INFO")
    assert process.stdout is not None
    try:
        until(lambda: live(port), within=60)
        with Client(port, on_sqlite.token, record) as client:
            for _ in range(REQUESTS):
                assert client.send("GET", "/api/tasks").status == 200
        output: list[str] = []
        reader = Thread(target=lambda: output.extend(process.stdout or []))
        reader.start()
    finally:
        process.terminate()
    reader.join(40)
    process.wait(40)

    lines = [json.loads(line) for line in output if line.startswith("{")]
    told = [line for line in lines if line.get("path") == "/api/tasks"]
    assert len(told) == REQUESTS
    assert not any("dropped" in line["message"] for line in lines)


def test_half_sent_bodies_keep_nobody_from_an_answer(
    share: Share, record: Record
) -> None:
    """Three for each thread, without a credential."""
    service = share("sqlite", WORKERS="1", THREADS="4")

    with ExitStack() as slow, service.client() as client:
        for _ in range(12):
            slow.enter_context(half_sent(service.port))
        live = client.send("GET", "/livez")
        client.create("Sent at once")

    assert live.status == 200
    assert live.seconds <= AT_MOST
    record.check(service.database)


def test_a_body_that_does_not_come_is_408_and_its_connection_closes(
    start: Start, on_sqlite: Database
) -> None:
    service = start(on_sqlite, WORKERS="1", THREADS="1")

    # More than half of the threads, with those in reserve, have none for longer.
    with half_sent(service.port) as slow, half_sent(service.port):
        slow.settimeout(30)
        response = HTTPResponse(slow, method="POST")
        response.begin()
        answer = json.loads(response.read())
        assert slow.recv(1) == b""

    assert (response.status, answer["code"]) == (408, "request_timeout")
    assert "a body came too slowly" in service.output


def test_slow_readers_of_a_file_keep_nobody_from_an_answer(
    share: Share, record: Record
) -> None:
    service = share("sqlite", WORKERS="1", THREADS="4")
    request = (
        b"GET /static/ninja/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )

    with ExitStack() as slow, service.client() as client:
        for _ in range(12):
            reader = slow.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", service.port))
            reader.sendall(request)
            assert reader.recv(8) == b"HTTP/1.1"
        live = client.send("GET", "/livez")
        client.create("Not kept waiting")

    assert live.status == 200
    assert live.seconds <= AT_MOST
    record.check(service.database)
