"""Saved views of the admin's list of tasks, and the choice of its columns."""

import re
from functools import partial
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.admin import saved_views
from tasks.models import SavedView
from tasks.models.saved_views import MAX_VIEWS
from tests.conftest import BY, make_task
from tests.support.admin import LIST, SCRIPT, as_staff, listed, messages, text
from tests.support.rows import make_list
from tests.support.threads import at_once

VIEWS = f"{LIST}views/"


def post(client: Client, query: str = "", **form: Any) -> Any:
    """The list after one of the forms on the page with this query was sent."""
    return client.post(VIEWS, {"back": query, **form}, follow=True)


def save(client: Client, name: str, query: str = "", **form: Any) -> Any:
    return post(client, query, name=name, save="", **form)


def opened(client: Client, view: SavedView) -> dict[str, str]:
    """The query of the list that the view opens."""
    answer = client.get(f"{LIST}?view={view.pk}", follow=True)
    assert answer.status_code == 200
    return QueryDict(answer.request["QUERY_STRING"]).dict()


def columns(page: Any) -> list[str]:
    """The headings of the list."""
    head = text(page).split("<thead>")[1].split("</thead>")[0]
    return re.findall(r"<(?:a href=[^>]*|span)>([A-Z][^<]*)<", head)


def offered(client: Client) -> list[str]:
    nav = text(client.get(LIST)).split('aria-label="Saved views"')[1].split("</nav>")[0]
    return [unescape(name) for name in re.findall(r"<a [^>]*>([^<]*)</a>", nav)][1:]


@pytest.mark.either_database
def test_a_filtered_list_is_not_said_to_show_all_tasks(
    staff: Client, carol: User
) -> None:
    view = SavedView.objects.create(owner=carol, name="Open", columns="title")
    marks = {
        query: re.findall(
            r'aria-current="page">([^<]*)<', text(staff.get(f"{LIST}{query}"))
        )
        for query in ("", "?q=milk", "?completed__exact=0", f"?view={view.pk}&q=milk")
    }

    assert [*marks.values()] == [["All tasks"], [], [], ["Open"]]


@pytest.mark.either_database
def test_own_views_are_offered_before_many_shared_ones(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_views, "MAX_OFFERED", 2)
    for name in "AB":
        SavedView.objects.create(owner=alice, name=name, shared=True, columns="title")

    save(staff, "Mine")

    assert offered(staff) == ["Mine", "A (shared by alice)"]


def test_a_view_keeps_filters_search_order_and_columns(
    staff: Client, carol: User
) -> None:
    make_task(carol, "Buy milk", priority=4), make_task(carol, "Buy bread")
    post(staff, columns="", column=["priority_badge", "due"])

    # The second number is that of `due`, behind the box, the title and the priority.
    answer = save(staff, "Urgent", "q=buy&priority__exact=4&o=-2.3&p=1&e=1&all=")

    view = SavedView.objects.get()
    assert messages(answer) == ["Saved the view “Urgent”."]
    assert (view.owner, view.name, view.shared) == (carol, "Urgent", False)
    assert QueryDict(view.query).dict() == {
        "q": "buy",
        "priority__exact": "4",
        "o": "-priority_badge.due",
    }
    assert view.columns == "title,priority_badge,due"
    # Other columns do not change it.
    post(staff, columns="", column=["completion", "owner", "priority_badge"])
    query = opened(staff, view)
    assert query.pop("view") == str(view.pk)
    assert query == {"q": "buy", "priority__exact": "4", "o": "-2.3"}
    page = staff.get(f"{LIST}?view={view.pk}", follow=True)
    assert columns(page) == ["Title", "Priority", "Due"]
    assert [task.title for task in page.context["cl"].result_list] == ["Buy milk"]


def test_columns_are_chosen_for_oneself(staff: Client, alice: User, bob: User) -> None:
    make_task(alice)
    everything = columns(staff.get(LIST))

    answer = post(staff, "due=none&o=-6", columns="", column=["due", "id", "x", "due"])

    assert columns(answer) == ["Title", "Due", "Id"]
    assert answer.redirect_chain == [(f"{LIST}?due=none&o=-2", 302)]
    assert columns(staff.get(LIST)) == ["Title", "Due", "Id"]
    bobs = as_staff(bob, "view_task", "change_task")
    assert columns(bobs.get(LIST)) == everything
    assert columns(post(staff, columns="")) == ["Title"]


