"""`manage.py migrate` through a pooler, and twice at once."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from taskproject.management.commands.migrate import KEY
from tests.faults.databases import Database
from tests.faults.load import until
from tests.faults.postgres import PostgreSQL
from tests.faults.proxy import Proxy
from tests.support.servers import ROOT


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without a table."""
    if request.param == "sqlite":
        file = tmp_path / "empty.sqlite3"
        file.touch()
        yield Database(f"sqlite:///{file}", "")
        return
    postgresql: PostgreSQL = request.getfixturevalue("postgresql")
    name = f"empty_{uuid4().hex[:8]}"
    postgresql.execute(f"CREATE DATABASE {name}")
    yield Database(postgresql.url(name), "")
    postgresql.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrating(
    url: str, output: Path, *args: str, **env: str
) -> "subprocess.Popen[bytes]":
    """A `manage.py migrate` that runs."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "migrate", *args],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, **env},
        stdin=subprocess.DEVNULL,
        stdout=output.open("wb"),
        stderr=subprocess.STDOUT,
    )


@contextmanager
def lock_of_a_migrate(database: Database) -> Iterator[None]:
    if database.kind == "sqlite":
        directory = os.open(database.file.parent, os.O_RDONLY)
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
        os.close(directory)
    else:
        with database.session() as session:
            session.execute("SELECT pg_advisory_lock(%s)", [KEY])
            yield


def test_a_second_migrate_waits_for_the_first(empty: Database, tmp_path: Path) -> None:
    output = tmp_path / "output"

    with lock_of_a_migrate(empty):
        second = migrating(empty.url, output, "contenttypes")
        until(lambda: "waiting until it has finished" in output.read_text(), within=60)
        assert second.poll() is None

    assert second.wait(120) == 0, output.read_text()
    assert "Applying" in output.read_text()


def test_two_at_once_migrate_once(empty: Database, tmp_path: Path) -> None:
    outputs = [tmp_path / "one", tmp_path / "another"]

    both = [migrating(empty.url, output, "tasks", "0001") for output in outputs]

    told = [process.wait(120) for process in both], [it.read_text() for it in outputs]
    assert told[0] == [0, 0], told
    assert sum(" tasks.0001_initial... OK" in it for it in told[1]) == 1


def test_looking_waits_for_nobody(empty: Database, tmp_path: Path) -> None:
    output = tmp_path / "output"

    with lock_of_a_migrate(empty):
        assert migrating(empty.url, output, "--plan").wait(60) == 0
        assert migrating(empty.url, output, "--check").wait(60) == 1


def test_a_pooler_is_known_by_its_process_ids_and_refused(
    postgresql: PostgreSQL, on_postgresql: Database, proxy: Proxy, tmp_path: Path
) -> None:
    """Its name is as good as any other."""
    proxy.pool()
    url = on_postgresql.url.replace(str(postgresql.port), str(proxy.port))
    output = tmp_path / "output"

    assert migrating(url, output).wait(60) == 1
    assert "set DATABASE_DIRECT_URL" in output.read_text()
    assert "Traceback" not in output.read_text()

    direct = {"DATABASE_DIRECT_URL": on_postgresql.url}
    assert migrating(url, output, **direct).wait(60) == 0
    assert "No migrations to apply" in output.read_text()
    assert migrating(on_postgresql.url, output, DATABASE_DIRECT_URL=url).wait(60) == 1
