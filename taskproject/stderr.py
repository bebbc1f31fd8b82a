"""Standard error, written to without waiting for whoever reads it.

A line is written at once where that takes no waiting. Where it would, because the reader
of a pipe has stalled, lines are kept, in their order, up to MAX_BYTES; a thread writes
them when the reader goes on. What comes beyond that is dropped and counted, and a line
tells how many there were, at their place.
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

MAX_BYTES = 2**20  # of lines that wait, in each process
FLUSH_TIMEOUT = 2.0  # seconds that a process that ends waits for the reader

#: Writes the beginning of what it is given and returns how many bytes that was; raises
#: BlockingIOError instead of waiting.
Send = Callable[[bytes], int]


class Writer:
    """Lines for a file descriptor. `lost` makes the line that tells how many were
    dropped."""

    def __init__(self, descriptor: int, lost: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._lost = lost
        self._send: Send | None = None
        self._opened = False
        self._start_anew()

    def _start_anew(self) -> None:
        """What a forked process does: the lines that wait are its parent's."""
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

    def flush(self, timeout: float = FLUSH_TIMEOUT) -> None:
        """Waits until all is written, or the time is over."""
        end = time.monotonic() + timeout
        while self._thread is not None and time.monotonic() < end:
            time.sleep(0.01)

    def _rest(self, data: bytes) -> bytes:
        """What is left of it after as much was written as can be at once."""
        if self._send is None:
            return data
        try:
            return data[self._send(data) :]
        except BlockingIOError:
            return data
        except OSError:  # nobody will ever read it
            return b""

    def _keep(self, line: bytes) -> None:
        # Once one is dropped, so are all until there is room for what tells it.
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
            time.sleep(0.01)  # there is room, but too little
        return rest


def _without_waiting(descriptor: int) -> Send | None:
    """How to write to it without waiting; None where there is no way.

    The descriptor is shared with other programs, which would fail if it was made
    non-blocking: a pipe or a terminal is opened once more instead.
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
        os.set_blocking(descriptor, True)  # where both are one
    return None


def shared(lost: Callable[[int], bytes]) -> Writer:
    """A writer for standard error that all of a process's handlers share."""
    writer = Writer(2, lost)
    os.register_at_fork(after_in_child=writer._start_anew)
    atexit.register(writer.flush)
    return writer
