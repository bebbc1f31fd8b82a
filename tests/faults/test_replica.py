"""Reading from a streaming replica that lags, dies and comes back: no read is older than the
last write, whichever process answers."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from uuid import uuid4

import psutil
import pytest

from tests.faults.conftest import Service, Start
from tests.faults.databases import Database
from tests.faults.load import Client, until
from tests.faults.postgres import HOST, PostgreSQL
from tests.support.servers import manage

CLIENTS, ROUNDS = 6, 4


@pytest.fixture
def replica(postgresql: PostgreSQL, directory: Path) -> Iterator[PostgreSQL]:
    with running_replica(postgresql, directory) as replica:
        yield replica


@contextmanager
def running_replica(primary: PostgreSQL, directory: Path) -> Iterator[PostgreSQL]:
    replica = primary.replica(directory / uuid4().hex)
    try:
        replica.start()
        yield replica
    finally:
        replica.stop()


@pytest.fixture
def service(
    start: Start,
    on_postgresql: Database,
    replica: PostgreSQL,
) -> Service:
    """Two workers, either of which answers a request on a new connection."""
    catch_up(replica, on_postgresql)
    url = replica.url(on_postgresql.name)
    return start(on_postgresql, DATABASE_REPLICA_URL=url, WORKERS="2", LOG_LEVEL="INFO")


def test_no_read_from_a_replica_is_older_than_a_write(
    service: Service, replica: PostgreSQL
) -> None:
    others = manage(service.database.url, "create_token", "bob", "--create-user")
    write_and_read(service)
    assert outcomes(service)["read"] > 0

    # Those who have written are told what the primary has; others read from the replica.
    replica.execute("SELECT pg_wal_replay_pause()")
    write_and_read(service)
    seen = outcomes(service)
    assert seen["behind"] > 0
    with Client(service.port, others, service.record) as bob:
        assert bob.send("GET", "/api/tasks/counts").json()["open"] == 0
    until(lambda: outcomes(service)["read"] == seen["read"] + 1)
    replica.execute("SELECT pg_wal_replay_resume()")

    with frozen(replica):
        write_and_read(service)
    assert outcomes(service)["left out"] > 0

    replica.kill()
    write_and_read(service)
    service.record.notes.append(f"{dict(outcomes(service))}")

    replica.start()
    read_from_replica(service)
    service.record.check()
    assert service.record.failures() == []
    # Each of those that find the replica frozen waits for it once.
    slowest = max(reply.seconds for reply in service.record.replies)
    service.record.notes.append(f"slowest: {slowest:.2f} s")


def test_two_replicas_stand_in_for_one_another(
    start: Start,
    on_postgresql: Database,
    postgresql: PostgreSQL,
    replica: PostgreSQL,
    directory: Path,
) -> None:
    with running_replica(postgresql, directory) as other:
        for each in (replica, other):
            catch_up(each, on_postgresql)
        service = start(
            on_postgresql,
            DATABASE_REPLICA_URL=f"postgresql://postgres@/{on_postgresql.name}"
            f"?host={HOST},{HOST}&port={replica.port},{other.port}"
            "&load_balance_hosts=random",
            LOG_LEVEL="INFO",
        )
        write_and_read(service, rounds=2)
        for down in (replica, other):
            down.kill()
            write_and_read(service, rounds=2)
            read_from_replica(service)
            down.start()
    service.record.check()
    assert service.record.failures() == []


def catch_up(replica: PostgreSQL, database: Database) -> None:
    there = f"SELECT count(*) FROM pg_database WHERE datname = '{database.name}'"
    until(lambda: replica.execute(there) == [(1,)])


@contextmanager
def frozen(server: PostgreSQL) -> Iterator[None]:
    """Suspends all processes of the server."""
    first = psutil.Process(server.pid)
    processes = [first, *first.children()]
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # a session that has ended
            process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def read_from_replica(service: Service) -> None:
    """Reads until a replica is read."""
    seen = outcomes(service)["read"]
    with service.client() as client:
        until(
            lambda: (
                client.send("GET", "/api/tasks") and outcomes(service)["read"] > seen
            )
        )


def write_and_read(service: Service, rounds: int = ROUNDS) -> None:
    """Clients that write on one connection, and read on another what they wrote."""
    threads = [
        Thread(target=_rounds, args=[service, number, rounds])
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not service.record.surprises, service.record.surprises[:3]


def _rounds(service: Service, number: int, rounds: int) -> None:
    for turn in range(rounds):
        with service.client() as writer, service.client() as reader:
            task = writer.create(f"Task {number}-{turn} {time.monotonic()}")
            page = reader.insist("GET", "/api/tasks?limit=100&sort=-created").json()
            if task.id not in {item["id"] for item in page["items"]}:
                service.record.surprises.append(f"{task} is not in the list")
            task = writer.toggle(task)
            page = reader.insist(
                "GET", "/api/tasks?completed=true&sort=-created"
            ).json()
            if task.id not in {item["id"] for item in page["items"]}:
                service.record.surprises.append(f"{task} is not completed")


def outcomes(service: Service) -> Counter[str]:
    """What came of reading from the replica, by the log."""
    lines = [
        json.loads(line) for line in service.output.splitlines() if line[:1] == "{"
    ]
    return Counter(line["replica"] for line in lines if "replica" in line)
