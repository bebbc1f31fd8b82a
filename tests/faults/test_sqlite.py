"""What many writers, a long one, and a full disk do to a service on SQLite."""

import os
import resource
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.faults.conftest import Service, Share, Start
from tests.faults.databases import Database
from tests.faults.load import Client, Record, Reply, until
from tests.support.servers import ROOT, manage


def test_sixteen_writers_in_two_processes_are_never_told_that_it_is_locked(
    start: Start, on_sqlite: Database, record: Record
) -> None:
    service = start(on_sqlite, WORKERS="2", THREADS="8")

    with service.under_load(16) as load:
        load.proceed(400, within=60)

    writes = sorted(reply.seconds for reply in record.replies if reply.method != "GET")
    centiles = statistics.quantiles(writes, n=100)
    record.notes.append(
        f"{len(writes)} writes: median {centiles[49] * 1000:.0f} ms, "
        f"p99 {centiles[98] * 1000:.0f} ms, slowest {writes[-1] * 1000:.0f} ms"
    )
    assert record.count(503) == 0
    record.check(on_sqlite)


def test_a_writer_that_holds_the_lock_too_long_makes_writes_503_and_leaves_reads(
    share: Share, record: Record
) -> None:
    service = share("sqlite")

    with service.client() as client:
        task = client.create("Before")
        with service.database.locked():
            body = {"description": "Not yet"}
            reply = client.send("PATCH", f"/api/tasks/{task.id}", body)
            assert reply.status == 503
            client.read(task)
            assert record.replies[-1].attempt == 1
            assert client.send("GET", "/api/tasks").status == 200
            assert client.send("GET", "/readyz").status == 200
        client.read(task)
        client.patch(task, description="Now")
        client.create("After")

    record.check(service.database)


def test_a_long_writer_under_load_costs_no_acknowledged_write(
    share: Share, record: Record
) -> None:
    service = share("sqlite", WORKERS="1", THREADS="4")

    with service.under_load(4) as load:
        with service.database.locked():
            until(lambda: record.count(503) > 0)
        load.recover()

    record.check(service.database)


def test_a_token_whose_use_cannot_be_noted_still_reads(
    share: Share, record: Record
) -> None:
    """Its last use was more than a minute ago, and another writer has the lock."""
    service = share("sqlite")

    with service.client() as client:
        task = client.create("Before")
        service.database.rows(
            "UPDATE accounts_apitoken SET last_used_at = '2026-01-01 00:00:00'"
        )
        with service.database.locked():
            client.read(task)
            assert record.replies[-1].attempt == 1

    record.check(service.database)


def test_a_full_disk_refuses_writes_keeps_reads_and_heals(
    start: Start, tmpfs: Database, record: Record
) -> None:
    service = start(tmpfs)
    ballast = tmpfs.file.parent / "ballast"

    def fill() -> None:
        with ballast.open("wb") as file, suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(4_096))

    write_until_full(service, fill, ballast.unlink)


def test_a_file_that_may_not_grow_refuses_writes_keeps_reads_and_heals(
    share: Share, record: Record
) -> None:
    """The limit on the size of its files stands for a full disk where nobody may mount
    one: a write fails with EFBIG instead of ENOSPC."""
    service = share("sqlite")

    def limit(size: int) -> None:
        for worker in service.workers():
            _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
            resource.prlimit(worker, resource.RLIMIT_FSIZE, (size, hard))

    wal = service.database.file.with_name(f"{service.database.file.name}-wal")
    write_until_full(
        service,
        lambda: limit(wal.stat().st_size + 16_384),
        lambda: limit(resource.RLIM_INFINITY),
    )


