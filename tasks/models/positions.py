"""Positions: text that orders the tasks of a list, and lists, by comparing bytes.

Between two positions there is always room for another, so that a move writes one row.
Letters and digits are the digits of a fraction to the base 36; none ends in 0, because
nothing comes between `a` and `a0`. The ends are made of the clock: something new or moved
to an end gets a position of fixed length, however often that happens. Moves into one and
the same gap make it longer, by one character for every five.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from taskproject.problems import NoRoom

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
#: Characters: five thousand moves in a row into the same gap.
POSITION_LENGTH = 1_000
_WIDTH = 11
_CHUNK = 5_000
_ALL = len(DIGITS) ** _WIDTH
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at_end(now: datetime, number: int = 0) -> str:
    """After all that was put at an end before `now`; `number` counts those of one moment."""
    return f"n{_digits(_microseconds(now) + number)}i"


def at_start(now: datetime) -> str:
    """Before all that was put at a start before `now`."""
    return f"m{_digits(_ALL - 1 - _microseconds(now))}i"


def between(before: str | None, after: str | None, now: datetime) -> str | None:
    """A position after `before` and before `after`, each None where nothing is there;
    None where there is no room: the two are equal, or the text would be too long."""
    if before is None or after is None:
        end = at_end(now) if after is None else at_start(now)
        if (before is None or before < end) and (after is None or end < after):
            return end
    if before is not None and after is not None and before >= after:
        return None
    middle = _middle(before or "", after)
    return middle if len(middle) <= POSITION_LENGTH else None


def beside(rows: Any, at: Any, *, before: bool, own: str | None = None) -> str:
    """A position right before or right after `at` among these rows, a query set: see
    `within`."""
    low = high = at
    if before:
        earlier = rows.filter(position__lt=at.position)
        low = earlier.order_by("-position", "-id").first()
    else:
        later = rows.filter(position__gt=at.position)
        high = later.order_by("position", "id").first()
    bounds = low and low.position, high and high.position
    return within(*bounds, timezone.now(), own=own)


def within(
    low: str | None, high: str | None, now: datetime, *, own: str | None = None
) -> str:
    """A position between the two, each None where nothing is there; `own`, the position
    of what is moved, where that is between them already.

    Raises `NoRoom` after thousands of moves to one place.
    """
    if own is not None and (low is None or low < own) and (high is None or own < high):
        return own
    position = between(low, high, now)
    if position is None:
        raise NoRoom("Move it to the start or the end first.")
    return position


def taken(rows: Any, tasks: Iterable[Any]) -> set[tuple[int, int | None, str]]:
    """The places, by owner, list and position, of these tasks that some of the rows, a
    query set, are at."""
    owners = {task.owner_id for task in tasks}
    texts = sorted({task.position for task in tasks})
    found: set[tuple[int, int | None, str]] = set()
    for start in range(0, len(texts), _CHUNK):
        there = rows.filter(
            owner_id__in=owners, position__in=texts[start : start + _CHUNK]
        )
        found.update(there.values_list("owner_id", "list_id", "position"))
    return found


def _middle(low: str, high: str | None) -> str:
    """A fraction between the two; `low` may be empty (0), `high` None (1)."""
    begin = ""
    # A loop, because a text may have more characters than Python lets calls nest.
    while True:
        if high is not None:
            same = 0
            while same < len(high) and (low[same : same + 1] or "0") == high[same]:
                same += 1
            begin, low, high = begin + high[:same], low[same:], high[same:]
        least = DIGITS.index(low[0]) if low else 0
        most = DIGITS.index(high[0]) if high is not None else len(DIGITS)
        if most - least > 1:
            return begin + DIGITS[(least + most) // 2]
        if high is not None and len(high) > 1:
            return begin + high[0]
        begin, low, high = begin + DIGITS[least], low[1:], None


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _digits(number: int) -> str:
    digits = ""
    for _ in range(_WIDTH):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
