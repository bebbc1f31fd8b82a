"""What may happen to the processes of the service, and to its answers on the way."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.client import HTTPConnection
from select import select
from typing import Any
from uuid import uuid4

import psutil  # type: ignore[import-untyped]

from tests.faults.conftest import Service, Start
from tests.faults.databases import Database
from tests.faults.load import AT_MOST, BROKEN, Client, Record, Reply, until
from tests.faults.proxy import RESET, Proxy
from tests.servers import ROOT

REPLACED_WITHIN = 5.0  # seconds


def test_a_killed_worker_costs_its_requests_and_is_replaced_within_5_seconds(
    start: Start, database: Database, record: Record
) -> None:
    service = start(database)
    clients = 8

    with service.under_load(clients) as load:
        first, second = service.workers()
        for victim in (first, second):
            kill(victim)
            killed = time.monotonic()
            until(partial(replaced, service, victim))
            assert time.monotonic() - killed <= REPLACED_WITHIN
            load.recover()

    # Whoever was connected to it notices; who connects anew while it dies, once more.
    assert {reply.attempt for reply in record.broken()} <= {1, 2}
    assert record.count(503) == 0
    record.audit(database)
    record.check(broken=2 * 2 * clients)


def test_requests_in_flight_finish_after_sigterm(
    start: Start, database: Database, record: Record
) -> None:
    service = start(database, WORKERS="1", THREADS="2")
    with service.client() as client:
        tasks = [client.create(f"In flight {number}") for number in range(2)]

    def patch(number: int) -> Reply:
        with service.client() as client:
            path = f"/api/tasks/{tasks[number].id}"
            return client.send("PATCH", path, {"description": "Done"})

    with ThreadPoolExecutor(2) as pool:
        with database.locked(*(task.id for task in tasks)):
            replies = [pool.submit(patch, number) for number in range(2)]
            until(lambda: busy(service))
            service.process.send_signal(signal.SIGTERM)
            until(lambda: refuses(service))
        for task, reply in zip(tasks, replies, strict=True):
            done = client.acknowledge(reply.result(), 200, version=2)
            assert (done.id, done.description) == (task.id, "Done")

    assert service.process.wait(30) == 0
    record.audit(database)
    record.check()


def test_more_requests_than_threads_behind_a_lock_keep_nobody_longer_than_5_seconds(
    start: Start, database: Database, record: Record
) -> None:
    """8 clients on 4 threads: the second half waits for the first, as does /livez."""
    service = start(database, WORKERS="1", THREADS="4")
    with service.client() as client:
        task = client.create("Locked")

    def patch(number: int) -> Reply:
        with service.client() as client:
            body = {"title": f"Late {number}"}
            return client.send("PATCH", f"/api/tasks/{task.id}", body)

    with database.locked(task.id), ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(patch, number) for number in range(8)]
        until(lambda: busy(service))
        with service.client() as client:
            live = client.send("GET", "/livez")
        assert {reply.result().status for reply in replies} == {503}
    with service.client() as client:
        client.patch(task, title="In time")

    record.audit(database)
    record.check()
    assert live.status == 200
    assert live.seconds <= AT_MOST


def test_a_rolling_restart_on_the_same_port_fails_no_request(
    start: Start, database: Database, record: Record
) -> None:
    service = start(database)

    with second_instance(service), service.under_load() as load:
        load.proceed()
        service.process.terminate()
        assert service.process.wait(30) == 0
        load.recover()

    # A client whose idle connection was closed connects anew, once.
    assert {reply.attempt for reply in record.broken()} <= {1}
    assert record.count(503) == 0
    record.audit(database)
    record.check(broken=2 * 8)


def test_a_client_that_hangs_up_and_retries_with_its_key_gets_the_first_answer(
    start: Start, database: Database, record: Record
) -> None:
    """It hangs up after 0 to 30 ms: before, while and after the task is stored."""
    service = start(database)
    replayed = 0

    with service.client() as client:
        for turn in range(60):
            key, body = str(uuid4()), {"title": f"Hang up {turn}"}
            with service.post("/api/tasks", body, key) as caller:
                time.sleep(turn / 2_000)
                if turn % 2:
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            reply = client.insist("POST", "/api/tasks", body, key=key)
            client.acknowledge(reply, 201, **body, version=1)
            replayed += reply.replayed

    record.notes.append(f"{replayed} of 60 retries were answered from the store")
    assert replayed > 0
    record.audit(database)
    record.check()


def test_an_answer_that_is_lost_on_the_way_is_replayed(
    start: Start, database: Database, record: Record
) -> None:
    service = start(database)

    with (
        Proxy(service.port) as proxy,
        Client(proxy.port, database.token, record) as unlucky,
        service.client() as client,
    ):
        for turn in range(20):
            body = {"title": f"Lost answer {turn}"}
            reply = lose_answer(proxy, unlucky, client, "/api/tasks", body, 201)
            task = client.acknowledge(reply, 201, **body, version=1)
            path = f"/api/tasks/{task.id}/toggle"
            reply = lose_answer(proxy, unlucky, client, path, None, 200)
            client.acknowledge(reply, 200, completed=True, version=2)

    record.audit(database)
    record.check(broken=40)


def test_a_worker_killed_between_commit_and_answer_is_no_reason_to_do_it_twice(
    start: Start, database: Database, record: Record
) -> None:
    """Stops the worker the moment that the task can be seen; if it has not answered by
    then, that was the moment, and the worker does not come back from it."""
    service = start(database, WORKERS="1")
    [worker] = service.workers()

    for turn in range(200):
        key, body = str(uuid4()), {"title": f"Committed {turn}"}
        killed = kill_at_commit(service, worker, body, key)
        with service.client() as client:
            reply = client.insist("POST", "/api/tasks", body, key=key)
            client.acknowledge(reply, 201, **body, version=1)
        assert reply.replayed
        if killed:
            break
    else:
        raise AssertionError("it has always answered before it could be stopped")

    record.notes.append(f"the worker was killed at attempt {turn + 1}")
    record.audit(database)
    record.check(broken=record.count(0))


def test_a_commit_whose_confirmation_never_arrives_is_found_by_the_retry(
    through: Service, proxy: Proxy, record: Record
) -> None:
    """PostgreSQL commits and says so, and the worker dies before it hears of it."""
    service = through
    key, body = str(uuid4()), {"title": "Unheard"}
    with service.client() as client:
        client.create("Warm")  # notes the token's use, in a transaction of its own

    proxy.lose(b"COMMIT\x00")
    with service.post("/api/tasks", body, key) as waiting:
        assert proxy.lost.wait(10)
        for worker in service.workers():
            kill(worker)
        with suppress(ConnectionError):
            assert waiting.recv(1) == b""
    with service.client() as client:
        reply = client.insist("POST", "/api/tasks", body, key=key)
        client.acknowledge(reply, 201, **body, version=1)

    assert reply.replayed
    record.audit(service.database)
    record.check(broken=record.count(0))


def test_an_answer_that_overtakes_its_body_does_not_break_the_next_request(
    start: Start, on_sqlite: Database
) -> None:
    """Refused before its body came: the connection stays usable, or the answer says
    that it closes."""
    service = start(on_sqlite)
    connection = HTTPConnection("127.0.0.1", service.port, timeout=10)

    with closing(connection):
        for _ in range(20):
            connection.putrequest("POST", "/api/tasks")
            connection.putheader("Authorization", "Bearer nonsense")
            connection.putheader("Content-Length", "2")
            connection.endheaders()
            select([connection.sock], [], [], 0.05)
            connection.send(b"{}")
            response = connection.getresponse()
            response.read()
            assert response.status == 401


def kill(worker: int) -> None:
    os.kill(worker, signal.SIGKILL)


def replaced(service: Service, victim: int) -> bool:
    return victim not in service.workers() and listening(service) == 2


def listening(service: Service) -> int:
    """How many workers take connections."""
    number = 0
    for worker in service.workers():
        with suppress(psutil.Error):
            number += any(
                connection.status == psutil.CONN_LISTEN
                for connection in psutil.Process(worker).net_connections()
            )
    return number


def busy(service: Service) -> bool:
    """Whether every thread is at work: not even /livez is answered at once."""
    probe = HTTPConnection("127.0.0.1", service.port, timeout=0.3)
    try:
        probe.request("GET", "/livez")
        probe.getresponse()
    except TimeoutError:
        return True
    finally:
        probe.close()
    return False


def refuses(service: Service) -> bool:
    """Whether nobody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", service.port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


