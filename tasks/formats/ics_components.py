"""The to-dos of an iCalendar file, as properties: lines and components of RFC 5545, section 3."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, NamedTuple

from tasks.formats.documents import DOCUMENT_BYTES
from tasks.formats.lines import decoded, encoding_of
from tasks.formats.records import Refused

_PARAMETER = r';[A-Za-z0-9-]+=(?:"[^"]*"|[^":;,]*)(?:,(?:"[^"]*"|[^":;,]*))*'
_LINE = re.compile(rf"([A-Za-z0-9-]+)((?:{_PARAMETER})*):(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_AMONG = re.compile(r"(?:\\.|[^,\\]|\\$)+", re.DOTALL)
#: The end of the ids of this service's to-dos.
OWN = "@tasks"
#: The ids of events that are written beside a to-do: see `ics.components`.
_OWN_EVENT = re.compile(r"(.*)@(?:due|next2?)\.tasks")


class Property(NamedTuple):
    name: str
    parameters: dict[str, str]
    value: str

    @property
    def text(self) -> str:
        return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], self.value)  # fmt: skip

    def texts(self) -> Iterator[str]:
        for value in _AMONG.findall(self.value):
            yield self._replace(value=value).text


@dataclass(slots=True)
class Todo:
    """A VTODO. Reading a property removes it."""

    properties: dict[str, list[Property]] = field(
        default_factory=lambda: defaultdict(list)
    )
    #: Lines that are no properties.
    others: list[str] = field(default_factory=list)

    def first(self, name: str) -> Property | None:
        found = self.properties[name]
        return found.pop(0) if found else None

    def text(self, name: str) -> str:
        found = self.first(name)
        return found.text if found else ""

    def all(self, name: str) -> list[Property]:
        return self.properties.pop(name, [])


class Calendar:
    """The to-dos of a file. Raises `Refused` if it is no iCalendar, or too large."""

    def __init__(self, stream: BinaryIO) -> None:
        self.title = ""
        self.todos: list[Todo] = []
        self.left_out: dict[str, None] = {}
        self._events: list[str] = []  # their ids
        within: list[str] = []
        lines = _text(stream).split("\n")
        if lines[0].strip().upper() != "BEGIN:VCALENDAR":
            raise Refused(
                "The file is no iCalendar: it begins with no BEGIN:VCALENDAR."
            )
        for line in lines:
            found = _LINE.fullmatch(line)
            name = found[1].upper() if found else ""
            if found and name == "BEGIN":
                self._begin(within, found[3].strip().upper())
            elif name == "END" and within:
                within.pop()
            elif (
                within[1:] == ["VTODO"]
                and line.strip()
                or within[1:] == ["VTODO", "VALARM"]
                and name == "TRIGGER"
            ):
                self._add(self.todos[-1], found, line)
            elif found and within[1:] == ["VEVENT"] and name == "UID":
                self._events[-1] = found[3].strip()
            elif found and len(within) == 1 and name in ("NAME", "X-WR-CALNAME"):
                self.title = Property(name, {}, found[3]).text
        self.ended = not within
        if not all(map(self._is_of_todo, self._events)):
            self.left_out["VEVENT"] = None

    def _is_of_todo(self, event: str) -> bool:
        """Whether this service has written the event beside a to-do of the file."""
        own = _OWN_EVENT.fullmatch(event)
        return own is not None and f"{own[1]}{OWN}" in self._ids

    @cached_property
    def _ids(self) -> set[str]:
        found = (todo.properties.get("UID", ()) for todo in self.todos)
        return {one.value.strip() for each in found for one in each}

    def _begin(self, within: list[str], kind: str) -> None:
        within.append(kind)
        if within[1:] == ["VTODO"]:
            self.todos.append(Todo())
        elif within[1:] == ["VEVENT"]:
            self._events.append("")
        elif len(within) == 2 and kind != "VTIMEZONE":
            self.left_out[kind] = None

    def _add(self, todo: Todo, found: re.Match[str] | None, line: str) -> None:
        if found is None:
            todo.others.append(line)
            return
        name = found[1].upper()
        pairs = (it[1:].partition("=") for it in re.findall(_PARAMETER, found[2]))
        parameters = {key.upper(): value.strip('"') for key, _, value in pairs}
        todo.properties[name].append(Property(name, parameters, found[3]))


def _text(stream: BinaryIO) -> str:
    """The lines of the file, unfolded (RFC 5545 §3.1): a line may be cut within a character."""
    content = stream.read(DOCUMENT_BYTES + 1)
    if len(content) > DOCUMENT_BYTES:
        raise Refused(f"The file is larger than {DOCUMENT_BYTES // 2**20} MiB.")
    if encoding_of(content) == "utf-16":
        content = decoded(content).encode()
    content = content.replace(b"\r\n", b"\n")
    return decoded(content.replace(b"\n ", b"").replace(b"\n\t", b""))
