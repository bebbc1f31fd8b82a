"""The queue of requests that wait for a thread.

Granian's own queue, before its threads, has no bound and no order. Therefore it has RESERVE
threads more than THREADS, the number of requests that are run at a time. A thread that gets
one request more puts it into this queue, from which a thread that has run a request takes the
next. What exceeds the queue is refused at once, and what waited for LONGEST is refused
instead of run: few clients wait much longer. Granian does not tell whose clients have hung
up. Probes and metrics pass by the queue, and so are answered by the threads in reserve.
"""

import time
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from django.conf import settings

from taskproject.health import PROBES

if TYPE_CHECKING:
    from granian.wsgi import ResponseIterWrap

#: Threads that take what cannot be run yet. Two, so that one can wait for a body.
RESERVE = 2
LONGEST = 5.0  # seconds in the queue
#: The paths that do not wait. (Metrics may be off: then it is a page that does not exist.)
PRIORITY = {*PROBES, "/metrics"}
#: The name in the WSGI environment that marks a request as refused (see `pipeline`).
REFUSED = "taskproject.refused"
#: The name in the WSGI environment of the seconds in the queue; absent if there were none.
WAITED = "taskproject.waited"

#: Variables of WSGI (PEP 3333), by their names.
Environ = dict[str, Any]


class Answer(Protocol):
    """The object of granian that sends the response. (It has no type in Python.)"""

    def response_bytes(
        self, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> None: ...

    def response_iter(
        self, status: int, headers: list[tuple[str, str]], body: "ResponseIterWrap"
    ) -> None: ...


class Request(NamedTuple):
    answer: Answer
    #: Its part of the WSGI environment.
    scope: Environ


class Queue:
    def __init__(self) -> None:
        self._lock = Lock()
        # While requests wait, as many as there are threads are running.
        self.running = 0
        #: The oldest first, with the time at which it came.
        self._waiting: deque[tuple[float, Request]] = deque()

    def admit(self, request: Request) -> bool | None:
        """True if the caller is to run the request, and then those that `following` returns.
        None if the request waits. False if it is to be refused."""
        with self._lock:
            if self.running < settings.THREADS:
                self.running += 1
                return True
            if len(self._waiting) >= settings.QUEUE:
                return False
            self._waiting.append((time.monotonic(), request))
            return None

    def following(self) -> Request | None:
        """The request that has waited longest; None if none waits, and the caller is done."""
        with self._lock:
            if self._waiting:
                return self._next()
            self.running -= 1
            return None

    def expired(self) -> list[Request]:
        """The requests that have waited for too long, and do no more."""
        before = time.monotonic() - LONGEST
        with self._lock:
            late = []
            while self._waiting and self._waiting[0][0] <= before:
                late.append(self._next())
            return late

    def _next(self) -> Request:
        since, request = self._waiting.popleft()
        request.scope[WAITED] = time.monotonic() - since
        return request
