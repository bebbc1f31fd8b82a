"""GET /api/tasks"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import as_json


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


def test_the_link_of_a_bare_list_names_the_cursor_alone(
    api: ApiClient, alice: User
) -> None:
    for _ in range(51):
        make_task(alice)

    answer = api.send("GET", "/api/tasks")

    cursor = answer.json()["next_cursor"]
    assert answer.headers["Link"] == f'</api/tasks?cursor={cursor}>; rel="next"'


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
