"""The queue of requests that wait for a thread.

Granian's own queue, before its threads, has no bound and no order. Therefore it has RESERVE
threads more than THREADS, the number of requests that are run at a time. A thread that gets
one request more puts it into this queue, from which a thread that has run a request takes the
next. What exceeds the queue is refused at once, and what waited for LONGEST is refused
instead of run: few clients wait much longer. Granian does not tell whose clients have hung
up. Probes and metrics pass by the queue, and so are answered by the threads in reserve.

Callers take turns: after a request of one, the oldest of the next is run, and a full queue
refuses the newest of whoever has most in it. So a caller who sends thousands at once keeps
others waiting no longer than one request does. Where that waits for a lock, it takes seconds:
therefore one thread more runs requests of callers of whom no other is running.
"""

import time
from collections import deque
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from django.conf import settings

from taskproject.health import PROBES

if TYPE_CHECKING:
    from granian.wsgi import ResponseIterWrap

#: Threads beyond THREADS: one for callers of whom no request is running, and those that take what
#: cannot be run yet. Two, so that one can wait for a body.
RESERVE = 1 + 2
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
        #: The number of requests that are running: while others wait, THREADS or one more.
        self.running = 0
        #: The same of each caller who has some.
        self._running: dict[str, int] = {}
        #: The requests of each caller who has some, the oldest first, each with the time at
        #: which it came. The caller whose turn it is comes first.
        self._waiting: dict[str, deque[tuple[float, Request]]] = {}
        self._length = 0

    def admit(self, request: Request) -> bool:
        """Whether this thread is to run the request, and then those that `following` returns.
        Otherwise it waits."""
        whose = caller(request.scope)
        with self._lock:
            if self._may_run(whose):
                self._begin(whose)
                return True
            mine = self._waiting.setdefault(whose, deque())
            mine.append((time.monotonic(), request))
            self._length += 1
            return False

    def following(self, ended: Request) -> Request | None:
        """The next request to run after this one; None if none may run, and the thread is done."""
        with self._lock:
            self._end(caller(ended.scope))
            whose = next(filter(self._may_run, self._waiting), None)
            if whose is None:
                return None
            self._begin(whose)
            turn = self._waiting[whose]
            request = self._taken(whose, turn.popleft())
            if turn:  # behind the others
                self._waiting[whose] = self._waiting.pop(whose)
            return request

    def _may_run(self, whose: str) -> bool:
        free = settings.THREADS - self.running
        return free > 0 or (free == 0 and whose not in self._running)

    def _begin(self, whose: str) -> None:
        self.running += 1
        self._running[whose] = self._running.get(whose, 0) + 1

    def _end(self, whose: str) -> None:
        self.running -= 1
        left = self._running.pop(whose) - 1
        if left:
            self._running[whose] = left

    def excess(self) -> Request | None:
        """The newest request of whoever has most, if the queue is longer than QUEUE."""
        with self._lock:
            if self._length <= settings.QUEUE:
                return None
            callers = reversed(self._waiting.items())  # of equals the newest
            whose, most = max(callers, key=lambda each: len(each[1]))
            return self._taken(whose, most.pop())

    def expired(self) -> list[Request]:
        """The requests that have waited for too long, and do no more."""
        before = time.monotonic() - LONGEST
        late = []
        with self._lock:
            for whose, requests in list(self._waiting.items()):
                while requests and requests[0][0] <= before:
                    late.append(self._taken(whose, requests.popleft()))
        return late

    def _taken(self, whose: str, waited: tuple[float, Request]) -> Request:
        since, request = waited
        request.scope[WAITED] = time.monotonic() - since
        self._length -= 1
        if not self._waiting[whose]:
            del self._waiting[whose]
        return request


def caller(scope: Environ) -> str:
    """Who sent a request: its credential, checked or not, or else its address."""
    for name in ("HTTP_AUTHORIZATION", "HTTP_X_SESSION_TOKEN", "HTTP_COOKIE"):
        if found := scope.get(name):
            return str(found)
    forwarded = scope.get("HTTP_X_FORWARDED_FOR", "")
    return str(forwarded or scope.get("REMOTE_ADDR", ""))
