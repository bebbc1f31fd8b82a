"""JSON documents of other services: read whole, and believed nothing of."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO

import orjson

from tasks.formats.records import Refused, shown
from tasks.formats.times import read_instant

#: Bytes of a document. It is held in memory as a whole, at several times its size.
DOCUMENT_BYTES = 512 * 2**20

Members = dict[str, Any]


def load(stream: BinaryIO) -> Any:
    """The value of the document. Raises `Refused` if it is no JSON or is too large."""
    content = stream.read(DOCUMENT_BYTES + 1)
    if len(content) > DOCUMENT_BYTES:
        raise Refused(f"The document is larger than {DOCUMENT_BYTES // 2**20} MiB.")
    try:
        return orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise Refused(f"The file is not JSON: {error.msg}.") from None


def as_object(what: str, value: object) -> Members:
    if not isinstance(value, dict):
        raise Refused(f"{what} has {shown(value)} in it; objects are expected.")
    return value


def array(members: Members, name: str) -> list[Any]:
    """An array; empty where it is missing or null."""
    items: list[Any] = _typed(members, name, list, "an array") or []
    return items


def objects(members: Members, name: str) -> Iterator[Members]:
    """The objects in an array; nothing where it is missing or null. Raises `Refused`
    where it is no array of objects."""
    for item in array(members, name):
        yield as_object(name, item)


def strings(members: Members, name: str) -> list[str]:
    items = array(members, name)
    for item in items:
        if not isinstance(item, str):
            raise Refused(f"{name} has {shown(item)} in it; strings are expected.")
    return items


def member(members: Members, name: str) -> Members:
    """An object in an object; empty where it is missing or null."""
    return _typed(members, name, dict, "an object") or {}


def text(members: Members, name: str) -> str:
    """A string; empty where it is missing or null."""
    return _typed(members, name, str, "a string") or ""


def boolean(members: Members, name: str) -> bool:
    return _typed(members, name, bool, "true or false") or False


def number(members: Members, name: str) -> float:
    """A number; 0 where it is missing or null."""
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise Refused(f"{name} is {shown(value)}; a number is expected.")
    return value or 0


def instant(members: Members, name: str) -> datetime | None:
    """A time in RFC 3339; None where it is missing, null, empty, or in the year 1,
    which is how Go writes that there is none."""
    value = text(members, name)
    return read_instant(name, value) if value and value[:5] != "0001-" else None


def identifier(members: Members, name: str = "id") -> str:
    """A string or an integer that names the object. Raises `Refused` if it is missing."""
    value = members.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise Refused(f"{name} is {shown(value)}; every task needs one.")
    return value


def _typed(members: Members, name: str, kind: type, words: str) -> Any:
    value = members.get(name)
    if value is not None and not isinstance(value, kind):
        raise Refused(f"{name} is {shown(value)}; {words} is expected.")
    return value
