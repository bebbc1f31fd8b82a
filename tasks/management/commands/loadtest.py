"""``manage.py loadtest``: a short load on a running service, and the check that nothing was
lost or duplicated."""

import asyncio
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from taskproject.management.progress import bar
from tasks.loadtest.connections import UnusableURL
from tasks.loadtest.load import Bounds
from tasks.loadtest.report import as_json, as_text, write_page
from tasks.loadtest.run import Options, Refused, Result, run

#: The tokens, where `ps` does not show them.
VARIABLE = "LOADTEST_TOKEN"
USAGE = 2  # exit status


class Command(BaseCommand):
    help = (
        "Loads a running service for a short time with creates, reads, changes and "
        "retries, tells how long they took, reads everything back, and verifies that "
        "nothing was lost or duplicated. It works in a list of its own, and removes what it "
        "made; the feed keeps its events. The exit status is 0 if all is well, 1 if "
        "something was lost, duplicated or read too old, or there were more errors than "
        "--max-errors, and 2 if the test could not be made."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="of the service: http://127.0.0.1:8000")
        parser.add_argument(
            "--token",
            action="append",
            help=f"an API token that may write; repeated, the users share the load. "
            f"Default: {VARIABLE} of the environment, with spaces between several",
        )
        parser.add_argument(
            "--seconds", type=float, default=10, help="at most; default: 10"
        )
        parser.add_argument(
            "--requests", type=int, default=20_000, help="at most; default: 20000"
        )
        parser.add_argument(
            "--connections",
            type=int,
            default=16,
            help="that send requests at the same time; default: 16",
        )
        parser.add_argument(
            "--max-errors",
            type=int,
            default=0,
            help="errors that are no failure of the test; default: 0",
        )
        parser.add_argument(
            "--i-own-this-server",
            action="store_true",
            help="allow a service on another host",
        )
        parser.add_argument(
            "--keep", action="store_true", help="do not remove what it made"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument(
            "--report", metavar="FILE", help="also write a page of HTML with charts"
        )

    def handle(
        self,
        *,
        url: str,
        token: list[str] | None,
        seconds: float,
        requests: int,
        connections: int,
        max_errors: int,
        verbosity: int,
        report: str | None,
        **options: object,
    ) -> None:
        tokens = token or os.environ.get(VARIABLE, "").split()
        page = Path(report) if report else None
        bounds = Bounds(seconds, requests, connections)
        if fault := _fault(tokens, bounds, page):
            raise CommandError(fault, returncode=USAGE)
        result = Result(
            Options(
                url,
                tokens,
                bounds,
                anywhere=bool(options["i_own_this_server"]),
                keep=bool(options["keep"]),
            )
        )
        self._run(result, quiet=verbosity < 1)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(result, max_errors)))
        else:
            self.stdout.write(as_text(result, max_errors))
        if page:
            write_page(page, result, max_errors)
        if not result.ok(max_errors):
            sys.exit(1)

    def _run(self, result: Result, *, quiet: bool) -> None:
        try:
            asyncio.run(run(result, partial(bar, quiet=quiet)))
        except (Refused, UnusableURL) as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except KeyboardInterrupt:
            left = ", ".join(result.left)
            raise CommandError(
                f"Interrupted. Left there, delete by hand: {left or 'nothing'}."
            ) from None


def _fault(tokens: Sequence[str], bounds: Bounds, page: Path | None) -> str | None:
    """What is wrong with the options; None if nothing is."""
    if not 1 <= bounds.seconds <= 600:
        return "--seconds must be from 1 to 600."
    if not 1 <= bounds.requests <= 1_000_000:
        return "--requests must be from 1 to 1,000,000."
    if not len(tokens) <= bounds.connections <= 500:
        return "--connections must be from the number of tokens to 500."
    if page and not page.parent.is_dir():
        return f"--report: {page.parent} is no directory."
    return None
