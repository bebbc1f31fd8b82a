"""Positions: text that orders the tasks of a list, and lists, by comparing bytes.

There is always a position between two others, so that a move writes one row. A position is
a fraction in base 36, with the digits 0-9 and a-z. It does not end in 0, because there is
none between `a` and `a0`. Positions at the ends are derived from the time, and have a fixed
length however many there are. Repeated moves into the same gap lengthen positions, by one
character for every five moves.

The position at the end is `o`, the microseconds since 1970 in 13 hexadecimal digits (until
2112), and `i`. It is hexadecimal because PostgreSQL has a function for that, and has 15
characters because one more would take eight bytes in each index. Before version 1.4 it was
`n0` and ten digits in base 36, which sorts before `o`. The position at the start is `m`,
eleven digits in base 36, and `i`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from taskproject.problems import NoRoom
from taskproject.sql import ON_POSTGRESQL, fetch
from taskproject.times import microseconds
from tasks.limits import POSITION_LENGTH

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tasks.models.lists import TaskList
    from tasks.models.tasks import Task

    Positioned = TypeVar("Positioned", Task, TaskList)

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_WIDTH = 11
_CHUNK = 5_000
#: The key of one manual order: the owner, and the list or None.
Row = tuple[int, int | None]
_ALL = len(DIGITS) ** _WIDTH
_END = re.compile(r"(.*)o([0-9a-f]{13})i")
_LAST_END = 16**13
_START = re.compile(rf"(.*)m([{DIGITS}]{{{_WIDTH}}})i")


def at_end(now: datetime, number: int = 0) -> str:
    """A position after all that were added at the end before `now`. `number` distinguishes
    several of the same time."""
    return _end(microseconds(now) + number)


def at_end_sql(moment: str) -> str:
    """`at_end` as SQL for PostgreSQL; `moment` is an expression for the time."""
    us = f"(extract(epoch FROM {moment}) * 1000000)::bigint"
    return f"('o' || lpad(to_hex({us}), 13, '0') || 'i')"


def at_start(now: datetime) -> str:
    """A position before all that were added at the start before `now`."""
    return f"m{_digits(_ALL - 1 - microseconds(now))}i"


def end_after(last: str | None, now: datetime) -> str | None:
    """A position after `last`, the last one (None: there is none). None if it would be too
    long.

    It is `at_end`, unless `last` is greater: from a clock that was ahead, or imported. Then
    it is `last` with the time in it increased, or else `last` followed by `at_end`, so that
    further positions at the end have the same length.
    """
    end = at_end(now)
    if last is None or last < end:
        return end
    if counted := _END.fullmatch(last):
        head, digits = counted.groups()
        after = max(int(digits, 16) + 1, microseconds(now))
        if after < _LAST_END:
            return f"{head}{_end(after)}"
    return _short(last + end) or _short(_middle(last, None))


def start_before(first: str | None, now: datetime) -> str | None:
    """A position before `first`, the first one (None: there is none): the counterpart of
    `end_after`. None if there is none, as before `000`."""
    start = at_start(now)
    if first is None or start < first:
        return start
    if counted := _START.fullmatch(first):
        head, digits = counted.groups()
        before = min(int(digits, len(DIGITS)), _ALL - microseconds(now)) - 1
        if before >= 0:
            return f"{head}m{_digits(before)}i"
    middle = _middle("", first)
    if middle is not None and middle + start < first:
        return _short(middle + start)
    return middle


def between(before: str | None, after: str | None, now: datetime) -> str | None:
    """A position between the two, each of which is None if there is none. Returns None if
    they are equal, if the second is the first followed by zeros, which only imported ones
    are, or if the position would be too long."""
    if after is None:
        return end_after(before, now)
    if before is None:
        return start_before(after, now)
    return _short(_middle(before, after)) if before < after else None


class Ends:
    """The positions at the ends of lists, for several tasks that are added in turn."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._last: dict[Row, str | None] = {}
        self._noted: dict[Row, str] = {}

    def moment(self) -> datetime:
        """A time, at each call a microsecond later: positions are derived from it."""
        self._now += timedelta(microseconds=1)
        return self._now

    def last(self, row: Row) -> str | None:
        """The last position that is stored for the list; it is read once."""
        if row not in self._last:
            self._last[row] = last_of(row)
        return self._last[row]

    def note(self, row: Row, position: str) -> None:
        """Records a position; `next` returns a greater one."""
        self._noted[row] = max(position, self._noted.get(row, ""))

    def next(self, row: Row) -> str:
        """A position after the last one of the list, and after those that were noted."""
        last = max(self.last(row) or "", self._noted.get(row, "")) or None
        moment = self.moment()
        # Behind some 990 characters, which only an import gives to the last one, nothing
        # has room: then it is the end by the clock alone.
        position = end_after(last, moment) or at_end(moment)
        self.note(row, position)
        return position


