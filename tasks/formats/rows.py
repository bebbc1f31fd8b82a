"""Rows of a CSV file (RFC 4180), each with the line that it begins on."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from tasks.formats.lines import Lines
from tasks.formats.records import Refused


class Rows:
    """The rows of a stream of UTF-8, as lists of cells; blank lines are left out.

    A row that cannot be read raises `Refused`, and the next one can be asked for all
    the same. Rows are at most 1 MiB and cells at most 128 KiB. A byte that is no UTF-8
    comes as a lone surrogate, which no record holds.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = Lines(stream)
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
                # A new reader each time: one that has raised is in the middle of a row.
                row = next(csv.reader(self._texts(), strict=True))
            except csv.Error as error:
                raise Refused(f"The row is not CSV: {error}.") from None
        return row

    def _texts(self) -> Iterator[str]:
        for line in self._lines:
            yield line.decode("utf-8", "surrogateescape")
