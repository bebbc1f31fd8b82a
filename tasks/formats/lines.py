"""Lines of a file, without ever holding more than one of a bounded length."""

from collections.abc import Iterator
from typing import BinaryIO

from tasks.formats.records import Refused

#: Bytes of a line, or of the lines of one CSV row. The largest task that the service
#: stores takes less than a tenth of it.
LINE_BYTES = 2**20

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Lines:
    """The lines of a stream, with their ends. A line that is too long raises `Refused`;
    the next one can be asked for all the same, which a generator does not allow."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        #: The line that was read last, counted from 1.
        self.number = 0
        #: Bytes since `begin`.
        self._taken = 0

    def begin(self) -> None:
        """Says that what comes is a new record, to which the bound applies."""
        self._taken = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self._stream.readline(LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        self._taken += len(line)
        if self._taken > LINE_BYTES:
            self._skip(line)
            raise Refused(f"The line is longer than {LINE_BYTES:,} bytes.")
        return line

    def _skip(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._stream.readline(LINE_BYTES)
