"""The parts of a text that match a search, for pages that emphasise them.

A text is divided where matches begin and end. It stays plain text: clients need no offsets,
whose unit depends on the language, and no markup, which would have to be escaped."""

import re
from collections.abc import Iterable, Iterator, Sequence

from tasks.models.letters import plain
from tasks.models.words import beginnings

#: Most characters of a text that are shown, and of those before the first match.
FRAGMENT = 200
BEFORE = 60
#: Characters that are searched at a time.
PORTION = 1_000
CUT = "…"


class _Plain(dict[str, str]):
    """Single characters without case and accents."""

    def __missing__(self, character: str) -> str:
        self[character] = found = plain(character)
        return found


_plain = _Plain()


def parts(text: str, words: Sequence[str]) -> list[str]:
    """The text in an odd number of parts, of which every second one begins a word that matches one of
    the words, or is within a run without spaces. Of a longer text, the fragment with the first
    match. Empty if nothing matches.

    `words` are those of `query_words`."""
    spans = _in_text(text, words)
    first = next(spans, None)
    if first is None:
        return []
    start, end = _fragment(text, first[0])
    found = [first]
    for span in spans:
        if span[1] > end:
            break
        found.append(span)
    divided, place = [], start
    for begin, stop in ((begin, min(stop, end)) for begin, stop in found):
        divided += [text[place:begin], text[begin:stop]]
        place = stop
    divided.append(text[place:end])
    divided[0] = f"{CUT if start else ''}{divided[0]}"
    divided[-1] += CUT if end < len(text) else ""
    return divided


def _fragment(text: str, first: int) -> tuple[int, int]:
    """The part of the text that is shown, with the match that begins at `first`."""
    if len(text) <= FRAGMENT:
        return 0, len(text)
    start = max(0, first - BEFORE)
    if start:
        # It begins with a whole word, if there is one.
        start = next(
            (at + 1 for at in range(start, first) if text[at].isspace()), start
        )
    return start, min(len(text), start + FRAGMENT)


def _in_text(text: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The matches in the text, in order and apart, from the first one on to the end of its portion."""
    pattern = beginnings(tuple(words))
    for start, end in _portions(text):
        # Characters are looked at one by one only where something matches: that takes ten
        # times as long.
        found = plain(text[start:end])
        if any(word in found for word in words) and pattern.search(found):
            yield from _in_portion(text, start, min(len(text), end + FRAGMENT), pattern)
            return


def _portions(text: str) -> Iterator[tuple[int, int]]:
    """The text in portions that end between words, if there is white space."""
    if text.isascii():
        yield 0, len(text)
        return
    start = 0
    while start < len(text):
        end = min(len(text), start + PORTION)
        longest = min(len(text), end + FRAGMENT)
        end = next((at for at in range(end, longest) if text[at].isspace()), longest)
        yield start, end
        start = end


def _in_portion(
    text: str, start: int, end: int, pattern: re.Pattern[str]
) -> Iterator[tuple[int, int]]:
    if text.isascii():
        yield from _joined(match.span(1) for match in pattern.finditer(text.lower()))
        return
    pieces = [_plain[character] for character in text[start:end]]
    places = [at for at, piece in enumerate(pieces) for _ in piece]
    matches = pattern.finditer("".join(pieces))
    for begin, stop in _joined(match.span(1) for match in matches):
        after = places[stop - 1] + 1
        # With the accents after its last letter.
        while after < len(pieces) and not pieces[after]:
            after += 1
        yield start + places[begin], start + after


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans, those that meet as one."""
    last: tuple[int, int] | None = None
    for begin, stop in spans:
        if last is None:
            last = begin, stop
        elif begin <= last[1]:
            last = last[0], max(last[1], stop)
        else:
            yield last
            last = begin, stop
    if last is not None:
        yield last
