"""Moves against a plain list, and positions against what is said of them"""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from taskproject.accounts.models import User
from tasks.limits import POSITION_LENGTH
from tasks.models import Task, positions
from tests.conftest import BY, ApiClient
from tests.integration.test_find_properties import cheap, undone
from tests.support.rows import make_list

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)

moves = st.tuples(
    st.integers(0, 99), st.sampled_from(["before", "after"]), st.integers(0, 99)
)


@cheap
@given(
    homes=st.lists(st.sampled_from([0, 1, 2]), min_size=2, max_size=8),
    done=st.lists(moves, min_size=1, max_size=14),
)
def test_moves_come_to_what_they_do_to_plain_lists(
    api: ApiClient, alice: User, homes: list[int], done: list[tuple[int, str, int]]
) -> None:
    with undone():
        lists = [None, make_list(alice, "a").pk, make_list(alice, "b").pk]
        rows = [{"title": "x", "list_id": lists[home]} for home in homes]
        keys = [task.pk for task in Task.objects.add_all(BY, alice.pk, rows)]
        model: list[list[int]] = [[], [], []]
        for key, home in zip(keys, homes, strict=True):
            model[home].append(key)
        versions = dict.fromkeys(keys, 1)

        for one, place, two in done:
            task, other = keys[one % len(keys)], keys[two % len(keys)]
            if task == other:
                continue
            before = [list(each) for each in model]
            for each in model:
                if task in each:
                    each.remove(task)
            there = next(each for each in model if other in each)
            there.insert(there.index(other) + (place == "after"), task)
            versions[task] += model != before

            with CaptureQueriesContext(connection) as sent:
                answer = api.send("POST", f"/api/tasks/{task}/move", {place: other})

            assert answer.status_code == 200
            written = [
                each["sql"]
                for each in sent.captured_queries
                if re.match(r'\s*UPDATE "tasks_task"', each["sql"])
            ]
            assert len(written) == (model != before)
            assert_is(model, lists, versions)


def assert_is(
    model: list[list[int]], lists: list[int | None], versions: dict[int, int]
) -> None:
    """The tasks are stored in this order, strictly, and at these versions."""
    for keys, list_id in zip(model, lists, strict=True):
        tasks = Task.objects.filter(list_id=list_id).order_by("position", "id")
        assert [task.pk for task in tasks] == keys
        places = [task.position for task in tasks]
        assert all(one < two for one, two in pairwise(places))
    assert dict(Task.objects.values_list("pk", "version")) == versions


def test_thousands_of_moves_in_turns_fit_into_one_place() -> None:
    """Each right before or right after the one before: see tests/unit for one way."""
    low, high = positions.at_end(NOW), positions.at_end(NOW + timedelta(days=1))

    for number in range(4_500):
        new = positions.between(low, high, NOW)
        assert new is not None, f"no room for move {number}"
        longest = len(new)
        assert low < new < high
        low, high = (low, new) if number % 2 else (new, high)

    assert longest <= POSITION_LENGTH
