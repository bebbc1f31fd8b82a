"""Files that are made for one request: written to the disk first, then sent.

A file is made as fast as the database gives it, so that a slow reader keeps no
transaction open, and whatever fails meanwhile is an ordinary error. Then its length is
known, and said: where sending ends before it, the server (granian; hyper below it) closes
the connection, and every client sees that the file was cut off. Without a length granian
would end the answer in order, whatever the application raised.

Sending takes a thread of the server for as long as the client takes to read. So there
are few at a time, and a client that takes nothing for EXPORT_TIMEOUT, or is slower than
SLOWEST, is cut off.
"""

import logging
import os
import socket
import stat
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO, Self

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse

from taskproject.problems import Unavailable

logger = logging.getLogger("taskproject.downloads")

IN_MEMORY = 2**20  # bytes of a file that needs no disk
BLOCK = 2**16  # bytes that are handed to the server at once
SLOWEST = 10_000  # bytes a second, on the average, after EXPORT_TIMEOUT
MOST_OF_A_CALLER = 2  # at a time, in each process
TRY_AGAIN = {"Retry-After": "10"}


class Slots:
    """Downloads at a time in this process: at most half as many as it has threads, so
    that the others answer, and MOST_OF_A_CALLER of one user."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: Counter[int] = Counter()

    def take(self, user_id: int) -> None:
        """Raises `Unavailable` where there is none left."""
        with self._lock:
            if self._taken[user_id] >= MOST_OF_A_CALLER:
                raise Unavailable(
                    "You are reading other exports still. Read them to their ends, or "
                    "close their connections, and try again.",
                    headers=TRY_AGAIN,
                )
            if self._taken.total() >= max(1, settings.THREADS // 2):
                raise Unavailable(
                    "Others are exporting now. Try again shortly.", headers=TRY_AGAIN
                )
            self._taken[user_id] += 1

    def give_back(self, user_id: int) -> None:
        with self._lock:
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]


slots = Slots()


class Download:
    """The blocks of a file, for a WSGI server. It must be closed, or forgotten."""

    def __init__(self, request: HttpRequest, user_id: int) -> None:
        slots.take(user_id)
        self._slots: Slots | None = slots
        self._open = True
        self._user_id = user_id
        self._request_id: str | None = getattr(request, "id", None)
        self._port = request.META.get("SERVER_PORT", "")
        self._head = request.META.get("REQUEST_METHOD") == "HEAD"
        self._file: IO[bytes] | None = None
        self._sent = 0
        self.size = 0
        self._began: float | None = None

    def fill(self, chunks: Iterable[bytes]) -> None:
        """Writes the whole file. Raises `Unavailable` where there is no room for it."""
        try:
            self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # close() does
            for chunk in chunks:
                self._file.write(chunk)
            self.size = self._file.tell()
            self._file.seek(0)
        except OSError as error:
            logger.exception("no temporary file", extra={"fields": self._fields()})
            raise Unavailable(
                "There is no room for the file now. Try again later.", headers=TRY_AGAIN
            ) from error
        if self._head:
            self._give_slot_back()  # nothing is sent

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        assert self._file is not None
        now = time.monotonic()
        if self._began is None:
            self._began = now
            _bound_silence(self._port)
        elif now - self._began > settings.EXPORT_TIMEOUT + self._sent / SLOWEST:
            raise TimeoutError("the client reads too slowly")
        block = self._file.read(BLOCK)
        if not block:
            raise StopIteration
        self._sent += len(block)
        return block

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        self._give_slot_back()
        if self._file is not None:
            self._file.close()
        if self._began is not None and self._sent < self.size and not self._head:
            logger.warning("export cut off", extra={"fields": self._fields()})

    def _give_slot_back(self) -> None:
        if self._slots is not None:
            self._slots.give_back(self._user_id)
            self._slots = None

    def __del__(self) -> None:
        # An answer that some middleware has put another one in the place of.
        self.close()

    def _fields(self) -> dict[str, object]:
        began = self._began
        return {
            "id": self._request_id,
            "user": self._user_id,
            "sent": self._sent,
            "size": self.size,
            "seconds": None if began is None else round(time.monotonic() - began, 1),
        }


def _bound_silence(port: str) -> None:
    """Lets the system reset each connection to this port whose client takes nothing for
    EXPORT_TIMEOUT (RFC 5482).

    The server waits in native code for a client to read, which nothing here ends, and
    keeps its sockets to itself: they are found among this process's. Linux only;
    elsewhere such a client keeps its thread until it hangs up.
    """
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None or not port.isdecimal() or not os.path.isdir("/proc/self/fd"):
        return
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            number = int(name)
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as twin:
                if twin.getsockname()[1:2] == (int(port),):
                    milliseconds = settings.EXPORT_TIMEOUT * 1_000
                    twin.setsockopt(socket.IPPROTO_TCP, option, milliseconds)


def download(
    request: HttpRequest,
    user_id: int,
    chunks: Iterable[bytes],
    within: AbstractContextManager[None],
    content_type: str,
    name: str,
) -> StreamingHttpResponse:
    """The chunks as a file of this name, all of which has been written when it returns;
    `within` is entered to read them. Raises `Unavailable` where the user, or this
    process, has too many under way."""
    content = Download(request, user_id)
    try:
        with within:
            content.fill(chunks)
    except BaseException:
        content.close()
        raise
    return StreamingHttpResponse(
        content,
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Content-Length": str(content.size),
        },
    )
