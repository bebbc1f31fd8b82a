"""GET /api/tasks?highlight=true"""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskproject.accounts.models import User
from tasks.models.highlights import FRAGMENT, parts
from tasks.models.words import query_words
from tests.conftest import ApiClient, make_task
from tests.integration.test_find_properties import cheap
from tests.integration.test_find_search import TEXTS


def highlights(api: ApiClient, query: str) -> Any:
    answer = api.send("GET", f"/api/tasks?highlight=true&{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()["highlights"]


def test_each_task_has_its_texts_in_parts(api: ApiClient, alice: User) -> None:
    make_task(alice, "Buy oat milk", description="<b>Milk</b> &\nmilkshake")
    make_task(alice, "Shop", description="milk")

    answer = api.send("GET", "/api/tasks?q=mil&highlight=true&fields=title")

    assert [*answer.json()] == ["items", "next_cursor", "highlights"]
    assert [*answer.json()["items"][0]] == ["id", "title", "version"]
    assert answer.json()["highlights"] == [
        {"title": [], "description": ["", "mil", "k"]},
        {
            "title": ["Buy oat ", "mil", "k"],
            "description": ["<b>", "Mil", "k</b> &\n", "mil", "kshake"],
        },
    ]


def test_a_page_has_them_only_if_they_are_asked_for(
    api: ApiClient, alice: User
) -> None:
    make_task(alice)

    for query in ("q=milk", "q=milk&highlight=false"):
        answer = api.send("GET", f"/api/tasks?{query}")
        assert [*answer.json()] == ["items", "next_cursor"]
    assert highlights(api, "q=none") == []


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("Crème brûlée", "creme BRU", ["", "Crème", " ", "brû", "lée"]),
        ("Cafe\u0301 Zoë", "café", ["", "Cafe\u0301", " Zoë"]),
        ("Straße", "strass", ["", "Straß", "e"]),
        ("re-test", "test", ["re-", "test", ""]),
        ("retest", "test", []),
        ("\U0001f355 pizza", "pizza", ["\U0001f355 ", "pizza", ""]),
        ("東京 2", "京", ["東", "京", " 2"]),
        ("東京", "東京", ["", "東京", ""]),
        ("한국어", "한국", ["", "한국", "어"]),
        ("ซื้อนมสด", "นมสด", ["ซื้อ", "นมสด", ""]),
        ("oat oats", "oat oats", ["", "oat", " ", "oats", ""]),
    ],
)
def test_what_matches_is_what_the_search_finds(
    text: str, question: str, expected: list[str]
) -> None:
    assert parts(text, query_words(question)) == expected


@pytest.mark.parametrize(("text", "questions", "_"), TEXTS)
def test_every_word_that_the_search_finds_is_a_part(
    text: str, questions: list[str], _: list[str]
) -> None:
    for question in questions:
        assert parts(text, query_words(question))[1::2], question


def test_of_a_long_text_the_fragment_with_the_first_match_is_shown() -> None:
    text = "word " * 1_000 + "needle " + "more " * 1_000

    [before, match, after] = parts(text, ["needle"])

    assert match == "needle"
    assert before.startswith("…word ") and after.endswith("…")
    assert len(before + match + after) == FRAGMENT + 2
    assert parts("x" * 5_000, ["x"]) == ["", "x", "x" * (FRAGMENT - 1) + "…"]
    [before, match, _] = parts("x" * 300 + ",y" + "x" * 100, ["y"])
    assert (before, match) == ("…" + "x" * 59 + ",", "y")


@cheap
@given(
    text=st.text(max_size=600),
    words=st.lists(st.text(min_size=1, max_size=3), max_size=3),
)
def test_the_parts_are_the_text(text: str, words: list[str]) -> None:
    asked = [one for word in words for one in query_words(word)]

    assume(asked)

    divided = parts(text, asked)

    assert len(divided) % 2 or not divided
    assert all(divided[1::2])
    shown = "".join(divided)
    assert shown == text or shown.removeprefix("…").removesuffix("…") in text


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("highlight=true", "", "refused"),
        ("highlight=true&q=a&limit=101", "", "refused"),
        ("highlight=1&q=a", "/highlight", "wrong_type"),
        ("highlight=&q=a", "/highlight", "wrong_type"),
        ("highlight=true&highlight=true&q=a", "/highlight", "repeated"),
    ],
)
def test_it_refuses_what_it_cannot_do(
    api: ApiClient, query: str, pointer: str, code: str
) -> None:
    answer = api.send("GET", f"/api/tasks?{query}")

    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
