"""JSON Lines: the service's own format, which has all data.

Each line is one JSON object (https://jsonlines.org). The first is a header with the format
and its version. Each of the others has a `kind` - list, tag or task - and the members of
that record that differ from their defaults. The last line says that the file is complete,
and how many records it has; files of version 1 have none. Reading what was written gives
equal records, whatever the order of the lines after the first. Reading is strict: an
unknown, repeated or mistyped member makes its line a `BadRow`."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, BinaryIO

import orjson

from taskproject import uuids
from taskproject.names import unknown
from tasks.formats.lines import Lines
from tasks.formats.records import (
    BadRow,
    Incomplete,
    ListRecord,
    Record,
    Refused,
    Row,
    TagRecord,
    TaskRecord,
    checked,
    put_on_one_line,
    read_uuid,
    readable_title,
    shown,
)
from tasks.formats.times import read_day, read_instant, write_instant

HEADER = {"kind": "header", "format": "tasks", "version": 2}
#: The versions that can be read; the first has no end line.
VERSIONS = (1, 2)
END = {"kind": "end", "records": 0}

KINDS: dict[str, type[Record]] = {
    "list": ListRecord,
    "tag": TagRecord,
    "task": TaskRecord,
}
_NAMES = {kind: name for name, kind in KINDS.items()}
_DEFAULTS = {
    kind: {field.name: field.default for field in fields(kind)}
    for kind in KINDS.values()
}
#: Characters that JSON may have in its texts, and that end a line for some readers, such as
#: str.splitlines() of Python.
_SEPARATORS = {
    "\u2028".encode(): rb"\u2028",
    "\u2029".encode(): rb"\u2029",
    "\x85".encode(): rb"\u0085",
}
_values = {kind: attrgetter(*names) for kind, names in _DEFAULTS.items()}
_REQUIRED = {
    name: [field.name for field in fields(kind) if field.default is MISSING]
    for name, kind in KINDS.items()
}


def write(records: Iterable[Record], name: str = "tasks") -> Iterator[bytes]:
    """The lines of the file, one for each record. `name` is not used."""
    yield orjson.dumps(HEADER, option=orjson.OPT_APPEND_NEWLINE)
    number = 0
    for number, record in enumerate(records, 1):
        yield line(record)
    yield orjson.dumps(END | {"records": number}, option=orjson.OPT_APPEND_NEWLINE)


def line(record: Record) -> bytes:
    """The line of one record."""
    kind = type(record)
    members: dict[str, object] = {"kind": _NAMES[kind]}
    values = zip(_DEFAULTS[kind].items(), _values[kind](record), strict=True)
    for (name, default), value in values:
        if value is not default and value != default:
            members[name] = _written(value) if type(value) is datetime else value
    return encoded(members, orjson.OPT_UTC_Z)


def encoded(members: Mapping[str, object], options: int) -> bytes:
    """The line of an object, which no reader divides."""
    written = orjson.dumps(members, option=options | orjson.OPT_APPEND_NEWLINE)
    if not written.isascii():
        for separator, escaped in _SEPARATORS.items():
            if separator[0] in written:  # sooner than replace()
                written = written.replace(separator, escaped)
    return written


def _written(value: datetime) -> datetime | str:
    """The time for orjson, which writes it faster, but leaves out microseconds of 0."""
    if value.microsecond and value.tzinfo is UTC:
        return value
    return write_instant(value)


def read(stream: BinaryIO, name: str = "tasks") -> Iterator[Row]:
    """The records of the file in their order, and a `BadRow` for each invalid line.

    A file without the header, or of an unknown version, gives one `BadRow` and nothing else.
    A file that lacks records or its end (any line but the first) gives an `Incomplete` at
    last. Memory is bounded by the longest line, at most 1 MiB."""
    lines = Lines(stream)
    try:
        version = _version(next(lines, b""))
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    number = 0
    end: int | None = None
    while True:
        lines.begin()
        members: dict[str, object] = {}
        try:
            line = next(lines, None)
            if line is None:
                break
            if not line.strip():
                continue
            members = _object(line)
            if members.get("kind") == "end":
                end = _end(members, end)
                continue
            given = _record(members)
            yield checked(given)
            yield from put_on_one_line(lines.number, given)
        except Refused as refusal:
            title = readable_title(members.get("title"))
            yield BadRow(lines.number, str(refusal), title)
        number += 1
    missing = _missing(version, number, end)
    if missing:
        yield Incomplete(lines.number, missing)


def _end(members: dict[str, object], before: int | None) -> int:
    """The number of records that the end line states."""
    records = members.get("records")
    if before is not None:
        raise Refused("The file has another end; two files were joined.")
    if type(records) is not int or members.keys() != END.keys():
        raise Refused(f"The end of the file is not as {orjson.dumps(END).decode()}.")
    return records


def _missing(version: int, number: int, end: int | None) -> str | None:
    """The reason why a file with this many records is incomplete, or None."""
    if end is None:
        return None if version == 1 else "The file has no end: it was cut off."
    if number != end:
        return f"The file had {end:,} records when it was written; {number:,} are left."
    return None


def _version(line: bytes) -> int:
    """The version in the header, which is the first line."""
    expected = orjson.dumps(HEADER).decode()
    try:
        header = _object(line)
    except Refused as refusal:
        raise Refused(f"The first line is not {expected}: {refusal}") from None
    if header.get("kind") != "header" or header.get("format") != "tasks":
        raise Refused(f"The first line is not {expected}.")
    version = header.get("version")
    if type(version) is not int or version not in VERSIONS:
        raise Refused(
            f"The file is of version {shown(version)}; 1 and 2 are read here."
        )
    for member in header:
        if member not in HEADER:
            raise Refused(unknown(member, list(HEADER), "member of the header"))
    return version


def _record(members: dict[str, object]) -> Record:
    kind = members.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise Refused(
            unknown(kind, list(KINDS), "kind")
            if isinstance(kind, str)
            else "kind is missing; give 'list', 'tag' or 'task'."
        )
    known = _DEFAULTS[KINDS[kind]]
    if not members.keys() <= known.keys():
        member = next(member for member in members if member not in known)
        raise Refused(unknown(member, list(known), f"member of a {kind}"))
    for member in _REQUIRED[kind]:
        if member not in members:
            raise Refused(f"{member} is missing; a {kind} needs it.")
    values: dict[str, Any] = members
    for member, value in members.items():
        if value is None and known[member] is None:
            continue
        expected, words, convert = _TYPES.get(member, _STRING)
        # In Python a bool is an int. No field is a number.
        if type(value) is not expected:
            raise Refused(f"{member} is {shown(value)}; give {words}.")
        if convert is not None:
            values[member] = convert(member, value)
    return KINDS[kind](**values)


def _strings(member: str, value: list[object]) -> tuple[str, ...]:
    texts: list[str] = []
    for item in value:
        if not isinstance(item, str):
            raise Refused(f"{member} has {shown(item)} in it; give strings.")
        texts.append(item)
    return tuple(texts)


def _objects(member: str, value: list[object]) -> tuple[dict[str, object], ...]:
    objects = tuple(item for item in value if isinstance(item, dict))
    if len(objects) != len(value):
        raise Refused(f"{member} has something else than objects in it; give these.")
    return objects


_Type = tuple[type, str, Callable[..., object] | None]
_STRING: _Type = (str, "a string", None)
_BOOLEAN: _Type = (bool, "true or false", None)
_INSTANT: _Type = (str, "a time such as 2026-01-31T12:00:00Z", read_instant)
_DAY: _Type = (str, "a date such as 2026-01-31", read_day)
_TYPES: dict[str, _Type] = {
    "client_id": (str, f"a UUID such as {uuids.EXAMPLE}", read_uuid),
    "archived": _BOOLEAN,
    "completed": _BOOLEAN,
    "tags": (list, "an array of strings", _strings),
    "reminders": (list, "an array of reminders", _objects),
    "due_date": _DAY,
    **dict.fromkeys(
        ("completed_at", "created_at", "updated_at", "deleted_at", "due_at"), _INSTANT
    ),
}


def _object(line: bytes) -> dict[str, object]:
    """The members of a line. orjson, which takes a sixth of the time, keeps the last of a
    repeated member without an error: it parses lines that are as it would write them."""
    with suppress(orjson.JSONDecodeError):
        parsed = orjson.loads(line)
        if type(parsed) is dict and line == orjson.dumps(
            parsed, option=orjson.OPT_APPEND_NEWLINE
        ):
            return parsed
    try:
        value = json.loads(
            line.decode(), object_pairs_hook=_once_each, parse_constant=_no_constant
        )
    except UnicodeDecodeError:
        raise Refused("The line is not UTF-8.") from None
    except RecursionError:
        raise Refused("The line is nested too deeply; give one flat object.") from None
    except json.JSONDecodeError as error:
        raise Refused(f"The line is not JSON: {error.msg}.") from None
    except Refused:
        raise
    except ValueError:
        raise Refused("The line has a number with too many digits.") from None
    if not isinstance(value, dict):
        raise Refused("The line is no JSON object.")
    return value


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise Refused(f"The member {shown(name)} is given twice.")
        members[name] = value
    return members


def _no_constant(name: str) -> None:
    raise Refused(f"The line is not JSON: {name} is no number.")
