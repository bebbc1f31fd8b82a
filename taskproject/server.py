"""The processes of `manage.py serve`: the port, and workers that are replaced when they end.

Built on granian 2.8.7, whose private names are used where it has no public ones.
"""

import logging
import os
import signal
import threading
import time
from collections import Counter
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from granian import _signals
from granian._granian import SocketHolder, WorkerSignal
from granian.server import mp
from granian.server.mp import MPServer

from taskproject.logs import stderr
from taskproject.ports import BACKLOG, Port

if TYPE_CHECKING:
    from taskproject.slow_clients import Application, Gateway

logger = logging.getLogger("taskproject.server")

STOPS = (signal.SIGINT, signal.SIGTERM)

#: Seconds between two checks for the main process, and seconds that a worker without one
#: has to finish its requests: together under two.
PARENT_INTERVAL = 0.25
ORPHAN_TIMEOUT = 0.8

#: A worker that ends is replaced at once if it ran for this number of seconds, otherwise
#: after a delay that doubles from FIRST_WAIT to LONGEST_WAIT seconds.
STABLE_AFTER = 10.0
FIRST_WAIT, LONGEST_WAIT = 0.25, 10.0

_holder: Any = SocketHolder  # whose arguments are not in its stubs


class Server(MPServer):
    """Granian's server on a `Port`. A worker that ends is always replaced; granian stops if
    it happens twice within 5.5 seconds."""

    granian_logs: ClassVar = {
        "formatters": {},
        "handlers": {},
        "loggers": {"_granian": {"handlers": [], "propagate": True}},
    }

    def __init__(self, target: str, port: Port, **options: Any) -> None:
        super().__init__(
            target,
            address=port.host,
            port=port.port,
            backlog=BACKLOG,
            log_dictconfig=self.granian_logs,
            **options,
        )
        self._port = port
        self._short_lives: Counter[int] = Counter()  # in a row, by worker

    def run(self) -> None:
        """Serves until SIGINT or SIGTERM. Raises SystemExit if it ends for another reason.

        Loads the operations (0.5 s of CPU time) before it forks workers. Else a new worker of a
        busy machine may not listen yet when SIGHUP stops the old one, after `respawn_interval`.
        """
        import_module(settings.ROOT_URLCONF)
        os.register_at_fork(
            before=_hold_signals,
            after_in_parent=_release_signals,
            after_in_child=_stand_alone,
        )
        # Not MPServer's, which warns that the processors do not suit the threads: these wait.
        super(MPServer, self).serve(spawn_target=partial(work, os.getpid(), self._port))

    def _init_shared_socket(self) -> None:
        self._sso = None  # Each worker opens its own: see `Port.holder`.

    def _serve_loop(self, spawn_target: object, target_loader: object) -> None:
        due: dict[int, float] = {}  # times at which to replace workers
        while not self.interrupt_signal:
            until = min(due.values(), default=None)
            wait = None if until is None else max(0.0, until - time.monotonic())
            self.main_loop_interrupt.wait(wait)
            self.main_loop_interrupt.clear()
            if self.reload_signal and not self.interrupt_signal:
                due.clear()
                self._reload(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # granian's
            while self.interrupt_children:
                worker = self.interrupt_children.pop()
                due[worker] = time.monotonic() + self._wait_after(worker)
            for worker, at in list(due.items()):
                if at <= time.monotonic() and not self.interrupt_signal:
                    del due[worker]
                    self._respawn_workers([worker], spawn_target, target_loader)

    def _wait_after(self, worker: int) -> float:
        """The seconds until a worker that has ended is replaced. Logs its end."""
        ended = self.wrks[worker]
        lived = time.monotonic() - ended.birth
        lives = 0 if lived >= STABLE_AFTER else self._short_lives[worker] + 1
        self._short_lives[worker] = lives
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (lives - 1)) if lives else 0.0
        logger.error(
            "a worker has ended and will be replaced",
            extra={
                "fields": {
                    "worker": worker + 1,
                    "exit_code": ended.inner.exitcode,
                    "lived_s": round(lived, 1),
                    "replaced_in_s": wait,
                }
            },
        )
        return wait


def work(
    parent: int,
    port: Port,
    number: int,
    name: str | None,
    loader: object,
    _: object,
    *options: object,
) -> None:
    """Runs a worker whose main process is `parent`."""
    _stand_alone()
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    _signals.set_sync_signals = _listen_for_stop
    mp._wsgi_call_wrap = _gateway  # type: ignore[attr-defined,assignment]  # private
    sockets = ((None, _held(port)), None)
    MPServer._spawn_wsgi_worker(number, name, loader, sockets, *options)
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        from taskproject import tracing  # optional

        tracing.stop()
    stderr.flush()


def _held(port: Port) -> object:
    """Granian's holder of the socket on which a worker listens."""
    listener = port.listener()
    return _holder(listener.detach(), False, BACKLOG)


def _gateway(application: "Application", *_: object) -> "Gateway":
    # Imported after the application, which loads the settings.
    from taskproject import refusals
    from taskproject.slow_clients import Gateway

    refusals.start()
    return Gateway(application)


def _end_with(parent: int) -> None:
    """Ends this process after its parent has ended, even if that was killed by SIGKILL."""
    while os.getppid() == parent:
        time.sleep(PARENT_INTERVAL)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_TIMEOUT)
    os._exit(1)


def _stand_alone() -> None:
    """Moves a worker to its own process group, and resets its signal handlers.

    Ctrl-C in a terminal then reaches the main process only, which stops the workers. Until
    a worker has loaded the application, it would have the handlers of the main process,
    which only set a flag: the main process would wait for `workers_kill_timeout`.
    """
    os.setpgid(0, 0)
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    _release_signals()


def _hold_signals() -> None:
    """Blocks signals while a worker is forked: Python loses signals that a new process
    receives before it runs."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _listen_for_stop() -> WorkerSignal:
    """Replaces granian's `set_sync_signals` in a worker.

    Granian sets a threading.Event in the signal handler. That deadlocks if the signal
    arrives while the main thread begins to wait for the event, and the signal is lost if
    no thread waits yet. Python runs handlers in the main thread only, which may already be
    waiting in native code. Here the signal writes a byte to a pipe (`set_wakeup_fd`), which
    another thread reads. It sets the event once, because granian would wait in native code
    with the GIL held if it was set a third time.
    """
    stopping = WorkerSignal()
    reading_end, writing_end = os.pipe()

    def stop() -> None:
        os.read(reading_end, 1)
        stopping.set()

    os.set_blocking(writing_end, False)
    signal.set_wakeup_fd(writing_end, warn_on_full_buffer=False)
    for number in STOPS:
        signal.signal(number, lambda *_: None)  # The byte is written anyway.
    threading.Thread(target=stop, daemon=True).start()
    return stopping
