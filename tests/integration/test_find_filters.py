"""GET /api/tasks: which tasks"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.api.filters import TaskFilters
from tasks.models import Task, TaskList
from tests.conftest import BY, ApiClient, make_task
from tests.support.rows import StillClock, assert_refused, ids, make_list

#: When the tests of this file take place, for dues.
NOW = "2026-03-10T12:00:00+00:00"


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    return StillClock(monkeypatch).at(NOW)


def found(api: ApiClient, query: str) -> str:
    """The titles, in the order in which they were made."""
    answer = api.send("GET", f"/api/tasks?sort=created&{query}")
    assert answer.status_code == 200, answer.content
    return "".join(item["title"] for item in answer.json()["items"])


def at(moment: str) -> dict[str, Any]:
    return {"due_at": datetime.fromisoformat(moment), "due_timezone": "UTC"}


def on(day: str) -> dict[str, Any]:
    return {"due_date": date.fromisoformat(day)}


# Lists


@pytest.fixture
def home(alice: User) -> TaskList:
    return make_list(alice, "Home")


# Tags


@pytest.fixture
def tagged(alice: User, bob: User) -> None:
    make_task(bob, "x", tags=["home", "urgent"])
    for title, tags in (
        ("a", ["home"]),
        ("b", ["Urgent", "home"]),
        ("c", []),
        ("d", ["urgent", "Straße"]),
    ):
        make_task(alice, title, tags=tags)
    trashed = make_task(alice, "t", tags=["home"])
    Task.objects.filter(pk=trashed.pk).trash(BY)


@pytest.mark.usefixtures("tagged")
@pytest.mark.parametrize(
    ("tags", "titles"),
    [
        (["home"], "ab"),
        (["HOME"], "ab"),
        ([" urgent "], "bd"),
        (["home", "urgent"], "b"),
        (["urgent", "home"], "b"),
        (["home", "Home"], "ab"),
        (["strasse"], "d"),
        (["urgent", "strasse", "home"], ""),
        (["hom"], ""),
        (["unknown"], ""),
        (["home", "unknown"], ""),
        (["%"], ""),
        (["home"] * 20, "ab"),
    ],
)
def test_all_of_several_tags_must_be_there_in_any_case(
    api: ApiClient, tags: list[str], titles: str
) -> None:
    assert found(api, "&".join(f"tag={quote(tag)}" for tag in tags)) == titles


# Dues


@pytest.fixture
def dues(alice: User) -> None:
    """Around now, in UTC; the capital one is completed."""
    for title, due in (
        ("a", on("2026-03-09")),
        ("b", on("2026-03-10")),
        ("c", on("2026-03-11")),
        ("d", at("2026-03-10T11:59:59.999999+00:00")),
        ("e", at("2026-03-10T12:00:00+00:00")),
        ("f", at("2026-03-10T12:00:00.000001+00:00")),
        ("g", at("2026-03-10T00:00:00+00:00")),
        ("h", at("2026-03-11T00:00:00+00:00")),
        ("i", {}),
        ("J", on("2026-03-01")),
        ("K", at("2026-03-01T00:00:00+00:00")),
    ):
        make_task(alice, title, completed=title.isupper(), **due)


BEFORE_AND_AFTER = [
    # A day has whole days of both forms.
    ("2026-03-10", "aJK", "bcdefgh"),
    ("2026-03-11", "abdefgJK", "ch"),
    ("2026-03-09", "JK", "abcdefgh"),
    ("2026-03-01", "", "abcdefghJK"),
    ("1900-01-01", "", "abcdefghJK"),
    ("2999-12-31", "abcdefghJK", ""),
    # An instant has a day behind it only when that day is over.
    ("2026-03-10T12:00:00Z", "adgJK", "bcefh"),
    ("2026-03-10T12:00:00.000001Z", "adegJK", "bcfh"),
    ("2026-03-10T13:00:00%2B01:00", "adgJK", "bcefh"),
    ("2026-03-10T00:00:00Z", "aJK", "bcdefgh"),
    ("2026-03-09T23:59:59.999999Z", "JK", "abcdefgh"),
    ("1900-01-01T00:00:00Z", "", "abcdefghJK"),
    ("2999-12-31T23:59:59Z", "abcdefghJK", ""),
]


@pytest.mark.usefixtures("dues")
@pytest.mark.parametrize(("due", "before", "after"), BEFORE_AND_AFTER)
def test_due_before_and_due_after_share_out_all_that_is_due(
    api: ApiClient, due: str, before: str, after: str
) -> None:
    assert found(api, f"due_before={due}") == before
    assert found(api, f"due_after={due}") == after


# Times


def test_filters_must_all_be_met(api: ApiClient, alice: User, home: TaskList) -> None:
    all_of_it = {
        "list_id": home.pk,
        "tags": ["home"],
        "priority": 3,
        "description": "oat",
        **on("2026-03-09"),
    }
    parent = make_task(alice, "p")
    query = (
        f"completed=false&list={home.pk}&parent={parent.pk}&tag=home&priority=high&q=oat"
        "&due_before=2026-03-10&due_after=2026-03-01&overdue=true&has_due=true"
        "&created_after=2020-01-01T00:00:00Z&updated_after=2020-01-01T00:00:00Z"
    )
    for title, less in (
        ("a", {}),
        ("b", {"list_id": None}),
        ("c", {"tags": []}),
        ("d", {"priority": 2}),
        ("e", {"description": ""}),
        ("f", {"due_date": None}),
        ("g", {"completed": True}),
        ("h", {"parent_id": None}),
    ):
        make_task(alice, title, **{"parent_id": parent.pk, **all_of_it, **less})

    assert found(api, query) == "a"


# One statement


FILTERS = [
    "",
    "completed=false",
    "list={list}",
    "list=none",
    "parent={task}",
    "parent=none",
    "tag=home",
    "tag=home&tag=urgent",
    "priority=high",
    "priority=high&priority=low",
    "due_before=2026-03-10",
    "due_after=2026-03-10T12:00:00Z",
    "overdue=true",
    "overdue=false",
    "has_due=true",
    "has_due=false",
    "created_after=2020-01-01T00:00:00Z",
    "updated_after=2020-01-01T00:00:00Z",
    "q=mil",
    "q=mil oat",
    "q=mil&tag=home",
    "q=mil&list={list}&completed=false&overdue=true",
    "tag=home&list={list}&due_before=2026-03-10&priority=high",
]
SORTS = [
    f"{minus}{name}"
    for name in ("created", "updated", "due", "priority", "title", "position")
    for minus in ("", "-")
]


@pytest.fixture
def wide(alice: User, home: TaskList) -> Iterator[Task]:
    """Six tasks that meet a lot of criteria; the parent of them."""
    parent = make_task(alice)
    for _ in range(6):
        make_task(
            alice,
            "Oat milk",
            list_id=home.pk,
            parent_id=parent.pk,
            tags=["home", "urgent"],
            priority=3,
            **on("2026-03-09"),
        )
    yield parent


@pytest.mark.parametrize("sort", SORTS)
def test_a_page_is_one_statement_whatever_is_asked_for(
    api: ApiClient,
    wide: Task,
    home: TaskList,
    queries: CaptureQueriesContext,
    sort: str,
) -> None:
    api.send("GET", "/api/me")  # notes the token's use
    for query in FILTERS:
        asked = query.format(list=home.pk, task=wide.pk)
        path = f"/api/tasks?sort={sort}&limit=2&{asked}"
        for _ in range(2):  # the first page and, where there is one, the next
            before = len(queries)
            answer = api.send("GET", path)
            sent = [each["sql"] for each in queries.captured_queries[before:]]
            assert answer.status_code == 200, answer.content
            [page] = [sql for sql in sent if '"title"' in sql]
            assert "LIMIT 3" in page
            # SQLite keeps no statistics: one more may count how few rows there would be.
            assert len(sent) <= (2 if connection.vendor == "sqlite" else 1), path
            following = answer.json()["next_cursor"]
            if following is None:
                break
            path += f"&cursor={following}"


@pytest.mark.parametrize("query", FILTERS)
def test_polling_costs_one_small_statement_whatever_is_asked_for(
    api: ApiClient,
    wide: Task,
    home: TaskList,
    queries: CaptureQueriesContext,
    query: str,
) -> None:
    path = f"/api/tasks?{query.format(list=home.pk, task=wide.pk)}"
    tag = api.send("GET", path).headers["ETag"]
    before = len(queries)

    answer = api.send("GET", path, headers={"If-None-Match": tag})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == tag
    sent = [each["sql"] for each in queries.captured_queries[before:]]
    [state] = sent
    assert '"title"' not in state
    assert "LIMIT 1" in state


# Refusals


BAD_ID = "Send an id, or none for tasks without one."
BAD_DUE = (
    "Send a date such as 2026-12-31 or an instant such as 2026-12-31T17:00:00Z "
    "(write + as %2B), from the years 1900 to 2999."
)
WORDS_KNOWN = "known here: none, low, medium, high, urgent."


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("query", "pointer", "code", "detail"),
    [
        ("list=0", "/list", "id_or_none", BAD_ID),
        ("list=-1", "/list", "id_or_none", BAD_ID),
        ("list=None", "/list", "id_or_none", BAD_ID),
        ("list=", "/list", "id_or_none", BAD_ID),
        ("list=01", "/list", "id_or_none", BAD_ID),
        ("list=" + "9" * 20, "/list", "id_or_none", BAD_ID),
        ("list=%D9%A1", "/list", "id_or_none", BAD_ID),
        ("parent=x", "/parent", "id_or_none", BAD_ID),
        ("list=1&list=2", "/list", "repeated", "Send it once."),
        ("tag=", "/tag/0", "too_short", None),
        ("tag=a&tag=%20", "/tag/1", "too_short", None),
        ("tag=" + "x" * 51, "/tag/0", "too_long", "Send at most 50 characters."),
        ("tag=a%00", "/tag/0", "nul_character", None),
        ("&".join(["tag=a"] * 21), "/tag", "too_many", "Send at most 20 of them."),
        (
            "priority=hgih",
            "/priority/0",
            "unknown_value",
            "Unknown value 'hgih'; did you mean 'high'?",
        ),
        (
            "priority=3",
            "/priority/0",
            "unknown_value",
            f"Unknown value '3'; {WORDS_KNOWN}",
        ),
        ("due_before=2026-02-30", "/due_before", "date", BAD_DUE),
        ("due_before=today", "/due_before", "date", BAD_DUE),
        ("due_before=", "/due_before", "date", BAD_DUE),
        ("due_after=1899-12-31", "/due_after", "date", BAD_DUE),
        ("due_after=2026-03-10T12:00:00", "/due_after", "date", BAD_DUE),
        ("due_after=2026-03-10T12:00:00+01:00", "/due_after", "date", BAD_DUE),
        ("created_after=2026-03-10", "/created_after", "instant", None),
        ("updated_after=0", "/updated_after", "instant", None),
        ("overdue=yes", "/overdue", "wrong_type", "Send true or false."),
        ("has_due=1", "/has_due", "wrong_type", "Send true or false."),
        ("tz=Mars/Olympus", "/tz", "timezone", None),
        ("tz=", "/tz", "too_short", None),
        (
            "sort=prioritty",
            "/sort",
            "unknown_value",
            "Unknown value 'prioritty'; did you mean 'priority'?",
        ),
        ("sort=", "/sort", "unknown_value", None),
        ("sort=id", "/sort", "unknown_value", None),
        ("sort=created&sort=due", "/sort", "repeated", "Send it once."),
        ("sort=created,due", "/sort", "unknown_value", None),
        (
            "tags=home",
            "/tags",
            "unknown",
            "Unknown parameter 'tags'; did you mean 'tag'?",
        ),
        (
            "due_befor=2026-03-10",
            "/due_befor",
            "unknown",
            "Unknown parameter 'due_befor'; did you mean 'due_before'?",
        ),
        (
            "zzz=1",
            "/zzz",
            "unknown",
            "Unknown parameter 'zzz'; known here: "
            + f"{', '.join(sorted(TaskFilters.model_fields))}.",
        ),
    ],
)
def test_it_refuses_a_bad_filter(
    api: ApiClient, query: str, pointer: str, code: str, detail: str | None
) -> None:
    answer = api.send("GET", f"/api/tasks?{query}")

    assert_refused(answer, "/api/tasks", pointer, code, detail, "query")


def test_a_stranger_sees_none_of_it(
    bobs_api: ApiClient, wide: Task, home: TaskList
) -> None:
    for query in FILTERS:
        path = f"/api/tasks?{query.format(list=home.pk, task=wide.pk)}"
        assert ids(bobs_api.send("GET", path)) == []
