"""More requests, connections and slow clients than the service has threads, on its own port and
through the proxies in deploy/."""

import resource
import shutil
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from select import POLLIN, poll
from threading import Event, Thread

import pytest

from taskproject.request_queue import LONGEST
from tests.faults.conftest import Start
from tests.faults.databases import Database
from tests.faults.load import AT_MOST, Client, Record, until
from tests.faults.test_proxies import running
from tests.support.servers import manage

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


THREADS, QUEUE = 2, 64
EACH = 300  # slow clients of a kind
AT_ONCE = 3_000
IDLE = 1_100  # granian's own limit would be 1,024
FILES = 16_384
needs_nginx = pytest.mark.skipif(
    not shutil.which("nginx"), reason="nginx is not installed"
)


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process, and those that it starts, may open that many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(FILES, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@needs_nginx
def test_what_exceeds_the_service_s_own_queue_is_503_and_never_done(
    many_files: None, start: Start, on_sqlite: Database, record: Record
) -> None:
    """While writers wait for SQLite's lock, with each way in."""
    service = start(
        on_sqlite,
        WORKERS="1",
        THREADS=str(THREADS),
        QUEUE=str(QUEUE),
        SQLITE_BUSY_TIMEOUT="20",
    )
    full = THREADS + QUEUE
    body = b'{"title": "From the crowd"}'
    request = _request(on_sqlite, b"POST", body)

    with running("nginx", service.port) as proxy:
        for port in (service.port, proxy):
            with ExitStack() as stack:
                client = stack.enter_context(Client(port, on_sqlite.token, record))
                with on_sqlite.locked():
                    crowd = _crowd(stack, port, [request] * (full + TOO_MANY))
                    until(lambda: len(_answered(crowd)) >= TOO_MANY)  # noqa: B023
                    assert client.send("GET", "/livez").status == 200
                    # Of another caller, who does not wait for these.
                    other = {"Authorization": "Bearer another"}
                    answer = client.send("GET", "/api/tasks", headers=other)
                    assert answer.status == 401
                    refused = client.send("POST", "/api/tasks", {"title": "Refused"})
                    # At once: those in the queue still wait.
                    assert len(_answered(crowd)) < full
                    until(lambda: len(_answered(crowd)) == full + TOO_MANY - THREADS)  # noqa: B023
                client.create("Afterwards")
                answers = [one.recv(4_096) for one in crowd]
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
            assert refused.json()["code"] == "unavailable"
            done = [answer for answer in answers if b" 201 " in answer]
            assert len(done) == THREADS
            assert sum(b" 503 " in answer for answer in answers) == len(crowd) - THREADS
    titles = [title for title, *_ in on_sqlite.tasks().values()]
    assert titles.count("From the crowd") == 2 * THREADS
    assert "Refused" not in titles
    assert titles.count("Afterwards") == 2


@needs_nginx
def test_crowds_of_slow_clients_keep_nobody_from_an_answer(
    many_files: None, start: Start, on_sqlite: Database, record: Record
) -> None:
    service = start(on_sqlite, WORKERS="1", THREADS="4")
    with service.client() as client:
        for number in range(100):
            client.patch(client.create(f"Long {number}"), description="x" * 9_000)
    head = _request(on_sqlite, b"POST", b"")[: -len(b"Content-Length: 0\r\n\r\n")]
    export = _request(on_sqlite, b"GET", b"", b"/api/tasks/export?format=jsonl")
    slow = {
        "headers": head,
        "chunks": head + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"ti',
        "exports": export,
        "bodies": head + b'Content-Length: 99\r\n\r\n{"ti',
    }
    # Only a proxy keeps as many halves of bodies from the threads.
    direct = [kind for kind in slow if kind != "bodies"]

    with running("nginx", service.port) as proxy, ExitStack() as stack:
        live = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
        idle = _crowd(stack, service.port, [live] * IDLE)
        until(lambda: len(_answered(idle)) == IDLE)
        for port, kinds in ((service.port, direct), (proxy, [*slow])):
            for kind in kinds:
                crowd = _crowd(stack, port, [slow[kind]] * EACH)
                if kind == "exports" or (kind, port) == ("chunks", service.port):
                    until(lambda: len(_answered(crowd)) == EACH)  # noqa: B023
            with Client(port, on_sqlite.token, record) as client:
                first = len(record.replies)
                for number in range(50):
                    assert client.send("GET", "/livez").status == 200
                    client.read(client.create(f"Through {port}: {number}"))
            seconds = sorted(reply.seconds for reply in record.replies[first:])
            record.notes.append(f"p99 {seconds[-2] * 1_000:.0f} ms")
            assert seconds[-1] <= AT_MOST

    assert record.count(503) == 0
    record.check(on_sqlite)


def test_3000_requests_at_once_are_all_answered_and_others_hardly_wait(
    many_files: None, start: Start, on_postgresql: Database, record: Record
) -> None:
    """Of one caller, each on a connection of its own: more than queues have room for."""
    service = start(on_postgresql, WORKERS="2", THREADS="6")
    bob = manage(on_postgresql.url, "create_token", "bob", "--create-user")
    reading = _request(on_postgresql, b"GET", b"", b"/api/tasks?limit=20")
    writing = _request(on_postgresql, b"POST", b'{"title": "At once"}')
    probes = Record()

    with ExitStack() as stack:
        crowd = _crowd(stack, service.port, [b""] * AT_ONCE)
        for path, seen in (("/livez", probes), ("/api/tasks?limit=20", record)):
            with_bob = Client(service.port, bob, seen)
            stack.enter_context(_again_and_again(with_bob, path))
        began = time.monotonic()
        for number, one in enumerate(crowd):
            one.sendall(writing if number % 3 == 0 else reading)
        answers = Counter(_answer(one) for one in crowd)
        record.recovery = time.monotonic() - began
        quick = len(record.replies) + 20
        until(lambda: len(record.replies) >= quick)

    assert {*answers} <= {(200, None), (201, None), (503, "1")}
    assert answers[201, None] == len(on_postgresql.tasks())
    for seen in (probes, record):
        slowest = sorted(reply.seconds for reply in seen.replies)
        p99 = slowest[int(0.99 * len(slowest))]
        record.notes.append(f"p99 {p99 * 1_000:.0f} ms, {slowest[-1] * 1_000:.0f}")
        assert p99 < 0.5
        assert seen.count(200) == len(seen.replies)
    record.notes.append(f"{dict(answers)}")
    # What waits longer is refused.
    assert record.recovery < LONGEST + AT_MOST


@contextmanager
def _again_and_again(client: Client, path: str) -> Iterator[None]:
    """The client reads that all the while."""
    enough = Event()

    def read() -> None:
        with client:
            while not enough.is_set():
                client.send("GET", path)
                time.sleep(0.01)

    thread = Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def _answer(one: socket.socket) -> tuple[int, str | None]:
    """The status of a response that comes as a whole, and its Retry-After."""
    response = HTTPResponse(one)
    response.begin()
    response.read()
    return response.status, response.headers["Retry-After"]


def _request(
    database: Database, method: bytes, body: bytes, path: bytes = b"/api/tasks"
) -> bytes:
    return (
        b"%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    ) % (method, path, database.token.encode(), len(body), body)


def _crowd(
    stack: ExitStack, port: int, requests: Sequence[bytes]
) -> list[socket.socket]:
    """Connections that have sent one of these each, and read nothing."""
    crowd = []
    for request in requests:
        one = stack.enter_context(socket.socket())
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        one.settimeout(20)
        one.connect(("127.0.0.1", port))
        one.sendall(request)
        crowd.append(one)
    return crowd


def _answered(crowd: Sequence[socket.socket]) -> list[int]:
    """Those that have received something."""
    ready = poll()
    for one in crowd:
        ready.register(one, POLLIN)
    return [descriptor for descriptor, event in ready.poll(0) if event]