@pytest.mark.parametrize("place", ["another", "none"])
def test_a_file_that_was_replaced_or_deleted_is_neither_read_nor_written(
    start: Start, on_sqlite: Database, record: Record, place: str
) -> None:
    """Acknowledged writes would go to a file that nobody finds, or the log of the one
    database into the other. New threads, workers and health must not open it either."""
    service = start(on_sqlite, WORKERS="2")
    file, aside = on_sqlite.file, on_sqlite.file.with_name("aside")

    with service.client() as client:
        task = client.create("Before")
        copy = on_sqlite.file.with_name("copy")
        on_sqlite.rows(f"VACUUM INTO '{copy}'")
        after = client.create("After the copy")
        content = copy.read_bytes()
        file.rename(aside)
        if place == "another":
            copy.rename(file)
        killed = service.workers()[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: len({*service.workers()} - {killed}) == 2)

        for _ in range(10):
            with service.client() as another:
                assert try_to_create(another).status == 503
                path = f"/api/tasks/{task.id}"
                assert another.send("GET", path).status == 503
                assert another.send("GET", "/readyz").status == 503
                assert another.send("GET", "/livez").status == 200
        assert file.exists() == (place == "another")
        if place == "another":
            assert file.read_bytes() == content

        aside.rename(file)
        client.read(after)
        client.create("The file is back")

    on_sqlite.check_integrity()
    record.check(on_sqlite, broken=2)


def test_a_copy_that_is_restored_through_sqlite_is_served_at_once(
    share: Share, record: Record
) -> None:
    service = share("sqlite")
    copy = service.database.file.with_name("copy")

    with service.client() as client:
        kept = client.create("Before")
        service.database.rows(f"VACUUM INTO '{copy}'")
        lost = client.create("After the copy")
        with (
            closing(sqlite3.connect(copy)) as source,
            service.database.session() as target,
        ):
            source.backup(target)  # what .restore does
        client.read(kept)
        assert client.send("GET", f"/api/tasks/{lost.id}").status == 404
        del record.tasks[lost.id]
        client.create("After the restore")

    service.database.check_integrity()
    record.check()


def write_until_full(
    service: Service, fill: Callable[[], None], free: Callable[[], None]
) -> None:
    """The behaviour of both: what was acknowledged stays, reads go on, writes come back."""
    record, database = service.record, service.database
    with service.client() as client:
        kept = client.create("Before")
        fill()
        until(lambda: try_to_create(client).status == 503)
        for _ in range(10):
            assert try_to_create(client).status == 503
            client.read(kept)
            assert record.replies[-1].attempt == 1
        assert client.send("GET", "/api/tasks").status == 200
        # Clients that are new to the service, and to their thread, read as well.
        with service.client() as another:
            assert another.send("GET", f"/api/tasks/{kept.id}").status == 200
        database.check_integrity()
        free()
        client.create("After")
        client.patch(kept, title="Still here")

    record.check(database)


def try_to_create(client: Client) -> Reply:
    """Tries once; a refused task is none that the audit would know of."""
    body = {"title": f"Attempt {uuid4().hex}"}
    reply = client.send("POST", "/api/tasks", body, key=str(uuid4()))
    if reply.status == 201:
        client.acknowledge(reply, 201)
    return reply


@pytest.fixture
def tmpfs(on_sqlite: Database, directory: Path) -> Iterator[Database]:
    """A SQLite database on a small disk of its own."""
    place = directory / f"disk-{uuid4().hex[:8]}"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("only somebody who may mount a disk can fill it")
    try:
        file = shutil.copy(on_sqlite.file, place)
        yield Database(f"sqlite:///{file}", on_sqlite.token)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


KILLED_RESTORE = """
import os, signal, sys
import django
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
django.setup()
from django.core.management import call_command
from taskproject.sqlite import copies
def copy(source, target, directory, progress):
    steps = iter(range(10))
    def report(*_):
        if next(steps) == 9:
            os.kill(os.getpid(), signal.SIGKILL)
    source.backup(target, pages=5, progress=report)
copies._copy = copy
call_command("restore", sys.argv[1], replace=sys.argv[2])
"""


def test_a_restore_that_is_killed_amid_its_copy_leaves_the_database_as_before(
    on_sqlite: Database, tmp_path: Path
) -> None:
    backup, replace = tmp_path / "tasks.backup", on_sqlite.file.name
    tokens = "SELECT count(*) FROM accounts_apitoken"
    manage(on_sqlite.url, "backup", str(backup))
    on_sqlite.rows("DELETE FROM accounts_apitoken")

    killed = subprocess.run(
        [sys.executable, "-c", KILLED_RESTORE, backup, replace],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": on_sqlite.url},
        capture_output=True,
        check=False,
    )

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    on_sqlite.check_integrity()
    assert on_sqlite.rows(tokens) == [(0,)]
    manage(on_sqlite.url, "restore", str(backup), "--replace", replace)
    on_sqlite.check_integrity()
    assert on_sqlite.rows(tokens) == [(1,)]
