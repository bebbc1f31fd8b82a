"""Django's PostgreSQL backend, whose connecting obeys the request's deadline.

Without it, a request that has lost its time on a dead connection would spend it once
more on the next one, and so would every request behind it.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    suppress,
)
from functools import cache
from math import ceil
from select import POLLIN, poll
from socket import SOCK_STREAM, getaddrinfo
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import transaction
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

from taskproject.deadlines import breaker, current_deadline
from taskproject.postgresql.connection import Connection
from taskproject.postgresql.direct import Session, Statements, look_at, run

if TYPE_CHECKING:
    from taskproject.sql import Row

READ_COMMITTED = (
    b"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"
)
logger = logging.getLogger("taskproject.postgresql")

# What a snapshot begins with. A role's limit on idle transactions is for those that
# somebody forgot; between two reads of a snapshot, what was read is formatted.
SNAPSHOT = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; "
    "SET LOCAL idle_in_transaction_session_timeout = '10min'"
)


class DatabaseWrapper(base.DatabaseWrapper):
    #: The clause of a SELECT that skips locked rows.
    skip_locked = " FOR NO KEY UPDATE SKIP LOCKED"
    _statements: Statements | None = None
    # The session whose socket `_poll` looks at.
    _polled: object = None
    _session = Session(pooled=False, isolated=True)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """A transaction whose statements all read the database as it is at the first one.
        Within another transaction it is that one, whatever its isolation."""
        if self.in_atomic_block:
            yield
            return
        with transaction.atomic(using=self.alias):
            with self.cursor() as cursor:
                cursor.execute(SNAPSHOT)
            yield

    def no_lock_wait(self) -> AbstractContextManager[None]:
        """As in our SQLite backend; here `skip_locked` is for that."""
        return nullcontext()

    def init_connection_state(self) -> None:
        """Django's, and the isolation that every statement is written for, whatever the
        database, the role or the server has for a default.

        A transaction names it in its BEGIN, which costs nothing. For single statements the
        session's default is set; but not in a pooler's, where others would inherit it and
        it would be lost: there they are run in transactions (see `Statements`).
        """
        super().init_connection_state()
        self.connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        self._session = look_at(self.connection)
        if self._session.isolated:
            return
        if not self._session.pooled:
            run(self.connection, READ_COMMITTED)
            self._session = self._session._replace(isolated=True)
            return
        _warn_of_isolation()

    def is_pooled(self) -> bool:
        """Whether a pooler stands between, which may change the server process."""
        self.ensure_connection()
        return self._session.pooled

    def fetch(
        self, statement: str, parameters: Sequence[Any], prepare: bool
    ) -> "list[Row]":
        """The rows of a statement that is written out: see `taskproject.sql.fetch`."""
        if self.queries_logged or self.execute_wrappers:
            # Loggers and wrappers see the statements of Django's cursor only.
            with self.cursor() as cursor:
                cursor.execute(statement, parameters)
                rows: list[Row] = cursor.fetchall()
                return rows
        # The checks of Django's cursor, without that of the thread: `connection` is the
        # thread's own.
        if self.needs_rollback:
            self.validate_no_broken_transaction()
        if not self.health_check_done:
            self.close_if_health_check_failed()
        if self.connection is None:
            self.ensure_connection()
        session = self.connection
        if self._statements is None or self._statements.session is not session:
            self._statements = Statements(session, self._session.isolated)
        with self.wrap_database_errors:
            return self._statements.fetch(statement, parameters, prepare)

    def close_if_unusable_or_obsolete(self) -> None:
        """Django's, called only where it would close or check something."""
        if (
            self.errors_occurred
            or not self.autocommit
            or (self.close_at is not None and monotonic() >= self.close_at)
        ):
            super().close_if_unusable_or_obsolete()
        else:
            self.health_check_done = False

    def is_usable(self) -> bool:
        """Whether the server has not hung up (then there is something to read, where
        nothing was asked), nor the transaction failed.

        Django asks the server instead, which is a second round trip for every request
        (0.1 ms of ours, 0.05 of PostgreSQL's). A server that is merely silent would not
        answer that question either; the request's deadline is for that.
        """
        session = self.connection
        if session is None or session.closed:
            return False
        if session.pgconn.transaction_status == TransactionStatus.INERROR:
            return False
        if self._polled is not session:
            self._polled, self._poll = session, poll()  # select() ends at 1,024
            self._poll.register(session.fileno(), POLLIN)
        return not self._poll.poll(0)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        """Django's, within this thread's deadline, and without options of Django's that
        database URLs cannot name (`pool`, `isolation_level`)."""
        deadline = current_deadline()
        if deadline is None:
            return Connection.connect(**conn_params)
        left = deadline.remaining()
        if left <= 0:
            raise psycopg.OperationalError("the request has no time left to connect")
        timeout = int(conn_params.get("connect_timeout", 60))
        if deadline.includes_connecting:
            session = _connect(conn_params, min(ceil(left), timeout))
            breaker.record_success()
            return session
        if breaker.refuses():
            raise psycopg.OperationalError("the server is slow; others wait for it")
        paused: AbstractContextManager[None] = nullcontext()
        if breaker.broken:
            timeout = min(ceil(left), timeout)
        else:
            paused = deadline.paused()
        try:
            with paused:
                session = _connect(conn_params, timeout)
        except psycopg.errors.ConnectionTimeout:
            breaker.record_timeout()
            raise
        except BaseException:
            breaker.record_success()  # a refusal is an answer too
            raise
        breaker.record_success()
        if deadline.remaining() <= 0:
            session.close()
            raise psycopg.OperationalError("connecting took all the time there was")
        return session


def _connect(conn_params: dict[str, Any], seconds: int) -> Connection:
    """A new session. psycopg's timeout is for each address of the host, which here is a
    part of the whole."""
    each = ceil(seconds / _addresses(conn_params))
    return Connection.connect(**{**conn_params, "connect_timeout": each})


@cache
def _warn_of_isolation() -> None:
    """Once in a process, not for each connection."""
    logger.warning(
        "default_transaction_isolation is not read committed, which costs each statement "
        "two round trips behind a pooler: ALTER ROLE ... SET "
        "default_transaction_isolation = 'read committed'"
    )


def _addresses(conn_params: dict[str, Any]) -> int:
    """The number of addresses that psycopg tries, one after the other."""
    names = str(conn_params.get("host", ""))
    if not names or "/" in names or conn_params.get("hostaddr"):
        return 1
    found = 0
    for name in names.split(","):
        with suppress(OSError):  # an unknown name: it is tried anyway, and says so
            found += len(getaddrinfo(name, None, type=SOCK_STREAM))
    return max(1, found)
