"""The positions of moved tasks.

One statement reads all positions that the moves can need, however many moves there are: the
neighbours of the tasks that are moved, and of those that they are moved next to. The new
positions are computed in memory.

Call these inside `lock_feeds`, with the rows locked, so that nobody else moves the owner's
tasks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from taskproject import sql
from taskproject.problems import NO_SUCH_ROW, Invalid
from taskproject.sql import batched
from tasks.models import positions
from tasks.models.new_values import Place
from tasks.models.positions import Row

if TYPE_CHECKING:
    from tasks.models.tasks import Task

#: The target of a move: `before` or `after`, and the id of another task; or `position`, and
#: `first` or `last`.
Aim = Mapping[str, int | str]

# Each is one lookup in the index (owner, list, position, id). ORDER BY has all of its
# columns, so that it is also used for tasks without a list.
_BESIDE = (
    '(SELECT "other"."position" FROM {there} "other"."position" {than} '
    '"task"."position" ORDER BY "other"."list_id" {way}, "other"."position" {way} LIMIT 1)'
)
_SAME = '(SELECT count(*) FROM {there} "other"."position" = "task"."position")'
_THERE = (
    '"tasks_task" "other" WHERE "other"."deleted_at" IS NULL '
    'AND "other"."owner_id" = "task"."owner_id" AND "other"."list_id" {listed} AND'
)


def moved(
    tasks: Iterable[Task], now: datetime, aims: Mapping[int, Aim]
) -> Callable[[Task], dict[str, object]]:
    """The list and position of each of these live tasks after the moves in the order of `aims`.
    Other tasks in `aims` are ignored.

    Raises `Invalid` if there is no live task of the owner to move next to, and `NoRoom` after
    thousands of moves to one place."""
    owners = {task.pk: task.owner_id for task in tasks}
    todo = {key: aim for key, aim in aims.items() if key in owners}
    others = (other for aim in todo.values() for other in aim.values())
    order = Order({*todo, *(other for other in others if isinstance(other, int))})
    values: dict[int, dict[str, object]] = {}
    for number, (key, aim) in enumerate(todo.items()):
        # One microsecond apart, because positions are derived from the time.
        moment = now + timedelta(microseconds=number)
        list_id, position = order.move(key, aim, moment)
        values[key] = {"list_id": list_id, "position": position}
        order.put(key, (owners[key], list_id, position))
    return lambda task: values[task.pk]


class Order:
    """The places of those of these tasks that are live, and the positions around all of them, as
    moves change them."""

    def __init__(self, keys: Iterable[int]) -> None:
        self._places, self._rows = _seen(keys)
        self._stored = {*self._places.values()}
        self._known_ends: set[tuple[Row, str]] = set()

    def move(self, key: int, aim: Aim, now: datetime) -> tuple[int | None, str]:
        """The list and the position for a task that is moved there. The move is not recorded: see
        `put`. Raises `Invalid` and `NoRoom`."""
        [(side, other)] = aim.items()
        owner_id, list_id, own = self._places[key]
        if isinstance(other, str):
            low, high = self._beyond((owner_id, list_id), own, other)
            return list_id, positions.within(low, high, now, own=own)
        at = self._places.get(other)
        if at is None or other == key or at[0] != owner_id:
            detail = NO_SUCH_ROW.format("other task")
            raise Invalid.of(side, detail, "not_found")
        row = self._rows[owner_id, list_id]
        row.remove(own)
        low, high = self._rows[at[:2]].beside(at[2], before=side == "before")
        row.add(own)
        position = positions.within(
            low, high, now, own=own if list_id == at[1] else None
        )
        return at[1], position

    def _beyond(self, row: Row, own: str, end: str) -> tuple[str | None, str | None]:
        """The positions before and after the gap at this end of the list, without `own`."""
        if (row, end) not in self._known_ends:
            self._known_ends.add((row, end))
            self.know(row, _end_of(row, end))
        there = self._rows[row]
        there.remove(own)
        beyond = there.beyond(end)
        there.add(own)
        return beyond

    def put(self, key: int, place: Place | None) -> None:
        """Records that a task is at this place now; None: it is not live."""
        was = self._places.pop(key, None)
        if was is not None:
            self._rows[was[:2]].remove(was[2])
        if place is not None:
            self._places[key] = place
            self._rows.setdefault(place[:2], _Positions({})).add(place[2])

    def know(self, row: Row, position: str | None) -> None:
        """Records a stored position in this list. (That of one of these tasks is known already, and
        the task may have moved away.)"""
        if position is not None and (*row, position) not in self._stored:
            self._rows.setdefault(row, _Positions({})).know(position)


class _Positions:
    """The known positions in one list, sorted, with repetitions."""

    def __init__(self, counted: Mapping[str, int]) -> None:
        self._all = sorted(Counter(counted).elements())

    def add(self, position: str) -> None:
        insort(self._all, position)

    def know(self, position: str) -> None:
        place = bisect_left(self._all, position)
        if place == len(self._all) or self._all[place] != position:
            self._all.insert(place, position)

    def remove(self, position: str) -> None:
        del self._all[bisect_left(self._all, position)]

    def beyond(self, end: str) -> tuple[str | None, str | None]:
        """The positions before and after the gap at this end."""
        if end == "first":
            return None, self._all[0] if self._all else None
        return self._all[-1] if self._all else None, None

    def beside(self, at: str, *, before: bool) -> tuple[str | None, str | None]:
        """The positions before and after the gap right before or right after `at`."""
        if before:
            place = bisect_left(self._all, at)
            return self._all[place - 1] if place else None, at
        place = bisect_right(self._all, at)
        return at, self._all[place] if place < len(self._all) else None


def _seen(keys: Iterable[int]) -> tuple[dict[int, Place], dict[Row, _Positions]]:
    """The places of the live tasks among these, and the positions around all of them."""
    places: dict[int, Place] = {}
    counted: dict[Row, dict[str, int]] = {}
    around: list[tuple[Row, str]] = []
    for portion in batched(sorted(keys)):
        for key, live, owner_id, list_id, position, same, *near in _points(portion):
            row = (owner_id, list_id)
            if live:
                places[key] = (owner_id, list_id, position)
            there = counted.setdefault(row, {})
            if same:
                there[position] = same
            around += [(row, other) for other in near if other is not None]
    # Moving tasks are counted. Of others at one position, one is enough.
    for row, position in around:
        counted[row].setdefault(position, 1)
    return places, {row: _Positions(each) for row, each in counted.items()}


def _end_of(row: Row, end: str) -> str | None:
    """The stored position at this end of a list. (For ORDER BY see _BESIDE.)"""
    owner_id, list_id = row
    way = "ASC" if end == "first" else "DESC"
    found = sql.fetch(
        'SELECT "position" FROM "tasks_task" WHERE "deleted_at" IS NULL AND "owner_id" = %s '
        f'AND "list_id" {"IS NULL" if list_id is None else "= %s"} '
        f'ORDER BY "list_id" {way}, "position" {way} LIMIT 1',
        [owner_id] if list_id is None else [owner_id, list_id],
    )
    return found[0][0] if found else None


def _points(keys: Sequence[int]) -> list[sql.Row]:
    """Key, whether it is live, owner, list and position of each task, the number of live tasks at its
    position, and the next positions before and after it."""
    marks = ", ".join(["%s"] * len(keys))
    halves = []
    for none, listed in (("", "IS NULL"), ("NOT ", '= "task"."list_id"')):
        there = _THERE.format(listed=listed)
        looks = [
            _SAME.format(there=there),
            _BESIDE.format(there=there, than="<", way="DESC"),
            _BESIDE.format(there=there, than=">", way="ASC"),
        ]
        halves.append(
            'SELECT "task"."id", "task"."deleted_at" IS NULL, "task"."owner_id", "task"."list_id", "task"."position", '
            f'{", ".join(looks)} FROM "tasks_task" "task" WHERE "task"."id" IN ({marks}) '
            f'AND "task"."list_id" IS {none}NULL'
        )
    statement = " UNION ALL ".join(halves)
    return sql.fetch(statement, [*keys, *keys], prepare=len(keys) <= 2)
