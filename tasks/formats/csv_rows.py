"""Rows of a CSV file (RFC 4180), each with the line that it begins on."""

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from tasks.formats.lines import Lines
from tasks.formats.records import Refused

#: What stands between cells: a comma, or what spreadsheets write instead where a comma
#: is the decimal sign, or for "Unicode text".
SEPARATORS = ",;\t"
# A first line by which some programs name it.
_NAMED = re.compile(r"sep=([,;\t])\s*", re.IGNORECASE)


class Rows:
    """The rows of a stream, as lists of cells; blank lines are left out.

    The first row tells which of SEPARATORS it is: the one that gives the most cells. A
    row that cannot be read raises `Refused`, and the next one can be asked for all the
    same. Rows are at most 1 MiB and cells at most 128 KiB. A byte that is no UTF-8 comes
    as a lone surrogate, which no record holds.
    """

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
        # A new reader each time: one that has raised is in the middle of a row.
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
    """How many cells the separator makes of the line; none where it cannot."""
    try:
        (row,) = csv.reader([text], delimiter=separator, strict=True)
    except (csv.Error, ValueError):
        return 0
    return len(row)
