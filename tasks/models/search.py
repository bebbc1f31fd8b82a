"""Words of a search as conditions. They are letters and digits only (see words.py):
nothing in them means anything to a query."""

from collections.abc import Sequence

from django.db import connection


def holding(words: Sequence[str]) -> tuple[str, str]:
    """The condition that a task, of whomever, holds all of these words, or words that
    begin so, by an index; and its parameter."""
    if connection.vendor == "postgresql":
        question = " & ".join(f"'{word}':*" for word in words)
        vector = """array_to_tsvector(string_to_array("tasks_task"."search", ' '))"""
        return f"{vector} @@ %s::tsquery", question
    found = 'SELECT "rowid" FROM "tasks_search" WHERE "tasks_search" MATCH %s'
    question = " AND ".join(f'"{word}"*' for word in words)
    return f'"tasks_task"."id" IN ({found})', question


def in_row(words: Sequence[str]) -> tuple[str, list[str]]:
    """The same of a row that is read anyway; and its parameters."""
    place = "strpos" if connection.vendor == "postgresql" else "instr"
    one = f"""{place}(' ' || "tasks_task"."search", %s) > 0"""
    return " AND ".join([one] * len(words)), [f" {word}" for word in words]


def question_of(owner_id: int, words: Sequence[str]) -> str:
    """The question for SQLite's index of the words of each owner (migration 0009)."""
    return " AND ".join(f'"{owner_id:08x}x{word}"*' for word in words)
