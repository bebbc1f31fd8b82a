"""manage.py doctor: each thing that can be wrong, made wrong for real"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django import Settings

from taskproject import doctor_database, doctor_sqlite
from taskproject.accounts.models import User
from taskproject.models import Job, StoredResponse
from taskproject.postgresql import base, direct
from tasks.models import Reminder, Tag, Tally
from tests.conftest import make_task
from tests.support.commands import run
from tests.support.copies import absent_database, connected_to, copy_of, empty_database
from tests.support.issuer import AUDIENCE, running_issuer
from tests.support.rows import make_list
from tests.support.servers import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
ON_POSTGRESQL = connection.vendor == "postgresql"
on_postgresql = pytest.mark.skipif(not ON_POSTGRESQL, reason="is about PostgreSQL")
on_sqlite = pytest.mark.skipif(ON_POSTGRESQL, reason="is about SQLite")
ORIGIN = "http://localhost:3000"


@pytest.fixture
def copy(migrated: str, transactional_db: None) -> Iterator[str]:
    """A migrated database to spoil."""
    with copy_of(migrated) as url, connected_to(url):
        if not ON_POSTGRESQL:
            execute("PRAGMA synchronous = FULL")  # which tests turn off
        yield url


@pytest.mark.either_database
def test_the_command_makes_the_checks_of_all_modules(copy: str) -> None:
    """In a process of its own: tests import modules that the command might not."""
    first = "import django; django.setup(); import taskproject.doctor_mail, manage; "
    done = subprocess.run(
        [sys.executable, "-c", f"{first}manage.main()", "doctor", "--json"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": copy},
        capture_output=True,
        check=False,
    )

    made = [it["check"] for it in json.loads(done.stdout)["checks"]]
    assert made.index("database") < made.index("migrations") < made.index("mail")


def examined(*arguments: str) -> tuple[int, list[tuple[str, str, str]]]:
    """The exit status, and what is wrong: check, level, sentence."""
    status, output = 0, StringIO()
    try:
        call_command("doctor", "--json", *arguments, stdout=output)
    except SystemExit as end:
        assert isinstance(end.code, int)
        status = end.code
    said = json.loads(output.getvalue())
    assert said["ok"] == (status == 0)
    findings = [(it["check"], it["level"], it["message"]) for it in said["checks"]]
    # The settings of the tests are not those of production, and limit no role.
    expected = ("settings", "limits")
    return status, [it for it in findings if it[1] != "ok" and it[0] not in expected]


def only(*arguments: str) -> tuple[str, str, str]:
    """The one thing that is wrong."""
    status, [finding] = examined(*arguments)
    assert status == (finding[1] == "error")
    return finding


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def test_a_sound_installation_passes(copy: str) -> None:
    make_task(User.objects.create_user("alice"))

    assert examined("--deep", "--origin", ORIGIN) == (0, [])


def test_the_output_is_a_line_for_each_finding(copy: str) -> None:
    output, _ = run("doctor")

    lines = output.splitlines()
    assert all(re.match(r"(ok|warning|error) +[a-z]+ +\w", line) for line in lines)
    assert any("migrations are applied" in line for line in lines)


@pytest.mark.either_database
def test_it_fetches_the_keys_of_the_identity_provider(
    copy: str, settings: Settings
) -> None:
    with running_issuer() as issuer:
        settings.OIDC_ISSUER, settings.OIDC_AUDIENCE = issuer.url, [AUDIENCE]
        assert f"{issuer.url} publishes 1 keys" in run("doctor")[0]
        issuer.down = True

        check, level, message = only()

    assert (check, level) == ("issuer", "error")
    assert "HTTP Error 503" in message and "OIDC_JWKS_URL" in message


@on_postgresql
def test_a_postgresql_that_is_too_old(
    copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_database, "OLDEST_POSTGRESQL", 99)

    assert "is too old: install 99 or later" in only()[2]


def test_a_database_that_is_away() -> None:
    with connected_to(absent_database()):
        status, [*findings] = examined()

    assert status == 1
    assert findings[0][:2] == ("database", "error")
    assert {name for name, *_ in findings} <= {"database", "file", "urls"}


def test_an_empty_database() -> None:
    with empty_database() as url, connected_to(url):
        status, findings = examined()

    assert status == 1
    assert "manage.py migrate" in findings[0][2]


def test_a_pending_migration(copy: str) -> None:
    MigrationRecorder(connection).record_unapplied("tasks", "0021_cheaper_checks")

    name, level, message = only()
    assert (name, level) == ("migrations", "error")
    assert "1 migrations are pending, the last tasks.0021_cheaper_checks" in message


def test_a_schema_of_a_newer_release(copy: str) -> None:
    MigrationRecorder(connection).record_applied("tasks", "9999_the_future")

    name, level, message = only()
    assert (name, level) == ("migrations", "error")
    assert "newer release" in message
    assert "tasks.9999_the_future" in message


@pytest.mark.parametrize(
    "index", ["task_owner_due", "event_feed", "job_one_about_a_row"]
)
def test_a_dropped_index_is_created_by_what_is_said(copy: str, index: str) -> None:
    execute(f'DROP INDEX "{index}"')

    name, level, message = only()
    assert (name, level) == ("indexes", "error")
    assert f"The index {index} is missing" in message
    execute(message.partition(", type ")[2])
    assert examined() == (0, [])


@on_postgresql
@pytest.mark.parametrize("index", [*doctor_database.INDEXES["postgresql"]])
def test_a_dropped_index_of_a_migration(copy: str, index: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [index])
        [(before,)] = cursor.fetchall()
        execute(f'DROP INDEX "{index}"')
        execute(only()[2].partition(", type ")[2])
        cursor.execute("SELECT pg_get_indexdef(%s::regclass)", [index])
        assert cursor.fetchall() == [(before,)]


@on_postgresql
def test_an_invalid_index(copy: str) -> None:
    alice = User.objects.create_user("alice")
    for _ in range(2):
        make_task(alice, "twice")
    with pytest.raises(IntegrityError):
        execute("CREATE UNIQUE INDEX CONCURRENTLY mine ON tasks_task (owner_id)")

    name, level, message = only()
    assert (name, level) == ("indexes", "error")
    assert "REINDEX INDEX CONCURRENTLY mine;" in message


@on_postgresql
def test_a_constraint_that_was_never_validated(copy: str) -> None:
    execute("ALTER TABLE tasks_task ADD CONSTRAINT mine CHECK (version > 0) NOT VALID")

    name, level, message = only()
    assert (name, level) == ("indexes", "warning")
    execute(message.partition(", type ")[2])
    assert examined() == (0, [])


def test_a_missing_constraint(copy: str) -> None:
    if ON_POSTGRESQL:
        execute("ALTER TABLE tasks_task DROP CONSTRAINT task_version_positive")
    else:  # which drops none
        execute("PRAGMA writable_schema = ON")
        execute("UPDATE sqlite_master SET sql = replace(sql, 'task_version_p', 'p')")
    assert "The constraint task_version_positive is missing: " in only()[2]


def test_missing_triggers(copy: str) -> None:
    """Of all that the migrations create."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
            if ON_POSTGRESQL
            else "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"
        )
        tables = dict(cursor.fetchall())
    assert set(tables) == doctor_database.TRIGGERS[connection.vendor]
    if ON_POSTGRESQL:
        execute("ALTER TABLE tasks_task DISABLE TRIGGER tasks_tally_task_insert")
        execute(only()[2].partition(", type ")[2].partition(";")[0])
        assert examined() == (0, [])
    for name, table in tables.items():
        execute(f"DROP TRIGGER {name}" + (f" ON {table}" if ON_POSTGRESQL else ""))

    _, found = examined()
    assert {finding[:2] for finding in found} == {("triggers", "error")}
    assert all(f"The trigger {name} is missing" in str(found) for name in tables)


