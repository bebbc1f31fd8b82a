"""`make test-upgrade`: from 1.3.0, under load. Its code on each schema that the migrations make,
and this release's code on each schema that lacks some."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import pytest

from tests.faults.conftest import Service, Start
from tests.faults.databases import Database
from tests.faults.load import PAUSE, Client, Record
from tests.faults.postgres import PostgreSQL
from tests.faults.test_storm import Storm
from tests.support.servers import ROOT, manage

RELEASE = "901ef42"  # 1.3.0
CLIENTS = 3
WRITES = 6  # acknowledged on each schema
IMPORTED = """SELECT count(*) FROM tasks_event
    WHERE verb = 'created' AND CAST(changes AS text) LIKE '%Imported%'"""
STEPWISE = [sys.executable, "-m", "tests.faults.stepwise"]


def _git(*args: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, check=False)


pytestmark = pytest.mark.skipif(
    _git("cat-file", "-e", f"{RELEASE}^{{commit}}").returncode != 0,
    reason="the history of git does not have the code of 1.3.0",
)


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the code of 1.3.0."""
    directory = tmp_path_factory.mktemp("older")
    archive = _git("archive", "--format=tar", RELEASE).stdout
    subprocess.run(["tar", "-x"], cwd=directory, input=archive, check=True)
    return directory


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, older: Path, tmp_path: Path
) -> Iterator[Database]:
    """A database of each kind with the schema of 1.3.0."""
    postgresql: PostgreSQL | None = None
    name = f"older_{uuid4().hex[:8]}"
    url = f"sqlite:///{tmp_path}/{name}.sqlite3"
    if request.param == "postgresql":
        postgresql = request.getfixturevalue("postgresql")
        assert postgresql
        postgresql.execute(f"CREATE DATABASE {name}")
        url = postgresql.url(name)
    manage(url, "migrate", "--verbosity", "0", project=older)
    token = manage(url, "create_token", "alice", "--create-user", project=older)
    yield Database(url, token)
    if postgresql:
        postgresql.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrations(database: Database) -> Iterator[str]:
    """Applies those that are pending, one by one; a line of each when it is done."""
    with subprocess.Popen(
        STEPWISE,
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database.url, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        print(file=process.stdin, flush=True)
        for line in process.stdout:
            if line.endswith("OK\n"):
                yield line
                print(file=process.stdin, flush=True)
    assert process.returncode == 0


def import_tasks(
    database: Database, project: Path, directory: Path, enough: Event
) -> int:
    """Imports files of one task, one after the other; returns their number."""
    turn = 0
    while not enough.is_set():
        turn += 1
        file = directory / f"{turn}.csv"
        file.write_text(f"title,tags\nImported {turn},home\n")
        arguments = ("--owner", "alice", "--format", "csv", str(file))
        # A migration on SQLite holds the lock for seconds.
        patience = {"SQLITE_BUSY_TIMEOUT": "60"}
        manage(database.url, "import_tasks", *arguments, project=project, **patience)
    return turn


@contextmanager
def stopping(event: Event) -> Iterator[None]:
    """Sets it at the end, whatever happens."""
    try:
        yield
    finally:
        event.set()


def insist(newer: Service, refused: Record, served: Event) -> None:
    """Asks this release for one change until it is made."""
    key = str(uuid4())
    with Client(newer.port, newer.database.token, refused) as client:
        while not newer.record.surprises:
            reply = client.send("POST", "/api/tasks", {"title": "New"}, key=key)
            if reply.status == 201:
                served.set()
                return
            time.sleep(PAUSE)


def test_it_serves_on_the_schema_of_each_migration_and_the_newer_on_the_last(
    start: Start, database: Database, older: Path, record: Record, tmp_path: Path
) -> None:
    """One that begins to serve before its last migration refuses, and then serves."""
    service = start(database, project=older)
    newer = start(database)
    storm, refused = Storm(service), Record()
    served, enough = Event(), Event()
    seen: list[tuple[Any, ...]] = []
    early = []
    for number in range(CLIENTS):
        storm.start(storm.work, database.token, number)
    storm.start(storm.follow, database.token, seen)
    try:
        with ThreadPoolExecutor(2) as pool, stopping(enough):
            imported = pool.submit(import_tasks, database, older, tmp_path, enough)
            pool.submit(insist, newer, refused, served)
            storm.proceed(WRITES)
            for _ in migrations(database):
                storm.proceed(WRITES)
                early.append(served.is_set())
            storm.start(storm.work, database.token, CLIENTS, newer.port)
            storm.proceed(10 * WRITES)
    finally:
        storm.stop()

    manage(database.url, "purge", "--verbosity", "0")
    record.notes.append(
        f"{len(early)} schemas; {imported.result()} imports; {refused.count(503)} 503 of the "
        "newer release"
    )
    record.check()
    refused.check()
    assert served.is_set()
    assert not any(early[:-1])
    assert database.rows(IMPORTED) == [(imported.result(),)]
    storm.audit(seen)
