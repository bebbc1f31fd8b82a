"""GET /api/tasks"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import as_json
from tests.support.problems import assert_problem


def ids(answer: Any) -> list[int]:
    return [item["id"] for item in answer.json()["items"]]


def pages(api: ApiClient, path: str) -> Iterator[Any]:
    """Every page from this one on, each reached through the Link of the one before."""
    while path:
        answer = api.send("GET", path)
        assert answer.status_code == 200
        yield answer
        link = answer.headers.get("Link", "")
        found = re.fullmatch(r'<([^>]+)>; rel="next"', link)
        assert bool(found) == bool(link) == bool(answer.json()["next_cursor"])
        path = found[1] if found else ""


def test_it_answers_with_the_callers_tasks_newest_first(
    api: ApiClient, alice: User, bob: User
) -> None:
    first = make_task(alice, "First", description="Oat")
    make_task(bob, "Bob's own")
    second = make_task(alice, "Second", completed=True)

    answer = api.send("GET", "/api/tasks")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert "Link" not in answer.headers
    assert answer.json() == {
        "items": [as_json(second), as_json(first)],
        "next_cursor": None,
    }


def test_no_tasks_are_an_empty_page(api: ApiClient) -> None:
    answer = api.send("GET", "/api/tasks")

    assert answer.status_code == 200
    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("completed", [True, False])
def test_it_keeps_to_completed_or_open_tasks(
    api: ApiClient, alice: User, completed: bool
) -> None:
    asked = make_task(alice, completed=completed)
    make_task(alice, completed=not completed)

    answer = api.send("GET", f"/api/tasks?completed={str(completed).lower()}")

    assert answer.json() == {"items": [as_json(asked)], "next_cursor": None}


@pytest.mark.parametrize(
    ("total", "query", "shown"),
    [
        (50, "", 50),
        (51, "", 50),
        (51, "?limit=51", 51),
        (501, "?limit=500", 500),
        (2, "?limit=1", 1),
    ],
)
def test_a_page_has_as_many_tasks_as_asked_for(
    api: ApiClient, alice: User, total: int, query: str, shown: int
) -> None:
    Task.objects.add_all(BY, alice.pk, [{"title": "Buy milk"}] * total)

    answer = api.send("GET", f"/api/tasks{query}")

    assert len(ids(answer)) == shown
    assert (answer.json()["next_cursor"] is not None) == (total > shown)
    assert ("Link" in answer.headers) == (total > shown)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8])
def test_paging_shows_every_task_once(api: ApiClient, alice: User, limit: int) -> None:
    tasks = [make_task(alice, str(number)).pk for number in range(7)]

    seen = [
        task_id
        for page in pages(api, f"/api/tasks?limit={limit}")
        for task_id in ids(page)
    ]

    assert seen == sorted(tasks, reverse=True)


def test_the_cursor_leads_where_the_link_does(api: ApiClient, alice: User) -> None:
    for _ in range(3):
        make_task(alice)
    first = api.send("GET", "/api/tasks?limit=2")
    cursor = first.json()["next_cursor"]

    by_cursor = api.send("GET", f"/api/tasks?limit=2&cursor={cursor}")

    _, by_link = pages(api, "/api/tasks?limit=2")
    assert by_cursor.json() == by_link.json()


@pytest.mark.parametrize("completed", ["true", "false"])
def test_the_link_keeps_filter_and_limit(
    api: ApiClient, alice: User, completed: str
) -> None:
    for number in range(10):
        make_task(alice, completed=number % 2 == 0)

    answers = list(pages(api, f"/api/tasks?completed={completed}&limit=2"))

    assert [len(ids(answer)) for answer in answers] == [2, 2, 1]
    assert {
        item["completed"] for answer in answers for item in answer.json()["items"]
    } == {completed == "true"}


def test_the_link_of_a_bare_list_names_the_cursor_alone(
    api: ApiClient, alice: User
) -> None:
    for _ in range(51):
        make_task(alice)

    answer = api.send("GET", "/api/tasks")

    cursor = answer.json()["next_cursor"]
    assert answer.headers["Link"] == f'</api/tasks?cursor={cursor}>; rel="next"'


def test_a_walk_neither_skips_nor_repeats_while_others_write(
    api: ApiClient, alice: User
) -> None:
    tasks = [make_task(alice, str(number)).pk for number in range(28)]
    deleted: set[int] = set()
    seen: list[int] = []

    for answer in pages(api, "/api/tasks?limit=4"):
        shown = ids(answer)
        seen += shown
        make_task(alice, "Written while walking")
        ahead = [task for task in tasks if task < shown[-1]]
        # The task that the cursor names, and the one that would come next.
        for task in [shown[-1], *ahead[-1:]]:
            assert api.send("DELETE", f"/api/tasks/{task}").status_code == 204
            deleted.add(task)

    assert len(seen) == len(set(seen))
    assert seen == sorted(seen, reverse=True)
    assert set(tasks) - deleted <= set(seen) <= set(tasks)


def test_a_cursor_outlives_the_task_it_names(api: ApiClient, alice: User) -> None:
    older, named, _ = (make_task(alice) for _ in range(3))
    cursor = api.send("GET", "/api/tasks?limit=2").json()["next_cursor"]
    api.send("DELETE", f"/api/tasks/{named.pk}")

    answer = api.send("GET", f"/api/tasks?cursor={cursor}")

    assert ids(answer) == [older.pk]


def test_a_strangers_cursor_shows_the_callers_tasks_only(
    api: ApiClient, bobs_api: ApiClient, alice: User, bob: User
) -> None:
    mine = make_task(alice)
    for _ in range(3):
        make_task(bob)
    cursor = bobs_api.send("GET", "/api/tasks?limit=2").json()["next_cursor"]

    answer = api.send("GET", f"/api/tasks?cursor={cursor}")

    assert ids(answer) == [mine.pk]


def test_head_answers_the_headers_alone(api: ApiClient, alice: User) -> None:
    for _ in range(2):
        make_task(alice)

    answer = api.send("HEAD", "/api/tasks?limit=1")

    assert (answer.status_code, answer.content) == (200, b"")
    assert 'rel="next"' in answer.headers["Link"]


def test_another_method_is_refused_with_those_allowed(api: ApiClient) -> None:
    answer = api.send("DELETE", "/api/tasks")

    assert set(answer.headers["Allow"].split(", ")) >= {"GET", "POST"}
    assert_problem(
        answer,
        "method_not_allowed",
        "/api/tasks",
        "Use one of the methods in the Allow header.",
    )


@pytest.mark.parametrize("total", [0, 1, 30])
@pytest.mark.parametrize("query", ["", "?completed=false&limit=10"])
def test_it_asks_for_the_token_and_the_page_at_once(
    api: ApiClient,
    alice: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    total: int,
    query: str,
) -> None:
    for _ in range(total):
        make_task(alice)
    api.send("GET", "/api/me")  # notes the token's use

    with django_assert_num_queries(1):
        api.send("GET", f"/api/tasks{query}")


def test_a_later_page_costs_as_little(
    api: ApiClient, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        make_task(alice)
    cursor = api.send("GET", "/api/tasks?limit=1").json()["next_cursor"]

    with django_assert_num_queries(1):
        answer = api.send("GET", f"/api/tasks?limit=1&cursor={cursor}")

    assert ids(answer) == [Task.objects.newest_first()[1].pk]
