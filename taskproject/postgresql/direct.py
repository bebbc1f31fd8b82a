"""Statements sent by libpq, without cursors; those with `prepare` are prepared once for each
connection.

A statement by the cursors of Django and psycopg takes 65 to 85 us in Python, a page of 50
tasks 400 us more for its times, and PostgreSQL plans it each time (100 us and more for a
statement on tasks). Here it takes 45 us, and the plan can be kept. The session is the same,
with its transactions; so are the deadline and Django's exceptions.

A pooler that assigns another server process to each transaction may not support prepared
statements. If a prepared statement is missing, which has no effect, it is run again
unprepared, and the connection prepares no more. Names are derived from the statements, so
that another client's statement with the same name is the same.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import psycopg
from psycopg import errors, pq
from psycopg.adapt import AdaptersMap, PyFormat, Transformer
from psycopg.types.string import TextLoader

from taskproject.postgresql.connection import Connection

if TYPE_CHECKING:
    from psycopg.abc import AdaptContext, Buffer
    from psycopg.pq.abc import PGresult

    from taskproject.sql import Row

# In one session: each takes memory of PostgreSQL, and pages of another size or order are
# other statements.
MAX_PREPARED = 100
BEGIN = b"BEGIN ISOLATION LEVEL READ COMMITTED"
# psycopg's loaders, which are written in C, unlike Django's for times (2 us each).
_ADAPTERS = AdaptersMap(psycopg.adapters)
for _name in ("json", "jsonb"):
    _ADAPTERS.register_loader(_name, TextLoader)
# The prepared statement does not exist; or its plan does not match the tables any more.
_UNPREPARED = (errors.InvalidSqlStatementName, errors.FeatureNotSupported)


class _Context:
    """The context in which psycopg adapts values: without a connection, it uses UTF-8 and
    UTC, as all connections here do."""

    adapters = _ADAPTERS
    connection = None


_CONTEXT: "AdaptContext" = _Context()


class Session(NamedTuple):
    """The properties of a session."""

    #: Whether it is that of a pooler, whose process ids differ from those of the server.
    pooled: bool
    #: Whether the default isolation level is READ COMMITTED.
    isolated: bool


def inspect(session: Connection) -> Session:
    result = run(
        session,
        b"SELECT pg_backend_pid(), current_setting('default_transaction_isolation')",
    )
    pid, isolation = result.get_value(0, 0), result.get_value(0, 1)
    return Session(
        pooled=int(pid or 0) != session.info.backend_pid,
        isolated=isolation == b"read committed",
    )


class Statements:
    """The statements of one session. If it is not `isolated`, a statement outside of
    transactions is run in one of its own."""

    def __init__(self, session: Connection, isolated: bool) -> None:
        self.session = session
        self._isolated = isolated
        # Kept, because it caches what it finds out about types (5 us).
        self._transformer = Transformer(_CONTEXT)
        self._prepared: set[bytes] = set()
        self._prepares = True

    def fetch(
        self, statement: str, parameters: Sequence[object], prepare: bool
    ) -> "list[Row]":
        """The rows of a statement with a %s for each parameter. With `prepare`, the statement
        stays prepared, and its text stays in memory while the process runs."""
        session = self.session
        connection = session.pgconn
        name, text = _named(statement) if prepare else (b"", _numbered(statement))
        transformer = self._transformer
        values = transformer.dump_sequence(
            parameters, [PyFormat.TEXT] * len(parameters)
        )
        if session.autocommit:
            result = self._run_single(name, text, values, prepare)
        else:
            if connection.transaction_status == pq.TransactionStatus.IDLE:
                run(session, BEGIN)
            result = run(session, text, values)
        transformer.set_pgresult(result)
        rows = transformer.load_rows(0, result.ntuples, tuple)
        transformer.set_pgresult(None)  # It may be large.
        return rows

    def _run_single(
        self, name: bytes, text: bytes, values: Sequence["Buffer | None"], prepare: bool
    ) -> "PGresult":
        """The result of a statement outside of transactions."""
        session = self.session
        if self._isolated:
            try:
                result: PGresult | None = None
                if prepare and self._prepares:
                    result = self._run_prepared(name, text, values)
                return result or run(session, text, values)
            except errors.SerializationFailure:
                # Behind a pooler, another client has changed the level of a server's session.
                self._isolated = False
        return _run_in_transaction(session, text, values)

    def _run_prepared(
        self, name: bytes, text: bytes, values: Sequence["Buffer | None"]
    ) -> "PGresult | None":
        """The result of a prepared statement; None if it could not be prepared."""
        session = self.session
        try:
            if name not in self._prepared:
                if len(self._prepared) >= MAX_PREPARED:
                    return None
                started = perf_counter()
                session.pgconn.send_prepare(name, text)
                checked(session.result(started))
                self._prepared.add(name)
            started = perf_counter()
            session.pgconn.send_query_prepared(name, values)
            return checked(session.result(started))
        except errors.DuplicatePreparedStatement:
            self._prepared.add(name)
            return self._run_prepared(name, text, values)
        except _UNPREPARED:
            self._prepares = False
            return None


def run(
    session: Connection, text: bytes, values: Sequence["Buffer | None"] | None = None
) -> "PGresult":
    """The result of a statement that is not prepared."""
    started = perf_counter()
    if values is None:
        session.pgconn.send_query(text)
    else:
        session.pgconn.send_query_params(text, values)
    return checked(session.result(started))


def _run_in_transaction(
    session: Connection, text: bytes, values: Sequence["Buffer | None"]
) -> "PGresult":
    run(session, BEGIN)
    try:
        result = run(session, text, values)
    except psycopg.Error:
        if not session.closed:
            run(session, b"ROLLBACK")
        raise
    run(session, b"COMMIT")
    return result


@lru_cache(maxsize=1_000)
def _named(statement: str) -> tuple[bytes, bytes]:
    """A name, and the numbered statement."""
    text = _numbered(statement)
    return b"tasks_" + sha256(text).hexdigest()[:32].encode(), text


def _numbered(statement: str) -> bytes:
    """The statement with $1, $2, ... for its parameters."""
    first, *rest = statement.split("%s")
    text = first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))
    return text.encode()


def checked(result: "PGresult") -> "PGresult":
    """The result of a statement. Raises its error."""
    if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        return result
    if result.error_field(pq.DiagnosticField.SQLSTATE) is None:
        raise psycopg.OperationalError(result.get_error_message())
    raise errors.error_from_result(result)