@pytest.mark.either_database
def test_other_columns_are_chosen_in_a_view_that_is_open(
    staff: Client, alice: User
) -> None:
    """They are shown until it is opened again, and become its own if it is updated."""
    make_task(alice)
    post(staff, columns="", column=["due"])
    save(staff, "Open", "completed__exact=0&o=-2")
    view = SavedView.objects.get()
    query = f"completed__exact=0&o=-2&view={view.pk}"

    answer = post(staff, query, columns="", column=["owner", "due"])

    assert QueryDict(answer.request["QUERY_STRING"]).dict() == {
        "completed__exact": "0",
        "o": "-3",
        "view": str(view.pk),
    }
    assert columns(answer) == ["Title", "Owner", "Due"]
    assert columns(staff.get(LIST)) == ["Title", "Due"]
    opening = f"{LIST}?view={view.pk}"
    assert columns(staff.get(opening, follow=True)) == ["Title", "Due"]

    post(staff, query, columns="", column=["owner"])
    post(staff, query.replace("o=-2", "o=2"), view=view.pk, update="")
    assert columns(staff.get(opening, follow=True)) == ["Title", "Owner"]


@pytest.mark.either_database
def test_a_view_of_the_same_name_is_replaced_and_of_another_user_is_not(
    staff: Client, carol: User, bob: User
) -> None:
    bobs = as_staff(bob, "view_task")
    save(bobs, "Mine", "due=week")

    save(staff, "Mine", "due=today")
    save(staff, " Mine ", "due=some")

    rows = SavedView.objects.order_by("pk").values_list("owner", "name", "query")
    assert list(rows) == [
        (bob.pk, "Mine", "due=week"),
        (carol.pk, "Mine", "due=some"),
    ]


def test_shared_views_are_offered_to_all_staff_and_others_to_nobody(
    staff: Client, bob: User
) -> None:
    bobs = as_staff(bob, "view_task")
    save(staff, "Team", shared="on")
    save(staff, "Carol's")
    save(bobs, "Bob's")

    assert offered(bobs) == ["Bob's", "Team (shared by carol)"]
    assert offered(staff) == ["Carol's", "Team (shared by carol)"]
    secret = SavedView.objects.get(name="Carol's")
    assert messages(bobs.get(f"{LIST}?view={secret.pk}", follow=True)) == [
        "There is no such view any more. This is the list without filters."
    ]


@pytest.mark.either_database
def test_who_may_not_share_views_can_neither_share_nor_change_shared_ones(
    staff: Client, bob: User
) -> None:
    save(staff, "Team", "due=week", shared="on")
    team = SavedView.objects.get()
    bobs = as_staff(bob, "view_task", "change_task")
    assert 'name="shared"' not in text(bobs.get(LIST))
    assert 'name="delete"' not in text(bobs.get(f"{LIST}?view={team.pk}", follow=True))

    told = [
        save(bobs, "Mine", shared="on"),
        post(bobs, "due=today", view=team.pk, update=""),
        post(bobs, view=team.pk, delete=""),
    ]

    assert [messages(answer)[0][:12] for answer in told] == ["You may not "] * 3
    [kept] = SavedView.objects.all()
    assert (kept.pk, kept.query) == (team.pk, "due=week")


@pytest.mark.either_database
def test_who_may_share_views_changes_those_of_others(staff: Client, bob: User) -> None:
    bobs = as_staff(bob, "view_task", "share_savedview")
    save(bobs, "Team", "due=week", shared="on")
    team = SavedView.objects.get()

    post(staff, f"due=today&view={team.pk}", view=team.pk, update="")
    team.refresh_from_db()
    assert (team.query, team.owner, team.shared) == ("due=today", bob, True)

    assert messages(post(staff, view=team.pk, delete="")) == [
        "Deleted the view “Team”."
    ]
    answer = post(bobs, view=team.pk, delete="")
    assert messages(answer) == ["There is no such view any more."]


@pytest.mark.either_database
@pytest.mark.parametrize("name", ["", "  ", "a" * 61, "two\nlines", "nul\0"])
def test_a_name_that_is_invalid_is_refused(staff: Client, name: str) -> None:
    answer = save(staff, name)

    assert messages(answer)[0].startswith("Nothing was saved. Name: ")
    assert not SavedView.objects.exists()


def test_the_number_and_the_length_of_views_are_bounded(
    staff: Client, carol: User
) -> None:
    SavedView.objects.bulk_create(
        SavedView(owner=carol, name=f"View {n}", columns="title")
        for n in range(MAX_VIEWS)
    )

    assert messages(save(staff, "One more"))[0].startswith(
        "Nothing was saved: you have"
    )
    assert messages(save(staff, "View 1")) == ["Saved the view “View 1”."]
    answer = save(staff, "View 1", "&".join(f"a{n}=" for n in range(900)))
    assert messages(answer)[0].startswith("Nothing was saved: there are too many")
    assert SavedView.objects.count() == MAX_VIEWS


