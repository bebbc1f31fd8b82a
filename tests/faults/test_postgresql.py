"""What a PostgreSQL, and the network before it, can do to the service."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.faults.conftest import Service, Share, Start
from tests.faults.databases import Database
from tests.faults.load import AT_MOST, Record, Reply, until
from tests.faults.postgres import PostgreSQL
from tests.faults.proxy import Proxy
from tests.support.servers import ROOT

CONNECTIONS = 4  # 2 workers with 2 threads each
REFUSED = 16  # requests of eight clients, while the server or the network is down
SLOW = """
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.title LIKE 'slow%' THEN PERFORM pg_sleep(8); END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER dawdle BEFORE INSERT ON tasks_task
    FOR EACH ROW EXECUTE FUNCTION dawdle();
"""


# Connections lost


def test_idle_connections_that_were_killed_cost_no_request(
    share: Share, postgresql: PostgreSQL, record: Record
) -> None:
    service = share("postgresql")

    for _ in range(3):
        until(lambda: burst(service) and len(backends(postgresql, service)) >= 4)
        until(lambda: not backends(postgresql, service, "state <> 'idle'"))
        assert postgresql.terminate(service.database.name) >= CONNECTIONS
        assert {reply.status for reply in burst(service)} <= {200, 201}

    record.check(service.database)


def test_connections_killed_three_times_under_load_cost_at_most_their_requests(
    share: Share, postgresql: PostgreSQL, record: Record
) -> None:
    service = share("postgresql")

    killed = 0
    with service.under_load() as load:
        for _ in range(3):
            killed += postgresql.terminate(service.database.name)
            load.recover()

    assert record.count(503) <= killed
    record.check(service.database)


def test_a_suspended_backend_is_given_up_while_it_is_suspended(
    share: Share, postgresql: PostgreSQL, record: Record
) -> None:
    service = share("postgresql")
    until(lambda: burst(service) and len(backends(postgresql, service)) >= 4)
    until(lambda: not backends(postgresql, service, "state <> 'idle'"))

    with suspended(backends(postgresql, service)[0]), service.under_load() as load:
        until(lambda: record.count(503) >= 1, within=10)
        load.recover()
        until(lambda: quiet_for(record, 1.0), within=10)

    record.check(service.database)


def test_a_backend_suspended_with_locks_in_hand_holds_nobody_longer_than_5_seconds(
    start: Start, postgresql: PostgreSQL, on_postgresql: Database, record: Record
) -> None:
    service = start(on_postgresql, WORKERS="1", THREADS="4")

    with service.under_load(4) as load:
        with lock_holder_suspended(postgresql, service):
            until(lambda: record.count(503) >= 4)
        load.recover()

    record.check(on_postgresql)


# The server away


def test_a_crash_and_restart_under_load_loses_nothing(
    share: Share, postgresql: PostgreSQL, record: Record
) -> None:
    service = share("postgresql")

    with service.under_load() as load:
        postgresql.stop()
        assert_unready(service)
        until(lambda: record.count(503) >= REFUSED)
        postgresql.start()
        load.recover()

    record.check(service.database)


def test_a_kill_9_of_the_server_under_load_loses_nothing(
    share: Share, postgresql: PostgreSQL, record: Record
) -> None:
    service = share("postgresql")

    with service.under_load() as load:
        postgresql.kill()
        until(lambda: record.count(503) > 0)
        assert_unready(service)
        until(lambda: record.count(503) >= REFUSED)
        postgresql.start()
        load.recover()

    record.check(service.database)


# The network


def test_a_network_that_is_reset_and_down_loses_nothing(
    through: Service, proxy: Proxy, record: Record
) -> None:
    with through.under_load() as load:
        proxy.refuse()
        proxy.cut()
        until(lambda: record.count(503) >= REFUSED)
        proxy.admit()
        load.recover()

    record.check(through.database)


def test_connections_that_are_reset_under_load_cost_at_most_their_requests(
    through: Service, proxy: Proxy, record: Record
) -> None:
    with through.under_load() as load:
        for _ in range(3):
            proxy.cut()
            load.recover()

    assert record.count(503) <= 3 * CONNECTIONS
    record.check(through.database)


def test_a_silent_network_is_answered_503_within_5_seconds_and_thaws_by_itself(
    through: Service, proxy: Proxy, record: Record
) -> None:
    with through.under_load() as load, through.client() as probe:
        assert probe.send("GET", "/readyz").status == 200
        proxy.freeze()
        frozen = time.monotonic()
        health: list[Reply] = []
        while time.monotonic() < frozen + 6.5:
            health += [probe.send("GET", "/livez"), probe.send("GET", "/readyz")]
            time.sleep(0.3)
        proxy.thaw()
        load.recover()
        assert probe.insist("GET", "/readyz").status == 200

    assert {reply.status for reply in health if reply.path == "/livez"} == {200}
    assert {reply.status for reply in health if reply.path == "/readyz"} == {503}
    assert max(reply.seconds for reply in health) <= AT_MOST
    assert record.count(503) > len(health) / 2
    record.check(through.database)


# Connections exhausted


def test_more_threads_than_connections_are_refused_at_once_and_recover(
    start: Start, postgresql: PostgreSQL, on_postgresql: Database, record: Record
) -> None:
    role, url = make_role(postgresql, on_postgresql, "CONNECTION LIMIT 20")
    service = start(on_postgresql, url=url)

    with service.under_load(16) as load:
        # From now on one thread of one worker has a connection, and no other.
        postgresql.execute(f"ALTER ROLE {role} CONNECTION LIMIT 1")
        postgresql.terminate(on_postgresql.name)
        until(lambda: record.count(503) > 10)
        refused = record.slowest_failure()
        postgresql.execute(f"ALTER ROLE {role} CONNECTION LIMIT 20")
        load.recover()

    assert refused < 1.0
    record.check(on_postgresql)


def test_what_needs_no_database_is_answered_at_once_when_connections_are_exhausted(
    start: Start,
    postgresql: PostgreSQL,
    on_postgresql: Database,
    proxy: Proxy,
    record: Record,
) -> None:
    role, url = make_role(
        postgresql, on_postgresql, "CONNECTION LIMIT 0", port=proxy.port
    )
    service = start(on_postgresql, url=url)
    preflight = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
    }

    with service.client() as client:
        assert client.send("GET", "/api/tasks").status == 503
        # From now on a request that connects waits for more than a second.
        proxy.freeze()
        replies = [
            client.send("GET", "/livez"),
            client.send("GET", "/api/nothing"),
            client.send("POST", "/api/tasks/1"),
            client.send("OPTIONS", "/api/tasks", headers=preflight),
            client.send(
                "GET", "/api/tasks", headers={"Authorization": "Bearer nonsense"}
            ),
            client.send("GET", "/api/problems"),
        ]
        assert [reply.status for reply in replies] == [200, 404, 405, 200, 401, 200]
        assert max(reply.seconds for reply in replies) < 1.0
        proxy.thaw()
        postgresql.execute(f"ALTER ROLE {role} CONNECTION LIMIT 20")
        client.create("After")

    record.check(on_postgresql)


# Statements that take too long


def test_a_slow_statement_is_cancelled_and_answered_503(
    share: Share, postgresql: PostgreSQL, record: Record
) -> None:
    service = share("postgresql")
    postgresql.execute(SLOW, service.database.name)
    key = str(uuid4())

    with service.client() as client:
        body = {"title": "slow as molasses"}
        assert client.send("POST", "/api/tasks", body, key=key).status == 503
        # PostgreSQL has let go of it, long before the 8 seconds are over.
        assert not backends(postgresql, service, "state <> 'idle'")
        assert service.database.tasks() == {}
        client.create("The next one is as quick as ever")
        assert record.replies[-1].seconds < 1.0
        assert record.replies[-1].attempt == 1
        postgresql.execute("DROP FUNCTION dawdle CASCADE", service.database.name)
        client.acknowledge(client.insist("POST", "/api/tasks", body, key=key), 201)

    assert "canceling statement due to user request" in postgresql.log()
    record.check(service.database)


def test_a_locked_row_is_answered_503_and_the_change_does_not_happen_later(
    share: Share, postgresql: PostgreSQL, record: Record
) -> None:
    service = share("postgresql")

    with service.client() as client:
        task = client.create("Locked")
        with service.database.locked(task.id):
            reply = client.send("PATCH", f"/api/tasks/{task.id}", {"title": "Late"})
            assert reply.status == 503
            assert not backends(postgresql, service, "wait_event_type = 'Lock'")
            client.read(task)
        until(lambda: not backends(postgresql, service, "state <> 'idle'"))
        client.read(task)
        client.patch(task, title="In time")

    record.check(service.database)


@pytest.mark.parametrize("limit", ["statement_timeout", "lock_timeout"])
def test_a_limit_of_the_database_role_is_answered_503(
    start: Start,
    postgresql: PostgreSQL,
    on_postgresql: Database,
    record: Record,
    limit: str,
) -> None:
    role, url = make_role(postgresql, on_postgresql)
    postgresql.execute(f"ALTER ROLE {role} SET {limit} = '700ms'")
    service = start(on_postgresql, url=url)

    with service.client() as client:
        task = client.create("Locked")
        with on_postgresql.locked(task.id):
            reply = client.send("PATCH", f"/api/tasks/{task.id}", {"title": "Late"})
            assert reply.status == 503
            assert 0.6 < reply.seconds < 2.5
        client.patch(task, title="In time")
        assert record.replies[-1].attempt == 1

    record.check(on_postgresql)


# Migrations


def test_a_migration_behind_a_long_reader_lets_the_traffic_pass(
    start: Start, on_postgresql: Database, record: Record, tmp_path: Path
) -> None:
    """The migration of a next version: a column that this version does not know."""
    service = start(on_postgresql)
    environment = next_version(tmp_path) | {"DATABASE_URL": on_postgresql.url}

    with service.under_load() as load:
        with on_postgresql.session() as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM tasks_task")
            with migrating(tmp_path, environment) as (process, output):
                until(
                    lambda: output.read_text().count("was rolled back") >= 2, within=30
                )
                assert process.poll() is None
                reader.execute("COMMIT")
                assert process.wait(30) == 0, output.read_text()
        load.proceed()

    assert on_postgresql.rows("SELECT note FROM tasks_task LIMIT 1") == [(None,)]
    record.notes.append(
        f"slowest answer {max(r.seconds for r in record.replies):.2f} s"
    )
    assert record.count(503) == 0
    record.check(on_postgresql)


def burst(service: Service) -> list[Reply]:
    """As many requests at once as there are threads, and more: reads and writes."""

    def both(number: int) -> list[Reply]:
        with service.client() as client:
            task = client.create(f"Burst {uuid4().hex[:8]}")
            return [client.send("GET", f"/api/tasks/{task.id}")]

    with ThreadPoolExecutor(8) as pool:
        return [reply for replies in pool.map(both, range(8)) for reply in replies]


def backends(
    postgresql: PostgreSQL, service: Service, condition: str = "true"
) -> list[int]:
    """The service's sessions."""
    mine = "application_name = 'taskproject'"
    return postgresql.backends(service.database.name, f"{mine} AND {condition}")


