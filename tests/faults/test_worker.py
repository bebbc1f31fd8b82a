"""Workers that are killed, and cut off from their database, while they fire reminders."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from email import message_from_bytes

import pytest

from tests.faults.databases import Database
from tests.faults.load import until
from tests.faults.postgres import PostgreSQL
from tests.support.mail_servers import HANG, mail_server
from tests.support.servers import ROOT, manage

COUNT = 200
SEED = """
from datetime import timedelta
from django.utils import timezone
from taskproject.accounts.models import User
from tasks.models import Actor, Reminder, Task
from tasks.reminder_rules import absolute
owner = User.objects.get(username="alice").pk
rule = absolute(timezone.now() + timedelta(days=1))
rows = [{"title": "a", "reminders": [rule]} for _ in range(%d)]
Task.objects.add_all(Actor(owner, "command"), owner, rows)
past = timezone.now() - timedelta(seconds=5)
Reminder.objects.update(at=past, fire_at=past)
"""
WAITING = """SELECT pid FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND wait_event = '{}'"""
STORING = "LOCK TABLE tasks_event IN SHARE ROW EXCLUSIVE MODE", "relation"
COMPLETE = "UPDATE tasks_task SET completed = true, completed_at = now()"
PASSED = "SELECT 1 FROM tasks_reminder WHERE status = 'inactive'"
FIRED = "SELECT task_id FROM tasks_event WHERE verb = 'reminded'"
Work = Callable[..., "subprocess.Popen[bytes]"]


#: Alice has chosen e-mails.
CHOSEN = """
from allauth.account.models import EmailAddress
address = {"email": "alice@example.org", "verified": True, "primary": True}
EmailAddress.objects.create(user_id=owner, **address)
User.objects.update(reminder_emails=True)
"""
SET = """UPDATE tasks_reminder SET at = '{time}', fire_at = '{time}' WHERE id =
    (SELECT max(id) FROM tasks_reminder)"""
PAST, FUTURE = "2020-01-01 00:00:00", "2990-01-01 00:00:00"
LEASE_ENDS = f"UPDATE tasks_reminder SET email_at = '{PAST}' WHERE email_at IS NOT NULL"
UNSENT = "SELECT 1 FROM tasks_reminder WHERE email_status <> 'sent'"
EMAIL_TIMEOUT = 5  # seconds
STOPS_WITHIN = 2.0  # seconds, if nothing is sent


def seed(database: Database, count: int, more: str = "") -> str:
    """Gives alice so many reminders that are due; returns her id."""
    code = f"{SEED % count}{more}\nprint(owner)"
    return manage(database.url, "shell", "--verbosity", "0", "-c", code)


@pytest.fixture
def work(database: Database) -> Iterator[Work]:
    """Starts a worker, with these settings."""
    with ExitStack() as stack:

        def start(**settings: str) -> "subprocess.Popen[bytes]":
            settings |= {"DATABASE_URL": database.url, "WORK_INTERVAL": "1"}
            process = subprocess.Popen(
                [sys.executable, "manage.py", "work"],
                cwd=ROOT,
                env=os.environ | settings,
                stderr=subprocess.PIPE,
            )
            stack.callback(process.kill)
            return process

        yield start


@contextmanager
def stuck(database: Database, lock: str, event: str) -> Iterator[Callable[[], int]]:
    """Holds what a worker needs. Yields a function that waits until one waits for it, and returns
    the id of its session; on SQLite nobody sees that, and it returns 0."""
    with database.session() as session:
        session.execute("BEGIN IMMEDIATE" if database.kind == "sqlite" else "BEGIN")
        if database.kind == "postgresql":
            session.execute(lock)

        def wait() -> int:
            if database.kind == "sqlite":
                return 0
            return int(until(lambda: database.rows(WAITING.format(event)))[0][0])

        yield wait
        session.execute("ROLLBACK")


def test_killed_and_cut_at_each_step_they_lose_and_double_none(
    database: Database, work: Work
) -> None:
    owner = seed(database, COUNT)
    steps = [
        # Owners are claimed, and their feed is not locked.
        (f"SELECT pg_advisory_xact_lock(7203114, {owner})", "advisory"),
        # Reminders are marked as fired, and their events not stored.
        STORING,
    ]
    for lock, event in steps if database.kind == "postgresql" else steps[:1]:
        with stuck(database, lock, event) as wait:
            killed = work()
            if not wait():
                _started(killed)
            killed.kill()
            killed.wait()
        assert database.rows(FIRED) == []

    with stuck(database, *steps[-1]) as wait:
        first, second = work(), work()
        if pid := wait():
            database.rows(f"SELECT pg_terminate_backend({pid})")
        else:
            _started(first)

    until(lambda: len(database.rows(FIRED)) >= COUNT)
    for process in (first, second):
        process.terminate()
        # One that has not begun to work yet is ended by the signal itself.
        assert process.wait(5) in (0, -signal.SIGTERM)
    fired = Counter(task for (task,) in database.rows(FIRED))
    assert len(fired) == COUNT
    assert set(fired.values()) == {1}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_frozen_one_fires_no_reminder_of_what_is_completed_meanwhile(
    database: Database, postgresql: PostgreSQL, work: Work
) -> None:
    """PostgreSQL ends its transaction after the time-out that `docs/operations.md` gives the
    role, which is shorter here."""
    owner = seed(database, 2)  # Their events are stored by one statement.
    limit = "SET idle_in_transaction_session_timeout"
    with stuck(database, *STORING) as wait:
        postgresql.execute(f"ALTER DATABASE {database.name} {limit} = '300ms'")
        frozen = work()
        wait()
        frozen.send_signal(signal.SIGSTOP)
    with database.session() as session, session.transaction():
        session.execute(f"{limit} = 0; SET lock_timeout = '15s'")
        # As every write of a task does: here it waits for the frozen one.
        session.execute(f"SELECT pg_advisory_xact_lock(7203114, {owner})")
        session.execute(COMPLETE)
    frozen.send_signal(signal.SIGCONT)

    until(lambda: len(database.rows(PASSED)) == 2)
    assert database.rows(FIRED) == []


def test_an_e_mail_that_hangs_delays_no_reminder_and_comes_again_with_its_id(
    database: Database, work: Work
) -> None:
    """Again after SIGKILL. After SIGTERM the worker waits for the reply, and records it."""
    seed(database, 2, CHOSEN)
    with mail_server(replies={".": HANG}) as server, database.session() as session:
        session.execute(SET.format(time=FUTURE))
        url = f"smtp://127.0.0.1:{server.port}?from=tasks@example.com&starttls=off"
        settings = {"EMAIL_URL": url, "PUBLIC_URL": "https://tasks.example.com"}
        killed = work(**settings)
        until(lambda: server.received)
        hangs = time.monotonic()
        session.execute(SET.format(time=PAST))
        until(lambda: len(database.rows(FIRED)) == 2)
        assert time.monotonic() - hangs < EMAIL_TIMEOUT
        killed.kill()
        killed.wait()
        del server.replies["."]
        session.execute(LEASE_ENDS)

        server.replying.clear()
        stopped = work(**settings)
        until(lambda: len(server.received) == 2)
        stopped.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            stopped.wait(STOPS_WITHIN)
        server.replying.set()
        assert stopped.wait(5) == 0
        assert len(database.rows(UNSENT)) == 1

        work(**settings)
        until(lambda: len(server.messages) == 2 and not database.rows(UNSENT))

    ids = [one["Message-ID"] for one in map(message_from_bytes, server.received)]
    assert sorted(Counter(ids).values()) == [1, 2]
    assert ids[0] in ids[1:]
    assert len(server.received) == 3


def _started(process: "subprocess.Popen[bytes]") -> None:
    """Waits until the worker has told that the database is busy."""
    assert process.stderr is not None
    assert b"unavailable" in process.stderr.readline()
