"""More requests than the service can answer, through HAProxy with deploy/haproxy.cfg."""

import shutil
import socket
import time
from contextlib import ExitStack, suppress

import pytest

from tests.faults.conftest import Start
from tests.faults.databases import Database
from tests.faults.load import Client, Record
from tests.faults.test_proxies import running

WAITING = 500  # in the queue of the proxy
PASSED_ON = 12  # to the service at a time
TOO_MANY = 40


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
def test_what_exceeds_the_queue_is_503_at_once_and_probes_pass_it(
    start: Start, on_sqlite: Database, record: Record
) -> None:
    """Writers who wait for SQLite's lock keep all threads busy but two."""
    service = start(
        on_sqlite, WORKERS="1", THREADS=str(PASSED_ON + 2), LOG_LEVEL="INFO"
    )
    body = b'{"title": "Never done"}'
    request = (
        b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    ) % (on_sqlite.token.encode(), len(body), body)

    with (
        running("haproxy", service.port) as port,
        Client(port, on_sqlite.token, record) as client,
    ):
        with on_sqlite.locked(), ExitStack() as crowd:
            waiting = []
            for _ in range(PASSED_ON + WAITING + TOO_MANY):
                one = crowd.enter_context(socket.create_connection(("127.0.0.1", port)))
                one.sendall(request)
                one.setblocking(False)
                waiting.append(one)
            probe = client.send("GET", "/livez")
            assert (probe.status, probe.seconds < 0.5) == (200, True)
            refused = client.send("POST", "/api/tasks", {"title": "One more"})
            assert (refused.status, refused.seconds < 0.5) == (503, True)
            answers = []
            for one in waiting:
                with suppress(BlockingIOError):
                    answers.append(one.recv(4_096))
        # All clients have hung up.
        client.create("Afterwards")
        assert record.replies[-1].seconds < 5
        time.sleep(1)

    assert len(answers) >= TOO_MANY - 1
    assert all(b" 503 " in each and b"retry-after: 1" in each for each in answers)
    # What waited in the queue was not done after its client had gone.
    assert service.output.count('"method":"POST"') <= 4 * PASSED_ON
    tasks = on_sqlite.rows("SELECT title FROM tasks_task")
    assert ("Afterwards",) in tasks
    assert len(tasks) <= 1 + 2 * PASSED_ON
    record.check()
