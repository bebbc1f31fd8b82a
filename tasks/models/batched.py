"""Batches of rows, as many as one statement can take."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
#: Rows of a batch, with some twelve parameters each: SQLite takes 32,766.
ROWS = 2_000


def batched(rows: Iterable[T], size: int | None = None) -> Iterator[list[T]]:
    """The rows in lists of `size`, or of `ROWS`."""
    left = iter(rows)
    while portion := list(islice(left, size or ROWS)):
        yield portion
