"""Positions: between two there is always room for another"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from taskproject.accounts.models import User
from taskproject.problems import NoRoom
from taskproject.sql import ON_POSTGRESQL, fetch
from taskproject.times import EPOCH, MICROSECOND
from tasks.limits import POSITION_LENGTH
from tasks.models import Task, TaskList
from tasks.models.positions import (
    DIGITS,
    at_end,
    at_end_sql,
    at_start,
    beside,
    between,
    end_after,
)
from tests.conftest import make_task
from tests.support.rows import make_list

NOW = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
MOMENTS = st.datetimes(
    datetime(1970, 1, 1), datetime(2112, 9, 1), timezones=st.just(UTC)
)
# As the service makes them: no empty one, and none that ends in 0.
POSITIONS = st.builds(
    str.__add__, st.text(DIGITS, max_size=30), st.sampled_from(DIGITS[1:])
)


def is_position(text: str) -> bool:
    return (
        0 < len(text) <= POSITION_LENGTH
        and set(text) <= set(DIGITS)
        and not text.endswith("0")
    )


@given(POSITIONS, POSITIONS)
def test_there_is_room_between_any_two(one: str, other: str) -> None:
    low, high = sorted((one, other))

    middle = between(low, high, NOW)

    if low == high:
        assert middle is None
    else:
        assert middle is not None
        assert is_position(middle)
        assert low < middle < high
        assert len(middle) <= max(len(low), len(high)) + 1


@given(POSITIONS)
def test_there_is_room_before_the_first_and_after_the_last(position: str) -> None:
    first, last = between(None, position, NOW), between(position, None, NOW)

    assert first is not None and last is not None
    assert is_position(first) and is_position(last)
    assert first < position < last


def test_there_is_room_where_nothing_is() -> None:
    position = between(None, None, NOW)

    assert position is not None
    assert is_position(position)


@given(MOMENTS, MOMENTS)
def test_the_ends_go_by_the_clock(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))

    assert at_start(one) < at_end(other), "every start is before every end"
    assert is_position(at_start(one)) and is_position(at_end(one))
    assert (len(at_start(earlier)), len(at_end(later))) == (13, 15)
    if earlier < later:
        assert at_end(earlier) < at_end(later)
        assert at_start(later) < at_start(earlier)


@pytest.mark.skipif(not ON_POSTGRESQL, reason="only there SQL computes it")
@pytest.mark.django_db
def test_sql_computes_the_same_end() -> None:
    random = Random(1)
    moments = [EPOCH + random.randrange(16**13) * MICROSECOND for _ in range(1_000)]
    statement = f"SELECT {at_end_sql('at')} FROM unnest(%s::timestamptz[]) AS at"

    found = fetch(statement, [moments], prepare=False)

    assert [end for (end,) in found] == [*map(at_end, moments)]


def test_ends_of_before_version_1_4_come_first() -> None:
    assert end_after("n0hokt68s6u7i", NOW) == at_end(NOW) > "n0zzzzzzzzzzi"


@given(MOMENTS, st.integers(1, 10_000))
def test_several_of_one_moment_are_in_their_order(moment: datetime, count: int) -> None:
    assert at_end(moment) < at_end(moment, count) < at_end(moment, count + 1)


def test_new_and_moved_ones_stay_short_at_the_ends() -> None:
    first = last = between(None, None, NOW)
    for number in range(1, 2_000):
        now = NOW + timedelta(microseconds=number)
        before, after = between(None, first, now), between(last, None, now)
        assert before and first and before < first
        assert after and last and after > last
        first, last = before, after

    assert first and last
    assert (len(first), len(last)) == (13, 15)


def test_an_end_has_room_when_the_clock_goes_back() -> None:
    position: str | None = at_end(NOW)
    for number in range(100):
        now = NOW - timedelta(days=number)
        after = between(position, None, now)
        assert after and position and after > position
        position = after

    assert position and len(position) < 40


@pytest.mark.parametrize("upwards", [True, False])
def test_thousands_of_moves_fit_into_one_gap(upwards: bool) -> None:
    low, high = at_end(NOW), at_end(NOW, 1)
    moves = 0
    while (middle := between(low, high, NOW)) is not None:
        assert low < middle < high and is_position(middle)
        low, high = (middle, high) if upwards else (low, middle)
        moves += 1

    assert moves >= 4_500
    assert len(max(low, high, key=len)) <= POSITION_LENGTH


class Moves(RuleBasedStateMachine):
    """A list in which anything is moved anywhere is always in order, and in bounds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.order = [at_end(NOW, number) for number in range(5)]

    @rule(taken=st.integers(0, 4), place=st.integers(0, 4), step=st.integers(0, 2))
    def move(self, taken: int, place: int, step: int) -> None:
        # The clock may stand still.
        self.now += timedelta(microseconds=step)
        self.order.pop(taken)
        before = self.order[place - 1] if place > 0 else None
        after = self.order[place] if place < 4 else None
        position = between(before, after, self.now)
        assert position is not None
        self.order.insert(place, position)

    @invariant()
    def in_order(self) -> None:
        assert all(one < other for one, other in pairwise(self.order))
        assert all(is_position(position) for position in self.order)


TestMoves = Moves.TestCase
TestMoves.settings = settings(stateful_step_count=100, max_examples=50)


# Among rows


def test_beside_is_right_before_or_right_after(alice: User) -> None:
    tasks = [make_task(alice, title) for title in "abc"]
    rows = Task.objects.owned_by(alice.pk)

    before, after = (beside(rows, tasks[1], NOW, before=side) for side in (True, False))

    assert tasks[0].position < before < tasks[1].position < after < tasks[2].position
    assert beside(rows, tasks[0], NOW, before=True) < tasks[0].position
    assert beside(rows, tasks[2], NOW, before=False) > tasks[2].position


def test_beside_says_where_there_is_no_room(alice: User) -> None:
    one, other = (make_list(alice, name) for name in ("One", "Other"))
    lists = TaskList.objects.owned_by(alice.pk)
    lists.filter(pk=one.pk).update(position="a")
    lists.filter(pk=other.pk).update(position="a" + "0" * (POSITION_LENGTH - 2) + "1")
    one.refresh_from_db()

    with pytest.raises(NoRoom):
        beside(lists, one, NOW, before=False)


def test_positions_are_ordered_by_their_bytes_on_every_database(alice: User) -> None:
    """Whatever the collation: digits before letters, and none of them aside."""
    positions = ["m1", "mz", "n", "n0a", "n0b", "n1", "na", "nzz"]
    for position in reversed(positions):
        task = make_task(alice)
        Task.objects.filter(pk=task.pk).update(position=position)

    ordered = Task.objects.order_by("position").values_list("position", flat=True)

    assert list(ordered) == positions
