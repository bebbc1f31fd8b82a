"""The numbers of open and of completed tasks above the admin's list."""

import re

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Tag, Task, TaskList
from tests.conftest import BY, make_task
from tests.support.admin import LIST, as_editor, text
from tests.support.rows import make_list


@pytest.fixture
def home(alice: User, bob: User) -> TaskList:
    """A list of alice's with an open and two completed tasks, one of them with a tag."""
    home = make_list(alice, "Home")
    for completed, tags in ((False, []), (True, []), (True, ["errand"])):
        make_task(alice, list_id=home.pk, completed=completed, tags=tags)
    make_task(alice), make_task(bob)
    trashed = make_task(alice)
    Task.objects.filter(pk=trashed.pk).trash(BY)
    return home


def states(client: Client, query: str) -> dict[str, int]:
    page = text(client.get(f"{LIST}?{query}"))
    return {
        name: int(number)
        for name, number in re.findall(r">(Open|Completed): (\d+)</a>", page)
    }


@pytest.mark.parametrize(
    ("query", "opened", "completed"),
    [
        ("", 3, 2),
        ("completed__exact=1&o=-6&p=1", 3, 2),
        ("owner={alice}", 2, 2),
        ("list={home}", 1, 2),
        ("list={home}&owner={alice}", 1, 2),
        ("list={home}&owner={bob}", 0, 0),
        ("list=none", 2, 0),
        ("list=none&owner={bob}", 1, 0),
        ("tag={errand}", 0, 1),
        ("tag=987654", 0, 0),
    ],
)
def test_they_are_those_of_the_filters(
    staff: Client,
    home: TaskList,
    alice: User,
    bob: User,
    query: str,
    opened: int,
    completed: int,
) -> None:
    keys = {"alice": alice.pk, "bob": bob.pk, "home": home.pk}
    query = query.format(**keys, errand=Tag.objects.get().pk)

    assert states(staff, query) == {"Open": opened, "Completed": completed}
    for value, number in enumerate((opened, completed)):
        found = {**QueryDict(query).dict(), "completed__exact": str(value)}
        assert staff.get(LIST, query_params=found).context["cl"].result_count == number


@pytest.mark.parametrize(
    "query", ["q=milk", "due=today", "trash=in", "list=1&tag=1", "priority__exact=1"]
)
def test_they_are_left_out_if_they_are_not_stored(
    staff: Client, home: TaskList, query: str
) -> None:
    assert states(staff, query) == {}


def test_they_take_one_query(staff: Client, home: TaskList) -> None:
    counts = []
    for query in ("", "due=none"):
        with CaptureQueriesContext(connection) as queries:
            states(staff, query)
        counts.append(len(queries))

    assert counts[0] == counts[1] + 1


def test_who_sees_no_tasks_of_others_gets_no_numbers_of_others(
    home: TaskList, alice: User, bob: User
) -> None:
    bobs = as_editor(bob, "view_task")

    assert states(bobs, "") == {}
    assert states(bobs, f"owner={alice.pk}") == {}
    assert states(bobs, f"list={home.pk}") == {}
    assert states(bobs, f"owner={bob.pk}") == {"Open": 1, "Completed": 0}
