"""JSON Lines: the service's own format, which holds everything and loses nothing.

Each line is one JSON object (https://jsonlines.org). The first is a header that names
the format and its version; each of the others has a `kind` - list, tag or task - and
the members of that record that differ from their defaults. What is written reads back
equal. Reading is strict: an unknown, repeated or mistyped member refuses its line.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, BinaryIO

import orjson

from tasks.formats.lines import Lines
from tasks.formats.records import (
    BadRow,
    ListRecord,
    Record,
    Refused,
    Row,
    TagRecord,
    TaskRecord,
    checked,
    shown,
    unknown,
)
from tasks.formats.times import read_day, read_instant, write_instant

HEADER = {"kind": "header", "format": "tasks", "version": 1}

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


def write(records: Iterable[Record], name: str = "tasks") -> Iterator[bytes]:
    """The lines of the file, one record each; `name` is not part of it."""
    yield orjson.dumps(HEADER, option=orjson.OPT_APPEND_NEWLINE)
    for record in records:
        yield _line(record)


def _line(record: Record) -> bytes:
    members: dict[str, Any] = {"kind": _NAMES[type(record)]}
    for name, default in _DEFAULTS[type(record)].items():
        value = getattr(record, name)
        if value != default:
            members[name] = (
                write_instant(value) if isinstance(value, datetime) else value
            )
    return orjson.dumps(members, option=orjson.OPT_APPEND_NEWLINE)


def read(stream: BinaryIO, name: str = "tasks") -> Iterator[Row]:
    """The records of the file in their order, and a `BadRow` for each line that is none.

    A file without the header, or of a version that is not known here, gives one
    `BadRow` and nothing else. Memory is bounded by the longest line, at most 1 MiB.
    """
    lines = Lines(stream)
    try:
        _check_header(next(lines, b""))
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    while True:
        lines.begin()
        try:
            line = next(lines, None)
            if line is None:
                return
            if line.strip():
                yield _record(line)
        except Refused as refusal:
            yield BadRow(lines.number, str(refusal))


def _check_header(line: bytes) -> None:
    """The first line is understood before any other is read."""
    expected = orjson.dumps(HEADER).decode()
    try:
        header = _object(line)
    except Refused as refusal:
        raise Refused(f"The first line is not {expected}: {refusal}") from None
    if header.get("kind") != "header" or header.get("format") != "tasks":
        raise Refused(f"The first line is not {expected}.")
    version = header.get("version")
    if version is True or version != HEADER["version"]:
        raise Refused(f"The file is of version {shown(version)}; 1 is read here.")
    for member in header:
        if member not in HEADER:
            raise Refused(unknown(member, list(HEADER), "member of the header"))


def _record(line: bytes) -> Record:
    members = _object(line)
    kind = members.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise Refused(
            unknown(kind, list(KINDS), "kind")
            if isinstance(kind, str)
            else "kind is missing; give 'list', 'tag' or 'task'."
        )
    known = _DEFAULTS[KINDS[kind]]
    for member in members:
        if member not in known:
            raise Refused(unknown(member, list(known), f"member of a {kind}"))
    for member, default in known.items():
        if default is MISSING and member not in members:
            raise Refused(f"{member} is missing; a {kind} needs it.")
    return checked(
        KINDS[kind](
            **{
                member: _value(member, value, known[member])
                for member, value in members.items()
            }
        )
    )


def _value(member: str, value: Any, default: Any) -> Any:
    """The value in the type of its field. Raises `Refused` for any other type."""
    if value is None and default is None:
        return None
    kind, words, convert = _TYPES.get(member, _STRING)
    # A bool is an int to Python, and no number is wanted anywhere.
    if type(value) is not kind:
        raise Refused(f"{member} is {shown(value)}; give {words}.")
    return convert(member, value)


def _as_is(member: str, value: Any) -> Any:
    return value


def _strings(member: str, value: list[Any]) -> tuple[str, ...]:
    for item in value:
        if not isinstance(item, str):
            raise Refused(f"{member} has {shown(item)} in it; give strings.")
    return tuple(value)


_Type = tuple[type, str, Callable[[str, Any], Any]]
_STRING: _Type = (str, "a string", _as_is)
_BOOLEAN: _Type = (bool, "true or false", _as_is)
_INSTANT: _Type = (str, "a time such as 2026-01-31T12:00:00Z", read_instant)
_DAY: _Type = (str, "a date such as 2026-01-31", read_day)
_TYPES: dict[str, _Type] = {
    "archived": _BOOLEAN,
    "completed": _BOOLEAN,
    "tags": (list, "an array of strings", _strings),
    "due_date": _DAY,
    **dict.fromkeys(
        ("completed_at", "created_at", "updated_at", "deleted_at", "due_at"), _INSTANT
    ),
}


def _object(line: bytes) -> dict[str, Any]:
    """The members of a line. Not by orjson, which keeps the last of a member that is
    given twice and says nothing."""
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


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise Refused(f"The member {shown(name)} is given twice.")
        members[name] = value
    return members


def _no_constant(name: str) -> None:
    raise Refused(f"The line is not JSON: {name} is no number.")
