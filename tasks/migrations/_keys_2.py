"""Search and sort keys of version 2, and positions at the end, as migrations write them.

A frozen copy: migrations 0003 and 0016 write the same keys whatever tasks/models makes of
the same texts later. A migration of a later version of the keys has a copy of its own.
"""

import re
import unicodedata
from datetime import UTC, datetime, timedelta

WORD_LENGTH = 64
SORTED_LENGTH = 200
BETWEEN = "|"
VERSION = 2
MARK = BETWEEN * (VERSION - 1)
GRAM = 3
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
DIGITS_OF_POSITION = 11
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The blocks with Latin, Greek and Cyrillic letters that have no decomposition.
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
# The blocks with marks: all but those of musical notes, hands and Nyiakeng Puachue.
_MARKED = ((0x0300, 0x3100), (0xA660, 0xABF0), (0xFB1E, 0xFE30), (0x10100, 0x11F60))
_NAME = re.compile(
    r"(?P<script>LATIN|GREEK|CYRILLIC) "
    r"(?:(?:SMALL|CAPITAL|SMALL CAPITAL) (?:LETTER|LIGATURE)|LETTER) "
    r"(?P<letter>.+?)(?: BAR| DIGRAPH)?(?: WITH .+)?"
)
# How a letter may be drawn and be the same one.
_DRAWN = re.compile(
    r"(?:AFRICAN|BARRED|BLACKLETTER|BROAD|CLOSED|DOTLESS|INSULAR|LENIS|LONG|OPEN|REVERSED|"
    r"SCRIPT|SIDEWAYS|STIRRUP|STRAIGHT|TAILLESS|TURNED|VISIGOTHIC|VOLAPUK|SMALL|SMALL CAPITAL) "
)
# Latin letters with names of their own, as they are typed where they are missing.
_TYPED = {
    "ETH": "d", "THORN": "th", "ENG": "n", "KRA": "k", "SCHWA": "e", "HWAIR": "hv",
    "WYNN": "w", "YOGH": "y", "EZH": "z", "ESH": "s", "SHARP S": "ss", "ALPHA": "a",
    "GAMMA": "g", "IOTA": "i", "UPSILON": "u", "PHI": "f", "CHI": "ch", "BETA": "b",
}  # fmt: skip
# Marks that change the letter under them, which is another without: vowels and their
# killers, by the combining classes of Unicode, section 4.3. Other classes are accents.
_OF_WORDS = frozenset({0, 6, 9, 84, 91, 103, 107, 118, 122, 129, 130, 132})
# They join, part or vary what is drawn, and stand between letters of one word.
_IGNORED = (
    *(0x00AD, 0x034F, 0x061C, *range(0x180B, 0x1810), *range(0x200C, 0x2010)),
    *(*range(0x2060, 0x2065), *range(0xFE00, 0xFE10), 0xFEFF, *range(0xE0100, 0xE01F0)),
)


def plain(text):
    """The text without case and accents."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text).translate(_PLAIN).casefold()


def _base(character):
    """What a letter that decomposition leaves whole is compared as; itself if there is
    nothing else."""
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


def _table():
    for first, end in _BLOCKS:
        for code in range(first, end):
            if unicodedata.decomposition(chr(code)):
                continue
            base = _base(chr(code))
            # A name may lead to a letter that has one itself: u with stroke, straight u.
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


def _marks():
    for first, end in _MARKED:
        for code in range(first, end):
            if unicodedata.category(chr(code))[0] == "M":
                yield code


def ranges(codes):
    """The characters of these ascending codes, as in a class of a regular expression."""
    found = []
    for code in codes:
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in found)


_PLAIN = dict(_table())
#: Marks that belong to the word they stand in, as in a class of a regular expression.
MARKS = ranges(code for code in _marks() if code not in _PLAIN)

# Chinese and Japanese put no space between words: each character is one.
_ALONE = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
# Neither do these write one, whose characters are letters: Thai, Lao, Tibetan, Myanmar,
# Khmer, Tai Le, New Tai Lue, Tai Tham, Balinese, Javanese, Tai Viet, Ahom.
_RUN_ON_BLOCKS = (
    *((0x0E00, 0x1000), (0x1000, 0x10A0), (0x1780, 0x1800), (0x1950, 0x19E0)),
    *((0x1A20, 0x1AB0), (0x1B00, 0x1B80), (0xA980, 0xAA00), (0xAA60, 0xAAE0)),
    (0x11700, 0x11750),
)
_RUN_ON = ranges(
    code
    for first, end in _RUN_ON_BLOCKS
    for code in range(first, end)
    if unicodedata.category(chr(code))[0] in "LMN"
)
_ASCII_WORD = re.compile("[a-z0-9]+")
_WORD = re.compile(
    f"[{_ALONE}]|[{_RUN_ON}][{_RUN_ON}{MARKS}]*|(?:[^\\W_{_ALONE}{_RUN_ON}]|[{MARKS}])+"
)
_RUN = re.compile(f"[{_RUN_ON}]")


def sorted_as(title):
    """What a title is ordered by: without regard to case and accents."""
    return plain(title)[:SORTED_LENGTH]


def searched_as(title, description):
    """The different words of both, in lower case, without accents."""
    both = f"{title_searched_as(title)}{BETWEEN}{description_searched_as(description)}"
    return both if both.isascii() else f"{both}{MARK}"


def title_searched_as(title):
    """What stands before BETWEEN."""
    found = " ".join(dict.fromkeys(words(title)))
    return f"{found} " if found else ""


def description_searched_as(description):
    """What stands behind BETWEEN."""
    found = " ".join(dict.fromkeys(words(description)))
    return f" {found}" if found else ""


def words(text):
    """The words of a text: runs of letters and digits, with the marks in them. A run of
    a script without spaces is all of its parts of GRAM characters, the last ones shorter,
    so that each part of it is the beginning of a word, or several."""
    text = plain(text)
    if text.isascii():
        return [word[:WORD_LENGTH] for word in _ASCII_WORD.findall(text)]
    found = _WORD.findall(text)
    if not _RUN.search(text):
        return [word[:WORD_LENGTH] for word in found]
    parts = []
    for word in found:
        parts += _parts(word) if _RUN.match(word) else [word[:WORD_LENGTH]]
    return parts


def _parts(run):
    for start in range(len(run)):
        yield run[start : start + GRAM]


def position_at_end(moment, number):
    """The position of the `number`th task that was created at this moment."""
    left = (moment - EPOCH) // timedelta(microseconds=1) + number
    digits = ""
    for _ in range(DIGITS_OF_POSITION):
        left, digit = divmod(left, len(DIGITS))
        digits = DIGITS[digit] + digits
    return f"n{digits}i"
