"""``manage.py work``: the worker."""

import os
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from taskproject import worker
from taskproject.logs import stderr
from taskproject.sqlite.base import remember


class Command(BaseCommand):
    help = (
        "Does what is due without a request, until Ctrl-C or SIGTERM. Any number of workers may "
        "run at once, on any number of machines: each thing is done once. `manage.py serve` "
        "runs one, unless SERVE_WORK=off."
    )
    requires_system_checks = ("database", "security")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="do all that is due now, and end: for cron",
        )
        # The process with which it ends, even if that is killed.
        parser.add_argument("--parent", type=int, help=SUPPRESS)

    def handle(self, **options: Any) -> None:
        if connection.vendor == "sqlite":
            # The file must stay the same for connections that are made later.
            remember(str(connection.settings_dict["NAME"]))
        if options["once"]:
            worker.do_all()
        else:
            worker.run(options["parent"], *_publish())
            stderr.flush()


def _publish() -> list[Callable[[], None]]:
    """What adds to the metrics, if `manage.py serve` has a directory for them."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return []
    # Not above: the package takes longer to import than all of this module.
    from taskproject.work_metrics import publish

    return [publish]
