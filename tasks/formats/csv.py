"""CSV: one row for each task, for spreadsheets (RFC 4180, UTF-8, CRLF).

- The file begins with a byte order mark, because Excel reads other encodings without it.
- Reading accepts what spreadsheets write, where it is unambiguous: semicolons or tabs
  as separators, UTF-16, line ends of CR alone, their words for true and false, and dates
  with a time of midnight or written as day.month.year. Ambiguous values, such as
  01/02/2026, are refused.
- Cells that a spreadsheet would run as a formula get an apostrophe in front
  (https://owasp.org/www-community/attacks/CSV_Injection): those that begin with = + - @
  TAB, CR or LF, and those that begin with apostrophes before such a character, so that
  reading can remove exactly one.
- Tags are joined by ", ". A tag with a comma, a quotation mark or a line break is put in
  quotation marks, and those inside are doubled, as in CSV itself.
- Tasks in the trash, positions, owners and reminders are left out: there are no columns
  for them."""

import csv
import json
import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from hashlib import sha256
from io import StringIO
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

from taskproject.names import unknown
from tasks.formats.csv_rows import Rows
from tasks.formats.records import (
    TASK_FIELDS,
    BadRow,
    Record,
    Refused,
    Row,
    TaskRecord,
    checked_task,
    put_on_one_line,
    read_uuid,
    readable_title,
    shown,
)
from tasks.formats.times import read_day, read_instant, write_instant
from tasks.recurrence import SERIES

T = TypeVar("T")
#: Fields that only jsonl has.
NOT_IN_TABLES = ("position", "reminders")
# The last columns: the others stay where they are in what people have made of files.
_LAST = ("client_id", *SERIES)
COLUMNS = (
    "external_id",
    *(name for name in TASK_FIELDS if name not in (*_LAST, *NOT_IN_TABLES)),
    *_LAST,
)
#: Also who owns each task: in files of several owners.
OWNED_COLUMNS = (*COLUMNS, "owner")
# The columns of version 1.3, which identify rows without external_id. Later columns count
# only if they are filled, so that rows that were imported before are still recognised.
_FIRST_COLUMNS = (
    *("external_id", "title", "description", "list", "parent", "tags", "priority"),
    *("due_date", "due_at", "due_timezone", "completed", "completed_at"),
    *("created_at", "updated_at"),
)

_ESCAPED = re.compile(r"'+[=+\-@\t\r\n]")
_TO_ESCAPE = re.compile(r"'*[=+\-@\t\r\n]")
_TO_QUOTE = re.compile(r'[,"\r\n]')
# The words that spreadsheets write in the language of their user, and others.
_BOOLEANS = {
    **dict.fromkeys(
        (
            *("", "0", "false", "no", "falsch", "nein", "faux", "non", "falso"),
            *("onwaar", "nee", "fałsz", "nie", "falskt", "falsk", "epätosi"),
            *("nepravda", "hamis", "ложь", "хибність", "yanlış", "偽", "假", "거짓"),
        ),
        False,
    ),
    **dict.fromkeys(
        (
            *("1", "true", "yes", "wahr", "ja", "vrai", "oui", "vero", "verdadero"),
            *("verdadeiro", "sí", "sì", "sim", "waar", "prawda", "tak", "sant", "sand"),
            *("tosi", "pravda", "igaz", "истина", "істина", "doğru", "真", "참"),
        ),
        True,
    ),
}
# A number of many digits in the scientific notation of spreadsheets.
_ROUNDED = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]+")
_MIDNIGHT = re.compile(r"(.+?)(?:[T ]00?:00(?::00(?:\.0+)?)?)?", re.ASCII)
_YEAR_FIRST = re.compile(r"([0-9]{4})([-./])([0-9]{1,2})\2([0-9]{1,2})\.?")
# With dots the day comes first in every country.
_DAY_FIRST = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")


