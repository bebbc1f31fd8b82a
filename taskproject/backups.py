"""Backups: one file that holds the whole database, and what proves that it is whole.

A backup is a zip archive with two members. `backup.json` is the manifest: the version of
the schema, the number of rows of each table, and the SHA-256 of the other member, which is
`database.sqlite3` (see `sqlite/copies.py`) or `database.dump`, in pg_dump's custom format
(see `postgresql/dumps.py`). Both can be taken out and used without this service.
"""

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO, NamedTuple

from django.apps import apps
from django.db.migrations.loader import MigrationLoader

from taskproject import __version__

#: Of the manifest; one that is higher is refused.
FORMAT = 1
MANIFEST = "backup.json"
CHUNK = 2**20  # bytes
#: Called with a number of bytes or rows that are done, and the total if it is known.
Progress = Callable[[int, int | None], object]


class BackupError(Exception):
    """A backup cannot be made, read or restored. The message says why and what to do."""


class Table(NamedTuple):
    rows: int
    #: A sum over the contents of all rows (PostgreSQL), or empty: see `dumps.digest`.
    digest: str = ""


class Contents(NamedTuple):
    """What a backup was made of, all at one moment."""

    tables: dict[str, Table]
    #: The applied migrations, each `app.name`.
    migrations: list[str]
    #: The version of the database's server or library.
    version: str
    #: PostgreSQL's schema that holds the tables.
    schema: str = ""


class Manifest(NamedTuple):
    format: int
    #: The version of this service, and the time in UTC.
    service: str
    made_at: str
    #: `sqlite` or `postgresql`.
    database: str
    #: The other member of the archive, and its uncompressed size in bytes.
    member: str
    size: int
    sha256: str
    contents: Contents

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.contents.tables.values())


class Hashed:
    """A binary file that hashes and counts what is written to it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.hash = sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        self._stream.write(data)
        self.hash.update(data)
        self.size += len(data)


def write(
    path: Path, database: str, member: str, produce: Callable[[Hashed], Contents]
) -> Manifest:
    """Writes a backup: `produce` writes the database into the stream. The file appears under
    its name once it is complete and on the disk, and only its owner can read it."""
    if path.exists():
        raise BackupError(f"{path} exists already: choose another name or delete it.")
    # Of this process alone: two may write to the same name.
    partial = path.with_name(f"{path.name}.{token_hex(4)}.partial")
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w") as archive:
                with archive.open(_entry(member), "w", force_zip64=True) as stream:
                    hashed = Hashed(stream)
                    contents = produce(hashed)
                manifest = Manifest(
                    *(FORMAT, __version__, made_at, database, member),
                    *(hashed.size, hashed.hash.hexdigest(), contents),
                )
                archive.writestr(_entry(MANIFEST), _as_json(manifest))
            file.flush()
            os.fsync(file.fileno())
        # Unlike `replace`, it fails if somebody else has made the file meanwhile.
        os.link(partial, path)
        partial.unlink()
        _sync(path.parent)
    except OSError as error:
        _discard(partial)
        raise BackupError(f"{path} cannot be written: {error.strerror}.") from error
    except BaseException:
        _discard(partial)
        raise
    return manifest


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, datetime.now(UTC).timetuple()[:6])
    entry.external_attr = 0o600 << 16
    # pg_dump compresses by itself.
    stored = name.endswith(".dump")
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return entry


def _as_json(manifest: Manifest) -> str:
    contents = manifest.contents._asdict()
    tables = manifest.contents.tables
    contents["tables"] = {name: table._asdict() for name, table in tables.items()}
    return json.dumps(manifest._asdict() | {"contents": contents}, indent=1)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _discard(partial: Path) -> None:
    with suppress(OSError):
        partial.unlink()


def read_manifest(path: Path) -> Manifest:
    """Raises BackupError if the file is no backup, is truncated, or has a newer format."""
    try:
        with zipfile.ZipFile(path) as archive:
            given = json.loads(archive.read(MANIFEST))
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}.") from error
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BackupError(
            f"{path} is no backup, or is incomplete ({error}): use another one."
        ) from error
    if given.get("format") != FORMAT:
        raise BackupError(
            f"{path} was made by version {given.get('service')} of this service, which "
            "writes another format: restore it with that version."
        )
    contents = given.pop("contents")
    tables = {name: Table(**table) for name, table in contents.pop("tables").items()}
    return Manifest(contents=Contents(tables, **contents), **given)


def chunks(path: Path, manifest: Manifest, progress: Progress) -> Iterator[bytes]:
    """The database in the backup. Raises BackupError at the end if a bit of it differs."""
    found, size = sha256(), 0
    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(manifest.member) as stream,
        ):
            while chunk := stream.read(CHUNK):
                found.update(chunk)
                size += len(chunk)
                progress(size, manifest.size)
                yield chunk
    except (OSError, zipfile.BadZipFile, KeyError, EOFError, ValueError) as error:
        raise BackupError(_damaged(path, str(error))) from error
    if found.hexdigest() != manifest.sha256:
        raise BackupError(_damaged(path, "its SHA-256 differs"))


def _damaged(path: Path, why: str) -> str:
    return f"{path} is damaged ({why}): use another backup. Nothing was restored."


def verify(path: Path, manifest: Manifest, progress: Progress) -> None:
    """Raises BackupError if the database in the backup is not the one that was written."""
    for _ in chunks(path, manifest, progress):
        pass


def check_schema(manifest: Manifest) -> list[str]:
    """The migrations that this release has and the backup has not. Raises BackupError if the
    backup is of a newer schema."""
    known = MigrationLoader(None).disk_migrations or {}
    ours = {config.label for config in apps.get_app_configs()}
    applied = set(manifest.contents.migrations)
    disk = {f"{app}.{name}" for app, name in known}
    newer = sorted(
        name for name in applied - disk if name.split(".", maxsplit=1)[0] in ours
    )
    if newer:
        raise BackupError(
            f"The backup has a newer schema than this release: its migration {newer[-1]} is "
            f"unknown here. Restore it with version {manifest.service} of the service."
        )
    return sorted(disk - applied)
