"""Files of tasks: reading and writing of each format.

Pure: streams and records, without the database and without HTTP. Reading raises nothing
because of the contents of a file: what cannot be read becomes a `BadRow` among the records,
and what does not fit is kept in another field, which an `Adjusted` reports."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tasks.formats import (
    csv,
    google,
    ics,
    ics_reading,
    jsonl,
    microsoft,
    todoist,
    vikunja,
    xlsx,
)
from tasks.formats.records import (
    Adjusted,
    BadRow,
    Incomplete,
    ListRecord,
    Record,
    Refused,
    Row,
    TagRecord,
    TaskRecord,
    checked,
)

__all__ = (
    "NOT_READ",
    "READERS",
    "WRITERS",
    "Adjusted",
    "BadRow",
    "Incomplete",
    "ListRecord",
    "Reader",
    "Record",
    "Refused",
    "Row",
    "TagRecord",
    "TaskRecord",
    "Writer",
    "checked",
    "format_of",
)

#: Takes the stream, and the name of the list for tasks that have none in the file, such as
#: the stem of the file's name.
Reader = Callable[[BinaryIO, str], Iterator[Row]]


class Writer(NamedTuple):
    """How a format is written. `write` takes the records and a name for the whole."""

    write: Callable[[Iterable[Record], str], Iterator[bytes]]
    media_type: str
    extension: str


READERS: dict[str, Reader] = {
    "jsonl": jsonl.read,
    "csv": csv.read,
    "ics": ics_reading.read,
    "todoist": todoist.read,
    "google": google.read,
    "microsoft": microsoft.read,
    "vikunja": vikunja.read,
}

WRITERS: dict[str, Writer] = {
    "jsonl": Writer(jsonl.write, "application/jsonl", ".jsonl"),
    "csv": Writer(csv.write, "text/csv; charset=utf-8; header=present", ".csv"),
    "ics": Writer(ics.write, "text/calendar; charset=utf-8", ".ics"),
    "xlsx": Writer(xlsx.write, xlsx.MEDIA_TYPE, ".xlsx"),
}

_BY_EXTENSION = {
    **{writer.extension: kind for kind, writer in WRITERS.items()},
    ".ndjson": "jsonl",
    ".zip": "vikunja",
}
#: Of a format that is only written.
NOT_READ = "{} cannot be read: in a spreadsheet, save the sheet as csv."


def format_of(path: Path) -> str | None:
    """The format that the extension of a file's name says, in any case; None if it says none."""
    return _BY_EXTENSION.get(path.suffix.lower())
