"""Django's SQLite backend, with a queue of writers, and a check that the file is the same.

A waiting writer of SQLite retries ever more rarely, in the end every 100 ms: of 16 writers
some starve. Here the threads of a process take a lock first, so that only one writer of
each process competes, and that one retries every 2 ms. A command that writes thousands of
rows in many transactions would begin the next one before another process retries:
therefore its process waits after a long transaction.

The database file must stay the one that was opened first. SQLite continues to use a file
that was moved or deleted, and would apply the write-ahead log of one database to another
that replaced it. If the path leads to another file, or to none, all statements fail until
the service is restarted.
"""

import logging
import os
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.features import DatabaseFeatures as Features
from django.db.backends.sqlite3.schema import DatabaseSchemaEditor as SchemaEditor
from django.db.utils import OperationalError

from taskproject.names import casefold_key
from taskproject.sql import Row, fetch_by_cursor, this_thread

logger = logging.getLogger("taskproject.sqlite")

# For columns that are selected AS "name [instant]": aware datetimes, in a third of the time
# of converting the naive ones of Django's converter.
sqlite3.register_converter(
    "instant", lambda text: datetime.fromisoformat(f"{text.decode()}+00:00")
)
# UUIDs are stored as Django's own field does: for a parameter of hand-written SQL, and for
# a column that is selected AS "name [uuid]".
sqlite3.register_adapter(UUID, lambda value: value.hex)
sqlite3.register_converter("uuid", lambda text: UUID(text.decode()))

PAUSE = 0.002  # seconds between two attempts to become the writer
#: After a transaction of more than SHORT seconds, the process waits for this fraction of its
#: duration, but at most LONGEST_REST seconds, so that other processes can write.
REST, SHORT, LONGEST_REST = 0.25, 0.02, 0.05
_turn = Lock()


class _Rest:
    """The time from which this process may write again, by the monotonic clock."""

    until = 0.0


_rest = _Rest()
#: Device and inode of the files that this process has opened, by their paths.
_opened: dict[str, tuple[int, int]] = {}
_replaced: set[str] = set()  # paths whose replacement was logged


def remember(path: str) -> None:
    """Records which file the path leads to, if any, unless that was recorded before."""
    place = _place(path)
    if place is not None:
        _opened.setdefault(path, place)


