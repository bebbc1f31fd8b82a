"""Words: how titles are put in order, and how text is searched.

Both are stored beside the text, made here and not by the database, so that SQLite and
PostgreSQL order and find the same, whatever their collations and languages.
"""

import re
import unicodedata

#: Characters of a word that count; beyond them two words are the same.
WORD_LENGTH = 64
#: Words of a question that are looked for; characters of a question.
MOST_WORDS = 30
QUESTION_LENGTH = 200
SORTED_LENGTH = 200
#: Stands between the words of a title and those of its description, so that a statement
#: can replace either and keep the other. (What was stored before version 1.3 has none.)
BETWEEN = "|"

# Chinese and Japanese put no space between words: each character is one.
_ALONE = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(f"[{_ALONE}]|[^\\W_{_ALONE}]+")


def sorted_as(title: str) -> str:
    """What a title is ordered by: without regard to case and accents."""
    return _plain(title)[:SORTED_LENGTH]


def searched_as(title: str, description: str) -> str:
    """The different words of both, in lower case, without accents."""
    return f"{title_searched_as(title)}{BETWEEN}{description_searched_as(description)}"


def title_searched_as(title: str) -> str:
    """What stands before BETWEEN."""
    found = " ".join(dict.fromkeys(words(title)))
    return f"{found} " if found else ""


def description_searched_as(description: str) -> str:
    """What stands behind BETWEEN."""
    found = " ".join(dict.fromkeys(words(description)))
    return f" {found}" if found else ""


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits."""
    return [word[:WORD_LENGTH] for word in _WORD.findall(_plain(text))]


def _plain(text: str) -> str:
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text)
    return "".join(
        letter for letter in apart if not unicodedata.combining(letter)
    ).casefold()
