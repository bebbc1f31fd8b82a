"""``manage.py doctor``: what is wrong with this installation, and what to type."""

import json
import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from taskproject import (
    doctor,
    doctor_database,
    doctor_issuer,
    doctor_mail,
    doctor_push,
    doctor_sqlite,
)
from taskproject.doctor import Options, examine
from taskproject.doctor_push import TOKEN
from tasks.models import tallies

#: In the order of their checks: most of them need the database and its schema.
MODULES = (
    doctor,
    doctor_database,
    doctor_sqlite,
    doctor_mail,
    doctor_issuer,
    doctor_push,
)


class Command(BaseCommand):
    help = (
        "Checks the settings, the database and its schema, and says what is wrong and "
        "what to type. The exit status is 1 if a check finds an error, else 0; warnings "
        "do not change it. Nothing is written unless --recount is given."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument(
            "--origin",
            metavar="URL",
            default="",
            help="also check what a browser would get on a page of this origin",
        )
        parser.add_argument(
            "--stream",
            metavar="URL",
            default="",
            help="also open the stream of hints at this address of the service, with the "
            f"API token in {TOKEN}, and tell whether the proxy passes it at once",
        )
        parser.add_argument(
            "--deep",
            action="store_true",
            help="also read whole tables: stored counts, time zones, SQLite's file",
        )
        parser.add_argument(
            "--recount",
            action="store_true",
            help="first count all tasks again, while writers wait; implies --deep",
        )

    def handle(
        self, *, origin: str, stream: str, deep: bool, recount: bool, **options: object
    ) -> None:
        if recount:
            tallies.recount()
        findings = list(examine(Options(origin, deep or recount, stream), *MODULES))
        failed = any(finding.level == "error" for finding in findings)
        if options["json"]:
            checks = [finding._asdict() for finding in findings]
            self.stdout.write(json.dumps({"ok": not failed, "checks": checks}))
        else:
            for name, level, message in findings:
                self.stdout.write(f"{level:<8} {name:<11} {message}")
        if failed:
            sys.exit(1)
