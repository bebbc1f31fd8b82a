"""GET /api/tasks: in which order, a page at a time"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.utils import timezone

from taskproject.accounts.models import User
from tasks import cursors
from tasks.models import Task
from tests.conftest import ApiClient, make_task
from tests.support.rows import assert_refused, latest, make_list, news

SORTS = ["created", "updated", "due", "priority", "title", "position"]


def pages(api: ApiClient, path: str) -> Iterator[list[dict[str, Any]]]:
    """Every page from this one on, each reached through the Link of the one before."""
    while path:
        answer = api.send("GET", path)
        assert answer.status_code == 200, answer.content
        yield answer.json()["items"]
        found = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        path = found[1] if found else ""


def sorted_by(api: ApiClient, sort: str, **query: Any) -> list[str]:
    """The titles in this order, which paging by one and by two keeps as well."""
    told = "".join(f"&{name}={value}" for name, value in query.items())
    titles: list[list[str]] = [
        [
            item["title"]
            for page in pages(api, f"/api/tasks?sort={sort}&limit={limit}{told}")
            for item in page
        ]
        for limit in (100, 1, 2)
    ]
    assert titles[0] == titles[1] == titles[2]
    return titles[0]


# Each order


def test_due_has_a_day_at_its_end_and_none_last(api: ApiClient, alice: User) -> None:
    for title, due in (
        ("none", {}),
        ("next midnight", datetime(2026, 3, 11, tzinfo=UTC)),
        ("day", date(2026, 3, 10)),
        ("last second", datetime(2026, 3, 10, 23, 59, 59, tzinfo=UTC)),
        ("a microsecond on", datetime(2026, 3, 11, 0, 0, 0, 1, tzinfo=UTC)),
        ("first day", date(1900, 1, 1)),
        ("last day", date(2999, 12, 31)),
        ("also none", {}),
    ):
        name = "due_at" if isinstance(due, datetime) else "due_date"
        make_task(alice, title, **({name: due} if due else {}))

    order = [
        "first day",
        "last second",
        "next midnight",
        "day",
        "a microsecond on",
        "last day",
        "none",
        "also none",
    ]
    assert sorted_by(api, "due") == order
    assert sorted_by(api, "-due") == order[::-1]


def test_title_is_without_regard_to_case_and_accents(
    api: ApiClient, alice: User
) -> None:
    order = [
        "  1 one".strip(),
        "10 ten",
        "2 two",
        "Äpfel 1",
        "apfel 2",
        "Apfel 3",
        "apfelsaft",
        "Éclair",
        "strasse 1",
        "Straße 2",
        "STRASSE 3",
        "zebra",
        "Żubr",
        "жук",
        "日本",
        "\U0001f355 pizza",
    ]
    for title in sorted(order, key=lambda title: title[::-1]):
        make_task(alice, title)

    assert sorted_by(api, "title") == order
    assert sorted_by(api, "-title") == order[::-1]


def test_an_edited_title_has_its_new_place(api: ApiClient, alice: User) -> None:
    tasks = [make_task(alice, title) for title in "abc"]
    api.send("PATCH", f"/api/tasks/{tasks[0].pk}", {"title": "X"})
    api.send("PUT", f"/api/tasks/{tasks[1].pk}", {"title": "d"})

    assert sorted_by(api, "title") == ["c", "d", "X"]


def test_position_is_compared_as_ascii_text(api: ApiClient, alice: User) -> None:
    for position in ("b", "a0i", "B", "a", "zz", "Z", "ai", "9"):
        task = make_task(alice, position)
        Task.objects.filter(pk=task.pk).update(position=position)

    order = ["9", "B", "Z", "a", "a0i", "ai", "b", "zz"]
    assert sorted_by(api, "position") == order
    assert sorted_by(api, "-position") == order[::-1]


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
def test_what_is_equal_is_there_once_on_every_page(
    api: ApiClient, alice: User, sort: str
) -> None:
    """Seven tasks whose values in every sort but one are the same."""
    made = [make_task(alice, "same").pk for _ in range(7)]
    Task.objects.update(updated_at=timezone.now(), position="n")

    for limit in (1, 2, 3, 6, 7):
        path = f"/api/tasks?sort={sort}&limit={limit}"
        seen = [item["id"] for page in pages(api, path) for item in page]
        assert seen == (made[::-1] if sort.startswith("-") else made)


# Cursors


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
def test_the_link_keeps_order_filters_and_limit(
    api: ApiClient, alice: User, sort: str
) -> None:
    for _ in range(3):
        make_task(alice, tags=["a b", "ü"])
    path = f"/api/tasks?limit=1&tag=a+b&tag=%C3%BC&sort={sort}&tz=Asia%2FTokyo"

    answer = api.send("GET", path)

    cursor = answer.json()["next_cursor"]
    assert answer.headers["Link"] == f'<{path}&cursor={cursor}>; rel="next"'
    assert [len(page) for page in pages(api, path)] == [1, 1, 1]


@pytest.mark.either_database
@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
def test_a_cursor_belongs_to_one_order(api: ApiClient, alice: User, sort: str) -> None:
    for _ in range(2):
        make_task(alice)
    path = f"/api/tasks?limit=1&sort={sort}"
    cursor = api.send("GET", path).json()["next_cursor"]

    for other in (*SORTS, *(f"-{name}" for name in SORTS)):
        answer = api.send("GET", f"/api/tasks?sort={other}&cursor={cursor}")
        if other == sort:
            assert answer.status_code == 200
        else:
            assert_refused(answer, "/api/tasks", "/cursor", "cursor", None, "query")


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("created", 1),
        ("-created", ""),
        ("updated", "2026"),
        ("updated", None),
        ("updated", 2**62),
        ("updated", -(2**62)),
        ("due", "x"),
        ("due", 253_402_214_400_000_001),
        ("priority", 5),
        ("priority", -1),
        ("priority", "high"),
        ("title", 1),
        ("title", None),
        ("title", "a\x00"),
        ("position", 7),
        ("position", "\x00"),
    ],
)
def test_a_cursor_that_the_service_never_made_is_refused(
    api: ApiClient, alice: User, sort: str, value: Any
) -> None:
    make_task(alice)
    cursor = cursors.encode(sort, 1, value)

    answer = api.send("GET", f"/api/tasks?sort={sort}&cursor={cursor}")

    detail = "Send the next_cursor of the page before, unchanged, with the parameters of that page."
    assert_refused(answer, "/api/tasks", "/cursor", "cursor", detail, "query")


@pytest.mark.parametrize(
    ("sort", "fields"),
    [
        ("title", {"title": "\U0001f355" * 200}),
        ("title", {"title": "ﷺ" * 200}),  # eighteen letters each, taken apart
        ("title", {"title": "\u0301"}),  # nothing but an accent
        ("due", {}),
        ("due", {"due_date": date(1900, 1, 1)}),
        ("due", {"due_date": date(2999, 12, 31)}),
        ("position", {"position": "m" + "z" * 998 + "i"}),
    ],
)
def test_the_longest_and_farthest_values_make_cursors_that_work(
    api: ApiClient, alice: User, sort: str, fields: dict[str, Any]
) -> None:
    made = [make_task(alice, **fields).pk for _ in range(3)]

    seen = [
        item["id"]
        for page in pages(api, f"/api/tasks?sort={sort}&limit=1")
        for item in page
    ]

    assert seen == made


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
def test_a_cursor_outlives_the_task_it_names(
    api: ApiClient, alice: User, sort: str
) -> None:
    for title in "abc":
        make_task(alice, title)
    path = f"/api/tasks?sort={sort}&limit=1"
    walk = pages(api, path)
    [first] = next(walk)
    api.send("DELETE", f"/api/tasks/{first['id']}?permanent=true")

    seen = [item["title"] for page in walk for item in page]

    assert seen == (["b", "a"] if sort.startswith("-") else ["b", "c"])


# The list's ETag


def test_the_tag_is_the_same_in_every_order_and_on_every_page(
    api: ApiClient, alice: User
) -> None:
    for _ in range(3):
        make_task(alice)

    tags = {
        api.send("GET", f"/api/tasks?sort={sort}&limit=1").headers["ETag"]
        for sort in SORTS
    }

    assert len(tags) == 1


@pytest.mark.parametrize(
    "change",
    ["list", "list renamed", "tag renamed", "tag removed", "moved", "list deleted"],
)
def test_every_change_of_lists_and_tags_changes_the_tag(
    api: ApiClient, alice: User, change: str
) -> None:
    row = make_list(alice)
    first = make_task(alice, tags=["home"], list_id=row.pk)
    second = make_task(alice, list_id=row.pk)
    tag_id = news(api, cursors.encode("after", 0))[1]["tag_id"]
    tag = api.send("GET", "/api/tasks").headers["ETag"]
    since = latest(api)
    requests: dict[str, Any] = {
        "list": ("POST", "/api/lists", {"name": "Work"}),
        "list renamed": ("PATCH", f"/api/lists/{row.pk}", {"name": "Work"}),
        "list deleted": ("DELETE", f"/api/lists/{row.pk}"),
        "tag renamed": ("PATCH", f"/api/tags/{tag_id}", {"name": "house"}),
        "tag removed": ("DELETE", f"/api/tags/{tag_id}"),
        "moved": ("POST", f"/api/tasks/{second.pk}/move", {"before": first.pk}),
    }

    assert api.send(*requests[change]).status_code < 300

    answer = api.send("GET", "/api/tasks", headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag
    assert latest(api) != since
