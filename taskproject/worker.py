"""The worker: what is done when it is due, without a request (`manage.py work`).

Kinds of work register a function each, which claims some of what is due, does it, and
returns the seconds until it is to be called again. A claim is a lock on rows (`FOR UPDATE
SKIP LOCKED`) that ends with the transaction: what a worker had claimed when it was killed,
another one claims. Therefore any number of workers may run, on any number of machines.

Each kind has a thread and a connection, so that a slow one delays no other."""

import logging
import math
import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Event, Lock, Thread

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from taskproject.deadlines import deadline

logger = logging.getLogger("taskproject.worker")

STOPS = (signal.SIGINT, signal.SIGTERM)
#: Seconds that one call may wait for PostgreSQL. A call that waits for something else moves
#: the deadline afterwards (`deadlines.extend`).
CALL_SECONDS = 20.0
#: Seconds until a call that failed is repeated: the first, doubled to the longest.
FIRST_RETRY, LONGEST_RETRY = 0.25, 30.0
#: Seconds between two checks for a signal to stop, and for the end of the parent.
CHECK_INTERVAL = 0.25
#: Seconds that calls in progress have to return, when the worker stops; and those that are
#: `unbroken`: sending an e-mail has four waits of EMAIL_TIMEOUT.
STOP_SECONDS, UNBROKEN_SECONDS = 1.0, 21.0

#: Does some of what is due, in well under a second if it can, and returns the seconds until
#: it is to be called again: 0 if more is due. It is called after WORK_INTERVAL seconds at
#: the latest, for what others have added meanwhile.
Work = Callable[[], float]
_kinds: dict[str, Work] = {}
_on_stop: dict[str, Callable[[], None]] = {}
_loops: dict[str, "_Loop"] = {}
#: What this process has done: numbers by kinds of work and results.
counts: dict[tuple[str, str], int] = {}


def work(kind: str, *results: str) -> Callable[[Work], Work]:
    """Registers the function that does this kind of work, and the results that it counts."""

    def register(function: Work) -> Work:
        _kinds[kind] = function
        counts.update({(kind, result): 0 for result in results})
        return function

    return register


def on_stop(kind: str, function: Callable[[], None]) -> None:
    """Registers what is called after the last call of this kind, when the worker stops. It has
    less than STOP_SECONDS."""
    _on_stop[kind] = function


def count(kind: str, result: str, number: int = 1) -> None:
    """Counts what was done, for `/metrics`. For the thread of this kind only."""
    counts[kind, result] += number


def last_calls() -> dict[str, float]:
    """When a call of each kind last succeeded, as Unix time; when it began, if none has."""
    return {kind: loop.succeeded for kind, loop in _loops.items()}


def wake(kind: str) -> None:
    """Has this process's worker, if it is one, call this kind at once: something was added."""
    if loop := _loops.get(kind):
        loop.wanted.set()


def is_stopping(kind: str) -> bool:
    """Whether calls of this kind are to begin nothing more and return, because the worker stops."""
    loop = _loops.get(kind)
    return loop is not None and loop.stopping


def unbroken(kind: str) -> AbstractContextManager[object]:
    """A context in which the worker does not end when it is stopped, for up to UNBROKEN_SECONDS: from
    something that is not to happen twice until it is stored that it has happened."""
    loop = _loops.get(kind)
    return loop.unbroken if loop else nullcontext()


