"""The order of the list of tasks in the admin, and how its pages are read."""

import re
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.admin import chips
from tasks.admin.changelist import TaskChangeListAdmin
from tasks.models import Tag, Task
from tests.conftest import BY, make_task
from tests.support.admin import LIST

PRIORITY, DUE = "o=5", "o=6"
MONTH = "created_at__year=2026&created_at__month=3"


def titles(staff: Client, query: str) -> list[str]:
    page = staff.get(f"{LIST}?{query}")
    assert page.status_code == 200
    return [task.title for task in page.context["cl"].result_list]


@pytest.fixture
def many(alice: User, staff: Client, monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Three tasks, where two can be sorted: the newest is due last, and most urgent."""
    monkeypatch.setattr(chips, "MOST_SORTED", 2)
    first = date(2026, 3, 1)
    return [
        make_task(alice, title, due_date=first + timedelta(place), priority=place)
        for place, title in enumerate("abc")
    ]


@pytest.mark.parametrize(
    "query",
    [f"{DUE}&completed__exact=0", f"{DUE}&owner={{}}", f"{PRIORITY}&owner={{}}"],
)
def test_any_number_of_tasks_is_sorted_by_an_index(
    staff: Client, alice: User, many: list[Task], query: str
) -> None:
    assert titles(staff, query.format(alice.pk)) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "query", [DUE, PRIORITY, f"{PRIORITY}&completed__exact=0", "o=2"]
)
def test_too_many_tasks_are_not_sorted_without_an_index(
    staff: Client, many: list[Task], query: str
) -> None:
    page = staff.get(f"{LIST}?{query}")

    assert [task.title for task in page.context["cl"].result_list] == ["c", "b", "a"]
    assert "too many to put in this order" in page.content.decode()
    assert "o" not in page.context["cl"].params
    many[0].delete()
    assert titles(staff, query) == ["b", "c"]


def test_what_was_moved_to_the_trash_last_is_first(
    staff: Client, many: list[Task]
) -> None:
    for task in reversed(many):
        Task.objects.filter(pk=task.pk).trash(BY)

    assert titles(staff, "trash=in") == ["a", "b", "c"]


def test_a_few_tasks_are_searched_once(staff: Client, many: list[Task]) -> None:
    query = "priority__exact=1&completed__exact=0"
    with CaptureQueriesContext(connection) as statements:
        assert titles(staff, query) == ["b"]

    searches = [one["sql"] for one in statements if '"priority" = 1' in one["sql"]]
    by_key = [sql for sql in searches if f'"id" IN ({many[1].pk})' in sql]
    assert (len(searches), len(by_key)) == (2, 1)


@pytest.mark.parametrize(
    "query", [DUE, "o=-6", "o=6&completed__exact=0", "due=overdue", "tag={}"]
)
def test_the_columns_of_a_page_are_read_by_its_keys(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """Of many tasks, only those of the page are read with their owners and lists."""
    for place, title in enumerate("abcd"):
        due = date(2026, 3, 1 + place // 2)
        make_task(alice, title, due_date=due, tags=["home"])
    query = query.format(Tag.objects.get().pk)
    monkeypatch.setattr(TaskChangeListAdmin, "list_per_page", 2)
    expected = [titles(staff, f"{query}&p={page}") for page in (1, 2)]
    assert sorted(expected[0] + expected[1]) == [*"abcd"]
    monkeypatch.setattr(chips, "FEW", -1)

    with CaptureQueriesContext(connection) as statements:
        assert [titles(staff, f"{query}&p={page}") for page in (1, 2)] == expected

    read = [one["sql"] for one in statements if '"tasks_task"."title"' in one["sql"]]
    assert len(read) == 2
    for sql in read:
        assert re.search(r'WHERE "tasks_task"."id" IN \(\d+, \d+\) ORDER BY', sql)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (MONTH, "task_created"),
        (f"{DUE}&completed__exact=0", "task_open_due"),
        ("due=overdue", "task_open_due"),
        (f"{PRIORITY}&owner={{}}", "task_owner_priority"),
    ],
)
def test_tasks_that_are_equal_in_it_are_in_the_order_of_the_index(
    staff: Client, alice: User, query: str, index: str
) -> None:
    """An import may create thousands at one instant, and as many may be due on one day."""
    page = staff.get(f"{LIST}?{query.format(alice.pk)}")
    rows = page.context["cl"].queryset.select_related(None)[:100]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Of a table that is nearly empty, each plan costs about the same.
            for kind in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
                cursor.execute(f"SET LOCAL enable_{kind} = off")
    plan = rows.explain()

    assert index in plan
    assert "Sort" not in plan and "TEMP B-TREE" not in plan
