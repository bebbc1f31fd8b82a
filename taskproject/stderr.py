"""Standard error, written to without blocking.

A line is written immediately if that does not block. Otherwise, because the reader of a
pipe has stalled, lines are queued, up to MAX_BYTES, and written by a thread once the
reader continues. Further lines are dropped and counted, and a line with their number is
written in their place.
"""

import atexit
import fcntl
import os
import select
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock, Thread

MAX_BYTES = 2**20  # most bytes of queued lines, in each process
FLUSH_TIMEOUT = 2.0  # seconds that a process waits for the reader when it ends

#: Writes some of the bytes and returns how many; raises BlockingIOError instead of blocking.
Send = Callable[[bytes], int]


class Writer:
    """Writes lines to a file descriptor. `lost` returns the line for a number of dropped
    lines."""

    def __init__(self, descriptor: int, lost: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._lost = lost
        self._send: Send | None = None
        self._opened = False
        self._reset()

    def _reset(self) -> None:
        """Empties the queue. In a forked process the queued lines are those of its parent."""
        self._lock = Lock()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0
        self._thread: Thread | None = None

    def write(self, line: bytes) -> None:
        with self._lock:
            if self._thread is None:
                if not self._opened:
                    self._send, self._opened = _without_waiting(self._descriptor), True
                line = self._rest(line)
                if not line:
                    return
            self._keep(line)

    def flush(self) -> None:
        """Waits until all lines are written, for at most FLUSH_TIMEOUT."""
        end = time.monotonic() + FLUSH_TIMEOUT
        while self._thread is not None and time.monotonic() < end:
            time.sleep(0.01)

    def _rest(self, data: bytes) -> bytes:
        """Writes what can be written without blocking, and returns the rest."""
        if self._send is None:
            return data
        try:
            return data[self._send(data) :]
        except BlockingIOError:
            return data
        except OSError:  # The reader is gone.
            return b""

    def _keep(self, line: bytes) -> None:
        # Once a line is dropped, so are all until the line with their number is queued.
        if self._dropped or self._bytes + len(line) > MAX_BYTES:
            self._dropped += 1
            return
        self._waiting.append(line)
        self._bytes += len(line)
        if self._thread is None:
            self._thread = Thread(target=self._drain, name="stderr", daemon=True)
            self._thread.start()

    def _drain(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    if not self._dropped:
                        self._thread = None
                        return
                    self._waiting.append(self._lost(self._dropped))
                    self._bytes += len(self._waiting[0])
                    self._dropped = 0
                line = self._waiting[0]
            rest = self._wait_and_write(line)
            with self._lock:
                self._bytes -= len(line) - len(rest)
                if rest:
                    self._waiting[0] = rest
                else:
                    self._waiting.popleft()

    def _wait_and_write(self, line: bytes) -> bytes:
        if self._send is None:
            try:
                return line[os.write(self._descriptor, line) :]
            except OSError:
                return b""
        select.select([], [self._descriptor], [])
        rest = self._rest(line)
        if rest is line:
            time.sleep(0.01)  # The pipe has some room, but too little for a write.
        return rest


def _without_waiting(descriptor: int) -> Send | None:
    """A function that writes to the descriptor without blocking; None if that is impossible.

    The descriptor may be shared with other programs, which would fail if it was made
    non-blocking: a pipe or a terminal is opened again instead.
    """
    with suppress(OSError):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) or not os.get_blocking(descriptor):
            return partial(os.write, descriptor)
        if stat.S_ISSOCK(mode):
            twin = socket.socket(fileno=os.dup(descriptor))
            return lambda data: twin.send(data, socket.MSG_DONTWAIT)
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND | os.O_NOCTTY
        own = os.open(f"/dev/fd/{descriptor}", flags)
        if os.get_blocking(descriptor) and fcntl.fcntl(own, fcntl.F_GETFL) & (
            os.O_NONBLOCK
        ):
            return partial(os.write, own)
        os.close(own)
        os.set_blocking(descriptor, True)  # if both share their flags
    return None


def shared(lost: Callable[[int], bytes]) -> Writer:
    """A writer for standard error, for all log handlers of a process."""
    writer = Writer(2, lost)
    os.register_at_fork(after_in_child=writer._reset)
    atexit.register(writer.flush)
    return writer
