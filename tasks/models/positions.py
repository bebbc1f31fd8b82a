"""Positions: text that orders the tasks of a list, and lists, by comparing bytes.

Between two positions there is always room for another, so that a move writes one row.
Letters and digits are the digits of a fraction to the base 36; none ends in 0, because
nothing comes between `a` and `a0`. The ends are made of the clock: something new or moved
to an end gets a position of fixed length, however often that happens. Moves into one and
the same gap make it longer, by one character for every five.

An end is `o`, the microseconds since 1970 in 13 hexadecimal digits (until 2112), and `i`:
hexadecimal because PostgreSQL has a function for that, and 15 characters because one more
takes eight bytes in each index. Before version 1.4 it was `n0` and ten digits to the base
36, which come before those; a start still is `m` and eleven of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from taskproject.problems import NoRoom
from taskproject.sql import ON_POSTGRESQL, fetch
from tasks.limits import POSITION_LENGTH

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from tasks.models.lists import TaskList
    from tasks.models.tasks import Task

    Positioned = TypeVar("Positioned", Task, TaskList)

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_WIDTH = 11
_CHUNK = 5_000
#: An order that positions are in: an owner, and a list or none.
Row = tuple[int, int | None]
_ALL = len(DIGITS) ** _WIDTH
_END = re.compile(r"(.*)o([0-9a-f]{13})i")
_LAST_END = 16**13
_START = re.compile(rf"(.*)m([{DIGITS}]{{{_WIDTH}}})i")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def at_end(now: datetime, number: int = 0) -> str:
    """After all that was put at an end before `now`; `number` counts those of one moment."""
    return _end(_microseconds(now) + number)


def at_end_sql(moment: str) -> str:
    """`at_end` as PostgreSQL's SQL, of a column with the time."""
    us = f"(extract(epoch FROM {moment}) * 1000000)::bigint"
    return f"('o' || lpad(to_hex({us}), 13, '0') || 'i')"


def at_start(now: datetime) -> str:
    """Before all that was put at a start before `now`."""
    return f"m{_digits(_ALL - 1 - _microseconds(now))}i"


def end_after(last: str | None, now: datetime) -> str | None:
    """A position after `last`, the last of a row (None: it is empty); None where it would
    be too long.

    It is `at_end`, unless `last` is further: made by a clock that was ahead, or imported.
    Then it is the next end after that one, or the first that begins with `last`, so that
    it becomes no longer however often something is put there.
    """
    end = at_end(now)
    if last is None or last < end:
        return end
    if counted := _END.fullmatch(last):
        head, digits = counted.groups()
        after = max(int(digits, 16) + 1, _microseconds(now))
        if after < _LAST_END:
            return f"{head}{_end(after)}"
    return _short(last + end) or _short(_middle(last, None))


def start_before(first: str | None, now: datetime) -> str | None:
    """A position before `first`, the first of a row (None: it is empty): the same as
    `end_after`, the other way round. None where there is no room, as before `000`."""
    start = at_start(now)
    if first is None or start < first:
        return start
    if counted := _START.fullmatch(first):
        head, digits = counted.groups()
        before = min(int(digits, len(DIGITS)), _ALL - _microseconds(now)) - 1
        if before >= 0:
            return f"{head}m{_digits(before)}i"
    middle = _middle("", first)
    if middle is not None and middle + start < first:
        return _short(middle + start)
    return middle


def between(before: str | None, after: str | None, now: datetime) -> str | None:
    """A position after `before` and before `after`, each None where nothing is there;
    None where there is no room: the two are equal, or the second is the first and zeros,
    as only imported ones are, or the text would be too long."""
    if after is None:
        return end_after(before, now)
    if before is None:
        return start_before(after, now)
    return _short(_middle(before, after)) if before < after else None


class Ends:
    """The ends of rows of tasks, for several that are put there one after another."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._last: dict[Row, str | None] = {}
        self._noted: dict[Row, str] = {}

    def moment(self) -> datetime:
        """The time, a microsecond later each time: as if each change took its time."""
        self._now += timedelta(microseconds=1)
        return self._now

    def last(self, row: Row) -> str | None:
        """The last position in the row before all of them. The first time it asks the
        database."""
        if row not in self._last:
            self._last[row] = last_of(row)
        return self._last[row]

    def note(self, row: Row, position: str) -> None:
        """Has what comes next come after this position, too."""
        self._noted[row] = max(position, self._noted.get(row, ""))

    def next(self, row: Row) -> str:
        """The position after the last one in the row, and after those that are noted."""
        last = max(self.last(row) or "", self._noted.get(row, "")) or None
        moment = self.moment()
        # Behind some 990 characters, which only an import gives to the last one, nothing
        # has room: then it is the end by the clock alone.
        position = end_after(last, moment) or at_end(moment)
        self.note(row, position)
        return position


def last_of(row: Row) -> str | None:
    """The last position of a row's live tasks; None where there is none."""
    [(position,)] = fetch(f"SELECT {last_sql(row[1])}", last_parameters(row))
    found: str | None = position
    return found


def last_parameters(row: Row) -> list[int | None]:
    """The parameters of `last_sql` for a row."""
    owner_id, list_id = row
    if not ON_POSTGRESQL:
        return [owner_id, list_id]
    return [owner_id, owner_id] if list_id is None else [owner_id, list_id] * 2


def last_sql(list_id: int | None) -> str:
    """The SQL of the last position in a row of tasks.

    On PostgreSQL it reads a range of an index from its end, and names that index by its
    whole order, so that it is taken without statistics too. Tasks in no list are the last
    of their owner in it.
    """
    value = '"position"'
    if not ON_POSTGRESQL:
        within = '"owner_id" = %s AND "list_id" IS %s'
    elif list_id is None:
        value = f'CASE WHEN "list_id" IS NULL THEN {value} END'
        within = '"owner_id" BETWEEN %s AND %s'
    else:
        place = '("owner_id", "list_id")'
        within = f"{place} >= (%s, %s) AND {place} <= (%s, %s)"
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
    """A position right before or right after `at` among these rows, a query set: see
    `within`."""
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


def taken(
    rows: QuerySet[Task], tasks: Iterable[Task]
) -> set[tuple[int, int | None, str]]:
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


def _middle(low: str, high: str | None) -> str | None:
    """A fraction between the two; `low` may be empty (0), `high` None (1). None where
    `high` is `low` and zeros."""
    begin = ""
    # A loop, because a text may have more characters than Python lets calls nest.
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


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _end(microseconds: int) -> str:
    return f"o{microseconds:013x}i"


def _digits(number: int) -> str:
    digits = ""
    for _ in range(_WIDTH):
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits
