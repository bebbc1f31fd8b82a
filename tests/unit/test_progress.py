"""The progress bars of commands."""

import sys

import pytest

from taskproject.management.progress import bar


def test_progress_is_shown_on_terminals_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for terminal in (False, True):
        monkeypatch.setattr(sys.stderr, "isatty", lambda shown=terminal: shown)
        with bar("Writing", quiet=False) as progress:
            progress(1, 2)
        assert ("Writing" in capsys.readouterr().err) == terminal
