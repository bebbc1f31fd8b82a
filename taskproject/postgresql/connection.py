"""psycopg's connection, with waiting bounded by the request's deadline."""

from functools import cached_property
from select import POLLIN, poll
from time import perf_counter
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import generators
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus

from taskproject.deadlines import CircuitBreaker, current_deadline
from taskproject.sql import this_thread

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

INTERVAL = 0.1  # seconds between two checks for signals, as in psycopg
SOON = 20  # milliseconds
CANCEL_TIMEOUT = 1.0  # seconds for the server to accept the request to cancel
CANCELLED_WITHIN = 0.25  # seconds for the statement to end after that


class Connection(psycopg.Connection[Any]):
    def wait(
        self, gen: PQGen[RV], interval: float = INTERVAL, timeout: float | None = None
    ) -> RV:
        """psycopg's, until this thread's deadline.

        At the deadline it cancels the statement, closes the connection and raises
        OperationalError, unless the statement has ended by then. The connection is then closed
        at the end of the request. After the deadline, no statement of a transaction is sent.
        """
        started = perf_counter()
        try:
            return self._wait(gen, interval, timeout)
        finally:
            this_thread.usage.add_since(started)

    def set_autocommit(self, value: bool) -> None:
        """psycopg's, which sends nothing, and is no round trip therefore."""
        with self.lock:
            super().wait(self._set_autocommit_gen(value))

    def _wait(
        self, gen: PQGen[RV], interval: float = INTERVAL, timeout: float | None = None
    ) -> RV:
        deadline = current_deadline()
        if deadline is None or timeout is not None:
            return super().wait(gen, interval, timeout)
        left = deadline.remaining()
        if left <= 0 and self.pgconn.transaction_status == TransactionStatus.INTRANS:
            # Nothing is sent, above all no COMMIT: the transaction is rolled back.
            deadline.expired = True
            self.close()
            raise psycopg.OperationalError("the request has no time left")
        try:
            return super().wait(gen, interval, max(0.0, left))
        except psycopg.OperationalError:
            active = self.pgconn.transaction_status == TransactionStatus.ACTIVE
            if not active or deadline.remaining() > 0:
                raise
            deadline.expired = True
            if deadline.cancels:
                return self._cancel(gen, deadline.breaker)
            self.close()
            raise

    def result(self, started: float) -> "PGresult":
        """The result of the statement that was sent by `pgconn`, `started` by perf_counter.

        A result that arrives within SOON is read here, which takes 5 us less than `wait`."""
        pgconn = self.pgconn
        results: list[PGresult] = []
        try:
            if pgconn.flush() == 0 and self._readable.poll(SOON):
                pgconn.consume_input()
                if not pgconn.is_busy() and (result := pgconn.get_result()):
                    results.append(result)
                    if not pgconn.is_busy() and pgconn.get_result() is None:
                        return result
            results += self._wait(generators.execute(pgconn))
            return results[-1]
        finally:
            this_thread.usage.add_since(started)

    @cached_property
    def _readable(self) -> poll:
        readable = poll()
        readable.register(self.fileno(), POLLIN)
        return readable

    def _cancel(self, gen: PQGen[RV], breaker: CircuitBreaker) -> RV:
        """Cancels the statement. If it has ended before, above all if it was a COMMIT, its result
        is returned. Otherwise this closes the connection, so that a late cancellation cannot
        affect another statement, and raises OperationalError."""
        try:
            self.cancel_safe(timeout=CANCEL_TIMEOUT)
        except psycopg.Error:
            # The server does not respond. (If it accepts the request to cancel, it is only
            # this session that does not.)
            breaker.record_timeout()
            self.close()
            raise
        try:
            return super().wait(gen, timeout=CANCELLED_WITHIN)
        except psycopg.Error:  # cancelled, or still running
            self.close()
            raise