@pytest.mark.django_db(transaction=True)
def test_views_that_are_saved_at_once_do_not_exceed_the_number(bob: User) -> None:
    SavedView.objects.bulk_create(
        SavedView(owner=bob, name=f"View {n}", columns="title")
        for n in range(MAX_VIEWS - 1)
    )

    def keep(name: str) -> SavedView | None:
        return SavedView.objects.keep(bob.pk, name, columns="title")

    kept = at_once([partial(keep, f"One more {n}") for n in range(8)])

    assert sum(view is not None for view in kept) == 1
    assert SavedView.objects.count() == MAX_VIEWS


@pytest.mark.parametrize("key", ["", "x", "-1", "9" * 30, "①", "1&view=2", "1%00"])
def test_a_forged_key_of_a_view_is_no_server_error(
    staff: Client, alice: User, key: str
) -> None:
    make_task(alice)

    assert staff.get(f"{LIST}?view={key}", follow=True).status_code in (200, 400)
    assert staff.get(f"{LIST}?due=none&view={key}").status_code in (200, 302, 400)
    for verb in ("update", "delete"):
        assert post(staff, view=key, **{verb: ""}).status_code in (200, 400)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("nothing=1", "nothing, a table, no more"),
        ("o=gone.-x.due", "gone"),
        ("o=gone&view=3", "gone"),
        ("list=abc&due=never", ""),
        ("created_at__year=99999", "title,title"),
        ("view=3&e=1&p=99", "due"),
        ("%00=%ff&q=%ff", "owner__password"),
    ],
)
def test_a_view_that_is_outdated_is_no_server_error(
    staff: Client, carol: User, query: str, shown: str
) -> None:
    make_task(carol)
    view = SavedView.objects.create(
        owner=carol, name="Old", query=query, columns=shown, shared=True
    )

    answer = staff.get(f"{LIST}?view={view.pk}", follow=True)

    assert answer.status_code in (200, 400)


def test_a_view_of_a_deleted_list_is_empty_and_says_so(
    staff: Client, alice: User
) -> None:
    home = make_list(alice, "Home")
    make_task(alice)
    save(staff, "Home", f"list={home.pk}")
    view = SavedView.objects.get()
    key = home.pk
    home.remove(BY)

    page = staff.get(f"{LIST}?view={view.pk}", follow=True)

    assert f"List: {key} (deleted)" in text(page)
    assert not page.context["cl"].result_list


@pytest.mark.either_database
def test_markup_in_the_name_of_a_view_is_escaped(staff: Client) -> None:
    save(staff, SCRIPT, shared="on")

    view = SavedView.objects.get()
    assert SCRIPT not in text(staff.get(f"{LIST}?view={view.pk}"))


def test_views_go_with_their_owner(staff: Client, bob: User) -> None:
    save(as_staff(bob, "view_task", "share_savedview"), "Bob's", shared="on")

    staff.post(f"/admin/accounts/user/{bob.pk}/delete/", {"post": "yes"})

    assert not SavedView.objects.exists()


@pytest.mark.either_database
def test_who_may_not_view_tasks_has_no_views(bob: User) -> None:
    assert save(as_staff(bob, "add_tasklist"), "Forged").status_code == 403
    assert as_staff(bob, "view_task").get(VIEWS).status_code == 403
    assert not SavedView.objects.exists()


def test_the_list_takes_one_query_however_many_views(
    staff: Client, carol: User, bob: User
) -> None:
    make_task(carol, "Task")
    counts = []
    for number in range(2):
        with CaptureQueriesContext(connection) as queries:
            assert listed(staff, "") == {"Task"}
        counts.append(len(queries))
        for owner in (bob, carol):
            SavedView.objects.create(
                owner=owner, name=f"{number}", columns="title", shared=True
            )

    assert counts[0] == counts[1]


@pytest.mark.parametrize("nul", ["%00", "\x00"])
def test_a_view_has_no_nul_with_which_it_would_not_open(
    staff: Client, nul: str
) -> None:
    page = save(staff, "Mine", f"q=milk{nul}&priority=high")

    assert page.status_code == 200
    assert opened(staff, SavedView.objects.get()) == {
        "view": str(SavedView.objects.get().pk)
    }
    assert post(staff, f"q={nul}", columns="", column="due").status_code == 200
