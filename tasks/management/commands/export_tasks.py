"""``manage.py export_tasks``: export tasks to a file."""

import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from taskproject.accounts.management.users import user_named
from taskproject.accounts.models import User
from taskproject.doctor import without_password
from taskproject.sql import this_thread
from tasks.exports import WITH_TRASH, records_of
from tasks.formats import WRITERS, Record, format_of
from tasks.models import Task


class Command(BaseCommand):
    help = (
        "Writes tasks to standard output or a file. jsonl contains everything (lists, "
        "tags, tasks and the trash), for import_tasks, on SQLite or PostgreSQL; csv and "
        "xlsx are for spreadsheets; ics is for calendars. Without --owner, a jsonl contains the "
        "data of all users. The export is a snapshot of one moment. A file is replaced "
        "only by a complete export. Standard output is complete if the exit status is 0; "
        "a jsonl or ics is complete if it has its last line."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--owner", help="the user whose tasks to export; required except for jsonl"
        )
        parser.add_argument(
            "--format",
            choices=sorted(WRITERS),
            help="default: what the extension of --output says, else jsonl",
        )
        parser.add_argument(
            "--output", help="the file to write; default: standard output"
        )

    def handle(
        self,
        *,
        owner: str | None,
        format: str | None,
        output: str | None,
        verbosity: int,
        **options: object,
    ) -> None:
        path = Path(output) if output else None
        kind = format or (path and format_of(path)) or "jsonl"
        if kind not in WRITERS:
            raise CommandError(
                f"{kind} cannot be written: choose another extension of the file, or --format."
            )
        try:
            with this_thread.connection.snapshot():
                self._export(owner, kind, path, quiet=verbosity < 1)
        except DatabaseError as error:
            raise CommandError(
                f"The database failed: {without_password(error)} The export is incomplete; do not use it."
            ) from error
        except BrokenPipeError:  # The reader has closed the pipe, as `| head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.stderr.write("The export is incomplete: the reader closed the pipe.")
            sys.exit(128 + signal.SIGPIPE)  # as if killed by the signal
        except OSError as error:  # of the standard output
            raise CommandError(
                f"The export is incomplete: it cannot be written: {error.strerror}."
            ) from error

    def _export(
        self, owner: str | None, kind: str, path: Path | None, quiet: bool
    ) -> None:
        owners = self._owners(owner, kind)
        trashed = kind in WITH_TRASH
        tasks = Task.objects.all() if trashed else Task.objects.live()
        total = tasks.filter(owner_id__in=[user.pk for user in owners]).count()
        self._exported = 0
        with tqdm(
            total=total, unit=" tasks", disable=quiet or None, file=sys.stderr
        ) as bar:
            records = self._records(owners, bar, owner is None, trashed)
            chunks = WRITERS[kind].write(records, "tasks")
            if path is not None:
                self._to_file(path, chunks)
            else:
                self._to(sys.stdout.buffer, chunks)
        if not quiet:
            self.stderr.write(f"Exported {self._exported:,} tasks.")

    def _owners(self, username: str | None, kind: str) -> list[User]:
        if username is None:
            if kind != "jsonl":
                raise CommandError(
                    f"{kind} contains the tasks of one user: use --owner."
                )
            return list(User.objects.order_by("pk"))
        return [user_named(username)]

    def _records(
        self, owners: list[User], bar: "tqdm[NoReturn]", everybodys: bool, trashed: bool
    ) -> Iterator[Record]:
        for owner in owners:
            name = owner.username if everybodys else None
            for record in records_of(owner.pk, name, trashed=trashed):
                if hasattr(record, "external_id"):
                    self._exported += 1
                    bar.update()
                yield record

    def _to_file(self, path: Path, chunks: Iterator[bytes]) -> None:
        """Writes a temporary file beside it, and renames it once it is complete."""
        # Of this process alone: two may write to the same name.
        partial = path.with_name(f"{path.name}.{token_hex(4)}.partial")
        try:
            if path.exists() and not path.is_file():  # /dev/null, a pipe
                partial = path
            with partial.open("wb") as stream:
                self._to(stream, chunks)
                if partial != path:
                    os.fsync(stream.fileno())
            if partial != path:
                partial.replace(path)
        except OSError as error:
            self._discard(partial, path)
            raise CommandError(
                f"{path} cannot be written: {error.strerror}."
            ) from error
        except BaseException:
            self._discard(partial, path)
            raise

    def _discard(self, partial: Path, path: Path) -> None:
        with suppress(OSError):
            if partial != path:
                partial.unlink()

    def _to(self, stream: BinaryIO, chunks: Iterator[bytes]) -> None:
        stream.writelines(chunks)
        stream.flush()
