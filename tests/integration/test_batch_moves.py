"""POST /api/tasks/batch with many moves: each is made after the ones before."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskproject.accounts.models import User
from taskproject.problems import Invalid
from tasks.limits import POSITION_LENGTH
from tasks.models import Event, Task, positions
from tests.conftest import BY, ApiClient, make_task
from tests.integration.test_batch_mixed import many
from tests.integration.test_find_properties import cheap, undone
from tests.support.batches import (
    MISSING,
    op,
    plain,
    results,
    send,
    statements,
    statuses,
)
from tests.support.rows import make_list


def to(key: int, side: str, other: int, **more: Any) -> dict[str, Any]:
    return op("move", key, body={side: other}, **more)


def rows_in_order(owner: User) -> dict[int | None, list[int]]:
    """The live tasks of each list, in the manual order."""
    rows: dict[int | None, list[int]] = defaultdict(list)
    live = Task.objects.owned_by(owner.pk).live().order_by("position", "id")
    for key, list_id in live.values_list("pk", "list_id"):
        rows[list_id].append(key)
    return rows


def test_five_hundred_moves_are_made_in_two_seconds_and_in_order(
    api: ApiClient, alice: User, patience: None
) -> None:
    random = Random(0)
    lists = [None, make_list(alice, "Home").pk, make_list(alice, "Work").pk]
    rows = [{"title": "x", "list_id": random.choice(lists)} for _ in range(700)]
    keys = [task.pk for task in Task.objects.add_all(BY, alice.pk, rows)]
    model = rows_in_order(alice)
    operations = []
    for key in random.sample(keys, 500):
        other = random.choice([one for one in keys if one != key])
        side = random.choice(["before", "after"])
        operations.append(to(key, side, other))
        next(row for row in model.values() if key in row).remove(key)
        there = next(row for row in model.values() if other in row)
        there.insert(there.index(other) + (side == "after"), key)

    began = time.process_time()

    answer = send(api, *operations)

    assert time.process_time() - began < 2
    assert statuses(answer) == [200] * 500
    assert rows_in_order(alice) == model


@pytest.mark.parametrize("fault", ["itself", "missing", "bob's", "trashed"])
def test_every_second_of_sixty_moves_may_be_at_fault(
    api: ApiClient, alice: User, bob: User, fault: str
) -> None:
    keys = many(alice, 61)
    first = keys.pop()
    others = {"missing": MISSING, "bob's": make_task(bob).pk, "trashed": keys.pop()}
    Task.objects.filter(pk=others["trashed"]).trash(BY)
    operations = [
        to(key, "before", others.get(fault, key) if number % 2 else first)
        for number, key in enumerate(keys)
    ]
    answers: list[Any] = []

    taken = statements(lambda: answers.append(send(api, *operations, atomic=False)))

    told = results(answers[0])
    assert [one["status"] for one in told] == [200, 422] * 29 + [200]
    [error] = told[1]["problem"]["errors"]
    assert error["pointer"] == "/operations/1/body/before"
    assert error["detail"] == "You have no other task with this id."
    moved = Event.objects.filter(via="token", verb="moved")
    assert moved.count() == 30
    assert taken <= 25
    assert rows_in_order(alice)[None] == [*keys[1::2], *keys[::2], first]


def test_of_many_moves_the_one_without_room_is_told(
    api: ApiClient, alice: User
) -> None:
    a, b, c, d, e = many(alice, 5)
    full = "z" * (POSITION_LENGTH - 1)
    Task.objects.filter(pk=a).update(position=full + "h")
    Task.objects.filter(pk=b).update(position=full + "i")

    answer = send(
        api,
        to(c, "before", a),
        to(d, "after", a),
        to(e, "after", b),
        to(a, "after", e),
        atomic=False,
    )

    assert statuses(answer) == [200, 409, 200, 200]
    assert results(answer)[1]["problem"]["code"] == "no_room"
    assert rows_in_order(alice)[None] == [d, c, b, e, a]


def test_a_place_that_another_one_shares_stays_taken(
    api: ApiClient, alice: User
) -> None:
    """`shared` stays where `moved` was: what comes between `first` and `moved` does not
    come after `shared`."""
    first, moved, shared, last, one, two = many(alice, 6)
    place = Task.objects.get(pk=moved).position
    Task.objects.filter(pk=shared).update(position=place)

    answer = send(
        api, to(one, "before", moved), to(moved, "after", last), to(two, "after", one)
    )

    assert statuses(answer) == [200] * 3
    assert rows_in_order(alice)[None] == [first, one, two, shared, last, moved]


# A set of moves is what its moves are one by one

ENDS = ("first", "last")
moves = st.lists(
    st.tuples(
        st.integers(0, 99),  # the task
        st.sampled_from(["before", "after"]),
        st.sampled_from([-3, -2, -1, -1, 0, 1, 1, 2, 3]),  # how far the other is
        st.sampled_from([None] * 8 + [1, 2]),  # the version, which may be stale
        st.sampled_from(["move"] * 4 + [*ENDS, "delete", "restore"]),
    ),
    min_size=4,
    max_size=10,
)
tasks = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 0, 1, 1, 2]),  # the list
        st.sampled_from([False, False, True]),  # whether in the trash
        st.sampled_from([None] * 4 + ["n1", "n2"]),  # a place that others may share
        st.sampled_from([1, 1, 1, 1, 1, 2]),  # the version
    ),
    min_size=6,
    max_size=12,
)


def asked(tasks: Iterable[Task], now: Any, aims: Mapping[int, Any]) -> Any:
    """What `moved` tells of a single move, asked of the database step by step."""

    def place(task: Task) -> dict[str, Any]:
        [(side, other)] = aims[task.pk].items()
        others = Task.objects.owned_by(task.owner_id).live().exclude(pk=task.pk)
        if side == "position":
            row = others.filter(list_id=task.list_id).order_by("position")
            places = [*row.values_list("position", flat=True)]
            low = places[-1] if places and other == "last" else None
            high = places[0] if places and other == "first" else None
            position = positions.within(low, high, now, own=task.position)
            return {"list_id": task.list_id, "position": position}
        at = others.filter(pk=other).first()
        if at is None:
            detail = "You have no other task with this id."
            raise Invalid.of(side, detail, "not_found")
        rows = others.filter(list_id=at.list_id)
        own = task.position if task.list_id == at.list_id else None
        position = positions.beside(rows, at, now, before=side == "before", own=own)
        return {"list_id": at.list_id, "position": position}

    return place


@settings(cheap, max_examples=40)
@given(tasks=tasks, moves=moves)
def test_moves_in_a_batch_come_to_what_they_come_to_one_by_one(
    api: ApiClient, alice: User, tasks: list[Any], moves: list[Any]
) -> None:
    def state() -> Any:
        events = Event.objects.filter(via="token").order_by("task_id", "version")
        columns = ("task_id", "verb", "version")
        versions = Task.objects.order_by("pk").values_list("pk", "version")
        told = [
            (*row[:3], sorted(row[3]))
            for row in events.values_list(*columns, "changes")
        ]
        return rows_in_order(alice), list(versions), told

    with undone():
        lists = [None, make_list(alice, "a").pk, make_list(alice, "b").pk]
        rows = [{"title": "x", "list_id": lists[task[0]]} for task in tasks]
        keys = [task.pk for task in Task.objects.add_all(BY, alice.pk, rows)]
        for key, (_, trashed, place, version) in zip(keys, tasks, strict=True):
            one = Task.objects.filter(pk=key)
            one.update(version=version, **({"position": place} if place else {}))
            if trashed:
                one.trash(BY)
        keys.append(MISSING)
        operations = [
            op(
                "move" if verb in ENDS else verb,
                keys[one % len(keys)],
                **({"version": at} if at else {}),
                **({"body": {"position": verb}} if verb in ENDS else {}),
                **(
                    {"body": {side: keys[(one + far) % len(keys)]}}
                    if verb == "move"
                    else {}
                ),
            )
            for one, side, far, at, verb in moves
        ]

        with undone(), pytest.MonkeyPatch.context() as patch:
            patch.setattr("tasks.models.task_queryset.moved", asked)
            one_by_one = [
                result
                for each in operations
                for result in results(send(api, each, atomic=False))
            ]
            after = state()
        with undone():
            whole = send(api, *operations)
        together = results(send(api, *operations, atomic=False))

        assert [*map(plain, together)] == [*map(plain, one_by_one)]
        assert state() == after
        failed = [n for n, one in enumerate(one_by_one) if "problem" in one]
        assert (whole.status_code != 200) == bool(failed)
        if failed:
            assert whole.json()["operation"] == failed[0]
