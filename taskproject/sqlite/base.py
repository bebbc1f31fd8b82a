"""Django's SQLite backend, whose writers queue up before they ask for the lock.

SQLite lets a writer that waits try again ever more rarely, in the end every 100 ms: of 16
writers some starve. Here the threads of one process take turns, so that no more writers
than processes compete, and those try every 2 ms.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

from django.conf import settings
from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.features import DatabaseFeatures as Features
from django.db.utils import OperationalError

PAUSE = 0.002  # seconds between two attempts to become the writer
_turn = Lock()


class DatabaseFeatures(Features):
    # SQLite's own limit since 3.32; Django keeps to the 999 of before, and would insert
    # 500 tasks by eleven statements.
    max_query_params = 32_766


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_turn = False

    def _start_transaction_under_autocommit(self) -> None:
        give_up = time.monotonic() + settings.SQLITE_BUSY_TIMEOUT
        if not _turn.acquire(timeout=settings.SQLITE_BUSY_TIMEOUT):
            raise OperationalError("database is locked")
        self._has_turn = True
        try:
            with self.impatient():
                self._begin(give_up)
        except BaseException:
            self._pass_on()
            raise

    def fetch(
        self, statement: str, parameters: Sequence[Any], kept: bool
    ) -> list[tuple[Any, ...]]:
        """The rows of a statement: see `taskproject.rows.fetch`."""
        with self.cursor() as cursor:
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    @contextmanager
    def impatient(self) -> Iterator[None]:
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
                super()._start_transaction_under_autocommit()  # type: ignore[misc]  # not in the stubs
            except OperationalError as error:
                code = getattr(error.__cause__, "sqlite_errorcode", 0)
                if code & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(PAUSE)
            else:
                return

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]  # not in the stubs
        self._pass_on()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]  # not in the stubs
        finally:
            self._pass_on()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # not in the stubs
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._has_turn:
            self._has_turn = False
            _turn.release()
