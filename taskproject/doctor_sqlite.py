"""The checks of `manage.py doctor` of SQLite's file."""

import os
import shutil
import tempfile
from pathlib import Path

from django.conf import settings

from taskproject.doctor import Options, Results, check, error, warning
from taskproject.doctor_database import path, rows

LEAST_FREE = 2**30  # bytes of disk
#: File systems of networks, on which SQLite's locks do not hold.
NETWORKS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "afs"}


@check("file")
def check_file(options: Options) -> Results:
    """Whether the directory can be written to, is local, and has room."""
    if settings.ON_POSTGRESQL:
        return
    folder = path().parent
    if not folder.is_dir():
        return  # as `database` says
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        if path().exists() and not os.access(path(), os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as failure:
        yield error(
            f"SQLite cannot write in {folder} ({failure.strerror}): give the directory and "
            f"the file to the user of the service (chown -R), or change DATABASE_URL."
        )
        return
    kind = _file_system(folder.resolve())
    if kind in NETWORKS:
        yield error(
            f"{folder} is on a file system of the network ({kind}), where SQLite's locks "
            "do not hold: move the file to a local disk, or use PostgreSQL."
        )
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        yield warning(
            f"Only {free / 2**20:,.0f} MB are free in {folder}: make room, or writes will "
            "be 503."
        )


def _file_system(folder: Path) -> str:
    """The type of the file system (Linux), or an empty string."""
    kinds = {}
    try:
        for line in Path("/proc/mounts").read_text().splitlines():
            _, mount, kind, *_ = line.split(" ")
            kinds[Path(mount)] = kind
    except OSError:
        return ""
    nearest = max(
        (m for m in kinds if folder.is_relative_to(m)),
        key=lambda mount: len(mount.parts),
        default=None,
    )
    return kinds[nearest] if nearest else ""


@check("pragmas", needs="migrations")
def check_pragmas(options: Options) -> Results:
    """What makes SQLite durable and concurrent; with `deep` also its own check."""
    if settings.ON_POSTGRESQL:
        return
    [(journal,)] = rows("PRAGMA journal_mode")
    if journal != "wal":
        yield error(
            f"The journal mode is {journal} instead of wal, so readers wait for writers: "
            f'stop the service, then type sqlite3 {path()} "PRAGMA journal_mode=WAL"'
        )
    [(synchronous,)] = rows("PRAGMA synchronous")
    if synchronous < 2:
        yield error(
            "synchronous is not FULL, so a power cut may lose acknowledged writes: "
            "restore `PRAGMA synchronous=FULL` in taskproject/settings.py."
        )
    if options.deep:
        broken = rows("PRAGMA quick_check(1)")
        if broken != [("ok",)]:
            yield error(
                "The file is damaged (PRAGMA quick_check): put the last backup in its "
                "place, as docs/operations.md describes."
            )
