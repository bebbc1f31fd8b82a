"""GET and POST /api/lists, GET /api/lists/{id}"""

import pytest

from taskproject.accounts.models import User
from tasks.models import Event, TaskList
from tests.conftest import ApiClient
from tests.support.rows import (
    alone,
    assert_name_taken,
    event,
    ids,
    latest,
    list_json,
    make_list,
    news,
)

# Making one


def test_it_stores_the_list_and_answers_with_it(api: ApiClient, alice: User) -> None:
    since = latest(api)

    answer = api.send("POST", "/api/lists", {"name": " Shopping ", "archived": True})

    row = TaskList.objects.get()
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Location"] == f"/api/lists/{row.pk}"
    assert answer.headers["ETag"] == '"1.2"'
    assert answer.json() == list_json(row)
    assert (row.owner, row.name, row.archived, row.version) == (
        alice,
        "Shopping",
        True,
        1,
    )
    assert row.created_at == row.updated_at
    assert news(api, since) == [
        event(
            alice,
            "created",
            1,
            list_id=row.pk,
            changes={"name": (None, "Shopping"), "archived": (None, True)},
        )
    ]


def test_a_new_list_comes_after_the_others(api: ApiClient) -> None:
    made = [
        api.send("POST", "/api/lists", {"name": name}).json()
        for name in ("Zebra", "apple", "Mango")
    ]

    answer = api.send("GET", "/api/lists")

    assert answer.json() == {"items": made, "next_cursor": None}
    positions = [row["position"] for row in made]
    assert positions == sorted(set(positions))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Shopping", "Shopping"),
        ("Shopping", "sHOPPING"),
        ("Shopping", "  shopping\t"),
        ("Café", "CAFE\u0301"),  # another normalisation
        ("Straße", "STRASSE"),
        ("ΟΔΟΣ", "οδος"),  # a final sigma
        ("\u1e9b\u0323", "\u017f\u0323\u0307"),
    ],
)
def test_a_name_that_is_taken_in_any_case_is_409(
    api: ApiClient, alice: User, first: str, second: str
) -> None:
    make_list(alice, first)

    answer = alone(api, "POST", "/api/lists", {"name": second})

    assert_name_taken(
        answer, "/api/lists", f"You have a list {first!r} already; choose another name."
    )
    assert (TaskList.objects.count(), Event.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [("Shopping", "Shoppings"), ("Cafe", "Café"), ("I", "ı"), ("a b", "a  b")],
)
def test_names_that_differ_in_more_than_case_are_two(
    api: ApiClient, alice: User, first: str, second: str
) -> None:
    make_list(alice, first)

    assert api.send("POST", "/api/lists", {"name": second}).status_code == 201


def test_somebody_elses_name_is_free(api: ApiClient, alice: User, bob: User) -> None:
    make_list(bob, "Shopping")

    answer = api.send("POST", "/api/lists", {"name": "Shopping"})

    assert answer.status_code == 201
    assert answer.json() == list_json(TaskList.objects.get(owner=alice))


@pytest.mark.parametrize(
    "name", ["x" * 100, "\U0001f6d2" * 100, "ﬃ" * 100, "<b>&amp;</b>", "'; --", "한국"]
)
def test_a_name_comes_back_as_it_was_sent(api: ApiClient, name: str) -> None:
    answer = api.send("POST", "/api/lists", {"name": name})

    assert (answer.status_code, answer.json()["name"]) == (201, name)
    assert TaskList.objects.get().name == name


# Reading one


def test_it_reads_a_list(api: ApiClient, alice: User) -> None:
    row = make_list(alice)

    answer = api.send("GET", f"/api/lists/{row.pk}")

    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"1.2"'
    assert answer.json() == list_json(row)


# Reading all of them


def test_it_answers_with_the_callers_lists_in_their_order(
    api: ApiClient, alice: User, bob: User
) -> None:
    last = make_list(alice, "Last", position="x")
    make_list(bob, "Bob's own")
    first = make_list(alice, "First", position="A", archived=True)

    answer = api.send("GET", "/api/lists")

    assert answer.status_code == 200
    assert "Link" not in answer.headers
    assert answer.json() == {
        "items": [list_json(first), list_json(last)],
        "next_cursor": None,
    }


@pytest.mark.parametrize("archived", [True, False])
def test_it_keeps_to_archived_lists_or_the_others(
    api: ApiClient, alice: User, archived: bool
) -> None:
    asked = make_list(alice, "Asked", archived=archived)
    make_list(alice, "Other", archived=not archived)

    answer = api.send("GET", f"/api/lists?archived={str(archived).lower()}")

    assert answer.json() == {"items": [list_json(asked)], "next_cursor": None}


@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
def test_paging_shows_every_list_once_even_at_equal_positions(
    api: ApiClient, alice: User, limit: int
) -> None:
    for number, position in enumerate("bababa"):
        make_list(alice, str(number), position=position)
    expected = ids(api.send("GET", "/api/lists"))
    seen: list[int] = []
    path = f"/api/lists?limit={limit}"

    while path:
        answer = api.send("GET", path)
        seen += ids(answer)
        cursor = answer.json()["next_cursor"]
        link = f"/api/lists?limit={limit}&cursor={cursor}"
        told = f'<{link}>; rel="next"' if cursor else None
        assert answer.headers.get("Link") == told
        path = link if cursor else ""

    assert seen == expected
    assert len(set(seen)) == 6
