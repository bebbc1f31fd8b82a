"""Words: how titles are put in order, and how text is searched.

Both are stored beside the text, made here and not by the database, so that SQLite and
PostgreSQL order and find the same, whatever their collations and languages. Where this
module makes other keys of the same text than before, VERSION counts one up, and a
migration writes them from a frozen copy of this module, as 0016 does.
"""

import re
import unicodedata
from collections.abc import Iterator
from hashlib import blake2b

from django.conf import settings

from taskproject.names import casefold_key
from tasks.models.letters import MARKS, plain, ranges

#: Characters of a word that count; beyond them two words are the same.
WORD_LENGTH = 64
#: Words of a question that are looked for; characters of a question.
MOST_WORDS = 30
QUESTION_LENGTH = 200
SORTED_LENGTH = 200
#: Characters of a key that filters compare.
MATCHED_LENGTH = 32
#: Stands between the words of a title and those of its description, so that a statement
#: can replace either and keep the other. (What was stored before version 1.3 has none.)
BETWEEN = "|"
#: Which keys these are. Those of ASCII text are the same in all versions; behind others
#: stand as many BETWEEN as there were versions before. No word has one, and what an older
#: release writes has fewer.
VERSION = 2
MARK = BETWEEN * (VERSION - 1)
#: The condition, on both databases, that the key of a task is of this version.
_BYTES = (
    'octet_length("search")'
    if settings.ON_POSTGRESQL
    else 'length(CAST("search" AS blob))'
)
CURRENT = (
    f'{_BYTES} = length("search") OR '
    f"length(\"search\") - length(replace(\"search\", '{BETWEEN}', '')) = {VERSION}"
)
#: Characters of a run without spaces that are looked for together.
GRAM = 3

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


def sorted_as(title: str) -> str:
    """What a title is ordered by: without regard to case and accents."""
    return plain(title)[:SORTED_LENGTH]


def matched_as(text: str | None) -> str | None:
    """A key that is equal for texts that differ in case only; None for none. It is a
    digest: an index of PostgreSQL holds no text of more than 2,700 bytes."""
    if text is None:
        return None
    return blake2b(
        casefold_key(text).encode(), digest_size=MATCHED_LENGTH // 2
    ).hexdigest()


def searched_as(title: str, description: str) -> str:
    """The different words of both, in lower case, without accents."""
    both = f"{title_searched_as(title)}{BETWEEN}{description_searched_as(description)}"
    return both if both.isascii() else f"{both}{MARK}"


def title_searched_as(title: str) -> str:
    """What stands before BETWEEN."""
    found = " ".join(dict.fromkeys(words(title)))
    return f"{found} " if found else ""


def description_searched_as(description: str) -> str:
    """What stands behind BETWEEN."""
    found = " ".join(dict.fromkeys(words(description)))
    return f" {found}" if found else ""


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits, with the marks in them. A run of
    a script without spaces is all of its parts of GRAM characters, the last ones shorter,
    so that each part of it is the beginning of a word, or several."""
    return _words(text, 1)


def asked(question: str) -> list[str]:
    """The words that a text must have, or words that begin so, to be found: fewer parts
    of a run do, each behind the one before."""
    return _words(question, GRAM)


def _words(text: str, step: int) -> list[str]:
    text = plain(text)
    if text.isascii():
        return [word[:WORD_LENGTH] for word in _ASCII_WORD.findall(text)]
    found = _WORD.findall(text)
    if not _RUN.search(text):
        return [word[:WORD_LENGTH] for word in found]
    parts: list[str] = []
    for word in found:
        parts += _parts(word, step) if _RUN.match(word) else [word[:WORD_LENGTH]]
    return parts


def _parts(run: str, step: int) -> Iterator[str]:
    last = max(0, len(run) - GRAM) if step > 1 else len(run) - 1
    for start in range(0, last, step):
        yield run[start : start + GRAM]
    yield run[last : last + GRAM]
