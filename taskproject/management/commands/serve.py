"""``manage.py serve``: the production server."""

import os
import signal
import sys
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from granian import Granian, _signals
from granian._granian import WorkerSignal
from granian.constants import Interfaces
from granian.http import HTTP1Settings

from taskproject.sqlite.base import remember

BACKLOG = 16_384
STOPS = (signal.SIGINT, signal.SIGTERM)


class Command(BaseCommand):
    help = (
        "Serves API, documentation and admin with granian, the production server. "
        "Defaults come from HOST, PORT, WORKERS and THREADS. Ctrl-C or SIGTERM lets "
        "requests in flight finish, then stops. Put a buffering reverse proxy in front "
        "where the internet can reach it."
    )
    requires_system_checks = ("database", "security")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host", default=settings.HOST, help="address to listen on"
        )
        parser.add_argument("--port", type=int, default=settings.PORT, help="its port")
        parser.add_argument(
            "--workers", type=int, default=settings.WORKERS, help="processes"
        )
        parser.add_argument(
            "--threads",
            type=int,
            default=settings.THREADS,
            help="threads a process, each with a database connection of its own",
        )

    def handle(self, **options: Any) -> None:
        host, port = options["host"], options["port"]
        if not 1 <= port <= 65_535:
            raise CommandError("--port must be from 1 to 65535.")
        if options["workers"] < 1 or options["threads"] < 1:
            raise CommandError("--workers and --threads must be at least 1.")
        # Its workers bound by it what may hold a thread for long.
        settings.THREADS = options["threads"]
        os.environ["THREADS"] = str(options["threads"])
        if not settings.ON_POSTGRESQL:
            # For workers that are started later, too: the file must stay this one.
            remember(str(settings.DATABASES["default"]["NAME"]))
        shown = f"[{host}]" if ":" in host else host
        self.stdout.write(
            f"API    http://{shown}:{port}/api/tasks\n"
            f"docs   http://{shown}:{port}/api/docs\n"
            f"admin  http://{shown}:{port}/admin/\n"
            f"First staff user: {sys.executable} manage.py createsuperuser\n"
            "Stop with Ctrl-C."
        )
        self.stdout.flush()
        os.register_at_fork(
            before=_hold_signals,
            after_in_parent=_release_signals,
            after_in_child=_stand_alone,
        )
        _signals.set_sync_signals = _listen_for_stop
        Granian(
            "taskproject.wsgi:application",
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            workers=options["workers"],
            blocking_threads=options["threads"],
            # granian counts connections, idle ones too: its default keeps the 1,025th
            # client waiting. These let 8,192 stay connected to each worker.
            backlog=BACKLOG,
            backpressure=BACKLOG // 2,
            # Without it, one killed worker stops the whole server.
            respawn_failed_workers=True,
            respawn_interval=0.2,
            workers_kill_timeout=30,
            http1_settings=HTTP1Settings(header_read_timeout=10_000),
            log_access=False,
            log_level="warning",  # type: ignore[arg-type]  # granian parses it
        ).serve()


def _stand_alone() -> None:
    """Lets a new worker be stopped by the main process, at any time, and by it alone.

    In a process group of its own, Ctrl-C in a terminal reaches the main process only.
    And until it has loaded the application, a worker has the main process's handlers,
    which only note a signal: the main process would wait for `workers_kill_timeout`.
    """
    os.setpgid(0, 0)
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    _release_signals()


def _hold_signals() -> None:
    """Keeps a signal that comes while a worker is made until the worker is on its own:
    Python forgets those that a new process gets before it runs."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _listen_for_stop() -> WorkerSignal:
    """Takes the place of granian's `set_sync_signals` in a worker (granian 2.8.7).

    Granian sets a threading.Event in the signal's handler, which locks up when the
    signal comes while the main thread is about to wait for that event, and is lost when
    nobody waits yet. And Python runs a handler in the main thread only, which may be
    about to wait for good. Here another thread waits for the signal, which is held from
    all others, and then sets the event until the worker ends.
    """
    stopping = WorkerSignal()

    def stop() -> None:
        signal.sigwait(STOPS)
        while True:
            stopping.set()
            time.sleep(0.2)

    _hold_signals()
    threading.Thread(target=stop, daemon=True).start()
    return stopping
