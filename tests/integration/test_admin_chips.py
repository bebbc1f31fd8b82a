"""The filters of the list of tasks in words, each with a link that removes it."""

import re
from html import unescape

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Tag
from tests.conftest import make_task
from tests.support.admin import ESCAPED, LIST, SCRIPT, as_staff, text
from tests.support.rows import make_list

CHIP = re.compile(r'<a class="chip info" href="(.*?)" title="[^"]*">(.*?) <span')


def chips(client: Client, query: str) -> dict[str, str]:
    """The words of the chips of a list, and the query without each."""
    answer = client.get(f"{LIST}?{query}")
    assert answer.status_code == 200
    return {unescape(told): unescape(at) for at, told in CHIP.findall(text(answer))}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", []),
        ("o=-6&all=", []),
        ("list=&due=&due_from=", []),
        ("trash=in", ["Deletion: In the trash"]),
        ("trash=x", ["Deletion: x"]),
        ("completed__exact=1", ["Completed: Yes"]),
        ("priority__exact=4", ["Priority: urgent"]),
        ("due=overdue", ["Due date: Overdue"]),
        ("due_from=2026-01-01", ["Due date: from 2026-01-01"]),
        (
            "due=some&due_from=2026-01-01&due_to=2026-02-01",
            ["Due date: Has a due date from 2026-01-01 to 2026-02-01"],
        ),
        ("list=none", ["List: In no list"]),
        ("list=987654", ["List: 987654 (deleted)"]),
        ("created_at__year=2026&created_at__month=2", ["Created: 2026-02"]),
        ("created_at__gte=2026-01-01T00:00Z", ["Created at: 2026-01-01T00:00Z"]),
        ("parent__id__exact=5", ["Parent__id__exact: 5"]),
        ("q=oat+milk", ["Search: oat milk"]),
        (
            "q=milk&due=today&completed__exact=0",
            ["Completed: No", "Due date: Today", "Search: milk"],
        ),
    ],
)
def test_a_list_tells_by_what_it_is_filtered(
    staff: Client, alice: User, query: str, told: list[str]
) -> None:
    make_task(alice)

    assert list(chips(staff, query)) == told


def test_each_filter_is_removed_by_itself(staff: Client, alice: User) -> None:
    home = make_list(alice, "Home")
    make_task(alice, list_id=home.pk, tags=["errand"])
    tag = Tag.objects.get()
    query = {
        "list": f"list={home.pk}",
        "tag": f"tag={tag.pk}",
        "due": "due=some&due_from=2026-01-01",
        "priority": "priority__exact=0",
        "search": "q=a%26b",
    }
    everything = "&".join(query.values())

    shown = chips(staff, f"{everything}&o=-6&p=1")

    assert len(shown) == len(query)
    assert {"List: Home", "Tag: errand", "Search: a&b"} <= set(shown)
    for told, without in shown.items():
        name = told.split(":")[0].lower().split()[0]
        left = [part for other, part in query.items() if other != name]
        parts = {*"&".join(left).split("&"), "o=-6"}
        assert set(without.removeprefix("?").split("&")) == parts, told
        assert told not in chips(staff, without.removeprefix("?"))


@pytest.mark.either_database
def test_markup_in_a_chip_is_escaped(staff: Client, alice: User) -> None:
    home = make_list(alice, SCRIPT)

    page = text(staff.get(LIST, {"list": str(home.pk), "q": SCRIPT}))

    assert f"List: {ESCAPED}" in page
    assert SCRIPT not in page


@pytest.mark.either_database
def test_who_may_not_view_lists_gets_no_name_of_one(alice: User, bob: User) -> None:
    home = make_list(alice, "Secret")

    assert list(chips(as_staff(bob, "view_task"), f"list={home.pk}")) == [
        f"List: {home.pk}"
    ]


def test_chips_take_a_query_for_each_related_row_at_most(
    staff: Client, alice: User
) -> None:
    home = make_list(alice, "Home")
    make_task(alice, list_id=home.pk)

    def queries(query: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            staff.get(f"{LIST}?{query}")
        return len(captured)

    due = queries("due=some")
    assert queries("due=some&completed__exact=0&priority__exact=0") == due
    # The name of the list: in its chip, and twice in the form of the filter.
    assert queries(f"due=some&list={home.pk}") == due + 3
