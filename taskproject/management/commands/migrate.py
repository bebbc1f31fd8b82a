"""``manage.py migrate``: one at a time, over the direct connection, without blocking
other transactions."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DatabaseError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from taskproject.management.direct import connect_directly
from taskproject.postgresql.base import DatabaseWrapper as PostgreSQL
from taskproject.sqlite.base import DatabaseWrapper as SQLite

ATTEMPTS = 30
LOCK_NOT_AVAILABLE = "55P03"
#: Seconds to wait for another migrate to finish.
PATIENCE = 600
#: The key of the advisory lock of this command on PostgreSQL.
KEY = 8_310_201_455_672_133


class Command(migrate.Command):
    help = (
        "Updates the database schema. Waits while another migrate runs. Uses "
        "DATABASE_DIRECT_URL if it is set: migrations cannot run through a connection "
        "pooler, and the command refuses to. On PostgreSQL, a migration that waits for a "
        "lock for a second is rolled back and tried again, so that it does not block other "
        "transactions."
    )

    def execute(self, *args: object, **options: object) -> str | None:
        # Before the system checks, which may query the database.
        connect_directly(str(options["database"]))
        connection = connections[str(options["database"])]
        if not isinstance(connection, SQLite):
            return super().execute(*args, **options)
        connection.creates_file = not _only_looks(options)
        try:
            return super().execute(*args, **options)
        finally:
            connection.creates_file = False

    def handle(self, *args: object, **options: Any) -> None:
        connection = connections[options["database"]]
        if _only_looks(options):
            super().handle(*args, **options)
        elif isinstance(connection, SQLite):
            with _lock_of_file(connection.settings_dict["NAME"]) as take:
                self._wait(take)
                super().handle(*args, **options)
        elif isinstance(connection, PostgreSQL) and connection.is_pooled():
            # A SET or a lock would stay in the pooler's session, and affect other clients.
            raise CommandError(
                "The database is behind a connection pooler, whose sessions are shared with "
                "other clients: set DATABASE_DIRECT_URL to the PostgreSQL server itself "
                "(Neon's has the same host name without -pooler)."
            )
        else:
            with _lock_of_session(connection) as take:
                self._wait(take)
                self._migrate_online(connection, *args, **options)

    def _migrate_online(
        self, connection: BaseDatabaseWrapper, *args: object, **options: object
    ) -> None:
        for attempt in range(ATTEMPTS):
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SET lock_timeout = '1s'; SET statement_timeout = 0")
                super().handle(*args, **options)
                with connection.cursor() as cursor:
                    cursor.execute("RESET lock_timeout; RESET statement_timeout")
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                    raise
                self.stderr.write(
                    f"Another transaction holds a lock; attempt {attempt + 1} of "
                    f"{ATTEMPTS} was rolled back."
                )
                time.sleep(1)
            else:
                return
        raise CommandError(
            "Another transaction holds a lock on the tables; end it (pg_stat_activity "
            "lists it) and run migrate again."
        )

    def _wait(self, take: Callable[[], bool]) -> None:
        """Wait until no other migrate runs. It polls, because CREATE INDEX CONCURRENTLY would
        wait for a statement that waits."""
        give_up = time.monotonic() + PATIENCE
        if take():
            return
        self.stderr.write("Another migrate is running; waiting until it has finished.")
        while not take():
            if time.monotonic() > give_up:
                raise CommandError(
                    "Another migrate is still running; run migrate again later."
                )
            time.sleep(0.5)


def _only_looks(options: Mapping[str, object]) -> bool:
    """Whether the command shows or checks what it would do, and does nothing."""
    return bool(options["plan"] or options["check_unapplied"])


@contextmanager
def _lock_of_session(connection: BaseDatabaseWrapper) -> Iterator[Callable[[], bool]]:
    """Yield a function that tries to acquire an advisory lock; released at the end, or
    with the session."""

    def ask(function: str) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s)", [KEY])
            return bool(cursor.fetchone()[0])

    try:
        yield lambda: ask("pg_try_advisory_lock")
    finally:
        with suppress(DatabaseError):
            ask("pg_advisory_unlock")


@contextmanager
def _lock_of_file(path: str | Path) -> Iterator[Callable[[], bool]]:
    """The same for SQLite: a lock on the directory, because closing the file itself would
    release SQLite's own locks."""
    directory = None
    with suppress(OSError):  # A database in memory is not shared.
        directory = os.open(Path(path).resolve().parent, os.O_RDONLY)

    def take() -> bool:
        if directory is None:
            return True
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True

    try:
        yield take
    finally:
        if directory is not None:
            os.close(directory)
