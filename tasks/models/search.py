"""Words of a search as conditions. They are letters and digits only (see words.py):
nothing in them means anything to a query."""

from collections.abc import Sequence

from django.conf import settings

#: Words that PostgreSQL's index is asked for, which for each puts together all the tasks
#: that have words that begin so: of a million tasks, in up to 30 ms.
MOST_ASKED = 3
# As the indexes have them (migrations 0005 and 0011).
_WORDS = """array_to_tsvector(string_to_array("tasks_task"."search", ' '))"""
_OWN_WORDS = """array_to_tsvector(string_to_array("tasks_task"."owner_id"::text || '_' ||
    replace("tasks_task"."search", ' ', ' ' || "tasks_task"."owner_id"::text || '_'), ' '))"""


def holding(words: Sequence[str]) -> tuple[str, str]:
    """The condition that a task, of whomever, holds all of these words, or words that
    begin so, by an index; and its parameter."""
    if settings.ON_POSTGRESQL:
        return f"{_WORDS} @@ %s::tsquery", _all("'{}':*", " & ", words)
    found = 'SELECT "rowid" FROM "tasks_search" WHERE "tasks_search" MATCH %s'
    return f'"tasks_task"."id" IN ({found})', _all('"{}"*', " AND ", words)


def needed(words: Sequence[str]) -> list[str]:
    """Those of the words that the others do not begin with: these say the same."""
    different = dict.fromkeys(words)
    return [
        word
        for word in different
        if not any(other.startswith(word) and other != word for other in different)
    ]


def in_row(words: Sequence[str]) -> tuple[str, list[str]]:
    """The same of a row that is read anyway; and its parameters."""
    place = "strpos" if settings.ON_POSTGRESQL else "instr"
    one = f"""{place}(' ' || "tasks_task"."search", %s) > 0"""
    return " AND ".join([one] * len(words)), [f" {word}" for word in words]


def holding_of(owner_id: int, words: Sequence[str]) -> tuple[str, str]:
    """The same of an owner's tasks by an index of the words of each owner, which passes
    over nobody else's: on SQLite (migration 0009) of what is `found`. On PostgreSQL of
    the longest words alone, which are mostly the rarest: a row has to be seen too."""
    if settings.ON_POSTGRESQL:
        longest = sorted(words, key=len, reverse=True)[:MOST_ASKED]
        own = [f"{owner_id}_{word}" for word in longest]
        return f"{_OWN_WORDS} @@ %s::tsquery", _all("'{}':*", " & ", own)
    own = [f"{owner_id:08x}x{word}" for word in words]
    return '"tasks_words" MATCH %s', _all('"{}"*', " AND ", own)


def _all(form: str, between: str, words: Sequence[str]) -> str:
    return between.join(map(form.format, words))
