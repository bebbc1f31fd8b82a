"""SQL conditions for searches. Words consist of letters and digits (see words.py), so that they
have no meaning in the query languages of the indexes."""

from collections.abc import Sequence

from taskproject.sql import ON_POSTGRESQL

#: Most words that are looked up in PostgreSQL's index. For each it collects all tasks with
#: words that begin with it, which takes up to 30 ms of a million tasks.
MAX_ASKED = 3
# The expressions of the indexes (migrations 0005 and 0011).
_WORDS = """array_to_tsvector(string_to_array("tasks_task"."search", ' '))"""
_OWN_WORDS = """array_to_tsvector(string_to_array("tasks_task"."owner_id"::text || '_' ||
    replace("tasks_task"."search", ' ', ' ' || "tasks_task"."owner_id"::text || '_'), ' '))"""


def holding(words: Sequence[str]) -> tuple[str, str]:
    """The condition, and its parameter, that a task of any owner has all of these words or words
    that begin with them."""
    if ON_POSTGRESQL:
        return f"{_WORDS} @@ %s::tsquery", _all("'{}':*", " & ", words)
    found = 'SELECT "rowid" FROM "tasks_search" WHERE "tasks_search" MATCH %s'
    return f'"tasks_task"."id" IN ({found})', _all('"{}"*', " AND ", words)


def needed(words: Sequence[str]) -> list[str]:
    """The words without those that are prefixes of others, which are implied."""
    different = dict.fromkeys(words)
    return [
        word
        for word in different
        if not any(other.startswith(word) and other != word for other in different)
    ]


def in_row(words: Sequence[str]) -> tuple[str, list[str]]:
    """The same condition for rows that are read anyway, and its parameters."""
    place = "strpos" if ON_POSTGRESQL else "instr"
    one = f"""{place}(' ' || "tasks_task"."search", %s) > 0"""
    return " AND ".join([one] * len(words)), [f" {word}" for word in words]


def relevance(words: Sequence[str]) -> str:
    """SQL for the relevance of a task that has these words or words that begin with them: the sum over
    the words of 4 if the title has the word, 3 if it has one that begins with it, else 2 or 1 for
    the description. It depends on nothing but the task, so that pages can begin after it."""
    place = "strpos" if ON_POSTGRESQL else "instr"
    search = '"tasks_task"."search"'
    title = f"' ' || substr({search}, 1, {place}({search} || '|', '|') - 1) || ' '"
    both = f"' ' || replace({search}, '|', ' ') || ' '"
    # Words have no quotes and no percent signs.
    return " + ".join(
        f"CASE WHEN {place}({title}, ' {word} ') > 0 THEN 4 "
        f"WHEN {place}({title}, ' {word}') > 0 THEN 3 "
        f"WHEN {place}({both}, ' {word} ') > 0 THEN 2 ELSE 1 END"
        for word in words
    )


def holding_of(owner_id: int, words: Sequence[str]) -> tuple[str, str]:
    """The same condition for one owner's tasks, by an index of words by owner. On SQLite (migration
    0009) it refers to the table `found`. On PostgreSQL it has only the longest words, which are
    mostly the rarest: rows have to be checked too."""
    if ON_POSTGRESQL:
        longest = sorted(words, key=len, reverse=True)[:MAX_ASKED]
        own = [f"{owner_id}_{word}" for word in longest]
        return f"{_OWN_WORDS} @@ %s::tsquery", _all("'{}':*", " & ", own)
    own = [f"{owner_id:08x}x{word}" for word in words]
    return '"tasks_words" MATCH %s', _all('"{}"*', " AND ", own)


def _all(form: str, between: str, words: Sequence[str]) -> str:
    return between.join(map(form.format, words))
