"""The file of a backup, whatever is in it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from taskproject import backups
from taskproject.backups import BackupError, Contents, Hashed
from taskproject.sqlite import copies

pytestmark = pytest.mark.either_database
CONTENTS = Contents({}, [], "3")


def test_two_backups_of_one_name_leave_the_one_that_was_complete_first(
    tmp_path: Path,
) -> None:
    path = tmp_path / "today.backup"

    def first(stream: Hashed) -> Contents:
        stream.write(b"first")
        return CONTENTS

    def second(stream: Hashed) -> Contents:
        stream.write(b"second, begun before")
        backups.write(path, "sqlite", "database", first)
        return CONTENTS

    with pytest.raises(BackupError, match="File exists"):
        backups.write(path, "sqlite", "database", second)

    manifest = backups.read_manifest(path)
    found = b"".join(backups.chunks(path, manifest, lambda *_: None))
    assert found == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """The one of the copy, and not of the database."""
    with (
        closing(sqlite3.connect(tmp_path / "database")) as source,
        closing(sqlite3.connect(tmp_path / "copy")) as copy,
    ):
        source.execute("CREATE TABLE rows AS SELECT zeroblob(100000)")
        copy.execute("PRAGMA max_page_count = 1")
        with pytest.raises(BackupError, match="full: it needs room"):
            copies._copy(source, copy, tmp_path, lambda *_: None)
