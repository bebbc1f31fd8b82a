"""``manage.py serve``: the production server."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from taskproject.child_processes import running
from taskproject.ports import BACKLOG, Port, PortError, add_address
from taskproject.request_queue import RESERVE
from taskproject.server import Server
from taskproject.sqlite.base import remember


class Command(BaseCommand):
    help = (
        "Serves the API, its documentation and the admin with granian, the production "
        "server. Defaults come from HOST, PORT, WORKERS and THREADS. On Ctrl-C or SIGTERM "
        "it completes the requests in progress and stops. On the internet, run it behind "
        "a buffering reverse proxy."
    )
    requires_system_checks = ("database", "security")

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_address(parser, settings.PORT)
        parser.add_argument(
            "--workers", type=int, default=settings.WORKERS, help="number of processes"
        )
        parser.add_argument(
            "--threads",
            type=int,
            default=settings.THREADS,
            help="number of requests that each process runs at a time",
        )

    def handle(self, **options: Any) -> None:
        host, port = options["host"], options["port"]
        if port == settings.PUSH_PORT != 0:
            raise CommandError("PORT and PUSH_PORT must be two ports.")
        if options["workers"] < 1 or options["threads"] < 1:
            raise CommandError("--workers and --threads must be at least 1.")
        try:
            listening = Port(host, port)
        except PortError as error:
            raise CommandError(str(error)) from None
        # The workers derive the limits of slow requests from the number of threads.
        settings.THREADS, settings.PORT = options["threads"], port
        os.environ |= {
            "THREADS": str(options["threads"]),
            "HOST": host,
            "PORT": str(port),
        }
        if not settings.ON_POSTGRESQL:
            # The file must stay the same for workers that are started later.
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
        commands = ["work"] * settings.SERVE_WORK + ["push"] * bool(settings.PUSH_PORT)
        with _metrics_directory(), running(commands):
            self._server(listening, options).run()

    def _server(self, listening: Port, options: dict[str, Any]) -> Server:
        return Server(
            "taskproject.wsgi:application",
            listening,
            interface=Interfaces.WSGI,
            workers=options["workers"],
            blocking_threads=options["threads"] + RESERVE,
            # The limit of connections of each worker, idle ones included: 8,192. With
            # granian's default, the 1,025th client would wait.
            backpressure=BACKLOG // 2,
            respawn_interval=3.0,  # SIGHUP: the new worker listens before the old one stops
            workers_kill_timeout=30,
            http1_settings=HTTP1Settings(header_read_timeout=10_000),
            log_access=False,
            log_level=LogLevels.warning,
        )


@contextmanager
def _metrics_directory() -> Iterator[None]:
    """A directory in which the workers keep their metrics, if a setting asks for these."""
    if not (settings.METRICS_TOKEN or settings.METRICS_ADDRESSES):
        yield
        return
    with TemporaryDirectory(prefix="tasks-metrics-") as directory:
        # Read by prometheus-client when the workers import it.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        yield
