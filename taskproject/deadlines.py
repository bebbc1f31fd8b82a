"""A bound on how long a request waits for PostgreSQL.

libpq has no read timeout, and a silent server or network would hold a thread for as long
as it is silent; limits that belong to the database role (README) do not help then. A
watchdog thread interrupts a request whose time is up: it asks the server to cancel the
statement, and where no answer comes within a second, it cuts the connection. The request
sees an OperationalError and answers 503. SQLite needs none of it: it has its own busy
timeout, and no network.

While the server stays silent, one thread at a time finds out; the others are refused at
once, so that a queue of requests, and those that need no database, do not wait for it.
"""

import os
import socket
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from threading import Lock, Thread, get_ident, local
from typing import Any

import psycopg
from django.conf import settings

from taskproject.rows import this_thread

PRECISION = 0.25  # seconds between two looks at the clock
PAUSE = 1.0  # seconds between attempts to reach a silent server
CANCEL_PATIENCE = 1.0  # seconds for the server to cancel by itself


class Breaker:
    """Whether it is worth connecting: after a silence, one attempt a second is."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._broken = False
        self._trying = False
        self._next_attempt = 0.0

    def refuses(self) -> bool:
        """Whether to give up before connecting. Who is not refused reports back by
        `silence` or `answer`."""
        if not self._broken:
            return False
        with self._lock:
            if self._trying or time.monotonic() < self._next_attempt:
                return True
            self._trying = True
            return False

    def silence(self) -> None:
        with self._lock:
            self._broken, self._trying = True, False
            self._next_attempt = time.monotonic() + PAUSE

    def answer(self) -> None:
        with self._lock:
            self._broken = self._trying = False


breaker = Breaker()


class Wait:
    """One thread's time to be done with the database by."""

    __slots__ = ("connection", "done", "expires", "interrupted", "lock")

    def __init__(self, seconds: float) -> None:
        self.expires = time.monotonic() + seconds
        # The thread's own wrapper, kept for the watchdog, which is another thread.
        self.connection = this_thread.connection
        self.lock = Lock()
        self.done = False
        self.interrupted = False

    def __enter__(self) -> None:
        _current.wait = self
        _watchdog.add(self)

    def __exit__(self, *_: object) -> None:
        _watchdog.remove(self)
        _current.wait = None
        if self.interrupted:
            # A late cancellation must not meet the next request's statement.
            self.connection.close()

    def remaining(self) -> float:
        return self.expires - time.monotonic()

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


def remaining() -> float | None:
    """Seconds that this thread may still wait for its database; None for ever."""
    wait: Wait | None = getattr(_current, "wait", None)
    return wait.remaining() if wait else None


def deadline(seconds: float) -> AbstractContextManager[Any]:
    """Bounds the time that the block waits for PostgreSQL; blocks do not nest."""
    return Wait(seconds) if settings.ON_POSTGRESQL else nullcontext()
