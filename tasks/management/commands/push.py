"""``manage.py push``: streams of hints."""

import os
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from taskproject.logs import stderr
from taskproject.ports import Port, PortError, add_address
from taskproject.sqlite.base import remember
from tasks import push


class Command(BaseCommand):
    help = (
        "Serves GET /api/changes/stream, whose responses stay open and tell clients of changes, "
        "until Ctrl-C or SIGTERM. `manage.py serve` runs one where PUSH_PORT is set."
    )
    requires_system_checks = ("database", "security")

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_address(parser, settings.PUSH_PORT)
        # The process with which it ends, even if that is killed.
        parser.add_argument("--parent", type=int, help=SUPPRESS)

    def handle(self, **options: Any) -> None:
        if connection.vendor == "sqlite":
            # The file must stay the same for connections that are made later.
            remember(str(connection.settings_dict["NAME"]))
        try:
            port = Port(options["host"], options["port"], "PUSH_PORT")
        except PortError as error:
            raise CommandError(str(error)) from None
        try:
            push.run(port, options["parent"], *_publish())
        finally:
            stderr.flush()


def _publish() -> list[Callable[[push.Server], None]]:
    """What adds to the metrics, if `manage.py serve` has a directory for them."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return []
    # Not above: the package takes longer to import than all of this module.
    from tasks.push_metrics import publish

    return [publish]
