"""GET /api/tasks?sort=relevance"""

from itertools import pairwise

import pytest
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import listing
from tests.conftest import ApiClient, make_task
from tests.integration.test_list_tasks import pages
from tests.support.answers import as_json
from tests.support.rows import ids


def test_the_best_matches_come_first_then_the_newest(
    api: ApiClient, alice: User, bob: User
) -> None:
    make_task(bob, "Milk")
    texts = [
        ("Shop", "milking"),  # 1
        ("Shop", "oat milk"),  # 2
        ("Milkshake", "milk"),  # 3
        ("Buy milk", ""),  # 4
        ("Éclair and MILK", ""),  # 4
        ("Crème", "Ünder milk"),  # 2
    ]
    keys = [make_task(alice, title, description=text).pk for title, text in texts]

    answer = api.send("GET", "/api/tasks?q=milk&sort=relevance")

    expected = [keys[number] for number in (4, 3, 2, 5, 1, 0)]
    assert ids(answer) == expected
    assert answer.json()["items"][0]["title"] == "Éclair and MILK"


@pytest.mark.parametrize("more", ["", "&tag=a", "&completed=false", "&tag=a&tag=b"])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_have_every_task_once_in_the_same_order(
    api: ApiClient, alice: User, more: str, limit: int
) -> None:
    for number in range(9):
        title = ["Oat milk", "Oats", "Milk oat", "Shop"][number % 4]
        make_task(alice, title, description="oat milk", tags=["a", "b"])
    query = f"/api/tasks?q=oat+mil&sort=relevance{more}"
    whole = api.send("GET", query)

    walked = [key for page in pages(api, f"{query}&limit={limit}") for key in ids(page)]

    assert walked == ids(whole)
    assert len({*walked}) == 9
    scores = [
        {"Oat milk": 7, "Milk oat": 7, "Oats": 4, "Shop": 3}[item["title"]]
        for item in whole.json()["items"]
    ]
    assert all(
        (score, key) > (next_score, next_key)
        for (score, key), (next_score, next_key) in pairwise(
            zip(scores, walked, strict=True)
        )
    )


def test_so_many_of_the_newest_matches_are_put_in_order(
    api: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "RANKED", 2)
    make_task(alice, "Milk")
    newer = [make_task(alice, "Shop", description="milk").pk for _ in range(2)]

    assert ids(api.send("GET", "/api/tasks?q=milk&sort=relevance")) == newer[::-1]


def test_it_costs_as_many_statements_as_another_order(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    task = make_task(alice, "Milk")
    api.send("GET", "/api/me")
    counts = []

    for query in ("q=milk", "q=milk&sort=relevance"):
        before = len(queries)
        answer = api.send("GET", f"/api/tasks?{query}")
        assert answer.json()["items"] == [as_json(task)]
        counts.append(len(queries) - before)

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("sort=relevance", "", "refused"),
        ("sort=-relevance&q=a", "/sort", "unknown_value"),
        ("sort=relevance&q=a&cursor=WyItY3JlYXRlZCIsNDJd", "/cursor", "cursor"),
    ],
)
def test_it_needs_words_and_has_no_reverse(
    api: ApiClient, query: str, pointer: str, code: str
) -> None:
    answer = api.send("GET", f"/api/tasks?{query}")

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