def test_wrong_counts_are_found_by_deep_and_mended_by_recount(copy: str) -> None:
    alice = User.objects.create_user("alice")
    make_task(
        alice, list_id=make_list(alice).pk, tags=["errand"], due_date=date(2026, 12, 31)
    )
    make_task(alice, completed=True)
    right = [*Tally.objects.order_by("kind", "key").values("kind", "key", "open")]
    Tally.objects.filter(kind="all").update(open=7)
    Tally.objects.filter(kind="due").delete()

    assert examined() == (0, [])
    name, level, message = only("--deep")
    assert (name, level) == ("tallies", "error")
    assert "2 stored counts differ" in message
    assert examined("--recount") == (0, [])
    left = Tally.objects.order_by("kind", "key").values("kind", "key", "open")
    assert [*left] == right


@on_postgresql
def test_a_table_that_was_never_analysed(copy: str) -> None:
    execute("ALTER TABLE tasks_tag SET (autovacuum_enabled = off)")
    alice = User.objects.create_user("alice")
    Tag.objects.bulk_create(
        Tag(owner=alice, name=f"tag {n}", key=f"tag {n}") for n in range(2_000)
    )

    name, level, message = only()
    assert (name, level) == ("statistics", "warning")
    execute(message.split("type ")[1].partition(";")[0])
    assert examined() == (0, [])


