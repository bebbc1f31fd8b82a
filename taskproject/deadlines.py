"""A bound on how long a request waits for PostgreSQL.

libpq has no read timeout: a server or network that falls silent would hold a thread for
as long as it is silent, and the limits of a database role (docs/operations.md) do not
help then. Here psycopg waits no longer than the request's deadline (see
`taskproject.postgresql.connection`), and the request sees an OperationalError and answers
503. SQLite needs none of this: it has a busy timeout of its own, and no network.

Connecting does not count unless the last attempt timed out: a database that was suspended
(Neon's) accepts a connection and takes seconds to answer. A request may wait
DATABASE_CONNECT_TIMEOUT for its connection; but so may all threads but one, so that
requests that need no database are answered meanwhile. After a timeout, one thread at a
time tries again, within its request's deadline, and the others are refused at once.
"""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Condition, get_ident, local
from typing import Any, Self

from django.conf import settings

from taskproject.sql import ON_POSTGRESQL, this_thread

PAUSE = 1.0  # seconds between attempts to reach a silent server
# Seconds that connecting may take before the last thread does not wait for it any more.
GRACE = 1.0


class CircuitBreaker:
    """Limits who may connect: all threads but one at a time; after a timeout, one thread
    a second."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._connecting: dict[int, float] = {}  # threads, and when each began
        self._next_attempt = 0.0
        self._trying = False
        #: Whether the last attempt timed out.
        self.broken = False

    def refuses(self) -> bool:
        """Whether to give up before connecting. Whoever is not refused reports back by
        `record_timeout` or `record_success`."""
        with self._changed:
            if self.broken:
                if self._trying or time.monotonic() < self._next_attempt:
                    return True
                self._trying = True
            # While connecting is quick, a place is free again soon.
            elif not self._changed.wait_for(self._has_room, self._grace()):
                return True
            self._connecting[get_ident()] = time.monotonic()
            return False

    def record_timeout(self) -> None:
        """The server neither answered in time nor refused."""
        self._end(True)

    def record_success(self) -> None:
        """The server answered, be it by a refusal."""
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
        """Seconds after which connecting counts as slow."""
        began = min(self._connecting.values(), default=0.0)
        return max(0.0, began + GRACE - time.monotonic())


breaker = CircuitBreaker()


class Deadline:
    """The time by which one thread is done with the database."""

    __slots__ = ("expired", "expires", "includes_connecting")

    def __init__(self, seconds: float, includes_connecting: bool) -> None:
        self.expires = time.monotonic() + seconds
        self.includes_connecting = includes_connecting
        #: Whether it ended the wait for a statement.
        self.expired = False

    def __enter__(self) -> Self:
        _current.deadline = self
        return self

    def __exit__(self, *_: object) -> None:
        _current.deadline = None
        if self.expired:
            this_thread.connection.close()

    def remaining(self) -> float:
        """Seconds; negative when it has passed."""
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
    """This thread's, if it has one."""
    return _current.deadline


def extend(seconds: float) -> None:
    """Moves this thread's deadline, if it has one, to that many seconds from now."""
    deadline = current_deadline()
    if deadline is not None:
        deadline.expires = time.monotonic() + seconds


def deadline(
    seconds: float, *, includes_connecting: bool = False
) -> AbstractContextManager[Any]:
    """Bounds the time that the block waits for PostgreSQL; blocks do not nest.

    Connecting may take DATABASE_CONNECT_TIMEOUT besides, unless it is included."""
    return Deadline(seconds, includes_connecting) if ON_POSTGRESQL else nullcontext()
