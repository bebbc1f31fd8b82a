"""Cursors: where a page of a list ended, as opaque text for clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NoReturn

import orjson

from taskproject.problems import Invalid

BIGINT = 2**63 - 1
#: Most characters of a cursor: that of a very long position.
CURSOR_LENGTH = 2_000


def encode(kind: str, number: int, value: str | int | None = None) -> str:
    """The cursor of a page that ended with the row of this number and, if the list is ordered by
    a value, of this value. `kind` identifies the list."""
    parts = [kind, number] if value is None else [kind, number, value]
    return urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode(
    cursor: str, kind: str, parameter: str = "cursor", least: int = 1
) -> tuple[int, str | int | None]:
    """The number and the value of a cursor. Raises `Invalid` for anything that `encode` did not
    make for this kind of list. `parameter` is the query parameter with the cursor."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = orjson.loads(urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, UnicodeError):
        parts = None
    match parts:
        case [str(word), int(number), *rest] if (
            word == kind
            and type(number) is int
            and least <= number <= BIGINT
            and len(rest) < 2
            and all(type(value) in (str, int) for value in rest)
            and encode(word, number, *rest) == cursor
        ):
            return number, rest[0] if rest else None
    refuse(parameter)


def decode_number(
    cursor: str, kind: str, parameter: str = "cursor", least: int = 1
) -> int:
    """The number of a cursor of a list that is ordered by it."""
    number, value = decode(cursor, kind, parameter, least)
    return number if value is None else refuse(parameter)


def decode_text(cursor: str, kind: str) -> tuple[int, str]:
    """The number and the value of a cursor of a list that is ordered by text."""
    number, value = decode(cursor, kind)
    # PostgreSQL accepts no NUL, not even in a comparison.
    if not isinstance(value, str) or "\x00" in value:
        refuse("cursor")
    return number, value


def refuse(parameter: str) -> NoReturn:
    """Raises the error of a cursor that is not valid for this list."""
    raise Invalid.of(
        parameter,
        "Send the next_cursor of the page before, unchanged, with the parameters of that page.",
        code="cursor",
        place="query",
    )
