"""Comparison of letters without case, accents, and the strokes, hooks and bars that Unicode
does not decompose."""

import re
import unicodedata
from collections.abc import Iterator

# The blocks of Latin, Greek and Cyrillic letters without decompositions.
_BLOCKS = (
    (0x00C0, 0x0588),
    (0x1C80, 0x1C90),
    (0x1D00, 0x2000),
    (0x2183, 0x2185),
    (0x2C60, 0x2C80),
    (0xA640, 0xA6A0),
    (0xA720, 0xA800),
    (0xAB30, 0xAB70),
    (0x10780, 0x107C0),
    (0x1DF00, 0x1E000),
    (0x1E030, 0x1E090),
)
# The blocks of combining marks, except musical ones, hands and Nyiakeng Puachue.
_MARKED = ((0x0300, 0x3100), (0xA660, 0xABF0), (0xFB1E, 0xFE30), (0x10100, 0x11F60))
_NAME = re.compile(
    r"(?P<script>LATIN|GREEK|CYRILLIC) "
    r"(?:(?:SMALL|CAPITAL|SMALL CAPITAL) (?:LETTER|LIGATURE)|LETTER) "
    r"(?P<letter>.+?)(?: BAR| DIGRAPH)?(?: WITH .+)?"
)
# Words in the names of letters that are variants of their base letter.
_DRAWN = re.compile(
    r"(?:AFRICAN|BARRED|BLACKLETTER|BROAD|CLOSED|DOTLESS|INSULAR|LENIS|LONG|OPEN|REVERSED|"
    r"SCRIPT|SIDEWAYS|STIRRUP|STRAIGHT|TAILLESS|TURNED|VISIGOTHIC|VOLAPUK|SMALL|SMALL CAPITAL) "
)
# Latin letters with names of their own, and their usual replacements.
_TYPED = {
    "ETH": "d", "THORN": "th", "ENG": "n", "KRA": "k", "SCHWA": "e", "HWAIR": "hv",
    "WYNN": "w", "YOGH": "y", "EZH": "z", "ESH": "s", "SHARP S": "ss", "ALPHA": "a",
    "GAMMA": "g", "IOTA": "i", "UPSILON": "u", "PHI": "f", "CHI": "ch", "BETA": "b",
}  # fmt: skip
# The combining classes (Unicode, section 4.3) of marks that make another letter: vowels and
# viramas. Marks of other classes are accents.
_OF_WORDS = frozenset({0, 6, 9, 84, 91, 103, 107, 118, 122, 129, 130, 132})
# Joiners and variation selectors, which stand within words.
_IGNORED = (
    *(0x00AD, 0x034F, 0x061C, *range(0x180B, 0x1810), *range(0x200C, 0x2010)),
    *(*range(0x2060, 0x2065), *range(0xFE00, 0xFE10), 0xFEFF, *range(0xE0100, 0xE01F0)),
)


def plain(text: str) -> str:
    """The text without case and accents."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text).translate(_PLAIN).casefold()


def _base(character: str) -> str:
    """The base letter of a letter without a decomposition; the letter itself if there is none."""
    found = _NAME.fullmatch(unicodedata.name(character, ""))
    if found is None:
        return character
    script, letter = found["script"], found["letter"]
    bare = _DRAWN.sub("", letter)
    if script == "LATIN":
        if bare in _TYPED:
            return _TYPED[bare]
        if re.fullmatch("[A-Z]{1,2}", bare):
            return bare.lower()
    for name in (bare, letter, f"{letter} DIGRAPH"):
        try:
            return unicodedata.lookup(f"{script} SMALL LETTER {name}")
        except KeyError:
            continue
    return character


def _table() -> Iterator[tuple[int, str | None]]:
    for first, end in _BLOCKS:
        for code in range(first, end):
            if unicodedata.decomposition(chr(code)):
                continue
            base = _base(chr(code))
            # The base letter may have one itself: u with stroke, straight u.
            while len(base) == 1 and (further := _base(base)) != base:
                base = further
            base = "".join(
                part
                for part in unicodedata.normalize("NFKD", base)
                if not unicodedata.combining(part)
            )
            if base != chr(code):
                yield code, base
    for code in _marks():
        kind = unicodedata.combining(chr(code))
        if unicodedata.category(chr(code)) == "Me" or kind not in _OF_WORDS:
            yield code, None
    yield from dict.fromkeys(_IGNORED).items()


def _marks() -> Iterator[int]:
    for first, end in _MARKED:
        for code in range(first, end):
            if unicodedata.category(chr(code))[0] == "M":
                yield code


def ranges(codes: Iterator[int]) -> str:
    """The characters of these ascending code points, for a class of a regular expression."""
    found: list[list[int]] = []
    for code in codes:
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in found)


_PLAIN = dict(_table())
#: Marks that are part of words, for a class of a regular expression.
MARKS = ranges(code for code in _marks() if code not in _PLAIN)
