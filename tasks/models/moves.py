"""Moves: where tasks come to that are put beside others, one after another.

One statement tells all positions that the moves can meet, however many they are, and
they are made in memory. For a task only ever comes into a gap beside one that it is put
beside, and what is read are the gaps beside these and beside all that move.

Call these inside `lock_feeds`, about locked rows: nobody else moves any of the owner's.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from taskproject import sql
from taskproject.problems import Invalid
from tasks.models import positions
from tasks.models.batched import batched
from tasks.models.plans import Place
from tasks.models.positions import Row

if TYPE_CHECKING:
    from tasks.models.tasks import Task

#: Where a task shall go: `before` or `after`, and the id of another one.
Aim = Mapping[str, int]

# Each is one look into the index (owner, list, position, id), whose whole order is told
# so that it is taken for those in no list too.
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
    """The list and the position that each of these live tasks has when they have been
    moved in the order of `aims`, which may know of other tasks too: those stay.

    Raises `Invalid` where there is no such live task of the owner's to be beside, and
    `NoRoom` after thousands of moves to one place.
    """
    owners = {task.pk: task.owner_id for task in tasks}
    todo = {key: aim for key, aim in aims.items() if key in owners}
    order = Order({*todo, *(other for aim in todo.values() for other in aim.values())})
    values: dict[int, dict[str, object]] = {}
    for number, (key, aim) in enumerate(todo.items()):
        # As if each took its time.
        moment = now + timedelta(microseconds=number)
        list_id, position = order.move(key, aim, moment)
        values[key] = {"list_id": list_id, "position": position}
        order.put(key, (owners[key], list_id, position))
    return lambda task: values[task.pk]


class Order:
    """The places of these live tasks and the positions around them: where they come to
    when they move beside each other."""

    def __init__(self, keys: Iterable[int]) -> None:
        self._places, self._rows = _seen(keys)

    def move(self, key: int, aim: Aim, now: datetime) -> tuple[int | None, str]:
        """The list and the position of a task that is put where the aim says; it is not
        `put` there. Raises `Invalid` and `NoRoom`."""
        [(side, other)] = aim.items()
        owner_id, list_id, own = self._places[key]
        at = self._places.get(other)
        if at is None or other == key or at[0] != owner_id:
            raise Invalid.of(side, "You have no other task with this id.")
        row = self._rows[owner_id, list_id]
        row.remove(own)
        low, high = self._rows[at[:2]].beside(at[2], before=side == "before")
        row.add(own)
        position = positions.within(
            low, high, now, own=own if list_id == at[1] else None
        )
        return at[1], position

    def put(self, key: int, place: Place | None) -> None:
        """Notes that a task is at a place now; None: not among the live ones."""
        was = self._places.pop(key, None)
        if was is not None:
            self._rows[was[:2]].remove(was[2])
        if place is not None:
            self._places[key] = place
            self._rows.setdefault(place[:2], _Positions({})).add(place[2])

    def know(self, row: Row, position: str | None) -> None:
        """Notes a position that another task of the row is at."""
        if position is not None:
            self._rows.setdefault(row, _Positions({})).know(position)


class _Positions:
    """The known positions of one row of tasks, sorted; one that two are at, twice."""

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

    def beside(self, at: str, *, before: bool) -> tuple[str | None, str | None]:
        """The bounds of what is right before or right after `at`."""
        if before:
            place = bisect_left(self._all, at)
            return self._all[place - 1] if place else None, at
        place = bisect_right(self._all, at)
        return at, self._all[place] if place < len(self._all) else None


def _seen(keys: Iterable[int]) -> tuple[dict[int, Place], dict[Row, _Positions]]:
    """Where those of the tasks are that are live, and the positions around them."""
    places: dict[int, Place] = {}
    counted: dict[Row, dict[str, int]] = {}
    around: list[tuple[Row, str]] = []
    for portion in batched(sorted(keys)):
        for key, owner_id, list_id, position, same, *near in _points(portion):
            row = (owner_id, list_id)
            places[key] = (owner_id, list_id, position)
            counted.setdefault(row, {})[position] = same
            around += [(row, other) for other in near if other is not None]
    # One that moves is counted where it is. Of what does not, one stands for all.
    for row, position in around:
        counted[row].setdefault(position, 1)
    return places, {row: _Positions(each) for row, each in counted.items()}


def _points(keys: Sequence[int]) -> list[sql.Row]:
    """Key, owner, list and position of each live task, how many are at its position, and
    the next positions before and after it."""
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
            'SELECT "task"."id", "task"."owner_id", "task"."list_id", "task"."position", '
            f'{", ".join(looks)} FROM "tasks_task" "task" WHERE "task"."id" IN ({marks}) '
            f'AND "task"."deleted_at" IS NULL AND "task"."list_id" IS {none}NULL'
        )
    statement = " UNION ALL ".join(halves)
    return sql.fetch(statement, [*keys, *keys], prepare=len(keys) <= 2)
