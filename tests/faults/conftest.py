"""Real servers on loopback, faults on purpose, and a table of what they cost."""

import json
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.faults.databases import Database
from tests.faults.load import Client, Load, Record, loaded
from tests.faults.postgres import PostgreSQL
from tests.faults.proxy import Proxy
from tests.faults.templates import OnPostgreSQL, OnSQLite, Template
from tests.support.servers import ROOT, Server, live_server

LINES = pytest.StashKey[list[str]]()
HEADER = (
    f"{'requests':>8} {'2xx':>6} {'4xx':>5} {'503':>5} {'broken':>6} {'slowest':>7} "
    f"{'back':>6} {'acked':>6} {'lost':>4} {'doubled':>7}"
)


@dataclass
class Service:
    """A running service, and the record of its clients."""

    process: "subprocess.Popen[bytes]"
    port: int
    database: Database
    record: Record
    log: Path
    #: Characters of the log that were written before the test.
    before: int = 0

    @property
    def output(self) -> str:
        """All that it has written to standard output and standard error."""
        return self.log.read_text()[self.before :]

    def client(self) -> Client:
        return Client(self.port, self.database.token, self.record)

    def under_load(self, clients: int = 8) -> AbstractContextManager[Load]:
        return loaded(self.client, self.record, clients)

    def post(self, path: str, body: Any, key: str) -> socket.socket:
        """A new connection on which this request has been sent."""
        content = json.dumps(body).encode()
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {self.database.token}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            f"Idempotency-Key: {key}",
        ]
        client = socket.create_connection(("127.0.0.1", self.port), 10)
        client.sendall("\r\n".join([*lines, "", ""]).encode() + content)
        return client

    def workers(self) -> list[int]:
        """Process ids, the longest running first."""
        started: dict[int, float] = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it ended while we looked
                if child.status() != psutil.STATUS_ZOMBIE:
                    started[child.pid] = child.create_time()
        return sorted(started, key=started.__getitem__)


Start = Callable[..., Service]


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Iterator[Record]:
    record = Record()
    yield record
    request.config.stash.setdefault(LINES, []).append(_line(request.node, record))


@pytest.fixture
def start(record: Record) -> Iterator[Start]:
    """Starts a service on a database, which it reaches by `url` if that is another; its code
    is that of `project`."""
    with ExitStack() as stack:

        def service(
            database: Database,
            *args: str,
            url: str = "",
            project: str | Path = ROOT,
            **env: str,
        ) -> Service:
            way = url or database.url
            running = _running(way, *args, project=project, **env)
            server = stack.enter_context(running)
            return Service(server.process, server.port, database, record, server.log)

        yield service


class SharedServices:
    """Those that tests have left in order, of which the latest go on: to start one takes three
    seconds of a processor, and each is several processes."""

    LATEST = 2

    def __init__(self) -> None:
        self._running: dict[object, tuple[ExitStack, Service]] = {}

    def get(self, template: Template, env: dict[str, str], record: Record) -> Service:
        key = (template, *sorted(env.items()))
        if key in self._running:
            stack, last = self._running.pop(key)
            template.reset(last.database)
            service = replace(last, record=record, before=len(last.log.read_text()))
        else:
            if len(self._running) == self.LATEST:
                self._stop(next(iter(self._running)))
            stack = ExitStack()
            database = stack.enter_context(template.copy())
            server = stack.enter_context(_running(database.url, project=ROOT, **env))
            service = Service(server.process, server.port, database, record, server.log)
        self._running[key] = stack, service
        with service.client() as client:
            assert client.insist("GET", "/readyz").status == 200
        record.replies.clear()
        return service

    def stop(self) -> None:
        for key in [*self._running]:
            self._stop(key)

    def _stop(self, key: object) -> None:
        stack, _ = self._running.pop(key)
        stack.close()


Share = Callable[..., Service]


@pytest.fixture(scope="session")
def _shared() -> Iterator[SharedServices]:
    shared = SharedServices()
    yield shared
    shared.stop()


@pytest.fixture
def share(
    _shared: SharedServices, record: Record, request: pytest.FixtureRequest
) -> Share:
    """A service on a database of this kind, which may have served other tests of these settings:
    all that is in the database is alice and her token. The test leaves its processes in order;
    it stops none, and kills none."""

    def service(kind: str, **env: str) -> Service:
        if kind == "postgresql":
            request.getfixturevalue("postgresql")  # It runs.
        template: Template = request.getfixturevalue(f"_{kind}")
        return _shared.get(template, env, record)

    return service


@pytest.fixture(params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, share: Share) -> Service:
    """One on each kind of database, as `share` has it."""
    return share(request.param)


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tasks-faults-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def _postgresql(directory: Path, _shared: SharedServices) -> Iterator[OnPostgreSQL]:
    template = OnPostgreSQL.prepared(directory)
    yield template
    _shared.stop()
    template.server.stop()


@pytest.fixture
def postgresql(_postgresql: OnPostgreSQL) -> PostgreSQL:
    """The server, running whatever the test before did to it."""
    _postgresql.server.start()
    return _postgresql.server


@pytest.fixture
def on_postgresql(
    postgresql: PostgreSQL, _postgresql: OnPostgreSQL
) -> Iterator[Database]:
    with _postgresql.copy() as database:
        yield database


@pytest.fixture(scope="session")
def _sqlite() -> OnSQLite:
    return OnSQLite.prepared()


@pytest.fixture
def on_sqlite(_sqlite: OnSQLite) -> Iterator[Database]:
    with _sqlite.copy() as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """One of each kind."""
    chosen: Database = request.getfixturevalue(f"on_{request.param}")
    return chosen


@pytest.fixture
def proxy(postgresql: PostgreSQL) -> Iterator[Proxy]:
    """The way to PostgreSQL."""
    with Proxy(postgresql.port) as proxy:
        yield proxy


@pytest.fixture
def through(start: Start, on_postgresql: Database, proxy: Proxy) -> Service:
    """A service that reaches its database through `proxy`."""
    parts = urlsplit(on_postgresql.url)
    url = parts._replace(netloc=f"postgres@127.0.0.1:{proxy.port}").geturl()
    return start(on_postgresql, url=url)


@contextmanager
def _running(url: str, *args: str, project: str | Path, **env: str) -> Iterator[Server]:
    """A live server none of whose workers is left, whatever the test killed."""
    workers: list[psutil.Process] = []
    try:
        with live_server(url, *args, project=project, **env) as server:
            try:
                yield server
            finally:
                with suppress(psutil.NoSuchProcess):
                    workers = psutil.Process(server.process.pid).children()
    finally:
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                worker.kill()


def _line(node: Any, record: Record) -> str:
    recovery = "" if record.recovery is None else f"{record.recovery:.2f}s"
    lost = "-" if record.lost is None else record.lost
    doubled = "-" if record.doubled is None else record.doubled
    name = node.name.removeprefix("test_").replace("_", " ")
    line = (
        f"{len(record.replies):>8} {record.count(200, 400):>6} "
        f"{record.count(400, 500):>5} {record.count(503):>5} "
        f"{record.count(0):>6} {record.slowest_failure():>6.2f}s {recovery:>6} "
        f"{record.acknowledged:>6} {lost:>4} {doubled:>7}  {name}"
    )
    return "\n".join([line, *(" " * 9 + note for note in record.notes)])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("faults")
        terminalreporter.write_line(HEADER)
        for line in lines:
            terminalreporter.write_line(line)
