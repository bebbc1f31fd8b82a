"""``manage.py restore``: a backup put back, all of it or nothing."""

from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from taskproject import backups
from taskproject.backups import BackupError, Manifest
from taskproject.doctor import without_password
from taskproject.management.direct import connect_directly
from taskproject.management.progress import bar
from taskproject.postgresql import dumps
from taskproject.sqlite import copies

SKIP_IDS = 1_000_000


class Command(BaseCommand):
    help = (
        "Replaces the database by a backup, in one transaction: if it is interrupted, the "
        "database is as before, and the command can be run again. First the whole file is "
        "compared with its checksum; afterwards the rows of each table with the numbers in "
        "the backup. Stop the service before, and start it afterwards. PostgreSQL needs "
        "pg_restore and psql."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a file of manage.py backup")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="check the file and its schema, but restore nothing",
        )
        parser.add_argument(
            "--replace",
            metavar="DATABASE",
            default="",
            help="the name of the database (of SQLite's file), whose present contents are "
            "lost; required if it has tables",
        )
        parser.add_argument(
            "--skip-ids",
            type=int,
            default=SKIP_IDS,
            metavar="NUMBER",
            help="continue ids and cursors this much further, so that none that was given "
            f"out after the backup is given out again; default: {SKIP_IDS:,}",
        )

    def handle(
        self,
        *,
        file: str,
        dry_run: bool,
        replace: str,
        skip_ids: int,
        verbosity: int,
        **options: object,
    ) -> None:
        path, quiet = Path(file), verbosity < 1
        if not 0 <= skip_ids <= 10**12:
            raise CommandError("--skip-ids must be from 0 to 1000000000000.")
        connect_directly()
        try:
            manifest = backups.read_manifest(path)
            pending = backups.check_schema(manifest)
            self._check_kind(manifest)
            with bar("Checking", quiet=quiet) as progress:
                backups.verify(path, manifest, progress)
            if not dry_run:
                self._check_target(manifest, replace)
                self._restore(path, manifest, skip_ids, quiet)
        except BackupError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(
                f"The database failed: {without_password(error)}"
            ) from error
        done = "Could restore" if dry_run else "Restored"
        self.stdout.write(
            f"{done} {manifest.rows:,} rows of {len(manifest.contents.tables)} tables, as "
            f"they were at {manifest.made_at}."
        )
        if pending:
            self.stdout.write(
                f"The backup lacks {len(pending)} migrations of this release: then type "
                "manage.py migrate."
            )

    def _check_kind(self, manifest: Manifest) -> None:
        ours = "postgresql" if settings.ON_POSTGRESQL else "sqlite"
        if manifest.database != ours:
            raise BackupError(
                f"The backup is of {manifest.database}, and DATABASE_URL is {ours}: tasks "
                "move between them by manage.py export_tasks and import_tasks."
            )

    def _check_target(self, manifest: Manifest, replace: str) -> None:
        """Raises BackupError if this would lose data that nobody has named."""
        name = str(connection.settings_dict["NAME"])
        if settings.ON_POSTGRESQL:
            dumps.check(manifest)
            empty = dumps.is_empty()
        else:
            empty = copies.is_empty(Path(name))
        name = Path(name).name
        if not empty and replace != name:
            raise BackupError(
                f"The database {name} has tables, whose contents would be lost: back it up, "
                f"then add --replace {name}."
            )

    def _restore(
        self, path: Path, manifest: Manifest, skip_ids: int, quiet: bool
    ) -> None:
        with bar("Restoring", quiet=quiet) as progress:
            if settings.ON_POSTGRESQL:
                data = backups.chunks(path, manifest, progress)
                dumps.restore(manifest, data, skip_ids)
            else:
                data = backups.chunks(path, manifest, lambda *_: None)
                target = Path(connection.settings_dict["NAME"])
                copies.restore(manifest, data, target, skip_ids, progress)
        connection.close()
