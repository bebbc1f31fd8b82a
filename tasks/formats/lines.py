"""Lines of text files in encodings that can be detected with certainty: UTF-8, with or without
a byte order mark, and UTF-16 with one. At most one line of bounded length is in memory."""

import codecs
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from tasks.formats.records import Refused

#: Most bytes of a line, or of the lines of one CSV row. The largest task that can be
#: stored takes less than a tenth of that.
LINE_BYTES = 2**20

#: The advice for files in other encodings.
RESAVE = (
    "Save it as UTF-8 (in a spreadsheet: CSV UTF-8), or convert it, as with `iconv -f "
    "WINDOWS-1252 -t UTF-8`, and import that file"
)

_BLOCK = 2**16
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


def decoded(content: bytes) -> str:
    """The text of a whole file. Raises `Refused` if its encoding is uncertain."""
    encoding = encoding_of(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        name = encoding.removesuffix("-sig").upper()
        raise Refused(f"The file is not {name} text. {RESAVE}.") from None


def encoding_of(beginning: bytes) -> str:
    """The name of the codec for a file that begins with these bytes. Raises `Refused` for
    UTF-32, and if there are NULs, as in UTF-16 without a byte order mark."""
    # The byte order mark of UTF-32 begins with that of UTF-16.
    if beginning.startswith(_UTF_32):
        raise Refused(f"The file is UTF-32. {RESAVE}.")
    if beginning.startswith(_UTF_16):
        return "utf-16"
    if b"\x00" in beginning[:4]:
        raise Refused(
            f"The file has NUL bytes, as UTF-16 without a byte order mark has. {RESAVE}."
        )
    return "utf-8-sig"


class _Readable(Protocol):
    def readline(self, size: int, /) -> bytes: ...


class Lines:
    """The lines of a stream as UTF-8, with their ends. A line that is too long raises
    `Refused`, and iteration can go on after it, which a generator does not allow. UTF-8 is
    not validated."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream: _Readable = stream
        #: The number of the last line, counted from 1.
        self.number = 0
        #: Bytes since `begin`.
        self._taken = 0

    def begin(self) -> None:
        """Begin a record; the limit applies to all of its lines."""
        self._taken = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self._stream.readline(LINE_BYTES + 1)
        if self.number == 0 and line:
            line = self._first(line)
        if not line:
            raise StopIteration
        self.number += 1
        self._taken += len(line)
        if self._taken > LINE_BYTES:
            self._skip(line)
            raise Refused(f"The line is longer than {LINE_BYTES:,} bytes.")
        return line

    def _first(self, line: bytes) -> bytes:
        """The first line as UTF-8; it decides the encoding of the stream."""
        if encoding_of(line) == "utf-16":
            self._stream = _UTF16(self._stream, line)
            line = self._stream.readline(LINE_BYTES + 1)
        line = line.removeprefix(codecs.BOM_UTF8)
        end = line.find(b"\r")
        if end >= 0 and end + 1 < len(line) and line[end + 1 : end + 2] != b"\n":
            self._stream = _CarriageReturns(self._stream, line)
            line = self._stream.readline(LINE_BYTES + 1)
        return line

    def _skip(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._stream.readline(LINE_BYTES)


class _UTF16:
    """A stream of UTF-16 as one of UTF-8; its beginning has been read before."""

    def __init__(self, stream: _Readable, beginning: bytes) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._text = self._decode(beginning)
        self._ended = False

    def readline(self, size: int) -> bytes:
        """At most that many characters of the next line."""
        parts: list[str] = []
        length = 0
        while "\n" not in self._text and length + len(self._text) < size:
            if self._ended:
                break
            parts.append(self._text)
            length += len(self._text)
            block = self._stream.readline(_BLOCK)
            self._ended = not block
            self._text = self._decode(block)
        whole = "".join(parts) + self._text
        line, end, self._text = whole.partition("\n")
        line += end
        if len(line) > size:
            line, self._text = line[:size], line[size:] + self._text
        return line.encode()

    def _decode(self, block: bytes) -> str:
        try:
            return self._decoder.decode(block, final=not block)
        except UnicodeDecodeError:
            self._ended = True
            self._stream = _Ended()
            raise Refused(
                f"The file is not UTF-8, and not UTF-16 to its end. {RESAVE}."
            ) from None


class _CarriageReturns:
    """A stream with line ends of CR alone as one with LF; its beginning has been read
    before."""

    def __init__(self, stream: _Readable, beginning: bytes) -> None:
        self._stream = stream
        self._lines = self._split(beginning)

    def readline(self, size: int) -> bytes:
        line = b""
        while not line.endswith(b"\n") and len(line) < size:
            if not self._lines:
                block = self._stream.readline(_BLOCK)
                if not block:
                    break
                self._lines = self._split(block)
            line += self._lines.popleft()
        if len(line) > size:
            self._lines.appendleft(line[size:])
            line = line[:size]
        return line

    def _split(self, block: bytes) -> deque[bytes]:
        return deque(block.replace(b"\r", b"\n").splitlines(keepends=True))


class _Ended:
    def readline(self, size: int, /) -> bytes:
        return b""