class _Loop(Thread):
    """The calls of one kind of work, until `stop`; or `once`, until nothing is due or one fails."""

    def __init__(self, kind: str, *, once: bool = False) -> None:
        super().__init__(name=kind, daemon=True)
        self.kind = kind
        self.once = once
        self.failure: Exception | None = None
        self.wanted = Event()
        self.succeeded = time.time()
        self.stopping = False
        #: Held by `run` when the worker ends, so that what is `unbroken` does not begin then.
        self.unbroken = Lock()
        self._failures = 0

    def stop(self) -> None:
        self.stopping = True
        self.wanted.set()

    def run(self) -> None:
        try:
            if self.once:
                self._do_all()
            while not self.stopping and not self.once:
                self.wanted.clear()
                pause = self._call()
                if not self.stopping and pause > 0:
                    self.wanted.wait(min(pause, settings.WORK_INTERVAL))
            self._finish()
        finally:
            connection.close()

    def _do_all(self) -> None:
        try:
            while not self.stopping and call(self.kind) <= 0:
                pass
        except Exception as error:  # noqa: BLE001  # raised by `do_all`
            self.failure = error

    def _finish(self) -> None:
        try:
            with deadline(STOP_SECONDS):
                _on_stop.get(self.kind, lambda: None)()
        except Exception as error:
            # Of a database that is away, no traceback.
            fields = {"kind": self.kind}
            logger.warning(
                "work was not finished",
                exc_info=not is_away(error),
                extra={"fields": fields},
            )

    def _call(self) -> float:
        """The seconds until the next call."""
        try:
            pause = call(self.kind)
        except Exception as error:
            # No error may end the thread.
            connection.close()
            pause = math.ldexp(FIRST_RETRY, self._failures)
            pause = min(pause, LONGEST_RETRY, settings.WORK_INTERVAL)
            self._failures = min(self._failures + 1, 16)
            away = is_away(error)
            logger.log(
                logging.WARNING if away else logging.ERROR,
                "the database is unavailable" if away else "work has failed",
                # An unavailable database needs no traceback.
                exc_info=not away,
                extra={"fields": {"kind": self.kind, "retry_in_s": pause}},
            )
            return pause
        self.succeeded = time.time()
        if self._failures:
            self._failures = 0
            logger.info("work goes on", extra={"fields": {"kind": self.kind}})
        return pause


def call(kind: str) -> float:
    """Calls a kind of work once. Returns the seconds until the next call."""
    connection.close_if_unusable_or_obsolete()
    with deadline(CALL_SECONDS):
        return _kinds[kind]()


def is_away(error: Exception) -> bool:
    """Whether the error is that of a database that cannot be reached, or is busy."""
    return isinstance(error, OperationalError | InterfaceError)


def do_all() -> None:
    """Does all that is due now, one kind after the other, and returns; or until SIGTERM or SIGINT, as
    `run`. Errors are raised after every kind had its turn."""
    received = _signals()
    failures: dict[str, Exception] = {}
    # Twice: a kind may make something due for one before it, as reminders do for e-mails.
    for kind in [*_kinds, *_kinds]:
        if received or kind in failures:
            continue
        loop = _loops[kind] = _Loop(kind, once=True)
        loop.start()
        while loop.is_alive() and not received:
            loop.join(CHECK_INTERVAL)
        _stop()
        if loop.failure:
            failures[kind] = loop.failure
    for failure in failures.values():
        raise failure


def run(parent: int | None = None, publish: Callable[[], None] = lambda: None) -> None:
    """Works until SIGTERM or SIGINT, or until this process is no longer a child of `parent`.
    Calls `publish` at each check for these."""
    received = _signals()
    logger.info("worker started", extra={"fields": {"kinds": [*_kinds]}})
    _loops.update({kind: _Loop(kind) for kind in _kinds})
    for loop in _loops.values():
        loop.start()
    while not received and parent in (None, os.getppid()):
        publish()
        time.sleep(CHECK_INTERVAL)
    unfinished = _stop()
    publish()
    logger.info("worker stopped", extra={"fields": {"unfinished": unfinished}})


def _signals() -> list[int]:
    """The signals to stop that have been received; they are added from now on."""
    received: list[int] = []
    for number in STOPS:
        signal.signal(number, lambda number, _: received.append(number))
    return received


def _stop() -> list[str]:
    """Has the calls in progress return. Returns the kinds of those that have not: they end with the
    process, and the database undoes their transactions."""
    for loop in _loops.values():
        loop.stop()
    give_up = time.monotonic() + STOP_SECONDS
    for loop in _loops.values():
        loop.join(max(0.0, give_up - time.monotonic()))
    for loop in _loops.values():
        if not loop.unbroken.acquire(blocking=False):
            loop.unbroken.acquire(timeout=UNBROKEN_SECONDS)
            loop.join(STOP_SECONDS)
    unfinished = [kind for kind, loop in _loops.items() if loop.is_alive()]
    _loops.clear()
    return unfinished
