"""The deadline of a request for waiting for PostgreSQL.

libpq has no read timeout: a server or network that stops responding would occupy a thread,
and the timeouts of a database role (docs/operations.md) do not apply then. Here psycopg
waits until the deadline of the request (see `taskproject.postgresql.connection`), and
raises an OperationalError, whose response is 503. SQLite has its own busy timeout, and no
network.

The time of connecting does not count, unless the last attempt timed out: a suspended
database (Neon's) accepts connections and responds after seconds. A request may wait
DATABASE_CONNECT_TIMEOUT for its connection. All threads but one may do so at a time, so
that requests that need no database are served. After a timeout, one thread at a time tries
to connect, within the deadline of its request, and the others fail at once.
"""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Condition, get_ident, local
from typing import Self

from django.conf import settings

from taskproject.sql import ON_POSTGRESQL, this_thread

PAUSE = 1.0  # seconds between attempts to connect after a timeout
# Seconds of connecting after which the last thread does not wait for a place.
GRACE = 1.0


class CircuitBreaker:
    """Limits the threads that connect: all but one at a time; after a timeout, one each
    second."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._connecting: dict[int, float] = {}  # threads, and when each began
        self._next_attempt = 0.0
        self._trying = False
        #: Whether the last attempt timed out.
        self.broken = False

    def refuses(self) -> bool:
        """Whether this thread may not connect. If it may, it calls `record_timeout` or
        `record_success` afterwards."""
        with self._changed:
            if self.broken:
                if self._trying or time.monotonic() < self._next_attempt:
                    return True
                self._trying = True
            # While connecting is fast, a place becomes free soon.
            elif not self._changed.wait_for(self._has_room, self._grace()):
                return True
            self._connecting[get_ident()] = time.monotonic()
            return False

    def record_timeout(self) -> None:
        """The server did not respond in time."""
        self._end(True)

    def record_success(self) -> None:
        """The server responded, possibly with an error."""
        self._end(False)

    def _end(self, broken: bool) -> None:
        with self._changed:
            self._connecting.pop(get_ident(), None)
            self.broken, self._trying = broken, False
            if broken:
                self._next_attempt = time.monotonic() + PAUSE
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._connecting) < max(1, settings.THREADS - 1)

    def _grace(self) -> float:
        """The seconds until connecting counts as slow."""
        began = min(self._connecting.values(), default=0.0)
        return max(0.0, began + GRACE - time.monotonic())


breaker = CircuitBreaker()


class Deadline:
    """The time until which one thread waits for the database."""

    __slots__ = ("breaker", "expired", "expires", "includes_connecting")

    def __init__(
        self,
        seconds: float,
        includes_connecting: bool,
        breaker: CircuitBreaker = breaker,
    ) -> None:
        self.expires = time.monotonic() + seconds
        self.includes_connecting = includes_connecting
        #: That of the server.
        self.breaker = breaker
        #: Whether it passed while a statement ran.
        self.expired = False

    def __enter__(self) -> Self:
        _current.deadline = self
        return self

    def __exit__(self, *_: object) -> None:
        _current.deadline = None
        if self.expired:
            this_thread.connection.close()

    @property
    def cancels(self) -> bool:
        """Whether the statement is cancelled at the deadline, which can take another second. A
        statement on a replica is not: the primary is read in that time instead."""
        return self.breaker is breaker

    def remaining(self) -> float:
        """The remaining seconds; negative after the deadline."""
        return self.expires - time.monotonic()

    @contextmanager
    def paused(self) -> Iterator[None]:
        left = self.remaining()
        self.expires = math.inf
        try:
            yield
        finally:
            self.expires = time.monotonic() + left


class _Current(local):
    deadline: Deadline | None = None


_current = _Current()


def current_deadline() -> Deadline | None:
    """The deadline of this thread, or None."""
    return _current.deadline


def paused() -> AbstractContextManager[None]:
    """A context manager that stops the deadline of this thread, if there is one: for what takes
    long without the database."""
    deadline = current_deadline()
    return nullcontext() if deadline is None else deadline.paused()


def extend(seconds: float) -> None:
    """Moves the deadline of this thread, if there is one, to `seconds` from now."""
    deadline = current_deadline()
    if deadline is not None:
        deadline.expires = time.monotonic() + seconds


@contextmanager
def shorter_deadline(seconds: float, breaker: CircuitBreaker) -> Iterator[None]:
    """Bounds the time of waiting for another server by `seconds`, or by what this thread's deadline
    leaves, from which it is not taken: libpq waits at least 2 s for a connection, which is
    all that a request has."""
    outer = current_deadline()
    left = seconds if outer is None else min(seconds, outer.remaining())
    try:
        with paused(), Deadline(left, True, breaker):
            yield
    finally:
        _current.deadline = outer


def deadline(
    seconds: float, *, includes_connecting: bool = False
) -> AbstractContextManager[Deadline | None]:
    """A context manager that bounds the time of waiting for PostgreSQL; it cannot be nested.

    Connecting may take another DATABASE_CONNECT_TIMEOUT, unless it is included."""
    return Deadline(seconds, includes_connecting) if ON_POSTGRESQL else nullcontext()