def _place(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # deleted, or not a path (in memory)
        return None
    return found.st_dev, found.st_ino


def _missing(path: str, *, created: bool) -> str:
    """Why there is no file to open, and what to do, or an empty string. `created`: whether a
    missing file is no fault. SQLite would name neither the file nor the directory."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        return f"There is no directory {folder}: create it, or change DATABASE_URL."
    if os.path.isdir(path):
        return f"{path} is a directory: have DATABASE_URL name a file."
    if not created and not os.path.exists(path):
        return f"There is no database at {path}: type manage.py migrate."
    return ""


def is_replaced(path: str) -> bool:
    """Whether the path leads to another file than that which was opened, or to none."""
    opened = _opened.get(path)
    if opened is None or opened == _place(path):
        return False
    if path not in _replaced:
        _replaced.add(path)
        logger.error(
            "%s was replaced or deleted while the service runs, which answers 503 now. "
            "Stop it, put the file in place without -wal and -shm beside it, start it.",
            path,
        )
    return True


def _like(pattern: str | None, value: object, escape: str) -> bool | None:
    """SQLite's `value LIKE pattern ESCAPE escape`."""
    if pattern is None or value is None:
        return None
    return _pattern(pattern, escape).fullmatch(casefold_key(str(value))) is not None


@lru_cache(maxsize=100)
def _pattern(pattern: str, escape: str) -> re.Pattern[str]:
    parts = re.findall(f"{re.escape(escape)}.|.", casefold_key(pattern), re.DOTALL)
    any_of = {"%": ".*", "_": "."}
    return re.compile(
        "".join(any_of.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL
    )


@lru_cache(maxsize=1_000)
def _marked(statement: str) -> str:
    """The statement with a ? for each parameter."""
    return statement.replace("%s", "?")


if TYPE_CHECKING:
    # With Django's methods that its stubs lack.

    class _SchemaEditor(SchemaEditor):
        def _remake_table(self, *args: object, **kwargs: object) -> None: ...

    class _DatabaseWrapper(base.DatabaseWrapper):
        def _start_transaction_under_autocommit(self) -> None: ...
        def _commit(self) -> None: ...
        def _rollback(self) -> None: ...
        def _close(self) -> None: ...

else:
    _SchemaEditor, _DatabaseWrapper = SchemaEditor, base.DatabaseWrapper


class Cursor(base.SQLiteCursorWrapper):
    """Django's, whose time is added to the usage of the request."""

    def execute(self, *args: Any) -> Any:
        started = time.perf_counter()
        try:
            return super().execute(*args)
        finally:
            this_thread.usage.add_since(started)

    def executemany(self, *args: Any) -> Any:
        started = time.perf_counter()
        try:
            return super().executemany(*args)
        finally:
            this_thread.usage.add_since(started)

    def fetchall(self) -> Any:
        started = time.perf_counter()
        rows = super().fetchall()
        this_thread.usage.seconds += time.perf_counter() - started
        return rows


class DatabaseFeatures(Features):
    # SQLite's limit since version 3.32. Django uses the earlier one of 999, with which it
    # would insert 500 tasks by eleven statements.
    max_query_params = 32_766


class DatabaseSchemaEditor(_SchemaEditor):
    """Django's, but it keeps the triggers of a table that it rebuilds.

    To add a constraint or alter a column on SQLite, Django copies the rows to a new table
    and drops the old one, which drops its triggers. Here they are created again in the
    same transaction. A migration that drops a column used by triggers replaces the
    triggers first.
    """

    def _remake_table(self, *args: object, **kwargs: object) -> None:
        with transaction.atomic(using=self.connection.alias):
            with self.connection.cursor() as cursor:
                cursor.execute(
                    "SELECT name, tbl_name, sql FROM sqlite_master "
                    "WHERE type = 'trigger'"
                )
                triggers = cursor.fetchall()
            # Those of all tables: SQLite refuses to rename a table while a trigger of
            # another one refers to a table that does not exist at that moment.
            for name, _, _ in triggers:
                self.execute(f"DROP TRIGGER {self.quote_name(name)}")
            super()._remake_table(*args, **kwargs)
            tables = self.connection.introspection.table_names()
            for _, table, sql in triggers:
                if table in tables:
                    self.execute(sql, params=None)


class DatabaseWrapper(_DatabaseWrapper):
    features_class = DatabaseFeatures
    SchemaEditorClass = DatabaseSchemaEditor
    #: SQLite locks no rows: see `no_lock_wait`.
    skip_locked = ""
    #: Whether a missing file is created, as `manage.py migrate` does. To others, an empty file
    #: would be a database without tables.
    creates_file = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_turn = False
        self._began = 0.0
        self._reads_only = False

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """A read-only transaction, whose statements all read the same state of the database,
        and which does not block writers. Within another transaction it does nothing."""
        if self.in_atomic_block:
            yield
            return
        self._reads_only = True
        try:
            with transaction.atomic(using=self.alias):
                yield
        finally:
            self._reads_only = False

    def get_new_connection(self, conn_params: dict[str, object]) -> sqlite3.Connection:
        path = str(self.settings_dict["NAME"])
        if is_replaced(path):
            raise sqlite3.OperationalError("the database file was replaced")
        if missing := _missing(path, created=self.creates_file):
            raise sqlite3.OperationalError(missing)
        try:
            session: sqlite3.Connection = super().get_new_connection(conn_params)
        except sqlite3.OperationalError as failure:
            raise sqlite3.OperationalError(f"{failure}: {path}") from failure
        remember(path)
        # A LIKE that ignores the case of all letters, not only of ASCII: for searches by
        # name in the admin.
        session.create_function("like", 3, _like, deterministic=True)
        return session

    def close_if_unusable_or_obsolete(self) -> None:
        """Django's, before each request. Also closes a connection to a file that was
        replaced: SQLite does not write to a file that was moved when it is closed."""
        if self.connection is not None and is_replaced(self.settings_dict["NAME"]):
            self.close()
        super().close_if_unusable_or_obsolete()

    def _start_transaction_under_autocommit(self) -> None:
        if is_replaced(self.settings_dict["NAME"]):
            raise OperationalError("the database file was replaced")
        if self._reads_only:
            with self.cursor() as cursor:
                cursor.execute("BEGIN DEFERRED")
            return
        give_up = time.monotonic() + settings.SQLITE_BUSY_TIMEOUT
        if not _turn.acquire(timeout=settings.SQLITE_BUSY_TIMEOUT):
            raise OperationalError("database is locked")
        self._has_turn = True
        try:
            time.sleep(max(0.0, _rest.until - time.monotonic()))
            with self.no_lock_wait():
                self._begin(give_up)
            self._began = time.monotonic()
        except BaseException:
            self._pass_on()
            raise

    def create_cursor(self, name: str | None = None) -> object:
        return self.connection.cursor(factory=Cursor)

    def fetch(
        self, statement: str, parameters: Sequence[Any], prepare: bool
    ) -> list[Row]:
        """The rows of a hand-written statement: see `taskproject.sql.fetch`."""
        if self.queries_logged or self.execute_wrappers:
            return fetch_by_cursor(self, statement, parameters)
        # The checks that Django's cursor does, except that of the thread, whose own
        # connection this is. The cursor would take 0.03 ms more, mostly to find the
        # parameters in the statement each time.
        if self.needs_rollback:
            self.validate_no_broken_transaction()
        if self.connection is None:
            self.ensure_connection()
        started = time.perf_counter()
        try:
            with self.wrap_database_errors:
                rows: list[Row] = self.connection.execute(
                    _marked(statement), parameters
                ).fetchall()
                return rows
        finally:
            this_thread.usage.add_since(started)

    @contextmanager
    def no_lock_wait(self) -> Iterator[None]:
        """A context in which statements that would wait for another writer fail at once."""
        with self.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 0")
            try:
                yield
            finally:
                cursor.execute(
                    f"PRAGMA busy_timeout = {settings.SQLITE_BUSY_TIMEOUT * 1000}"
                )

    def _begin(self, give_up: float) -> None:
        while True:
            try:
                super()._start_transaction_under_autocommit()
            except OperationalError as error:
                code = getattr(error.__cause__, "sqlite_errorcode", 0)
                if code & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(PAUSE)
            else:
                return

    def _commit(self) -> None:
        started = time.perf_counter()
        super()._commit()
        this_thread.usage.add_since(started)
        self._pass_on()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._pass_on()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._has_turn:
            self._has_turn = False
            now = time.monotonic()
            if self._began and now - self._began > SHORT:
                _rest.until = now + min(REST * (now - self._began), LONGEST_REST)
            self._began = 0.0
            _turn.release()
