"""Django's PostgreSQL backend, with connecting bounded by the request's deadline, statements
that use no cursor (see direct.py), snapshots, and READ COMMITTED and dates as ISO 8601 whatever
the defaults are.

Without the bound, a request whose connection was lost could wait for
DATABASE_CONNECT_TIMEOUT in addition, and so could every other request.
"""

import logging
import os
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

from taskproject.deadlines import current_deadline
from taskproject.postgresql.connection import Connection
from taskproject.postgresql.direct import Session, Statements, inspect, run
from taskproject.sql import fetch_by_cursor

if TYPE_CHECKING:
    from taskproject.sql import Row

READ_COMMITTED = (
    b"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"
)
logger = logging.getLogger("taskproject.postgresql")

# libpq sends it with its request to connect, and poolers keep it for each client. psycopg reads
# no other dates: a write would be committed, and its response lost.
os.environ["PGDATESTYLE"] = "ISO, MDY"

# The first statement of a snapshot. A role may limit idle transactions to a shorter time,
# but between two reads of a snapshot, rows are formatted.
SNAPSHOT = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; "
    "SET LOCAL idle_in_transaction_session_timeout = '10min'"
)


class DatabaseWrapper(base.DatabaseWrapper):
    #: The clause of a SELECT that skips locked rows.
    skip_locked = " FOR NO KEY UPDATE SKIP LOCKED"
    _statements: Statements | None = None
    # The session whose socket `_poll` polls.
    _polled: object = None
    _session = Session(pooled=False, isolated=True)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """A read-only transaction, whose statements all read the same state of the database.
        Within another transaction it does nothing, whatever its isolation level."""
        if self.in_atomic_block:
            yield
            return
        with transaction.atomic(using=self.alias):
            with self.cursor() as cursor:
                cursor.execute(SNAPSHOT)
            yield

    def no_lock_wait(self) -> AbstractContextManager[None]:
        """For the SQLite backend. On PostgreSQL use `skip_locked`."""
        return nullcontext()

    def init_connection_state(self) -> None:
        """Django's, and the isolation level READ COMMITTED, whatever the default of the
        database, the role or the server is.

        Transactions have it in their BEGIN, which costs nothing. For single statements the
        default of the session is set. Behind a pooler that would affect other clients, and
        not all of our statements: there, single statements are run in transactions (see
        `Statements`).
        """
        super().init_connection_state()
        self.connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        self._session = inspect(self.connection)
        if self._session.isolated:
            return
        if not self._session.pooled:
            run(self.connection, READ_COMMITTED)
            self._session = self._session._replace(isolated=True)
            return
        _warn_of_isolation()

    def is_pooled(self) -> bool:
        """Whether the connection is to a pooler, which may change the server process."""
        self.ensure_connection()
        return self._session.pooled

    def fetch(
        self, statement: str, parameters: Sequence[Any], prepare: bool
    ) -> "list[Row]":
        """The rows of a hand-written statement: see `taskproject.sql.fetch`."""
        if self.queries_logged or self.execute_wrappers:
            return fetch_by_cursor(self, statement, parameters)
        # The checks that Django's cursor does, except that of the thread, whose own
        # connection this is.
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
        """Django's, but only if it would close the connection or check it."""
        if (
            self.errors_occurred
            or not self.autocommit
            or (self.close_at is not None and monotonic() >= self.close_at)
        ):
            super().close_if_unusable_or_obsolete()
        else:
            self.health_check_done = False

    def is_usable(self) -> bool:
        """Whether the server has not closed the connection (then the socket would be
        readable), and the transaction has not failed.

        Django sends a query instead, which is a second round trip for every request (0.1 ms
        here, 0.05 ms of PostgreSQL). A server that does not respond is left to the deadline
        of the request.
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
        """Django's, within this thread's deadline, and without the options `pool` and
        `isolation_level`, which database URLs cannot have."""
        deadline = current_deadline()
        if deadline is None:
            return Connection.connect(**conn_params)
        left = deadline.remaining()
        if left <= 0:
            raise psycopg.OperationalError("the request has no time left to connect")
        timeout = int(conn_params.get("connect_timeout", 60))
        breaker = deadline.breaker
        if deadline.includes_connecting:
            session = _connect(conn_params, min(ceil(left), timeout))
            breaker.record_success()
            return session
        if breaker.refuses():
            raise psycopg.OperationalError(
                "other threads are connecting to a slow server"
            )
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
            breaker.record_success()  # The server responded, with an error.
            raise
        breaker.record_success()
        if deadline.remaining() <= 0:
            session.close()
            raise psycopg.OperationalError("the deadline passed while connecting")
        return session


def _connect(conn_params: dict[str, Any], seconds: int) -> Connection:
    """A new session. psycopg applies its timeout to each address of the host: it is divided."""
    each = ceil(seconds / _addresses(conn_params))
    return Connection.connect(**{**conn_params, "connect_timeout": each})


@cache
def _warn_of_isolation() -> None:
    """Logs a warning, once in each process."""
    logger.warning(
        "default_transaction_isolation is not read committed, which costs each statement "
        "two round trips behind a pooler: ALTER ROLE ... SET "
        "default_transaction_isolation = 'read committed'"
    )


def _addresses(conn_params: dict[str, object]) -> int:
    """The number of addresses that psycopg tries in turn."""
    names = str(conn_params.get("host", ""))
    if not names or "/" in names or conn_params.get("hostaddr"):
        return 1
    found = 0
    for name in names.split(","):
        with suppress(OSError):  # psycopg reports an unknown name.
            found += len(getaddrinfo(name, None, type=SOCK_STREAM))
    return max(1, found)
