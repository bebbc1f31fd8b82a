"""Portions of many rows: as many as one statement takes of them."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
#: Rows of some twelve parameters each: SQLite takes 32,766.
ROWS = 2_000


def batched(rows: Iterable[T], size: int | None = None) -> Iterator[list[T]]:
    """`ROWS` of them each, or of so many."""
    left = iter(rows)
    while portion := list(islice(left, size or ROWS)):
        yield portion
