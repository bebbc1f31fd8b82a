"""Search and sort keys: the order of titles, and full-text search.

The keys are stored beside the texts. They are computed here and not by the database, so that
SQLite and PostgreSQL sort and find the same, whatever their collations and languages. If the
keys of existing texts change, increase VERSION, and write them by a migration with a frozen
copy of this module, as 0016 does."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

from taskproject.names import casefold_key
from taskproject.sql import ON_POSTGRESQL
from tasks.models.letters import MARKS, plain, ranges

#: The length to which words are cut.
WORD_LENGTH = 64
#: Most words of a search, and its most characters.
MAX_WORDS = 30
QUERY_LENGTH = 200
SORT_KEY_LENGTH = 200
#: Characters of the key that filters compare.
MATCH_KEY_LENGTH = 32
#: Separates the words of the title from those of the description, so that a statement can
#: replace one of them. (Keys of versions before 1.3 have no separator.)
SEPARATOR = "|"
#: The version of the keys. Keys of ASCII text are the same in all versions; others end with
#: one SEPARATOR for each earlier version, which no word contains, so that keys written by an
#: older release have fewer.
VERSION = 2
MARK = SEPARATOR * (VERSION - 1)
#: The SQL condition that the key of a task is of this version.
_BYTES = 'octet_length("search")' if ON_POSTGRESQL else 'length(CAST("search" AS blob))'
IS_CURRENT = (
    f'{_BYTES} = length("search") OR '
    f"length(\"search\") - length(replace(\"search\", '{SEPARATOR}', '')) = {VERSION}"
)
#: Characters of the parts of a run without spaces.
GRAM = 3

# Scripts without spaces in which each character counts as a word: Chinese, Japanese.
_ALONE = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
# Scripts without spaces whose characters are letters: Thai, Lao, Tibetan, Myanmar,
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
_ANYWHERE = re.compile(f"[{_ALONE}{_RUN_ON}]")
_NOT_WITHIN = f"(?<![^\\W_{_ALONE}{_RUN_ON}])(?<![{MARKS}])"


def sort_key(title: str) -> str:
    """The sort key of a title, without case and accents."""
    return plain(title)[:SORT_KEY_LENGTH]


def match_key(text: str | None) -> str | None:
    """A key that is equal for texts that differ only in case; None for None. It is a digest, because
    PostgreSQL indexes no text of more than 2,700 bytes."""
    if text is None:
        return None
    return blake2b(
        casefold_key(text).encode(), digest_size=MATCH_KEY_LENGTH // 2
    ).hexdigest()


def search_key(title: str, description: str) -> str:
    """The distinct words of title and description, in lower case, without accents."""
    both = f"{title_search_key(title)}{SEPARATOR}{description_search_key(description)}"
    return both if both.isascii() else f"{both}{MARK}"


def title_search_key(title: str) -> str:
    """The search key of a title: the part before SEPARATOR."""
    found = " ".join(dict.fromkeys(words(title)))
    return f"{found} " if found else ""


def description_search_key(description: str) -> str:
    """The search key of a description: the part after SEPARATOR."""
    found = " ".join(dict.fromkeys(words(description)))
    return f" {found}" if found else ""


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits with their marks. A run in a script without
    spaces gives all of its parts of GRAM characters, and the shorter ones at its end, so that
    each part of the run is the beginning of one or more words."""
    return _words(text, 1)


def query_words(query: str) -> list[str]:
    """The words of a search: a text matches if it has them, or words that begin with them. A run in
    a script without spaces needs only consecutive parts."""
    return _words(query, GRAM)


@lru_cache(maxsize=100)
def beginnings(words: tuple[str, ...]) -> re.Pattern[str]:
    """The regular expression for the places in a text without case and accents where a word begins
    with one of these, the longest as group 1; in a run without spaces, anywhere."""
    longest = sorted(set(words), key=len, reverse=True)
    anywhere = [word for word in longest if _ANYWHERE.match(word)]
    others = [word for word in longest if word not in anywhere]
    choices = "|".join(anywhere)
    if others:
        choices += f"{'|' if choices else ''}{_NOT_WITHIN}(?:{'|'.join(others)})"
    return re.compile(f"(?=({choices}))")


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
