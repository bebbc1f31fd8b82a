"""POST /api/tasks/{id}/move with `position`, and positions that clients compute"""

from random import Random

import pytest
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_task
from tests.integration.test_moves import make, move, order
from tests.support.answers import as_json
from tests.support.rows import make_list


@pytest.mark.parametrize(
    ("moved", "end", "expected"),
    [
        ("c", "first", "cab"),
        ("b", "first", "bac"),
        ("a", "first", "abc"),
        ("a", "last", "bca"),
        ("b", "last", "acb"),
        ("c", "last", "abc"),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_it_puts_a_task_at_an_end_of_its_own_list(
    api: ApiClient,
    alice: User,
    bob: User,
    listed: bool,
    moved: str,
    end: str,
    expected: str,
) -> None:
    home, work = make_list(alice, "home").pk, make_list(alice, "work").pk
    for other in (work, None) if listed else (home, work):
        make(alice, "xy", list_id=other)
    make(bob)
    tasks = make(alice, list_id=home if listed else None)
    task, version = tasks[moved], 1 if expected == "abc" else 2

    answer = move(api, task, position=end)

    assert (answer.status_code, answer.json()) == (200, as_json(task))
    assert (task.version, task.list_id) == (version, home if listed else None)
    assert order(api, f"&list={home if listed else 'none'}") == expected


@pytest.mark.parametrize("end", ["first", "last"])
def test_the_only_task_of_a_list_is_at_both_ends(
    api: ApiClient, alice: User, end: str
) -> None:
    task = make_task(alice)

    assert move(api, task, position=end).json() == as_json(task)
    assert task.version == 1


@pytest.mark.parametrize("end", ["first", "last"])
def test_a_move_to_an_end_costs_one_lookup_more(
    api: ApiClient, alice: User, queries: CaptureQueriesContext, end: str
) -> None:
    tasks, counts = make(alice), []
    api.send("GET", "/api/me")  # notes the use of the token

    for place in ({"after": tasks["b"].pk}, {"position": end}):
        before = len(queries)
        task = {"first": "c", "last": "b"}.get(str(place.get("position")), "a")
        assert move(api, tasks[task], **place).json()["version"] == 2
        counts.append(len(queries) - before)

    assert counts[1] == counts[0] + 1


def test_a_client_can_sort_by_the_position_before_and_a_space(
    api: ApiClient, alice: User
) -> None:
    random = Random(1)
    tasks = {key: as_json(task) for key, task in make(alice, "abcdef").items()}
    for _ in range(150):
        order_shown = sorted(
            tasks, key=lambda key: (tasks[key]["position"], tasks[key]["id"])
        )
        key = random.choice("abcdef")
        others = [other for other in order_shown if other != key]
        gap = random.randrange(6)
        follows = tasks[others[gap - 1]] if gap else None
        shown = follows["position"] + " " if follows else " "
        expected = sorted(
            tasks, key=lambda each: shown if each == key else tasks[each]["position"]
        )
        place = {"after": follows["id"]} if follows else {"position": "first"}

        tasks[key] = api.send(
            "POST", f"/api/tasks/{tasks[key]['id']}/move", place
        ).json()

        assert order(api) == "".join(expected)