def write(
    records: Iterable[Record], name: str = "tasks", columns: Sequence[str] = COLUMNS
) -> Iterator[bytes]:
    """The rows of the file, its header first. Tasks in the trash are left out. `name` is not
    used."""
    yield BOM_UTF8 + _row(columns)
    for record in records:
        if isinstance(record, TaskRecord) and record.deleted_at is None:
            yield _row([_escaped(cell) for cell in _cells(record, columns)])


def _cells(task: TaskRecord, columns: Sequence[str] = COLUMNS) -> list[str]:
    return [_WRITERS[column](getattr(task, column)) for column in columns]


def _row(cells: Iterable[str]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()


def _escaped(cell: str) -> str:
    return f"'{cell}" if _TO_ESCAPE.match(cell) else cell


def _unescaped(cell: str) -> str:
    return cell[1:] if _ESCAPED.match(cell) else cell


def tags_cell(tags: Iterable[str]) -> str:
    """Names of tags as one cell, as `_tags` reads them."""
    return ", ".join(map(_quoted, tags))


def _quoted(tag: str) -> str:
    if not _TO_QUOTE.search(tag):
        return tag
    doubled = tag.replace('"', '""')
    return f'"{doubled}"'


def read(stream: BinaryIO, name: str = "tasks") -> Iterator[Row]:
    """The tasks of the file, and a `BadRow` for each invalid row.

    The columns may be in any order, and all but `title` may be missing. A task without
    external_id gets one that is derived from the content of its row and the number of equal
    rows before it, so that reading the file again gives the same ids. This keeps 16 bytes of
    each such row in memory."""
    rows = Rows(stream)
    try:
        columns = _columns(next(rows, []))
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    seen: Counter[bytes] = Counter()
    while True:
        cells: dict[str, str] = {}
        try:
            row = next(rows, None)
            if row is None:
                return
            if any(row):
                cells = _by_column(columns, row)
                given = _task(cells)
                yield _identified(given, seen)
                yield from put_on_one_line(rows.line, given)
        except Refused as refusal:
            title = readable_title(cells.get("title"))
            yield BadRow(rows.line, str(refusal), title)


def _columns(header: list[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in header]
    for column in columns:
        if column not in OWNED_COLUMNS:
            reason = unknown(column, COLUMNS, "column")
            if len(columns) == 1 and any(name in column for name in COLUMNS):
                reason += " Commas, semicolons or tabs stand between cells."
            raise Refused(reason)
        if columns.count(column) > 1:
            raise Refused(f"The column {column!r} is there twice.")
    if "title" not in columns:
        raise Refused(
            "The column 'title' is missing; the first row names the columns, of "
            f"{', '.join(COLUMNS)}."
        )
    return columns


def _by_column(columns: list[str], row: list[str]) -> dict[str, str]:
    # Spreadsheets leave out or add empty cells at the end of a row.
    if len(row) > len(columns) and any(row[len(columns) :]):
        raise Refused(f"The row has {len(row)} cells for {len(columns)} columns.")
    return dict(zip(columns, map(_unescaped, row), strict=False))


def _task(cells: dict[str, str]) -> TaskRecord:
    """The task of a row; its external_id is empty if the row has none."""
    values = {
        column: read(column, cells.get(column, "")) for column, read in _READERS.items()
    }
    return TaskRecord(**values)


def _text(column: str, cell: str) -> str:
    return cell


def _text_or_none(column: str, cell: str) -> str | None:
    # White space around values other than free text means nothing.
    return cell.strip() or None


def _identifier(column: str, cell: str) -> str:
    if _ROUNDED.fullmatch(cell.strip()):
        raise Refused(
            f"{column} {shown(cell)} was an id, which a spreadsheet took for "
            "a number and cut; open the export again with this column as text."
        )
    return cell if cell.strip() else ""


def _identifier_or_none(column: str, cell: str) -> str | None:
    return _identifier(column, cell) or None


def _uuid(column: str, cell: str) -> UUID | None:
    text = cell.strip()
    return read_uuid(column, text) if text else None


def _priority(column: str, cell: str) -> str:
    return cell.strip().lower() or "none"


def _day(column: str, cell: str) -> date | None:
    """The day, in any of the unambiguous forms."""
    text = cell.strip()
    if not text:
        return None
    match = _MIDNIGHT.fullmatch(text)
    day = match[1] if match else text
    if parts := _YEAR_FIRST.fullmatch(day):
        day = f"{parts[1]}-{parts[3]:0>2}-{parts[4]:0>2}"
    elif parts := _DAY_FIRST.fullmatch(day):
        day = f"{parts[3]}-{parts[2]:0>2}-{parts[1]:0>2}"
    try:
        return read_day(column, day)
    except Refused:
        raise Refused(
            f"{column} is {shown(text)}; give a date such as 2026-01-31. In a spreadsheet, "
            "format the column as text or as YYYY-MM-DD, and save it as CSV again."
        ) from None


def _instant(column: str, cell: str) -> datetime | None:
    text = cell.strip()
    if not text:
        return None
    try:
        return read_instant(column, text)
    except Refused as refusal:
        raise Refused(
            f"{refusal} Where a spreadsheet has changed it, open the export again with "
            "this column as text."
        ) from None


def _boolean(column: str, cell: str) -> bool:
    text = cell.strip()
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise Refused(f"{column} is {shown(text)}; give true or false.")
    return value


def _tags(column: str, cell: str) -> tuple[str, ...]:
    if not cell:
        return ()
    try:
        rows = list(csv.reader([cell], skipinitialspace=True, strict=True))
    except csv.Error:
        rows = []
    if len(rows) != 1:
        raise Refused(
            f"{column} is {shown(cell)}; separate tags with commas, and put one that has a "
            "comma itself in quotation marks."
        )
    return tuple(tag for tag in rows[0] if tag.strip())


def _identified(task: TaskRecord, seen: Counter[bytes]) -> TaskRecord:
    if task.external_id:
        return checked_task(task)
    title, name = task.title.strip(), task.list
    task = checked_task(replace(task, external_id="csv:"))
    # With the line breaks that titles and names could have before version 1.4.
    cells = dict(
        zip(COLUMNS, _cells(replace(task, title=title, list=name)), strict=True)
    )
    content = json.dumps(
        [
            *(cells.pop(column) for column in _FIRST_COLUMNS),
            *([column, cell] for column, cell in cells.items() if cell),
        ]
    ).encode()
    key = sha256(content).digest()[:16]
    seen[key] += 1
    digest = sha256(content + b"%d" % seen[key]).hexdigest()
    return replace(task, external_id=f"csv:{digest}")


def _or_empty(write: Callable[[T], str]) -> Callable[[T | None], str]:
    return lambda value: "" if value is None else write(value)


_KINDS = {field.name: field.type for field in fields(TaskRecord)}
#: How a value of each type is written, and read as a value of that type.
_Kind = tuple[Callable[..., str], Callable[[str, str], Any]]
_BY_KIND: dict[object, _Kind] = {
    str: (str, _text),
    str | None: (_or_empty(str), _text_or_none),
    bool: (lambda value: "true" if value else "false", _boolean),
    date | None: (_or_empty(date.isoformat), _day),
    UUID | None: (_or_empty(str), _uuid),
    datetime | None: (_or_empty(write_instant), _instant),
    tuple[str, ...]: (tags_cell, _tags),
}
_WRITERS = {column: _BY_KIND[_KINDS[column]][0] for column in OWNED_COLUMNS}
_READERS = {column: _BY_KIND[_KINDS[column]][1] for column in OWNED_COLUMNS} | {
    "external_id": _identifier,
    "parent": _identifier_or_none,
    "priority": _priority,
}
