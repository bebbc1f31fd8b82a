"""``manage.py push``: streams of hints."""

from argparse import SUPPRESS, ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from taskproject.logs import stderr
from taskproject.sqlite.base import remember
from tasks import push


class Command(BaseCommand):
    help = (
        "Serves GET /api/changes/stream, whose responses stay open and tell clients of changes, "
        "until Ctrl-C or SIGTERM. `manage.py serve` runs one where PUSH_PORT is set."
    )
    requires_system_checks = ("database", "security")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host", default=settings.HOST, help="address to listen on"
        )
        parser.add_argument(
            "--port", type=int, default=settings.PUSH_PORT, help="port to listen on"
        )
        # The process with which it ends, even if that is killed.
        parser.add_argument("--parent", type=int, help=SUPPRESS)

    def handle(self, **options: Any) -> None:
        if not 1 <= options["port"] <= 65_535:
            raise CommandError("Set PUSH_PORT, or --port, to a port from 1 to 65535.")
        if connection.vendor == "sqlite":
            # The file must stay the same for connections that are made later.
            remember(str(connection.settings_dict["NAME"]))
        try:
            push.run(options["host"], options["port"], options["parent"])
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {options['host']}, port {options['port']}: "
                f"{error.strerror}. Choose another PUSH_PORT."
            ) from None
        finally:
            stderr.flush()
