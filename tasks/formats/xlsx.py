"""Spreadsheets (Office Open XML), for people: they are not read.

Each value is a cell of its type, texts too, so that no program takes a title that begins
with `=` for a formula, and none changes an id such as 0012. Instants are in UTC, because a
spreadsheet knows no time zones."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from tempfile import TemporaryFile
from typing import Any

from xlsxwriter import Workbook

from tasks.formats.csv import OWNED_COLUMNS, tags_cell
from tasks.formats.records import Record, TaskRecord
from tasks.limits import FIRST_DAY

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: Most rows of a sheet below its header; the others are on further sheets.
ROWS = 2**20 - 1
BLOCK = 2**16  # bytes
_WIDTHS = {"title": 40, "description": 40, "external_id": 24}


def write(records: Iterable[Record], name: str = "tasks") -> Iterator[bytes]:
    """The file, in blocks. Rows are written to temporary files, one at a time. Tasks in the
    trash are left out. `name` is that of the first sheet."""
    with TemporaryFile() as file:
        options = {"constant_memory": True, "use_zip64": True}
        with Workbook(file, options) as book:
            _write_rows(book, records, name)
        file.seek(0)
        while block := file.read(BLOCK):
            yield block


def _write_rows(book: Workbook, records: Iterable[Record], name: str) -> None:
    bold = book.add_format({"bold": True})
    formats: dict[type[date], object] = {
        datetime: book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        date: book.add_format({"num_format": "yyyy-mm-dd"}),
    }
    sheet, row = _sheet(book, bold, name), 0
    for record in records:
        if not isinstance(record, TaskRecord) or record.deleted_at is not None:
            continue
        if row == ROWS:
            sheet, row = _sheet(book, bold, f"{name} {len(book.worksheets()) + 1}"), 0
        row += 1
        for column, field in enumerate(OWNED_COLUMNS):
            _write_cell(sheet, row, column, getattr(record, field), formats)


def _sheet(book: Workbook, bold: object, name: str) -> object:
    """A new sheet, with its header."""
    sheet = book.add_worksheet(name)
    sheet.freeze_panes(1, 0)
    for column, field in enumerate(OWNED_COLUMNS):
        sheet.set_column(column, column, _WIDTHS.get(field, 16))
    for column, field in enumerate(OWNED_COLUMNS):
        sheet.write_string(0, column, field, bold)
    return sheet


def _write_cell(
    sheet: Any, row: int, column: int, value: object, formats: dict[type[date], Any]
) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
        return
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None)
    elif isinstance(value, tuple):
        value = tags_cell(value)
    # The writer takes the first day of 1900 for a time without a day.
    if isinstance(value, date) and value.timetuple()[:3] != FIRST_DAY.timetuple()[:3]:
        sheet.write_datetime(row, column, value, formats[type(value)])
    elif value is not None and value != "":
        sheet.write_string(row, column, str(value))
