"""Tasks in the admin: actions, deleting, finding, and who may do what."""

import re
from functools import partial

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.admin import pages
from tasks.models import Task
from tests.conftest import make_task
from tests.support.admin import (
    ADD,
    ESCAPED,
    LIST,
    SCRIPT,
    Staff,
    act,
    as_staff,
    listed,
    many_tasks,
    messages,
    on_days,
    open_form,
    page_of,
    row,
    row_of,
    text,
)


@pytest.fixture
def staff_with(db: None) -> Staff:
    """The admin, with somebody signed in who has these permissions only, and sees the tasks
    of all users."""
    return partial(as_staff, User.objects.create_user("dora"))


# Bulk actions


@pytest.mark.parametrize("action", ["complete", "reopen", "trash"])
def test_an_action_changes_the_selected_tasks_only(
    staff: Client, alice: User, action: str
) -> None:
    first, second, other = (
        make_task(alice, completed=action == "reopen") for _ in range(3)
    )

    act(staff, action, first, second)

    changed = Task.objects.filter(pk__in=[first.pk, second.pk])
    assert [task.version for task in changed] == [2, 2]
    for task in changed:
        assert task.completed == (action == "complete")
        assert task.completed_at == (task.updated_at if task.completed else None)
        assert (task.deleted_at is not None) == (action == "trash")
    assert row(other) == row_of(other)


def test_complete_leaves_completed_tasks_alone_and_says_so(
    staff: Client, alice: User
) -> None:
    done, task = make_task(alice, completed=True), make_task(alice)

    answer = act(staff, "complete", done, task)

    assert messages(answer) == ["Completed 1 of 2 tasks. Not changed: 1."]
    assert row(done) == row_of(done)


@pytest.mark.parametrize("action", ["complete", "reopen"])
def test_an_action_twice_changes_no_more_than_once(
    staff: Client, alice: User, action: str
) -> None:
    task = make_task(alice, completed=action == "reopen")

    act(staff, action, task)
    once = row(task)
    act(staff, action, task)

    assert row(task) == once


def test_an_action_across_all_pages_reaches_every_task(
    staff: Client, alice: User
) -> None:
    many_tasks(alice, 1_101)

    todo = list(Task.objects.filter(completed=False))

    act(staff, "complete", Task.objects.latest("pk"), across=True)

    assert not Task.objects.filter(completed=False).exists()
    changed = Task.objects.filter(pk__in=[task.pk for task in todo])
    assert set(changed.values_list("version", flat=True)) == {2}


def test_an_action_across_all_pages_obeys_search_and_filter(
    staff: Client, alice: User, bob: User
) -> None:
    tasks = [make_task(alice, "Buy milk") for _ in range(60)]
    bread, bobs = make_task(alice, "Buy bread"), make_task(bob, "Sell milk")

    act(
        staff,
        "complete",
        tasks[0],
        across=True,
        query="?q=buy+milk&completed__exact=0",
    )

    assert Task.objects.filter(completed=True).count() == 60
    assert [row(other) for other in (bread, bobs)] == [row_of(bread), row_of(bobs)]


@pytest.mark.either_database
def test_an_action_without_a_selection_changes_nothing(
    staff: Client, alice: User
) -> None:
    task = make_task(alice)

    act(staff, "complete")

    assert row(task) == row_of(task)


# Deleting


def test_a_deleted_task_is_moved_to_the_trash(staff: Client, alice: User) -> None:
    task, other = make_task(alice), make_task(alice)
    path = f"{LIST}{task.pk}/delete/"
    assert "to the trash?" in text(staff.get(path))
    assert Task.objects.live().count() == 2

    answer = staff.post(path, {"post": "yes"}, follow=True)

    assert answer.redirect_chain == [(LIST, 302)]
    [told] = messages(answer)
    assert "was moved to the trash" in told
    assert Task.objects.live().get() == other
    assert Task.objects.trashed().get() == task


