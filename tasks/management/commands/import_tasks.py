"""``manage.py import_tasks``: import tasks from a file."""

from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from taskproject.accounts.management.users import user_named
from taskproject.accounts.models import User
from taskproject.sql import analyze
from tasks.formats import NOT_READ, READERS, BadRow, format_of
from tasks.imports import NO_OWNER, Importer, ImportValidator, LineCounter
from tasks.models import Event, Label, Tag, Tally, Task, TaskList

#: The formats of this service, in which a list is identified by its name.
OWN_FORMATS = ("csv", "jsonl")


class Options(NamedTuple):
    """The options of the command that its steps read."""

    format: str
    dry_run: bool
    skip_bad: bool
    allow_incomplete: bool
    quiet: bool


class Command(BaseCommand):
    help = (
        "Reads tasks from a file of export_tasks (jsonl, csv), from the to-dos of a calendar "
        "(ics), or from a file of another service: Todoist's CSV template, Google Takeout's Tasks.json, Microsoft To Do's JSON from "
        "Graph, or a Vikunja export (zip). The whole file is validated first: if a row is "
        "invalid, nothing is stored, unless --skip-bad. Data for which this service has no "
        "field is added to descriptions. Lines marked 'adjusted' list values that had to be "
        "changed. Tasks that exist already are not changed, so that importing a file again "
        "is safe, also after an interruption. In a spreadsheet, open a csv with all columns "
        "as text (otherwise 0012 becomes 12, and long numbers are rounded), and save it as "
        "UTF-8; its rows may be in any order."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file to read")
        parser.add_argument(
            "--owner",
            help="the user who gets the tasks; default: the users named in the file",
        )
        parser.add_argument(
            "--format",
            choices=sorted(READERS),
            help="default: what the extension of the file says, else jsonl",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="validate and count, but store nothing",
        )
        parser.add_argument(
            "--skip-bad",
            action="store_true",
            help="skip invalid rows and store the others",
        )
        parser.add_argument(
            "--allow-incomplete",
            action="store_true",
            help="accept a jsonl that is truncated or lacks lines (files of version 1.3 "
            "and earlier have no last line that would show it)",
        )

    def handle(
        self,
        *,
        file: str,
        owner: str | None,
        format: str | None,
        dry_run: bool,
        skip_bad: bool,
        allow_incomplete: bool,
        verbosity: int,
        **others: object,
    ) -> None:
        path, user = Path(file), self._owner(owner)
        kind = format or format_of(path) or "jsonl"
        if kind not in READERS:
            raise CommandError(NOT_READ.format(kind))
        options = Options(kind, dry_run, skip_bad, allow_incomplete, verbosity < 1)
        try:
            with path.open("rb") as stream:
                self._import(stream, path, user, options)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise CommandError(f"{path} cannot be read: {reason}.") from error

    def _import(
        self, stream: BinaryIO, path: Path, owner: User | None, options: Options
    ) -> None:
        file = LineCounter(stream)
        rows = READERS[options.format](cast(BinaryIO, file), path.stem)
        bars: dict[str, Any] = {"unit": " rows", "disable": options.quiet or None}
        with closing(ImportValidator(owner)) as validator:
            validator.validate(tqdm(rows, "Validating", **bars), file)
            self._report(validator.shown, validator.bad)
            adjusted = self._report_adjusted(validator)
            if options.format == "csv":
                self._warn(*validator.of_digits())
            self._check(validator, options)
            importer = Importer(options.dry_run)
            for top in (True, False) if validator.parents_last else (None,):
                records = tqdm(validator.valid(top), "Storing", **bars)
                for _ in importer.store(records):
                    pass
        if not options.dry_run:
            analyze(Task, Event, Label, Tag, Tally, TaskList)
        if options.format not in OWN_FORMATS:
            adjusted += self._report_joined(importer)
        self._summarize(importer, validator.bad, adjusted)

    def _check(self, validator: ImportValidator, options: Options) -> None:
        """Refuses a file that is incomplete or has invalid rows, unless the options allow it."""
        if validator.incomplete and not options.allow_incomplete:
            raise CommandError(
                f"{validator.incomplete} Nothing was stored; export it again, or use "
                "--allow-incomplete to store the rows that it has."
            )
        if not validator.bad or options.skip_bad:
            return
        if {row.reason for row in validator.shown} == {
            NO_OWNER.format(validator.choose_owner)
        }:
            raise CommandError(
                "These rows name no owner. Nothing was stored; use --owner, or --skip-bad "
                "to store the others."
            )
        if validator.bad == validator.number:
            others = ", ".join(sorted(READERS.keys() - {options.format}))
            raise CommandError(
                f"No row is valid as {options.format}. Nothing was stored; correct the file, "
                f"or say with --format what it is: {others}."
            )
        raise CommandError(
            f"{validator.bad:,} of {validator.number:,} rows are invalid. Nothing was "
            "stored; correct them, or use --skip-bad."
        )

    def _warn(self, count: int, example: str) -> None:
        if count:
            self.stderr.write(
                f"Warning: {count:,} new tasks have an external_id of digits only, such "
                f"as {example!r}. Spreadsheets turn 0012 into 12 and keep 15 digits. If "
                "this file was saved by one, the tasks may exist under their real ids, and "
                "are duplicates. Open the export with the column external_id as text."
            )

    def _owner(self, username: str | None) -> User | None:
        return None if username is None else user_named(username, hint=True)

    def _report(self, shown: list[BadRow], bad: int) -> None:
        for row in shown:
            self.stderr.write(f"line {row.line}: {row.reason}")
        if bad > len(shown):
            self.stderr.write(f"and {bad - len(shown):,} more")

    def _report_adjusted(self, validator: ImportValidator) -> int:
        """Writes all adjustments to standard error; returns their number."""
        count = 0
        for count, row in enumerate(validator.adjusted(), 1):
            self.stderr.write(f"line {row.line}: adjusted: {row.what}")
        return count

    def _report_joined(self, importer: Importer) -> int:
        """Writes which existing lists got tasks: lists of other services are identified by
        their names only, so that another list of the same name may be meant."""
        joined = sorted(importer.summary.joined)
        for name in joined:
            self.stderr.write(
                f"adjusted: The list {name!r} exists already; the tasks are added to it."
            )
        return len(joined)

    def _summarize(self, importer: Importer, bad: int, adjusted: int) -> None:
        summary = importer.summary
        done = "Would import" if importer.dry_run else "Imported"
        also = f" {bad:,} invalid rows were skipped." if bad else ""
        also += f" {adjusted:,} adjustments are listed above." if adjusted else ""
        self.stdout.write(
            f"{done} {summary.tasks:,} tasks, {summary.lists:,} lists and {summary.tags:,} "
            f"tags; {summary.known:,} tasks existed already.{also}"
        )