@on_postgresql
def test_a_pooled_url_without_a_direct_one(
    copy: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATABASE_DIRECT = None

    def pooled(session: Any) -> direct.Session:
        return direct.inspect(session)._replace(pooled=True)

    monkeypatch.setattr(base, "inspect", pooled)
    connection.close()
    name, level, message = only()
    assert (name, level) == ("urls", "error")
    assert "set DATABASE_DIRECT_URL" in message


@on_postgresql
def test_the_replica_is_tried(
    copy: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = dict(connection.settings_dict)
    monkeypatch.setitem(settings.DATABASES, "replica", usual)
    assert "leads to a primary" in only()[2]

    away = usual | {"HOST": "127.0.0.1", "PORT": 1, "PASSWORD": "hunter2"}
    monkeypatch.setitem(settings.DATABASES, "replica", away)
    name, level, message = only()
    assert (name, level) == ("replica", "warning")
    assert "All is read from DATABASE_URL" in message
    assert "hunter2" not in message


@on_postgresql
def test_the_direct_url_is_tried(copy: str, settings: Settings) -> None:
    usual = settings.DATABASE_DIRECT or dict(connection.settings_dict)
    settings.DATABASE_DIRECT = usual
    assert examined() == (0, [])

    away = usual | {"HOST": "127.0.0.1", "PORT": 1, "PASSWORD": "hunter2"}
    settings.DATABASE_DIRECT = away
    name, level, message = only()
    assert (name, level) == ("urls", "error")
    assert "DATABASE_DIRECT_URL cannot be reached" in message
    assert "hunter2" not in message

    pooled = usual | {"HOST": "ep-cool-pooler.eu.aws.neon.tech"}
    settings.DATABASE_DIRECT = pooled
    assert "take -pooler out" in only()[2]


@on_postgresql
def test_it_tells_of_a_pooler_and_of_a_role_without_limits(copy: str) -> None:
    output, _ = run("doctor")

    assert re.search(r"answers in [0-9.]+ ms, (through|without) a pooler\.", output)
    [statement] = re.findall(r"type (ALTER ROLE .* statement_timeout .*);", output)
    assert statement.endswith("SET statement_timeout = '5s'")
    assert len(re.findall("ALTER ROLE", output)) == 3


def test_a_job_that_nobody_finishes(copy: str) -> None:
    alice = User.objects.create_user("alice")
    Job.objects.create(
        verb="delete",
        subject="list",
        subject_id=1,
        owner_id=alice.pk,
        total=9,
        via="command",
    )
    assert examined() == (0, [])
    Job.objects.update(created_at=timezone.now() - timedelta(hours=1))

    name, level, message = only()
    assert (name, level) == ("background", "warning")
    assert "1 jobs are unfinished" in message


def test_reminders_that_no_worker_fires(copy: str) -> None:
    then = timezone.now() - timedelta(minutes=6)
    alice = User.objects.create_user("alice")
    Reminder.objects.create(owner=alice, task_id=1, fire_at=then, status="pending")

    name, level, message = only()
    assert (name, level) == ("background", "warning")
    assert "1 reminders have not fired" in message
    assert "manage.py work" in message


def test_what_nobody_purges(copy: str) -> None:
    StoredResponse.objects.create(
        owner=User.objects.create_user("alice"),
        key="k",
        fingerprint="f",
        status=200,
        headers={},
        body=b"",
    )
    StoredResponse.objects.update(created_at=timezone.now() - timedelta(days=9))

    name, level, message = only()
    assert (name, level) == ("background", "warning")
    assert "manage.py purge" in message


# The file of SQLite


@contextmanager
def file_at(path: str) -> Iterator[None]:
    with connected_to(f"sqlite:///{path}"):
        yield


@on_sqlite
def test_a_folder_that_cannot_be_written_to() -> None:
    # /proc refuses even root.
    with file_at("/proc/tasks.sqlite3"):
        status, findings = examined()

    assert status == 1
    [message] = [message for name, _, message in findings if name == "file"]
    assert "SQLite cannot write in /proc" in message


@on_sqlite
def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    with file_at(f"{tmp_path}/none/tasks.sqlite3"):
        assert f"no directory {tmp_path}/none: create it" in only()[2]
    with file_at(f"{tmp_path}/none.sqlite3"):
        assert f"{tmp_path}/none.sqlite3: type manage.py migrate." in only()[2]
    assert not [*tmp_path.iterdir()]


@on_sqlite
def test_a_file_system_of_the_network(
    copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(connection.settings_dict["NAME"]).parent
    kind = doctor_sqlite._file_system(folder.resolve())
    assert kind
    monkeypatch.setattr(doctor_sqlite, "NETWORKS", {kind})

    name, level, message = only()
    assert (name, level) == ("file", "error")
    assert f"({kind})" in message


@on_sqlite
def test_little_room_on_the_disk(copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_sqlite, "LEAST_FREE", 2**80)

    assert only()[:2] == ("file", "warning")


@on_sqlite
def test_pragmas_that_lose_writes(copy: str) -> None:
    execute("PRAGMA journal_mode = DELETE")
    assert "journal mode is delete" in only()[2]
    execute("PRAGMA journal_mode = WAL")
    execute("PRAGMA synchronous = NORMAL")
    assert "synchronous is not FULL" in only()[2]


@on_sqlite
def test_a_damaged_file_is_found_by_deep(copy: str) -> None:
    execute("PRAGMA wal_checkpoint(TRUNCATE)")
    execute("PRAGMA writable_schema = ON")
    execute("DELETE FROM sqlite_master WHERE name = 'label_task'")
    execute("PRAGMA writable_schema = RESET")

    status, findings = examined("--deep")
    assert status == 1
    assert "pragmas" in {name for name, *_ in findings}


# Origins


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ("https://other.example", "add it to CORS_ALLOWED_ORIGINS"),
        ("http://localhost:3001", "add it to CORS_ALLOWED_ORIGINS"),
        (f"{ORIGIN}/", "is no origin"),
        ("localhost:3000", "is no origin"),
    ],
)
def test_an_origin_that_browsers_refuse(copy: str, origin: str, said: str) -> None:
    name, level, message = only("--origin", origin)

    assert (name, level) == ("origin", "error")
    assert said in message


@pytest.mark.either_database
def test_an_origin_that_may_read_only(copy: str, settings: Settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = []

    name, level, message = only("--origin", ORIGIN)
    assert (name, level) == ("origin", "warning")
    assert "CSRF_TRUSTED_ORIGINS" in message


# Settings


@pytest.mark.either_database
def test_settings_that_are_unsafe(copy: str, settings: Settings) -> None:
    settings.API_GUEST = "guest"
    settings.DEBUG = True
    with pytest.raises(SystemExit):
        run("doctor")


def test_no_secret_is_shown(copy: str, settings: Settings) -> None:
    password = str(connection.settings_dict.get("PASSWORD") or "")
    for arguments in ([], ["--json"], ["--deep"]):
        output, error = run("doctor", *arguments)

        assert settings.SECRET_KEY not in output + error
        assert not password or password not in output + error