# Finding


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("milk", {"Buy milk"}),
        ("MILK", {"Buy milk"}),
        ("rye", {"Buy bread"}),
        ("bob", {"Call Anna"}),
        ("buy", {"Buy milk", "Buy bread"}),
        ("buy oat", {"Buy milk"}),
        ("buy rye milk", set()),
        ("100%", set()),
        ("_", set()),
    ],
)
def test_it_searches_titles_descriptions_and_owners(
    staff: Client, alice: User, bob: User, words: str, found: set[str]
) -> None:
    make_task(alice, "Buy milk", description="Oat")
    make_task(alice, "Buy bread", description="Rye")
    make_task(bob, "Call Anna")

    assert listed(staff, f"q={words}") == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("completed__exact=1", {"Done"}),
        ("completed__exact=0", {"Open"}),
        ("completed_at__isnull=True", {"Open"}),
        ("completed_at__isnull=False", {"Done"}),
        ("completed__exact=1&q=open", set()),
        ("", {"Open", "Done"}),
    ],
)
def test_the_filters_choose(
    staff: Client, alice: User, query: str, found: set[str]
) -> None:
    make_task(alice, "Open")
    make_task(alice, "Done", completed=True)

    assert listed(staff, query) == found


def test_the_list_is_newest_first(staff: Client, alice: User) -> None:
    tasks = [make_task(alice) for _ in range(3)]

    page = staff.get(LIST)

    assert list(page.context["cl"].result_list) == tasks[::-1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("created_at__year=2025", {"2025-01-31", "2025-02-10", "2025-03-01"}),
        ("created_at__year=2026", {"2026-01-01"}),
        ("created_at__year=2025&created_at__month=2", {"2025-02-10"}),
        (
            "created_at__year=2025&created_at__month=3&created_at__day=1",
            {"2025-03-01"},
        ),
        ("created_at__year=2024", set()),
    ],
)
def test_the_date_hierarchy_chooses(
    staff: Client, alice: User, query: str, found: set[str]
) -> None:
    on_days(alice, "2025-01-31", "2025-02-10", "2025-03-01", "2026-01-01")

    assert listed(staff, query) == found


@pytest.mark.parametrize(
    ("days", "query", "offered"),
    [
        (["2025-01-01", "2026-01-01"], "", ["2025", "2026"]),
        (["2023-12-31", "2024-01-01", "2025-12-31"], "", ["2023", "2024", "2025"]),
        (["2025-02-10", "2025-03-01"], "", ["February 2025", "March 2025"]),
        (["2025-04-30", "2025-05-01"], "", ["April 2025", "May 2025"]),
        (["2025-12-30", "2025-12-31"], "", ["December 30", "December 31"]),
        (
            ["2024-06-01", "2025-02-27", "2025-03-01"],
            "created_at__year=2025",
            ["February 2025", "March 2025"],
        ),
        (
            ["2024-02-28", "2024-02-29", "2025-05-05"],
            "created_at__year=2024&created_at__month=2",
            ["February 28", "February 29"],
        ),
    ],
)
def test_the_date_hierarchy_offers_the_periods_that_have_tasks(
    staff: Client, alice: User, days: list[str], query: str, offered: list[str]
) -> None:
    on_days(alice, *days)

    page = text(staff.get(f"{LIST}?{query}"))

    toolbar = page.split('<nav class="toplinks"')[1].split("</nav>")[0]
    links = re.findall(r"<a href=[^>]*>\s*([^<]*?)\s*</a>", toolbar)
    assert [link for link in links if not link.startswith("&lsaquo;")] == offered


def test_the_date_hierarchy_of_no_tasks_is_empty(staff: Client) -> None:
    assert listed(staff, "") == set()


