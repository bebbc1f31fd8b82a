"""Processes that `manage.py serve` runs beside its own: commands of manage.py, such as `work`,
which are started again when they end, and stop with it."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Lock, Thread

from django.conf import settings

from taskproject.server import FIRST_WAIT, LONGEST_WAIT, STABLE_AFTER

logger = logging.getLogger("taskproject.server")

MANAGE = str(settings.BASE_DIR / "manage.py")
#: Seconds until a process that does not stop is killed: more than a worker takes at the longest.
STOP_SECONDS = 25.0

#: Held while a process is started, and while another thread forks: a forked process would inherit
#: the pipe whose end Popen waits for.
_starting = Lock()
os.register_at_fork(
    before=_starting.acquire,
    after_in_parent=_starting.release,
    after_in_child=_starting.release,
)


class _ChildProcess(Thread):
    """Runs a command until `stop`. The command takes `--parent`, the id of the process with which
    it ends: if this one is killed, nothing else stops it."""

    def __init__(self, command: str) -> None:
        super().__init__(name=command, daemon=True)
        self.command = command
        self._stopping = Event()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        wait = FIRST_WAIT
        while not self._stopping.is_set():
            started = time.monotonic()
            self._process = self._start()
            if self._stopping.is_set():
                self._process.terminate()
            code = self._process.wait()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - started
            wait = FIRST_WAIT if lived >= STABLE_AFTER else wait
            fields = {
                "command": self.command,
                "exit_code": code,
                "lived_s": round(lived, 1),
                "replaced_in_s": wait,
            }
            logger.error(
                "a process has ended and will be replaced", extra={"fields": fields}
            )
            self._stopping.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)

    def _start(self) -> "subprocess.Popen[bytes]":
        with _starting:
            return subprocess.Popen(
                [sys.executable, MANAGE, self.command, f"--parent={os.getpid()}"],
                stdin=subprocess.DEVNULL,
                # Ctrl-C in a terminal reaches the main process only, which stops this one.
                process_group=0,
            )

    def stop(self) -> None:
        self._stopping.set()
        if self._process:
            self._process.terminate()

    def end(self) -> None:
        """Waits until it has stopped."""
        self.join(STOP_SECONDS)
        if self._process and self.is_alive():
            self._process.kill()
            self.join(STOP_SECONDS)


@contextmanager
def running(commands: Sequence[str]) -> Iterator[None]:
    """Runs these commands in processes of their own, within the context."""
    children = [_ChildProcess(command) for command in commands]
    for child in children:
        child.start()
    try:
        yield
    finally:
        for child in children:
            child.stop()
        for child in children:
            child.end()
