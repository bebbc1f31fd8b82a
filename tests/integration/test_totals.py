"""GET /api/tasks?total=true"""

import re
from random import Random
from typing import Any

import pytest
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from taskproject.accounts.models import User
from tasks.models import Task, totals
from tests.conftest import BY, ApiClient, make_task
from tests.integration.test_find_properties import (
    NOW,
    cheap,
    make,
    meets,
    rows,
    some_filters,
    undone,
    written,
)
from tests.support.rows import StillClock, make_list


def total(api: ApiClient, query: str = "") -> Any:
    answer = api.send("GET", f"/api/tasks?limit=1&total=true{query}")
    assert answer.status_code == 200, answer.content
    assert [*answer.json()] == ["items", "next_cursor", "total"]
    return answer.json()["total"]


def exactly(count: int) -> dict[str, Any]:
    return {"count": count, "exact": True}


def test_a_page_has_a_total_only_if_it_is_asked_for(
    api: ApiClient, alice: User, bob: User
) -> None:
    for owner in (alice, alice, bob):
        make_task(owner)

    for query in ("", "?total=false"):
        answer = api.send("GET", f"/api/tasks{query}")
        assert [*answer.json()] == ["items", "next_cursor"]
    assert total(api) == exactly(2)


@pytest.mark.parametrize("most", [0, 10])
def test_what_is_stored_is_exact_whatever_its_size(
    api: ApiClient, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(totals, "MOST", most)
    home, theirs = make_list(alice).pk, make_list(bob).pk
    Task.objects.add_all(
        BY, alice.pk, [{"title": "x", "list_id": home, "tags": ["Home"]}] * 3
    )
    Task.objects.add_all(BY, alice.pk, [{"title": "x", "completed": True}] * 2)
    make_task(bob, list_id=theirs, tags=["home"])

    assert total(api, "&completed=true") == exactly(2)
    assert total(api, f"&list={home}") == exactly(3)
    assert total(api, f"&list={home}&completed=true") == exactly(0)
    assert total(api, "&list=none") == exactly(2)
    assert total(api, f"&list={theirs}") == exactly(0)
    assert total(api, "&tag=home&completed=false") == exactly(3)
    assert total(api, "&tag=unknown") == exactly(0)


def test_it_is_of_all_pages_and_the_same_on_each(api: ApiClient, alice: User) -> None:
    Task.objects.add_all(BY, alice.pk, [{"title": "x"}] * 5)

    first = api.send("GET", "/api/tasks?limit=2&total=true&priority=none")
    second = api.send("GET", first.headers["Link"].split(">")[0][1:])

    assert "total=true" in first.headers["Link"]
    assert first.json()["total"] == second.json()["total"] == exactly(5)


def test_what_is_not_stored_is_counted_up_to_a_bound(
    api: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "MOST", 4)
    Task.objects.add_all(BY, alice.pk, [{"title": "milk", "priority": 3}] * 4)

    assert total(api, "&priority=high") == exactly(4)
    assert total(api, "&q=mil") == exactly(4)
    make_task(alice, "milk", priority=3)
    for query in ("&priority=high", "&q=mil", "&parent=none", "&has_due=false"):
        assert total(api, query) == {"count": 4, "exact": False}
    # Of those that were read, fewer meet another condition.
    made = Task.objects.order_by("-pk")[0]
    Task.objects.filter(pk=made.pk).complete(BY)
    assert total(api, "&priority=high&completed=true") == exactly(1)


def test_a_whole_page_is_counted_without_a_statement(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    Task.objects.add_all(BY, alice.pk, [{"title": "x", "tags": ["a"]}] * 3)
    counts = []

    for query in ("", "&total=true", "&total=true&limit=2"):
        for more in ("", "&priority=none", "&priority=none&tag=a"):
            api.send("GET", "/api/me")
            before = len(queries)
            api.send("GET", f"/api/tasks?completed=false{query}{more}")
            counts.append(len(queries) - before)

    assert counts[:3] == counts[3:6]
    assert all(n <= one + 2 for n, one in zip(counts[6:], counts, strict=False))


def unnamed(sql: str) -> list[str]:
    """What follows sub-selects in FROM that have no name."""
    found = []
    for begin in re.finditer(r"(?:FROM|JOIN|LATERAL)\s*\((?=\s*SELECT)", sql):
        end, depth = begin.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        if not re.match(r'\s*(?:AS\s+)?["a-z]', sql[end:]):
            found.append(sql[end : end + 20])
    return found


@pytest.mark.parametrize(
    "path",
    [
        *("tasks?total=true&priority=high&location=x&q=milk", "tasks/counts"),
        *("tasks?total=true&tag=a&tag=b&overdue=true", "changes?after=latest"),
        *("tasks?q=milk&sort=relevance", "tasks?tag=a&sort=due", "tasks/1"),
    ],
)
def test_each_subselect_has_a_name(
    api: ApiClient, alice: User, queries: CaptureQueriesContext, path: str
) -> None:
    """PostgreSQL requires one up to version 15."""
    make_task(alice, "milk", tags=["a", "b"])

    api.send("GET", f"/api/{path}")

    assert queries.captured_queries
    assert [unnamed(query["sql"]) for query in queries if unnamed(query["sql"])] == []


@cheap
@given(
    made=st.lists(rows, min_size=12, max_size=12),
    random=st.randoms(use_true_random=True),
    most=st.sampled_from([2, 5, 100]),
)
def test_it_is_the_number_of_tasks_that_meet_the_filters(
    api: ApiClient,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    made: list[dict[str, Any]],
    random: Random,
    most: int,
) -> None:
    StillClock(monkeypatch).at(NOW.isoformat())
    monkeypatch.setattr(totals, "MOST", most)
    with undone():
        world = make(alice, made)
        for _ in range(6):
            wanted = some_filters(random)
            query = f"&{written(world, wanted)}"
            found = [row for row in world.tasks.values() if meets(row, wanted, "UTC")]

            told = total(api, query)

            if told["exact"]:
                assert told["count"] == len(found), query
            else:
                assert told["count"] <= len(found) and most < 12, query