def last_of(row: Row) -> str | None:
    """The last position of the live tasks of a list; None if there are none."""
    [(position,)] = fetch(f"SELECT {last_sql(row[1])}", last_parameters(row))
    found: str | None = position
    return found


def last_parameters(row: Row) -> list[int | None]:
    """The parameters of `last_sql`."""
    owner_id, list_id = row
    on_range = ON_POSTGRESQL and list_id is None
    return [owner_id, owner_id if on_range else list_id]


def last_sql(list_id: int | None) -> str:
    """The SQL of the last position of the live tasks of a list.

    On PostgreSQL it reads the end of a range of an index. ORDER BY has all columns of that
    index, in which tasks in no list come last, so that it is used without statistics too: for a
    list, whose range has conditions of equality, and for these, where IS NULL would not do.
    """
    value = '"position"'
    if not ON_POSTGRESQL:
        within = '"owner_id" = %s AND "list_id" IS %s'
    elif list_id is None:
        value = f'CASE WHEN "list_id" IS NULL THEN {value} END'
        within = '"owner_id" BETWEEN %s AND %s'
    else:
        within = '"owner_id" = %s AND "list_id" = %s'
    return (
        f'(SELECT {value} FROM "tasks_task" WHERE {within} AND "deleted_at" IS NULL '
        'ORDER BY "owner_id" DESC, "list_id" DESC, "position" DESC LIMIT 1)'
    )


def beside(
    rows: QuerySet[Positioned],
    at: Positioned,
    now: datetime,
    *,
    before: bool,
    own: str | None = None,
) -> str:
    """A position directly before or after `at` among the rows of a queryset: see `within`."""
    low: Positioned | None = at
    high: Positioned | None = at
    if before:
        earlier = rows.filter(position__lt=at.position)
        low = earlier.order_by("-position", "-id").first()
    else:
        later = rows.filter(position__gt=at.position)
        high = later.order_by("position", "id").first()
    return within(
        low.position if low else None, high.position if high else None, now, own=own
    )


def within(
    low: str | None, high: str | None, now: datetime, *, own: str | None = None
) -> str:
    """A position between the two, each of which is None if there is none; `own`, the current
    position of the moved row, if it is between them already.

    Raises `NoRoom` if there is none, after thousands of moves into the same gap.
    """
    if own is not None and (low is None or low < own) and (high is None or own < high):
        return own
    position = between(low, high, now)
    if position is None:
        raise NoRoom("Move it to the start or the end first.")
    return position


def taken(
    rows: QuerySet[Task], tasks: Iterable[Task]
) -> set[tuple[int, int | None, str]]:
    """The places (owner, list and position) of the tasks at which there is a row of the
    queryset."""
    owners = {task.owner_id for task in tasks}
    texts = sorted({task.position for task in tasks})
    found: set[tuple[int, int | None, str]] = set()
    for start in range(0, len(texts), _CHUNK):
        there = rows.filter(
            owner_id__in=owners, position__in=texts[start : start + _CHUNK]
        )
        found.update(there.values_list("owner_id", "list_id", "position"))
    return found


def _middle(low: str, high: str | None) -> str | None:
    """A fraction between the two; `low` may be empty (0), and `high` None (1). None if `high`
    is `low` followed by zeros."""
    begin = ""
    # A loop, because positions may be longer than Python's recursion limit.
    while True:
        if high is not None:
            same = 0
            while same < len(high) and (low[same : same + 1] or "0") == high[same]:
                same += 1
            begin, low, high = begin + high[:same], low[same:], high[same:]
            if not high:
                return None
        least = DIGITS.index(low[0]) if low else 0
        most = DIGITS.index(high[0]) if high is not None else len(DIGITS)
        if most - least > 1:
            return begin + DIGITS[(least + most) // 2]
        if high is not None and len(high) > 1:
            return begin + high[0]
        begin, low, high = begin + DIGITS[least], low[1:], None


def _short(position: str | None) -> str | None:
    return position if position and len(position) <= POSITION_LENGTH else None


def _end(microseconds: int) -> str:
    return f"o{microseconds:013x}i"


def _digits(number: int) -> str:
    digits = ""
    for _ in range(_WIDTH):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