def test_the_paginator_counts_no_further_than_its_cap(
    staff: Client,
    alice: User,
    queries: CaptureQueriesContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "COUNTED_PAGES", 2)
    many_tasks(alice, 110)

    page = staff.get(LIST)

    assert page.context["cl"].result_count == 100
    assert page.context["cl"].paginator.num_pages == 2
    assert not [
        query["sql"]
        for query in queries.captured_queries
        if re.search(r'COUNT\(.*FROM "tasks_task"', query["sql"])
    ]
    assert staff.get(f"{LIST}?p=2").status_code == 200
    answer = staff.get(f"{LIST}?p=3")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{LIST}?e=1")


@pytest.mark.parametrize(
    "query",
    [
        "p=x",
        "p=-1",
        "o=99",
        "o=x",
        "owner__password__startswith=a",
        "created_at__year=x",
        "created_at__year=9999",
        "created_at__year=0",
    ],
)
def test_a_malformed_query_is_no_server_error(
    staff: Client, alice: User, query: str
) -> None:
    make_task(alice)

    assert staff.get(f"{LIST}?{query}").status_code in (200, 302, 400)


# Permissions


@pytest.mark.either_database
def test_who_may_only_view_sees_the_list_without_buttons(
    staff_with: Staff, alice: User
) -> None:
    make_task(alice)

    page = text(staff_with("view_task").get(LIST))

    assert "Buy milk" in page
    assert "/complete/" not in page
    assert 'alt="False"' in page
    assert 'value="complete"' not in page


@pytest.mark.either_database
@pytest.mark.parametrize("action", ["complete", "reopen", "delete_selected"])
@pytest.mark.parametrize("across", [False, True])
def test_who_may_only_view_cannot_forge_an_action(
    staff_with: Staff, alice: User, action: str, across: bool
) -> None:
    tasks = [make_task(alice), make_task(alice, completed=True)]

    act(staff_with("view_task", "add_task"), action, *tasks, across=across)

    assert [row(task) for task in tasks] == [row_of(task) for task in tasks]


@pytest.mark.either_database
def test_who_may_not_add_cannot_save_as_new(staff_with: Staff, alice: User) -> None:
    task = make_task(alice)
    client = staff_with("view_task", "change_task")

    form = open_form(client, task)
    client.post(page_of(task), form.values | {"_saveasnew": "1"})

    assert Task.objects.count() == 1


@pytest.mark.either_database
def test_who_may_not_delete_cannot_forge_a_deletion(
    staff_with: Staff, alice: User
) -> None:
    task = make_task(alice)
    client = staff_with("view_task", "change_task", "add_task")

    answer = client.post(f"{LIST}{task.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert row(task) == row_of(task)


# Escaping


@pytest.mark.either_database
@pytest.mark.parametrize("page", ["", "{pk}/change/", "{pk}/delete/", "{pk}/history/"])
def test_a_title_with_markup_is_escaped(staff: Client, alice: User, page: str) -> None:
    task = make_task(alice, SCRIPT, description=SCRIPT)

    shown = text(staff.get(LIST + page.format(pk=task.pk)))

    assert ESCAPED in shown
    assert SCRIPT not in shown


@pytest.mark.either_database
def test_a_title_with_markup_is_escaped_in_the_message_of_a_save(
    staff: Client, alice: User
) -> None:
    answer = staff.post(ADD, {"owner": alice.pk, "title": SCRIPT}, follow=True)

    assert ESCAPED in text(answer)
    assert SCRIPT not in text(answer)


def test_searched_markup_is_escaped(staff: Client) -> None:
    answer = staff.get(LIST, {"q": f'"{SCRIPT}'})

    assert ESCAPED in text(answer)
    assert SCRIPT not in text(answer)


@pytest.mark.either_database
def test_deleting_a_person_needs_the_right_to_delete_their_tasks_for_good(
    staff_with: Staff, alice: User
) -> None:
    make_task(alice)
    client = staff_with("view_user", "delete_user", "view_task", "delete_task")

    client.post(f"/admin/accounts/user/{alice.pk}/delete/", {"post": "yes"})

    assert User.objects.filter(pk=alice.pk).exists()
