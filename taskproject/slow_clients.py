"""Between granian and the application: clients that are slow keep no thread for long.

Granian gives a request to one of its threads as soon as its headers are there, and the
thread waits in native code for the body, and for the client to read an answer that comes
in pieces. Nothing in Python ends such a wait. But any thread may give the answer, also
while another reads the body, and a connection that is shut down for reading ends the
reading. (Version 2.8.7. The body itself must be read within the call: granian waits for
another thread's reading after it, and keeps the interpreter locked meanwhile.)

So bodies have a deadline, a short one while half of the threads or more wait for bodies,
and answers in pieces are sent by threads that do nothing else. Which connection a body
comes by is not told: Linux tells which ones have been silent for as long and then were
sent as much as that answer has. A client that sends a byte now and then keeps its thread;
so does any that is silent, on other systems. A buffering proxy keeps both away.
"""

import json
import logging
import os
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from typing import Any

from django.conf import settings
from granian.wsgi import Response, ResponseIterWrap

from taskproject.problems import CONTENT_TYPE, RequestTimeout

logger = logging.getLogger("taskproject.slow_clients")

#: Seconds from the headers of a request to the end of its body.
BODY_TIMEOUT = 15.0
#: The same while half of the threads or more wait for bodies: what is sent at once has
#: come by then.
SHORT_BODY_TIMEOUT = 0.5
INTERVAL = 0.1  # seconds between two looks at them
#: Answers sent in pieces at a time; more wait for their turn.
MAX_STREAMS = 32

#: What a body that did not come is answered; of a length that no other short answer has.
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

# What every request's WSGI environment has.
ENVIRON: dict[str, Any] = {
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}


class Gateway:
    """What granian calls for a request, in one of its threads: with the object that
    takes the answer, and the request's part of the WSGI environment."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        # Bodies under way, oldest first: since when, and who takes the answer.
        self._reading: dict[int, tuple[float, Any]] = {}
        self._streams = ThreadPoolExecutor(MAX_STREAMS, "stream")
        threading.Thread(target=self._watch, name="bodies", daemon=True).start()

    def __call__(self, answer: object, scope: dict[str, Any]) -> None:
        length = scope.get("CONTENT_LENGTH", "0")
        if length == "0" or not _is_taken(length) or self._read(answer, scope, length):
            self._answer(answer, scope)

    def _read(self, answer: object, scope: dict[str, Any], length: str) -> bool:
        """Whether the body has come, or ended early, before it was given up."""
        key = id(answer)
        self._reading[key] = (time.monotonic(), answer)
        body = scope["wsgi.input"].read(int(length))
        scope["wsgi.input"] = BytesIO(body)
        return self._reading.pop(key, None) is not None

    def _answer(self, answer: Any, scope: dict[str, Any]) -> None:
        start = Response()  # type: ignore[no-untyped-call]  # granian's
        body = self._application(ENVIRON | scope, start)
        if isinstance(body, list):
            answer.response_bytes(start.status, start.headers, b"".join(body))
        elif getattr(body, "streaming", True):
            blocks = ResponseIterWrap(body)  # type: ignore[no-untyped-call]  # granian's
            self._streams.submit(
                answer.response_iter, start.status, start.headers, blocks
            )
        else:
            answer.response_bytes(start.status, start.headers, body.content)
            body.close()

    def _watch(self) -> None:
        while True:
            time.sleep(INTERVAL)
            reading = list(self._reading.items())
            many = len(reading) >= max(1, settings.THREADS // 2)
            timeout = SHORT_BODY_TIMEOUT if many else BODY_TIMEOUT
            before = time.monotonic() - timeout
            late = [key for key, (since, _) in reading if since < before]
            if late:
                silent = _silent_for(timeout * 0.9)
                for key in late:
                    self._give_up(key)
                time.sleep(INTERVAL)  # for the answers to arrive
                _shut_answered(silent)

    def _give_up(self, key: int) -> None:
        since, answer = self._reading.pop(key, (0.0, None))
        if answer is None:
            return  # it has come
        waited = round(time.monotonic() - since, 1)
        logger.warning("a body came too slowly", extra={"fields": {"seconds": waited}})
        headers = [
            ("Content-Type", CONTENT_TYPE),
            ("Connection", "close"),
            ("Cache-Control", "no-store"),
        ]
        answer.response_bytes(RequestTimeout.status, headers, GIVEN_UP)


#: A connection: its descriptor, and the address of the client.
Connection = tuple[int, Any]


def _connections() -> Iterator[tuple[Connection, socket.socket, int, int]]:
    """This process's connections to its port, each with the milliseconds since the client
    last sent something and the bytes that it has received. Linux only."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as twin:
                if twin.getsockname()[1:2] == (settings.PORT,):
                    peer = twin.getpeername()  # fails where it listens
                    info = twin.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128)
                    silence, acked = struct.unpack_from("=I64xQ", info, 52)
                    yield (int(name), peer), twin, silence, acked


def _silent_for(seconds: float) -> dict[Connection, int]:
    """Connections whose clients have sent nothing for so long, and how many bytes they
    had received before."""
    if sys.platform != "linux":
        return {}
    return {
        connection: acked
        for connection, _, silence, acked in _connections()
        if silence >= seconds * 1_000
    }


def _shut_answered(before: dict[Connection, int]) -> None:
    """Shuts down for reading those connections that were sent GIVEN_UP meanwhile, which
    is told by how much they received."""
    for connection, twin, _, acked in _connections() if before else ():
        received = acked - before.get(connection, acked)
        if len(GIVEN_UP) <= received < len(GIVEN_UP) + MAX_HEADERS:
            with suppress(OSError):
                twin.shutdown(socket.SHUT_RD)


def _is_taken(length: str) -> bool:
    """Whether a body of this Content-Length is read: longer ones are refused unread."""
    return (
        length.isascii()
        and length.isdigit()
        and len(length) < 12
        and int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    )
