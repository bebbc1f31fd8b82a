"""A bound on how long a request waits for PostgreSQL.

libpq has no read timeout, and a silent server or network would hold a thread for as long
as it is silent; limits that belong to the database role (docs/operations.md) do not
help then. A watchdog thread interrupts a request whose time is up: it asks the server to cancel the
statement, and where no answer comes within a second, it cuts the connection. The request
sees an OperationalError and answers 503. SQLite needs none of it: it has its own busy
timeout, and no network.

Connecting is not part of that time where the server is not known to be silent: a database
that was suspended (Neon's) accepts a connection and takes seconds to answer. A request may
wait DATABASE_CONNECT_TIMEOUT for its connection; but so may all threads but one, so that
requests that need no database are answered meanwhile. After a silence, one thread at a
time finds out, within the request's time, and the others are refused at once.
"""

import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from threading import Condition, Lock, Thread, get_ident, local
from typing import Any, Self

import psycopg
from django.conf import settings

from taskproject.sql import ON_POSTGRESQL, this_thread

PRECISION = 0.25  # seconds between two looks at the clock
PAUSE = 1.0  # seconds between attempts to reach a silent server
CANCEL_PATIENCE = 1.0  # seconds for the server to cancel by itself
# Seconds that connecting may take before the last thread does not wait for it any more.
GRACE = 1.0


class CircuitBreaker:
    """Who may connect: all threads but one at a time; after a silence, one a second."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._connecting: dict[int, float] = {}  # threads, and when each began
        self._next_attempt = 0.0
        self._trying = False
        #: Whether the server was silent when it was last asked.
        self.broken = False

    def refuses(self) -> bool:
        """Whether to give up before connecting. Who is not refused reports back by
        `silence` or `answer`."""
        with self._changed:
            if self.broken:
                if self._trying or time.monotonic() < self._next_attempt:
                    return True
                self._trying = True
            # Where connecting takes no longer than usual, there is soon a place.
            elif not self._changed.wait_for(self._has_room, self._grace()):
                return True
            self._connecting[get_ident()] = time.monotonic()
            return False

    def silence(self) -> None:
        """The server did not answer in time, nor did it refuse."""
        self._end(True)

    def answer(self) -> None:
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
        """Seconds until it shows that connecting takes longer than usual."""
        began = min(self._connecting.values(), default=0.0)
        return max(0.0, began + GRACE - time.monotonic())


breaker = CircuitBreaker()


class Wait:
    """One thread's time to be done with the database by."""

    __slots__ = ("connection", "done", "expires", "interrupted", "lock", "patient")

    def __init__(self, seconds: float, patient: bool) -> None:
        self.expires = time.monotonic() + seconds
        #: Whether connecting has a time of its own.
        self.patient = patient
        # The thread's own wrapper, kept for the watchdog, which is another thread.
        self.connection = this_thread.connection
        self.lock = Lock()
        self.done = False
        self.interrupted = False

    def __enter__(self) -> Self:
        _current.wait = self
        _watchdog.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _watchdog.remove(self)
        _current.wait = None
        if self.interrupted:
            # A late cancellation must not meet the next request's statement.
            self.connection.close()

    def remaining(self) -> float:
        return self.expires - time.monotonic()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Its time stands still in here."""
        left = self.remaining()
        self.expires = math.inf
        try:
            yield
        finally:
            self.expires = time.monotonic() + left

    def interrupt(self) -> None:
        """Ends whatever the connection is waiting for, from another thread."""
        session: psycopg.Connection[Any] | None = self.connection.connection
        if session is None:  # it is still connecting: look again
            self.interrupted = False
            return
        if session.closed:
            return
        reached = False
        with suppress(psycopg.Error):
            session.cancel_safe(timeout=CANCEL_PATIENCE)
            reached = True
        # The thread closes the connection when its request ends. One that is still
        # waiting by then did not hear of the cancellation.
        finish_by = time.monotonic() + PRECISION
        while not self.done and time.monotonic() < finish_by:
            time.sleep(PRECISION / 10)
        with self.lock:
            if not self.done and not session.closed:
                _cut(session)
                # Who takes a request to cancel is not silent; this one session is.
                if not reached:
                    breaker.silence()


def _cut(session: "psycopg.Connection[Any]") -> None:
    with (
        suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(session.pgconn.socket)) as twin,
    ):
        twin.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Looks after the waits of all threads of this process."""

    def __init__(self) -> None:
        self._waits: dict[int, Wait] = {}  # by their threads
        self._starting = Lock()
        self._thread: Thread | None = None

    def add(self, wait: Wait) -> None:
        self._waits[get_ident()] = wait
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = Thread(
                        target=self._watch, name="deadlines", daemon=True
                    )
                    self._thread.start()

    def remove(self, wait: Wait) -> None:
        del self._waits[get_ident()]
        with wait.lock:
            wait.done = True

    def _watch(self) -> None:
        while True:
            time.sleep(PRECISION)
            now = time.monotonic()
            for wait in list(self._waits.values()):
                if now < wait.expires or wait.interrupted:
                    continue
                # Either its thread is done, or it will see that it was interrupted.
                with wait.lock:
                    wait.interrupted = not wait.done
                if wait.interrupted:
                    # Each in its own thread: cancelling one takes up to a second.
                    Thread(target=wait.interrupt, daemon=True).start()


_watchdog = Watchdog()
_current = local()


def waiting() -> Wait | None:
    """This thread's time to be done with the database by; None for ever."""
    wait: Wait | None = getattr(_current, "wait", None)
    return wait


def extend(seconds: float) -> None:
    """Gives this thread's wait that many seconds from now; nothing where it has none."""
    wait = waiting()
    if wait is not None:
        wait.expires = time.monotonic() + seconds


def deadline(seconds: float, patient: bool = True) -> AbstractContextManager[Any]:
    """Bounds the time that the block waits for PostgreSQL; blocks do not nest.

    A `patient` one may spend DATABASE_CONNECT_TIMEOUT on connecting besides."""
    return Wait(seconds, patient) if ON_POSTGRESQL else nullcontext()
