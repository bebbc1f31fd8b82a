"""The file of a backup, whatever is in it."""

from pathlib import Path

import pytest

from taskproject import backups
from taskproject.backups import BackupError, Contents, Hashed

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
