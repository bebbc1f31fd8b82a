"""A csv that LibreOffice Calc has opened and saved: the same tasks come back."""

import shutil
import subprocess
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tasks.formats import TaskRecord, csv

CALC = shutil.which("soffice")
FIXTURES = Path(__file__).parent.parent / "formats"
NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
TIMES: dict[str, Any] = {"created_at": NOON, "updated_at": NOON}
RECORDS = [
    TaskRecord(
        "12-1795832097361377",
        "Buy milk; and “oat” milk",
        description='two\nlines, "Été" 漢🌱\n  indented',
        list="Home, sweet home",
        tags=("a", "b, c", 'say "hi"'),
        priority="high",
        due_date=date(2026, 12, 31),
        **TIMES,
    ),
    TaskRecord(
        "todoist:7", "=SUM(A1)", description="-x", parent="12-1795832097361377", **TIMES
    ),
    TaskRecord(
        "13-1795832097361378",
        "1-2",
        completed=True,
        completed_at=NOON,
        due_at=NOON,
        due_timezone="Europe/Paris",
        **TIMES,
    ),
    TaskRecord("x", "+49 30 1234", due_date=date(1900, 1, 1), tags=("@home",)),
    TaskRecord("y", "'90s music", due_date=date(2999, 12, 31)),
]
# As in the dialogs: what stands between cells, what around them, the character set, the
# first row; how each column is read (2: as text); the language; whether all text is
# quoted; whether dates and the like are detected, or saved as shown.
OPENED = {
    "as_proposed": "44,34,76,1,,1033,false,false",
    "with_special_numbers": "44,34,76,1,,1033,false,true",
    "in_german": "44,34,76,1,,1031,false,true",
    "as_text": "44,34,76,1,"
    + "/".join(f"{column}/2" for column in range(1, 15))
    + ",1033,false,false",
}
SAVED = {
    "comma": "44,34,76,1,,0,false,true,false",
    "semicolon_all_quoted": "59,34,76,1,,0,true,true,false",
    "tab_utf_16": "9,34,65535,1,,0,false,true,false",
    "not_as_shown": "44,34,76,1,,0,false,false,false",
    "semicolon_in_german": "59,34,76,1,,1031,false,true,false",
}


def convert(directory: Path, sources: list[Path], *arguments: str) -> None:
    done = subprocess.run(
        [
            str(CALC),
            "--headless",
            f"-env:UserInstallation=file://{directory}/profile",
            *("--convert-to", *arguments),
            *("--outdir", str(directory), *map(str, sources)),
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(CALC is None, reason="needs LibreOffice Calc (soffice)")
def test_calc_gives_the_tasks_back(tmp_path: Path) -> None:
    """Each way to open the file, kept in each kind of file, and each way to save it."""
    books = []
    for opened, tokens in OPENED.items():
        for kind in ("ods", "xlsx"):
            source = tmp_path / f"{opened}_{kind}.csv"
            source.write_bytes(b"".join(csv.write(RECORDS)))
            convert(tmp_path, [source], kind, f"--infilter=CSV:{tokens}")
            books.append(source.with_suffix(f".{kind}"))

    for saved, tokens in SAVED.items():
        # Only numbers and dates that were detected can be saved in other ways.
        if saved != "comma":
            books = [book for book in books if "special_numbers" in book.name]
        convert(tmp_path, books, f"csv:Text - txt - csv (StarCalc):{tokens}")
        for book in books:
            content = book.with_suffix(".csv").read_bytes()
            rows: list[Any] = list(csv.read(BytesIO(content)))
            assert rows == RECORDS, (book.name, saved)


@pytest.mark.parametrize("saved", SAVED)
def test_what_calc_wrote_is_read(saved: str) -> None:
    """Files of LibreOffice 7.4, opened with special numbers."""
    rows: list[Any] = list(
        csv.read(BytesIO((FIXTURES / f"calc_{saved}.csv").read_bytes()))
    )

    assert rows == RECORDS
