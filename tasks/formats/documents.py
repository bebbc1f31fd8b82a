"""JSON documents of other services, without trust in their structure.

A member of another type than expected is no error: its value is kept as a line of the
description. So are members that no reader reads."""

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import IO

from tasks.formats.lines import decoded
from tasks.formats.records import Refused, shown
from tasks.formats.times import read_instant

#: Most bytes of a document, which takes several times that in memory.
DOCUMENT_BYTES = 512 * 2**20
#: Most digits of a number; longer ones are kept as text.
DIGITS = 100

Members = dict[str, object]


def load(stream: IO[bytes]) -> object:
    """The value of the document. Raises `Refused` if it is no JSON or too large.

    If an object has a member twice, the second is called `name (2)`."""
    content = stream.read(DOCUMENT_BYTES + 1)
    if len(content) > DOCUMENT_BYTES:
        raise Refused(f"The document is larger than {DOCUMENT_BYTES // 2**20} MiB.")
    try:
        document: object = json.loads(
            decoded(content),
            object_pairs_hook=_all_members,
            parse_int=lambda digits: int(digits) if len(digits) < DIGITS else digits,
            parse_constant=str,
        )
    except RecursionError:
        raise Refused("The file is nested too deeply to be an export.") from None
    except json.JSONDecodeError as error:
        raise Refused(f"The file is not JSON: {error.msg}.") from None
    return document


def _all_members(pairs: list[tuple[str, object]]) -> Members:
    members: Members = {}
    for name, value in pairs:
        wanted, count = name, 1
        while name in members:
            count += 1
            name = f"{wanted} ({count})"
        members[name] = value
    return members


def as_object(what: str, value: object) -> Members:
    if not isinstance(value, dict):
        raise Refused(f"{what} has {shown(value)} in it; objects are expected.")
    return value


class Remarks:
    """Lines to add to the description of one task, and its adjustments."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.adjusted: list[str] = []

    def keep(self, name: str, value: object, reason: str) -> None:
        """Keep the value in the description, and the reason among the adjustments."""
        self.lines.append(f"{name}: {written(value)}")
        self.adjusted.append(
            f"{name} {shown(value)} {reason}; kept in the description."
        )


def written(value: object) -> str:
    """The value as text: strings as they are, anything else as JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return shown(value)


class Item:
    """An object of a document, read member by member.

    A value of another type than requested goes to the remarks, and the default is returned
    instead. So do, at `finish`, the members that were not read."""

    def __init__(self, members: Members, remarks: Remarks, within: str = "") -> None:
        self._left = dict(members)
        self._within = within
        self._inner: list[tuple[Item, Collection[str] | None]] = []
        self.remarks = remarks

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def text(self, name: str) -> str:
        """A string; empty if it is missing or null."""
        value = self._take(name)
        if value is None or isinstance(value, str):
            return value or ""
        self._odd(name, value, "text")
        return ""

    def boolean(self, name: str) -> bool:
        value = self._take(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._odd(name, value, "true or false")
        return False

    def number(self, name: str) -> float:
        """A number; 0 if it is missing or null."""
        value = self._take(name)
        if value is None:
            return 0
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        self._odd(name, value, "a number")
        return 0

    def instant(self, name: str, never: str | None = None) -> datetime | None:
        """A time in RFC 3339; None if it is missing, null or empty, or begins with `never`,
        which some services write instead of null."""
        value = self.text(name)
        if not value or (never and value.startswith(never)):
            return None
        try:
            return read_instant(name, value)
        except Refused:
            self.remarks.keep(self._within + name, value, "is no time")
            return None

    def identifier(self, name: str = "id") -> str | None:
        """A string or an integer that identifies the object, or None."""
        value = self._take(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if value is None or isinstance(value, str):
            return value or None
        self._odd(name, value, "an identifier")
        return None

    def member(self, name: str, unused: Collection[str] | None = ()) -> "Item":
        """An object within the object; empty if it is missing or null. Of its members, the
        `unused` are ignored if they are not read; None stands for all."""
        value = self._take(name)
        if value is not None and not isinstance(value, dict):
            self._odd(name, value, "an object")
            value = None
        return self._within_this(name, value or {}, unused)

    def objects(self, name: str, unused: Collection[str] | None = ()) -> "list[Item]":
        """The objects in an array; none if it is missing or null."""
        items = []
        for value in self.array(name):
            if isinstance(value, dict):
                items.append(self._within_this(name, value, unused))
            else:
                self._odd(name, value, "an object")
        return items

    def strings(self, name: str) -> list[str]:
        texts = []
        for value in self.array(name):
            if isinstance(value, str):
                texts.append(value)
            else:
                self._odd(name, value, "text")
        return texts

    def array(self, name: str) -> list[object]:
        """An array; empty if it is missing or null."""
        value = self._take(name)
        if value is None or isinstance(value, list):
            return value or []
        self._odd(name, value, "an array")
        return []

    def names(self) -> list[str]:
        """The names of the members that have not been read."""
        return list(self._left)

    def finish(self, unused: Collection[str] = ()) -> None:
        """Keep the members that were not read, here and within, except the `unused`."""
        for inner, its_unused in self._inner:
            if its_unused is not None:
                inner.finish(its_unused)
        for name, value in self._unread(unused):
            self.remarks.keep(self._within + name, value, "is not known here")

    def passed_over(self, unused: Collection[str] = ()) -> Iterator[str]:
        """The names of members that are not empty and were not read."""
        for name, _ in self._unread(unused):
            yield self._within + name

    def _unread(self, unused: Collection[str]) -> Iterator[tuple[str, object]]:
        for name, value in self._left.items():
            # OData's own members describe the response, not the object.
            if value and name not in unused and "@odata." not in name:
                yield name, value

    def _within_this(
        self, name: str, members: Members, unused: Collection[str] | None
    ) -> "Item":
        item = Item(members, self.remarks, f"{self._within}{name}.")
        self._inner.append((item, unused))
        return item

    def _take(self, name: str) -> object:
        return self._left.pop(name, None)

    def _odd(self, name: str, value: object, expected: str) -> None:
        if value in ("", [], {}):
            return
        self.remarks.keep(self._within + name, value, f"is not {expected}")