@contextmanager
def suspended(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def lock_holder_suspended(postgresql: PostgreSQL, service: Service) -> Iterator[None]:
    """Suspends one of the service's backends while it has its owner's place in the
    feed; which of them has changes every few milliseconds."""
    # With two keys: an Idempotency-Key's lock has one.
    holders = (
        "SELECT pid FROM pg_locks "
        "WHERE locktype = 'advisory' AND objsubid = 2 AND granted"
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for (pid,) in postgresql.execute(holders):
            with suppress(ProcessLookupError), suspended(pid):
                if (pid,) in postgresql.execute(holders):
                    yield
                    return
    raise AssertionError("no backend could be caught with a lock")


def assert_unready(service: Service) -> None:
    """Ready is not, live is."""
    with service.client() as probe:
        assert probe.send("GET", "/readyz").status == 503
        assert probe.send("GET", "/livez").status == 200


def make_role(
    postgresql: PostgreSQL, database: Database, options: str = "", port: int = 0
) -> tuple[str, str]:
    """A role that may do what the service does, and its way to the database."""
    role = f"app_{uuid4().hex[:8]}"
    postgresql.execute(f"CREATE ROLE {role} LOGIN {options}")
    for kind in ("TABLES", "SEQUENCES"):
        grant = f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {role}"
        postgresql.execute(grant, database.name)
    place = f"{role}@127.0.0.1:{port or postgresql.port}"
    return role, urlsplit(database.url)._replace(netloc=place).geturl()


def next_version(directory: Path) -> dict[str, str]:
    """The environment of a next version of this project, which has one migration more."""
    later = directory / "later"
    shutil.copytree(ROOT / "tasks" / "migrations", later)
    last = max(file.stem for file in later.glob("[0-9]*.py"))
    (later / "9999_note.py").write_text(
        "from django.db import migrations\n\n\n"
        "class Migration(migrations.Migration):\n"
        f"    dependencies = [('tasks', '{last}')]\n"
        "    operations = [migrations.RunSQL(\n"
        "        'ALTER TABLE tasks_task ADD COLUMN note text NULL')]\n"
    )
    (directory / "later_settings.py").write_text(
        "from taskproject.settings import *\n\nMIGRATION_MODULES = {'tasks': 'later'}\n"
    )
    return {
        "PYTHONPATH": os.pathsep.join(
            [str(directory), os.environ.get("PYTHONPATH", "")]
        ),
        "DJANGO_SETTINGS_MODULE": "later_settings",
    }


@contextmanager
def migrating(
    directory: Path, environment: dict[str, str]
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """A running `manage.py migrate` and what it prints."""
    output = directory / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "migrate"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process, output
        finally:
            process.kill()
            process.wait()


def quiet_for(record: Record, seconds: float) -> bool:
    """Whether nothing fails for so long."""
    before = record.count(503)
    time.sleep(seconds)
    return record.count(503) == before
