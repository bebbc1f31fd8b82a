"""``manage.py import_tasks``: tasks out of a file."""

from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from taskproject.accounts.management.users import user_named
from taskproject.accounts.models import User
from taskproject.sql import analyze
from tasks.formats import READERS, BadRow
from tasks.imports import Importer, ImportValidator, LineCounter
from tasks.models import Event, Label, Tag, Tally, Task, TaskList

#: Those whose lists are known by their names.
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
        "Reads tasks from a file of export_tasks (jsonl, csv) or of another service: "
        "Todoist's CSV template, Google Takeout's Tasks.json, Microsoft To Do's JSON from "
        "Graph, a Vikunja export (zip). The whole file is looked at first: where a row is "
        "bad, nothing is stored, unless --skip-bad. What another service has and this one "
        "has not goes into descriptions, and lines marked 'adjusted' say where a row could "
        "not be stored as it stands. What is there already is left alone, "
        "so that a file can be imported again, after an interruption too. In a spreadsheet, "
        "open a csv with all columns as text (else 0012 becomes 12, and long numbers others), "
        "and save it as UTF-8; its rows may be in any order."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file to read")
        parser.add_argument(
            "--owner", help="whose tasks they become; default: whom the file names"
        )
        parser.add_argument("--format", choices=sorted(READERS), default="jsonl")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="say what would be done, store nothing",
        )
        parser.add_argument(
            "--skip-bad",
            action="store_true",
            help="store the rest in spite of bad rows",
        )
        parser.add_argument(
            "--allow-incomplete",
            action="store_true",
            help="store what there is of a jsonl that was cut off, or from which lines "
            "were taken (those of version 1.3 and earlier have no end to tell it by)",
        )

    def handle(
        self,
        *,
        file: str,
        owner: str | None,
        format: str,
        dry_run: bool,
        skip_bad: bool,
        allow_incomplete: bool,
        verbosity: int,
        **others: object,
    ) -> None:
        path, user = Path(file), self._owner(owner)
        options = Options(format, dry_run, skip_bad, allow_incomplete, verbosity < 1)
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
        bars: dict[str, Any] = {"unit": " rows", "disable": options.quiet}
        with closing(ImportValidator(owner)) as validator:
            validator.validate(tqdm(rows, "Looking", **bars), file)
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
        """Refuses a file that is not whole, or has bad rows, unless that is wanted."""
        if validator.incomplete and not options.allow_incomplete:
            raise CommandError(
                f"{validator.incomplete} Nothing was stored; export it again, or store what "
                "there is of it with --allow-incomplete."
            )
        if validator.bad and not options.skip_bad:
            raise CommandError(
                f"{validator.bad:,} of {validator.number:,} rows are bad. Nothing was stored; "
                "mend them, or leave them out with --skip-bad."
            )

    def _warn(self, count: int, example: str) -> None:
        if count:
            self.stderr.write(
                f"Warning: {count:,} new tasks have an external_id of digits only, such "
                f"as {example!r}. A spreadsheet turns 0012 into 12 and keeps 15 digits: "
                "where it saved this file, they may be here under their real ids, and "
                "come a second time. Open the export with the column external_id as text."
            )

    def _owner(self, username: str | None) -> User | None:
        return None if username is None else user_named(username, hint=True)

    def _report(self, shown: list[BadRow], bad: int) -> None:
        for row in shown:
            self.stderr.write(f"line {row.line}: {row.reason}")
        if bad > len(shown):
            self.stderr.write(f"and {bad - len(shown):,} more")

    def _report_adjusted(self, validator: ImportValidator) -> int:
        """Writes all of them, so that nothing is changed unseen; returns how many."""
        count = 0
        for count, row in enumerate(validator.adjusted(), 1):
            self.stderr.write(f"line {row.line}: adjusted: {row.what}")
        return count

    def _report_joined(self, importer: Importer) -> int:
        """Lists of another service are known by nothing but their names here: one that
        bears the name of a list that is there already is not always the same."""
        joined = sorted(importer.summary.joined)
        for name in joined:
            self.stderr.write(
                f"adjusted: There is a list {name!r} already; the tasks are added to it."
            )
        return len(joined)

    def _summarize(self, importer: Importer, bad: int, adjusted: int) -> None:
        summary = importer.summary
        done = "Would import" if importer.dry_run else "Imported"
        also = f" {bad:,} bad rows were left out." if bad else ""
        also += f" {adjusted:,} adjustments are listed above." if adjusted else ""
        self.stdout.write(
            f"{done} {summary.tasks:,} tasks, {summary.lists:,} lists and {summary.tags:,} "
            f"tags; {summary.known:,} tasks were there already.{also}"
        )
