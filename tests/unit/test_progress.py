"""The progress bars of commands."""

import sys
from pathlib import Path

import pytest

from taskproject.accounts.models import User
from taskproject.management.progress import bar
from tests.support.commands import run


def test_progress_is_shown_on_terminals_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda shown=terminal: shown)
        with bar("Writing", quiet=False) as progress:
            progress(1, 2)
        assert ("Writing" in capsys.readouterr().err) == terminal


def test_commands_write_no_bars_into_logs(
    capsys: pytest.CaptureFixture[str], alice: User, bob: User, tmp_path: Path
) -> None:
    file = str(tmp_path / "tasks.jsonl")
    run("seed_tasks", "3", "--owner", "alice")
    run("export_tasks", "--owner", "alice", "--output", file)
    run("import_tasks", "--owner", "bob", file)
    run("purge")
    run("delete_user", "bob", "--yes")

    error = capsys.readouterr().err
    assert "%|" not in error
    assert " rows [" not in error
