"""A layer between granian and the application, so that slow clients do not occupy threads.

Granian passes a request to one of its threads once it has the headers. The thread then
waits in native code for the body, and for the client to read a streamed response. Python
cannot interrupt these waits. But another thread can send the response while one reads the
body, and shutting down the connection for reading ends the wait for the body. (As of
version 2.8.7. The body must be read within the call: after it, granian would wait with the
GIL held for another thread that reads.)

Therefore bodies have a deadline, a shorter one while more than half of the free threads wait
for bodies, and streamed responses are sent by separate threads. Granian does not expose the
connection of a request: it is found, on Linux, as one that received no data for that time,
and whose client then received as many bytes as the response has. A client that sends a
byte now and then occupies its thread; so does a silent one on other systems. A buffering
proxy prevents both.
"""

import json
import logging
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO

from django.conf import settings
from django.http import HttpResponse
from granian.wsgi import Response, ResponseIterWrap

from taskproject.ports import sockets_at
from taskproject.problems import CONTENT_TYPE, RequestTimeout
from taskproject.request_queue import (
    PRIORITY,
    REFUSED,
    RESERVE,
    Answer,
    Environ,
    Queue,
    Request,
)

logger = logging.getLogger("taskproject.slow_clients")

#: Seconds from the headers of a request to the end of its body.
BODY_TIMEOUT = 15.0
#: The same while more than half of the free threads wait for bodies. A body that is sent together
#: with the headers has arrived by then.
SHORT_BODY_TIMEOUT = 0.5
INTERVAL = 0.1  # seconds between two checks of the deadlines
#: Most streamed responses that are sent at a time; others wait.
MAX_STREAMS = 32

#: The content of the response if the deadline of a body passes, padded to a length that no
#: other short response has.
GIVEN_UP = (
    json.dumps(
        RequestTimeout(
            "The body did not come in time. Send it again, at once and as a whole."
        ).as_dict("")
    )
    .ljust(3_000)
    .encode()
)
MAX_HEADERS = 400  # bytes

Application = Callable[[Environ, Response], Iterable[bytes]]

# The part of the WSGI environment that all requests share.
ENVIRON: Environ = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


class Gateway:
    """The callable that granian calls for each request, in one of its threads, with the object
    that sends the response (which granian does not type), and the request's part of the
    WSGI environment."""

    def __init__(self, application: Application) -> None:
        self._application = application
        # The bodies that are being read, oldest first: the time at which reading began, and
        # the object that sends the response.
        self._reading: dict[int, tuple[float, Answer]] = {}
        self._streams = ThreadPoolExecutor(MAX_STREAMS, "stream")
        self._queue = Queue()
        threading.Thread(target=self._watch, name="bodies", daemon=True).start()

    def __call__(self, answer: Answer, scope: Environ) -> None:
        length = scope.get("CONTENT_LENGTH", "0")
        if (
            length == "0"
            or not _is_accepted(length)
            or self._read(answer, scope, length)
        ):
            self._run(Request(answer, scope))

    def _run(self, request: Request) -> None:
        """Runs the request, and then those that wait; or has it wait; or refuses it."""
        if request.scope["PATH_INFO"] in PRIORITY:
            self._answer(request)
            return
        following: Request | None = request
        if not self._queue.admit(request):
            following = None
            if excess := self._queue.excess():
                self._refuse(excess)
        while following is not None:
            self._answer(following)
            following = self._queue.following(following)

    def _refuse(self, request: Request) -> None:
        self._answer(request._replace(scope=request.scope | {REFUSED: True}))

    def _read(self, answer: Answer, scope: Environ, length: str) -> bool:
        """Reads the body. False if its deadline passed, and the response was sent."""
        key = id(answer)
        self._reading[key] = (time.monotonic(), answer)
        body = scope["wsgi.input"].read(int(length))
        scope["wsgi.input"] = BytesIO(body)
        return self._reading.pop(key, None) is not None

    def _answer(self, request: Request) -> None:
        answer = request.answer
        start = Response()
        try:
            body = self._application(ENVIRON | request.scope, start)
        except Exception:
            # Granian would send this response for the request that the thread began with.
            logger.exception("the application failed")
            answer.response_bytes(500, [], b"")
            return
        if isinstance(body, list):
            answer.response_bytes(start.status, start.headers, b"".join(body))
        elif isinstance(body, HttpResponse):
            answer.response_bytes(start.status, start.headers, body.content)
            body.close()
        else:
            blocks = ResponseIterWrap(body)
            self._streams.submit(
                answer.response_iter, start.status, start.headers, blocks
            )

    def _watch(self) -> None:
        while True:
            time.sleep(INTERVAL)
            for request in self._queue.expired():
                self._refuse(request)
            reading = list(self._reading.items())
            many = 2 * len(reading) > settings.THREADS + RESERVE - self._queue.running
            timeout = SHORT_BODY_TIMEOUT if many else BODY_TIMEOUT
            before = time.monotonic() - timeout
            late = [key for key, (since, _) in reading if since < before]
            if late:
                silent = _silent_for(timeout * 0.9)
                for key in late:
                    self._give_up(key)
                time.sleep(INTERVAL)  # until the clients have received the responses
                _shut_answered(silent)

    def _give_up(self, key: int) -> None:
        reading = self._reading.pop(key, None)
        if reading is None:
            return  # The body has arrived.
        since, answer = reading
        waited = round(time.monotonic() - since, 1)
        logger.warning("a body came too slowly", extra={"fields": {"seconds": waited}})
        headers = [
            ("Content-Type", CONTENT_TYPE),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
        ]
        answer.response_bytes(RequestTimeout.status, headers, GIVEN_UP)


#: A connection: its file descriptor, and the address of the client.
Connection = tuple[int, object]


def _connections() -> Iterator[tuple[Connection, socket.socket, int, int]]:
    """The connections of this process to its port, each with the milliseconds since it last
    received data, and the number of bytes that the client has acknowledged."""
    for number, twin in sockets_at(settings.PORT):
        with suppress(OSError):
            peer = twin.getpeername()  # fails where it listens
            info = twin.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
            silence, acked = struct.unpack_from("=I64xQ", info, 52)
            yield (number, peer), twin, silence, acked


def _silent_for(seconds: float) -> dict[Connection, int]:
    """The connections that received no data for this time, and the number of bytes that each
    client has acknowledged."""
    return {
        connection: acked
        for connection, _, silence, acked in _connections()
        if silence >= seconds * 1_000
    }


def _shut_answered(before: dict[Connection, int]) -> None:
    """Shuts down for reading the connections whose clients received GIVEN_UP meanwhile,
    judging by the number of bytes."""
    for connection, twin, _, acked in _connections() if before else ():
        received = acked - before.get(connection, acked)
        if len(GIVEN_UP) <= received < len(GIVEN_UP) + MAX_HEADERS:
            with suppress(OSError):
                twin.shutdown(socket.SHUT_RD)


def _is_accepted(length: str) -> bool:
    """Whether a body of this Content-Length is read. Longer ones are refused unread."""
    return (
        length.isascii()
        and length.isdigit()
        and len(length) < 12
        and int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    )
