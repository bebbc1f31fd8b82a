"""What may happen to the processes of the service, and to its answers on the way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from http.client import HTTPConnection
from select import select
from typing import Any
from uuid import uuid4

import psutil
import pytest

from tests.faults.conftest import Service, Share, Start
from tests.faults.databases import Database
from tests.faults.load import AT_MOST, BROKEN, Client, Record, Reply, until
from tests.faults.proxy import RESET, Proxy
from tests.support.copies import free_port
from tests.support.servers import ROOT

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
    record.check(database, broken=2 * 2 * clients)


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
    record.check(database)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_more_requests_than_threads_behind_a_lock_keep_nobody_longer_than_5_seconds(
    share: Share, record: Record, kind: str
) -> None:
    """8 clients on 4 threads: the second half waits for the first, and /livez for nobody."""
    service = share(kind, WORKERS="1", THREADS="4")
    with service.client() as client:
        task = client.create("Locked")

    def patch(number: int) -> Reply:
        with service.client() as client:
            body = {"title": f"Late {number}"}
            return client.send("PATCH", f"/api/tasks/{task.id}", body)

    with service.database.locked(task.id), ThreadPoolExecutor(8) as pool:
        replies = [pool.submit(patch, number) for number in range(8)]
        until(lambda: busy(service))
        with service.client() as client:
            live = client.send("GET", "/livez")
        assert {reply.result().status for reply in replies} == {503}
    with service.client() as client:
        client.patch(task, title="In time")

    record.check(service.database)
    assert live.status == 200
    assert live.seconds <= AT_MOST


def test_workers_that_sighup_replaces_fail_no_request(
    start: Start, on_postgresql: Database, record: Record
) -> None:
    service = start(on_postgresql)
    before = service.workers()

    with service.under_load() as load:
        load.proceed()
        service.process.send_signal(signal.SIGHUP)
        until(lambda: not {*before} & {*service.workers()})
        load.recover()

    # A client whose idle connection was closed connects anew, once.
    assert {reply.attempt for reply in record.broken()} <= {1}
    assert record.count(503) == 0
    record.check(on_postgresql, broken=2 * 8)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_a_second_server_on_a_port_ends_at_once_and_says_why(
    share: Share, host: str
) -> None:
    service = share("sqlite")

    done = serve_at(service.port, service.database, host).communicate(timeout=30)

    assert f"CommandError: port {service.port} is in use ({host})." in done[0]
    assert "Traceback" not in done[0]
    assert listening(service) == 2
    with service.client() as client:
        assert client.send("GET", "/livez").status == 200


def test_a_server_refuses_the_port_of_another_program(on_sqlite: Database) -> None:
    """Even of one that shares its port, as every granian does."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        process = serve_at(other.getsockname()[1], on_sqlite)

        output, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "is in use" in output


def test_of_servers_that_start_at_once_on_one_port_one_serves(
    on_sqlite: Database,
) -> None:
    port = free_port()
    servers = [serve_at(port, on_sqlite) for _ in range(4)]

    try:
        until(
            lambda: len([one for one in servers if one.poll() is None]) == 1, within=60
        )
        until(lambda: live(port), within=60)
        codes = sorted(code for one in servers if (code := one.poll()) is not None)
        assert codes == [1, 1, 1]
    finally:
        for one in servers:
            one.terminate()
            one.communicate(timeout=40)


def test_a_server_that_has_just_ended_can_start_again(
    start: Start, on_sqlite: Database
) -> None:
    """Connections that it closed are kept by the kernel for a minute (TIME-WAIT)."""
    service = start(on_sqlite)
    with service.client() as idle:
        idle.send("GET", "/livez")
        service.process.terminate()
        assert service.process.wait(40) == 0

    again = serve_at(service.port, on_sqlite)
    try:
        until(lambda: live(service.port), within=60)
    finally:
        again.terminate()
        again.communicate(timeout=40)


