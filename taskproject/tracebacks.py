"""Tracebacks without values: what users wrote, and secrets, do not belong into logs.

Messages of exceptions quote them: `KeyError: 'Buy milk'`, or PostgreSQL's detail `Failing
row contains (1, Buy milk, ...)`. Here, of each message the first line is kept, up to
what is quoted in it; the lines of code tell the rest. Of an error of PostgreSQL, the code
and the names of table, column and constraint are added.
"""

import re
import traceback
from collections.abc import Iterator

import psycopg

LONGEST = 300  # characters of a message
# What begins a quotation, which may contain such a character itself; but neither `int()` nor
# `[Errno 28]`.
_QUOTED = re.compile(r"(?:['\"“`{]|\[(?!Errno \d)|\((?!\))).*")
_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"


def describe(error: BaseException) -> str:
    """The traceback as Python writes it, with the exceptions that led to this one."""
    return "\n".join(_lines(error, set()))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    earlier, between = error.__cause__, _CAUSE
    if earlier is None and not error.__suppress_context__:
        earlier, between = error.__context__, _CONTEXT
    if earlier is not None and id(earlier) not in seen:
        yield from _lines(earlier, seen)
        yield f"\n{between}\n"
    if error.__traceback__:
        yield "Traceback (most recent call last):"
        yield "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    yield _summary(error)
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _lines(one, seen)


def _summary(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    said = without_values(str(error))
    if isinstance(error, psycopg.Error):
        found = error.diag
        names = (found.table_name, found.column_name, found.constraint_name)
        said += f" ({', '.join(it for it in (error.sqlstate, *names) if it)})"
    return f"{name}: {said}" if said else name


def without_values(message: str) -> str:
    """The first line of the message of an exception, up to what it quotes."""
    first = message.strip().partition("\n")[0][:LONGEST]
    return _QUOTED.sub("…", first)
