"""Django's SQLite backend, whose writers queue up before they ask for the lock.

SQLite lets a writer that waits try again ever more rarely, in the end every 100 ms: of 16
writers some starve. Here the threads of one process take turns, so that no more writers
than processes compete, and those try every 2 ms. A command that writes thousands of rows
in many transactions would begin the next one within less: after a long transaction, its
process waits before it becomes the writer again.

And the file must stay the one that was opened first. SQLite goes on with a file that was
moved or deleted, and would apply the write-ahead log of one database to the other that was
put in its place. Where the path leads to another file, or to none, every statement fails
until the service is started anew.
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

from django.conf import settings
from django.db import transaction
from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.features import DatabaseFeatures as Features
from django.db.backends.sqlite3.schema import DatabaseSchemaEditor as SchemaEditor
from django.db.utils import OperationalError

from taskproject.names import casefold_key

logger = logging.getLogger("taskproject.sqlite")

# For a column that is selected AS "name [instant]": in a third of the time that it takes to
# convert the naive time of Django's own converter.
sqlite3.register_converter(
    "instant", lambda text: datetime.fromisoformat(f"{text.decode()}+00:00")
)

PAUSE = 0.002  # seconds between two attempts to become the writer
#: Of a transaction that has taken longer than SHORT, this part of its time, but at most
#: LONGEST_REST seconds, is left to the writers of other processes.
REST, SHORT, LONGEST_REST = 0.25, 0.02, 0.05
_turn = Lock()


class _Rest:
    """When this process may become the writer again, by the monotonic clock."""

    until = 0.0


_rest = _Rest()
#: Device and inode of the files that this process has opened, by their paths.
_opened: dict[str, tuple[int, int]] = {}
_replaced: set[str] = set()  # that were told of


def remember(path: str) -> None:
    """Notes which file is at the path now, if there is one, as the one to stay with."""
    place = _place(path)
    if place is not None:
        _opened.setdefault(path, place)


def _place(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # gone, or no path at all (in memory)
        return None
    return found.st_dev, found.st_ino


def is_replaced(path: str) -> bool:
    """Whether the path leads to another file than the one that was opened, or to none."""
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


if TYPE_CHECKING:
    from taskproject.sql import Row

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


class DatabaseFeatures(Features):
    # SQLite's own limit since 3.32; Django keeps to the 999 of before, and would insert
    # 500 tasks by eleven statements.
    max_query_params = 32_766


class DatabaseSchemaEditor(_SchemaEditor):
    """Django's, which keeps the triggers of a table that it remakes.

    SQLite cannot add a constraint, or alter a column, in place: Django copies the rows to
    a new table and drops the old one, and SQLite drops the triggers with it. Here they are
    created again, as they were, in the transaction of the copy. A migration that drops a
    column that triggers use replaces those triggers first.
    """

    def _remake_table(self, *args: object, **kwargs: object) -> None:
        with transaction.atomic(using=self.connection.alias):
            with self.connection.cursor() as cursor:
                cursor.execute(
                    "SELECT name, tbl_name, sql FROM sqlite_master "
                    "WHERE type = 'trigger'"
                )
                triggers = cursor.fetchall()
            # All of them: SQLite renames no table while a trigger of another one refers
            # to a table that is missing at that moment.
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

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_turn = False
        self._began = 0.0
        self._reads_only = False

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """A transaction whose statements all read the database as it is at the first one,
        and which holds no writer off. Within another transaction it is that one."""
        if self.in_atomic_block:
            yield
            return
        self._reads_only = True
        try:
            with transaction.atomic(using=self.alias):
                yield
        finally:
            self._reads_only = False

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        path = str(self.settings_dict["NAME"])
        if is_replaced(path):
            raise sqlite3.OperationalError("the database file was replaced")
        session = super().get_new_connection(conn_params)
        remember(path)
        # A LIKE for which all letters have two cases, not those of ASCII alone: the admin
        # looks for names by it.
        session.create_function("like", 3, _like, deterministic=True)
        return session

    def close_if_unusable_or_obsolete(self) -> None:
        """Django's, before each request. A file that was replaced is let go of: SQLite
        leaves one that has moved as it is."""
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

    def fetch(
        self, statement: str, parameters: Sequence[Any], prepare: bool
    ) -> "list[Row]":
        """The rows of a statement: see `taskproject.sql.fetch`."""
        with self.cursor() as cursor:
            cursor.execute(statement, parameters)
            rows: list[Row] = cursor.fetchall()
            return rows

    @contextmanager
    def no_lock_wait(self) -> Iterator[None]:
        """In here a statement fails at once where it would wait for a writer."""
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
        super()._commit()
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
