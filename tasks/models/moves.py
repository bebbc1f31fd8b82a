"""Moves: where tasks come to that are put beside others, one after another.

One statement tells all positions that the moves can meet, however many they are, and
they are made in memory. For a task only ever comes into a gap beside one that it is put
beside, and what is read are the gaps beside these and beside all that move.

Call these inside `feed_of`, about locked rows: nobody else moves any of the owner's.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from taskproject.problems import Invalid
from taskproject.rows import fetch
from tasks.models import positions
from tasks.models.plans import Place
from tasks.models.portions import portions
from tasks.models.positions import Row

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
    tasks: Iterable[Any], now: datetime, aims: Mapping[int, Aim]
) -> Callable[[Any], dict[str, Any]]:
    """The list and the position that each of these live tasks has when they have been
    moved in the order of `aims`, which may know of other tasks too: those stay.

    Raises `Invalid` where there is no such live task of the owner's to be beside, and
    `NoRoom` after thousands of moves to one place.
    """
    mine = {task.pk for task in tasks}
    todo = {key: aim for key, aim in aims.items() if key in mine}
    places, rows = _seen(todo)
    values: dict[int, dict[str, Any]] = {}
    for number, (key, aim) in enumerate(todo.items()):
        [(side, other)] = aim.items()
        owner_id, list_id, own = places[key]
        at = places.get(other)
        if at is None or other == key or at[0] != owner_id:
            raise _nobody(side)
        row = rows[at[:2]]
        rows[owner_id, list_id].remove(own)
        low, high = row.beside(at[2], before=side == "before")
        position = positions.within(
            low,
            high,
            # As if each took its time.
            now + timedelta(microseconds=number),
            own=own if list_id == at[1] else None,
        )
        row.add(position)
        places[key] = (*at[:2], position)
        values[key] = {"list_id": at[1], "position": position}
    return lambda task: values[task.pk]


def faults(
    mine: Any, edits: Sequence[tuple[Any, Mapping[str, Any]]]
) -> dict[int, Invalid]:
    """What `moved` would call `Invalid`, by the numbers of the edits, each a task and its
    aim, or None where nothing is to be done. `mine` are the live tasks of the owner."""
    others = {other for task, aim in edits if task for other in aim.values()}
    live = set(mine.filter(pk__in=others).values_list("pk", flat=True))
    return {
        number: _nobody(side)
        for number, (task, aim) in enumerate(edits)
        for side, other in aim.items()
        if task and (other not in live or other == task.pk)
    }


class _Positions:
    """The known positions of one row of tasks, sorted; one that two are at, twice."""

    def __init__(self, counted: Mapping[str, int]) -> None:
        self._all = sorted(Counter(counted).elements())

    def add(self, position: str) -> None:
        insort(self._all, position)

    def remove(self, position: str) -> None:
        del self._all[bisect_left(self._all, position)]

    def beside(self, at: str, *, before: bool) -> tuple[str | None, str | None]:
        """The bounds of what is right before or right after `at`."""
        if before:
            place = bisect_left(self._all, at)
            return self._all[place - 1] if place else None, at
        place = bisect_right(self._all, at)
        return at, self._all[place] if place < len(self._all) else None


def _seen(todo: Mapping[int, Aim]) -> tuple[dict[int, Place], dict[Row, _Positions]]:
    """Where those are that move and those that they go to, as far as these are live, and
    the positions around them."""
    keys = sorted({*todo, *(other for aim in todo.values() for other in aim.values())})
    places: dict[int, Place] = {}
    counted: dict[Row, dict[str, int]] = {}
    around: list[tuple[Row, str]] = []
    for portion in portions(keys):
        for key, owner_id, list_id, position, same, *near in _points(portion):
            row = (owner_id, list_id)
            places[key] = (owner_id, list_id, position)
            counted.setdefault(row, {})[position] = same
            around += [(row, other) for other in near if other is not None]
    # One that moves is counted where it is. Of what does not, one stands for all.
    for row, position in around:
        counted[row].setdefault(position, 1)
    return places, {row: _Positions(each) for row, each in counted.items()}


def _points(keys: Sequence[int]) -> list[tuple[Any, ...]]:
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
    return fetch(statement, [*keys, *keys], kept=len(keys) <= 2)


def _nobody(side: str) -> Invalid:
    return Invalid.of(side, "You have no other task with this id.")