def test_workers_end_within_2_seconds_of_a_main_process_that_is_killed(
    start: Start, on_sqlite: Database
) -> None:
    service = start(on_sqlite)
    workers = [psutil.Process(worker) for worker in service.workers()]

    # One has a request under way, whose body does not come.
    with half_sent(service.port):
        os.kill(service.process.pid, signal.SIGKILL)
        until(lambda: not any(map(runs, workers)), within=2)


def test_a_worker_that_is_killed_again_and_again_is_replaced_each_time(
    start: Start, on_sqlite: Database, record: Record
) -> None:
    """Ever later, so that one that cannot live does not keep the processors busy."""
    service = start(on_sqlite)

    for _ in range(4):
        victim = service.workers()[-1]
        kill(victim)
        until(partial(replaced, service, victim))
    with service.client() as client:
        client.create("Still here")

    assert service.process.poll() is None
    waits = [line["replaced_in_s"] for line in ended(service)]
    assert waits == sorted(waits)
    assert waits[-1] >= 1.0


def test_a_client_that_hangs_up_and_retries_with_its_key_gets_the_first_answer(
    service: Service, record: Record
) -> None:
    """It hangs up after 0 to 30 ms: before, while and after the task is stored."""
    replayed = 0

    with service.client() as client:
        for turn in range(30):
            key, body = str(uuid4()), {"title": f"Hang up {turn}"}
            with service.post("/api/tasks", body, key) as caller:
                time.sleep(turn / 1_000)
                if turn % 2:
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            reply = client.insist("POST", "/api/tasks", body, key=key)
            client.acknowledge(reply, 201, **body, version=1)
            replayed += reply.replayed

    record.notes.append(f"{replayed} of 30 retries were answered from the store")
    assert replayed > 0
    record.check(service.database)


def test_an_answer_that_is_lost_on_the_way_is_replayed(
    service: Service, record: Record
) -> None:

    with (
        Proxy(service.port) as proxy,
        Client(proxy.port, service.database.token, record) as unlucky,
        service.client() as client,
    ):
        for turn in range(8):
            body = {"title": f"Lost answer {turn}"}
            reply = lose_answer(proxy, unlucky, client, "/api/tasks", body, 201)
            task = client.acknowledge(reply, 201, **body, version=1)
            path = f"/api/tasks/{task.id}/toggle"
            reply = lose_answer(proxy, unlucky, client, path, None, 200)
            client.acknowledge(reply, 200, completed=True, version=2)

    record.check(service.database, broken=16)


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
    record.check(database, broken=record.count(0))


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
    record.check(service.database, broken=record.count(0))


def test_an_answer_that_overtakes_its_body_does_not_break_the_next_request(
    share: Share,
) -> None:
    """Refused before its body came: the connection stays usable, or the answer says
    that it closes."""
    service = share("sqlite")
    connection = HTTPConnection("127.0.0.1", service.port, timeout=10)

    with closing(connection):
        for _ in range(10):
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


def runs(process: psutil.Process) -> bool:
    """Whether it has not ended; nobody may have asked how it did."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


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
    """Whether every thread that this caller may have is at work: not even a read is answered."""
    probe = HTTPConnection("127.0.0.1", service.port, timeout=0.3)
    caller = {"Authorization": f"Bearer {service.database.token}"}
    try:
        probe.request("GET", "/api/tasks", headers=caller)
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


def serve_at(
    port: int, database: Database, host: str = "127.0.0.1", **env: str
) -> "subprocess.Popen[str]":
    """`manage.py serve` on this very port; its output is one."""
    environment = {"DATABASE_URL": database.url, "WORKERS": "2", "THREADS": "2"}
    return subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port), "--host", host],
        cwd=ROOT,
        env={**os.environ, **environment, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def live(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(connection), suppress(OSError):
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    return False


def half_sent(port: int) -> socket.socket:
    """A connection that has sent the beginning of a request's body, and sends no more."""
    client = socket.create_connection(("127.0.0.1", port), 10)
    client.sendall(
        b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\n"
        b'Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{"title'
    )
    return client


def ended(service: Service) -> list[dict[str, Any]]:
    """What the log says of workers that have ended."""
    lines = [line for line in service.output.splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, lines) if "replaced_in_s" in line]


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