@contextmanager
def second_instance(service: Service) -> Iterator[None]:
    """Another `manage.py serve` on the same port, which takes connections as well."""
    environment = {"DATABASE_URL": service.database.url, "WORKERS": "2", "THREADS": "2"}
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(service.port)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    other = Service(process, service.port, service.database, service.record)
    try:
        until(lambda: listening(other) == 2)
        yield
    finally:
        process.terminate()
        assert process.wait(40) == 0


def lose_answer(
    proxy: Proxy, unlucky: Client, client: Client, path: str, body: Any, status: int
) -> Reply:
    """Sends a request whose answer gets lost, then retries it on another way."""
    key = str(uuid4())
    proxy.lose(f"HTTP/1.1 {status}".encode())
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(unlucky.send, "POST", path, body, key=key)
        assert proxy.lost.wait(10)
        proxy.cut()
    assert first.result().status == BROKEN
    reply = client.insist("POST", path, body, key=key)
    assert reply.replayed
    return reply


def kill_at_commit(service: Service, worker: int, body: Any, key: str) -> bool:
    """Posts a task and kills the worker between its commit and its answer, unless that
    moment was missed."""
    query = f"SELECT 1 FROM tasks_task WHERE title = '{body['title']}'"
    with (
        service.database.session() as session,
        service.post("/api/tasks", body, key) as caller,
    ):
        deadline = time.monotonic() + 10
        while not session.execute(query).fetchall():
            assert time.monotonic() < deadline
        os.kill(worker, signal.SIGSTOP)
        try:
            until(lambda: psutil.Process(worker).status() == psutil.STATUS_STOPPED)
            answered, _, _ = select([caller], [], [], 0)
            if not answered:
                os.kill(worker, signal.SIGKILL)
        finally:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)
    return not answered
