"""Files that are generated for one request: written to a temporary file, then sent.

A file is written as fast as the database is read, so that a slow client keeps no
transaction open, and errors become ordinary responses. Then its length is known and sent:
if sending ends early, the server (granian, or hyper below it) closes the connection, and
every client notices that the file was cut off. Without a length granian would end the
response normally, even after an exception.

Sending takes a thread of the server for as long as the client reads. So the number of
downloads is limited, and a client is cut off that reads nothing for EXPORT_TIMEOUT, or
less than SLOWEST."""

import logging
import socket
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO, Self

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse

from taskproject.compression import accepts_gzip, compressed_chunks
from taskproject.ports import sockets_at
from taskproject.problems import Unavailable

logger = logging.getLogger("taskproject.downloads")

IN_MEMORY = 2**20  # most bytes of a file in memory
BLOCK = 2**16  # bytes of a block
SLOWEST = 10_000  # average bytes a second, after EXPORT_TIMEOUT
MAX_OF_A_CALLER = 2  # at a time, in each process
#: Seconds that the statements for each thousand rows of a file may take. (The first one has
#: DATABASE_TIMEOUT, as in any request.)
CHUNK_TIMEOUT = 20
TRY_AGAIN = {"Retry-After": "10"}


class Slots:
    """The downloads in progress in this process: at most half as many as it has threads, so that
    the others stay available, and MAX_OF_A_CALLER of one user."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._taken: Counter[int] = Counter()

    def take(self, user_id: int) -> None:
        """Raises `Unavailable` if there is no free slot."""
        with self._lock:
            if self._taken[user_id] >= MAX_OF_A_CALLER:
                raise Unavailable(
                    "Your other exports are still being sent. Read them to the end, or "
                    "close their connections, and try again.",
                    headers=TRY_AGAIN,
                )
            if self._taken.total() >= max(1, settings.THREADS // 2):
                raise Unavailable(
                    "Too many exports are in progress. Try again shortly.",
                    headers=TRY_AGAIN,
                )
            self._taken[user_id] += 1

    def give_back(self, user_id: int) -> None:
        with self._lock:
            self._taken[user_id] -= 1
            if not self._taken[user_id]:
                del self._taken[user_id]


slots = Slots()


class Download:
    """The blocks of a file, as a WSGI iterable. `close` gives the slot back."""

    # For those that got no slot.
    _open = False

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
        """Writes the whole file. Raises `Unavailable` if there is no space for it."""
        try:
            self._file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  # close() does
            for chunk in chunks:
                self._file.write(chunk)
            self.size = self._file.tell()
            self._file.seek(0)
        except OSError as error:
            logger.exception("no temporary file", extra={"fields": self._fields()})
            raise Unavailable(
                "There is no space for the file. Try again later.", headers=TRY_AGAIN
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
        # Middleware may have replaced the response.
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
    """Sets TCP_USER_TIMEOUT (RFC 5482) on the connections to this port, so that the system resets
    each whose client reads nothing for EXPORT_TIMEOUT.

    The server waits for a client in native code, which cannot be interrupted. On other systems
    than Linux such a client occupies its thread until it disconnects."""
    for _, twin in sockets_at(int(port)) if port.isdecimal() else ():
        with suppress(OSError):
            milliseconds = settings.EXPORT_TIMEOUT * 1_000
            twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


def download(
    request: HttpRequest,
    user_id: int,
    chunks: Iterable[bytes],
    within: AbstractContextManager[None],
    content_type: str,
    name: str,
) -> StreamingHttpResponse:
    """The response with the chunks as a file of this name. The whole file is written before it
    returns, `within` the context manager. Raises `Unavailable` if the user, or this process,
    has too many downloads in progress."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if accepts_gzip(request.META.get("HTTP_ACCEPT_ENCODING", "")):
        chunks, headers["Content-Encoding"] = compressed_chunks(chunks), "gzip"
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
        headers=headers | {"Content-Length": str(content.size)},
    )
