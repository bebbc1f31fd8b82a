"""Copies of SQLite's file while it is written to, for backups.

Both directions use SQLite's online backup. Out of the service's file it reads within one
read transaction, which does not block writers, and which writes do not start over. Into
that file it writes within one transaction: a restore that is interrupted changes nothing.
"""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from taskproject.backups import (
    CHUNK,
    BackupError,
    Contents,
    Hashed,
    Manifest,
    Progress,
    Table,
)

MEMBER = "database.sqlite3"
PAGES = 2_000  # of 4 KB, in one step
BUSY = 30.0  # seconds to wait for a writer
_TABLES = """SELECT name FROM sqlite_master WHERE type = 'table'
    AND name NOT LIKE 'sqlite^_%' ESCAPE '^' AND sql NOT LIKE 'CREATE VIRTUAL%'
    ORDER BY name"""


def dump(database: Path, stream: Hashed, near: Path, progress: Progress) -> Contents:
    """Writes a copy of the file to the stream. A temporary copy, beside the file `near`,
    takes as much of the disk."""
    if not database.exists():
        raise BackupError(
            f"There is no database at {database}: compare DATABASE_URL with that of the service."
        )
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=near.parent) as directory:
        copy = Path(directory) / MEMBER
        with _opened(copy) as target:
            with _opened(database) as source:
                source.execute("BEGIN")
                source.execute("SELECT 1 FROM sqlite_master").fetchone()
                _copy(source, target, near.parent, progress)
            # Without a -wal beside it the file is complete by itself.
            target.execute("PRAGMA journal_mode = DELETE")
            contents = _examine(target)
        with copy.open("rb") as file:
            while chunk := file.read(CHUNK):
                stream.write(chunk)
    return contents


def restore(
    manifest: Manifest,
    chunks: Iterable[bytes],
    database: Path,
    skip_ids: int,
    progress: Progress,
) -> None:
    """Replaces everything in the file by the backup, in one transaction."""
    place = database.parent
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=place) as directory:
        copy = Path(directory) / MEMBER
        try:
            with copy.open("wb") as file:
                file.writelines(chunks)
        except OSError as error:
            raise BackupError(f"{copy} cannot be written: {error.strerror}.") from error
        with _opened(copy) as source:
            _compare(_examine(source), manifest)
            source.execute("UPDATE sqlite_sequence SET seq = seq + ?", [skip_ids])
            with _opened(database) as target:
                _copy(source, target, place, progress)
                restored = _examine(target)
                try:
                    _compare(restored, manifest)
                except BackupError as error:  # The copy has passed this.
                    raise BackupError(
                        f"{database} was restored, and written to before it could be "
                        "checked: stop the service, then restore it again."
                    ) from error


def is_empty(database: Path) -> bool:
    """Whether the file has no tables, or does not exist."""
    if not database.exists():
        return True
    with _opened(database) as session:
        return not session.execute(_TABLES).fetchall()


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A session on the file. Raises BackupError if SQLite cannot read or write it."""
    try:
        with closing(sqlite3.connect(path, BUSY, isolation_level=None)) as session:
            yield session
    except sqlite3.Error as error:
        raise BackupError(
            f"{path} cannot be read or written: {error}. A file that is damaged must be "
            "moved away before a restore."
        ) from error


def _copy(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    directory: Path,
    progress: Progress,
) -> None:
    """Copies all of the source into the target, which is in the directory."""

    def report(_: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)

    try:
        source.backup(target, pages=PAGES, progress=report)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise BackupError(
            f"The disk of {directory} is full: it needs room for another copy of the "
            "database, and for the backup."
        ) from error


def _examine(session: sqlite3.Connection) -> Contents:
    """What the file holds. Raises BackupError if it is damaged."""
    found = session.execute("PRAGMA quick_check(1)").fetchall()
    if found != [("ok",)]:
        raise BackupError(
            f"The database is damaged ({found[0][0]}), and so would the backup be: restore "
            "an earlier backup. manage.py doctor --deep says more."
        )
    tables = {}
    for (name,) in session.execute(_TABLES).fetchall():
        quoted = name.replace('"', '""')
        [(rows,)] = session.execute(f'SELECT count(*) FROM "{quoted}"').fetchall()
        tables[name] = Table(rows)
    if "django_migrations" not in tables:
        raise BackupError("The database has no schema: type manage.py migrate.")
    applied = session.execute("SELECT app, name FROM django_migrations ORDER BY id")
    migrations = [f"{app}.{name}" for app, name in applied]
    return Contents(tables, migrations, sqlite3.sqlite_version)


def _compare(found: Contents, manifest: Manifest) -> None:
    for name, table in manifest.contents.tables.items():
        if found.tables.get(name) != table:
            raise BackupError(
                f"The table {name} has {found.tables.get(name)} instead of {table}: use "
                "another backup."
            )
