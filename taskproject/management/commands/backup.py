"""``manage.py backup``: the whole database in one file."""

import sys
from argparse import ArgumentParser
from functools import partial
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from taskproject import backups
from taskproject.backups import BackupError
from taskproject.doctor import without_password
from taskproject.management.direct import connect_directly
from taskproject.management.progress import bar
from taskproject.postgresql import dumps
from taskproject.sqlite import copies


class Command(BaseCommand):
    help = (
        "Writes the whole database to one file, as it is at one moment, while the service "
        "runs: everything that was acknowledged before is in it. The file appears under its "
        "name once it is complete. It contains password hashes and the secrets of second "
        "factors, and only you can read it. PostgreSQL needs pg_dump, of its version or a "
        "later one, and DATABASE_DIRECT_URL if DATABASE_URL leads through a pooler."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file to write; it must not exist")

    def handle(self, *, file: str, verbosity: int, **options: object) -> None:
        path = Path(file)
        connect_directly()
        try:
            with bar("Writing", quiet=verbosity < 1) as progress:
                if settings.ON_POSTGRESQL:
                    dumps.check(None)
                    produce = partial(dumps.dump, progress=progress)
                    made = backups.write(path, "postgresql", dumps.MEMBER, produce)
                else:
                    source = Path(connection.settings_dict["NAME"])
                    made = backups.write(
                        *(path, "sqlite", copies.MEMBER),
                        lambda out: copies.dump(source, out, path, progress),
                    )
        except BackupError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(
                f"The database failed: {without_password(error)} No backup was made."
            ) from error
        size = path.stat().st_size
        self.stdout.write(
            f"Wrote {made.rows:,} rows of {len(made.contents.tables)} tables to {path} "
            f"({size:,} bytes). Try it: {sys.executable} manage.py restore {path} --dry-run"
        )
