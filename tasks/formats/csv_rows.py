"""Rows of a CSV file (RFC 4180), each with the number of its first line."""

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from tasks.formats.lines import Lines
from tasks.formats.records import Refused

#: The separators of cells: a comma; a semicolon, where the comma is the decimal sign; or a
#: tab, in "Unicode text".
SEPARATORS = ",;\t"
# The first line in which some programs name the separator.
_NAMED = re.compile(r"sep=([,;\t])\s*", re.IGNORECASE)


class Rows:
    """The rows of a stream, as lists of cells, without blank lines.

    The separator is the one of SEPARATORS that gives most cells in the first row. An invalid
    row raises `Refused`, and iteration can go on after it. Rows are at most 1 MiB and cells
    at most 128 KiB. A byte that is not UTF-8 becomes a lone surrogate, which no record may
    have."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = Lines(stream)
        self._separator = ""
        #: The line that the last row begins on, counted from 1.
        self.line = 1

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        row: list[str] = []
        while not row:
            self.line = self._lines.number + 1
            self._lines.begin()
            try:
                row = self._row() if self._separator else self._first_row()
            except csv.Error as error:
                raise Refused(f"The row is not CSV: {error}.") from None
        return row

    def _row(self) -> list[str]:
        # A new reader for each row: one that has raised an error stops within a row.
        return next(csv.reader(self._texts(), delimiter=self._separator, strict=True))

    def _first_row(self) -> list[str]:
        text = next(self._texts())
        if not text.strip():
            return []
        if named := _NAMED.fullmatch(text):
            self._separator = named[1]
            return []
        self._separator = max(SEPARATORS, key=lambda separator: _width(text, separator))
        return next(
            csv.reader(
                chain([text], self._texts()), delimiter=self._separator, strict=True
            )
        )

    def _texts(self) -> Iterator[str]:
        for line in self._lines:
            yield line.decode("utf-8", "surrogateescape")


def _width(text: str, separator: str) -> int:
    """The number of cells in the line with this separator; 0 if it is no valid CSV."""
    try:
        (row,) = csv.reader([text], delimiter=separator, strict=True)
    except (csv.Error, ValueError):
        return 0
    return len(row)
