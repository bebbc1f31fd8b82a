"""Adding a task in one line above the admin's list."""

from datetime import date
from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from taskproject.names import ON_ONE_LINE
from tasks.models import Event, Task
from tests.conftest import force_login
from tests.support.admin import LIST, SCRIPT, as_staff, messages, text
from tests.support.rows import StillClock, make_list

ADD = f"{LIST}quick-add/"
TODAY = date(2026, 11, 24)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    still = StillClock(monkeypatch)
    still.at("2026-11-24T11:00:00Z")  # the 25th in Kiritimati
    return still


def add(client: Client, line: str, **shown: object) -> Any:
    """The list after the line was sent from the page of a list."""
    form = {"line": line, **{name: str(value) for name, value in shown.items()}}
    return client.post(ADD, form, follow=True)


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("Buy milk", {}),
        ("  Buy   milk ", {}),
        ("Buy milk !high", {"priority": 3}),
        ("!URGENT Buy milk", {"priority": 4}),
        ('Buy #errand milk #"two, words"', {"tags": ["errand", "two, words"]}),
        ("Buy milk due:today", {"due_date": TODAY}),
        ("Buy milk due:Tomorrow", {"due_date": date(2026, 11, 25)}),
        ("due:2028-02-29 Buy milk", {"due_date": date(2028, 2, 29)}),
        (r"Fix \#12 \!now \@home \due:soon", {"title": "Fix #12 !now @home due:soon"}),
        ("Wow! a@b.c C# ! # @ x!high", {"title": "Wow! a@b.c C# ! # @ x!high"}),
        ("Say due: it", {"title": "Say due: it"}),
        ('Say @"', {"title": 'Say @"'}),
        (SCRIPT, {"title": SCRIPT}),
    ],
)
def test_a_line_is_a_task(
    staff: Client, carol: User, line: str, fields: dict[str, Any]
) -> None:
    answer = add(staff, line, back="completed__exact=0")

    wanted = {"title": "Buy milk", "priority": 0, "tags": [], "due_date": None}
    wanted |= {"owner_id": carol.pk, "list_id": None, "due_at": None, **fields}
    task = Task.objects.get()
    assert {name: getattr(task, name) for name in wanted} == wanted
    event = Event.objects.get(task_id=task.pk)
    assert (event.verb, event.via, event.actor) == ("created", "admin", carol)
    assert answer.redirect_chain == [(f"{LIST}?completed__exact=0#quick-add", 302)]
    assert SCRIPT not in text(answer)
    assert f'Added <a href="{LIST}{task.pk}/change/">' in text(answer)


@pytest.mark.either_database
def test_the_day_is_the_viewers(staff: Client, carol: User) -> None:
    carol.store(timezone="Pacific/Kiritimati")

    add(staff, "Buy milk due:today")

    assert Task.objects.get().due_date == date(2026, 11, 25)


@pytest.mark.parametrize("word", ["@kitchen", '@"KITCHEN"'])
def test_a_list_is_named_whatever_its_case(
    staff: Client, carol: User, alice: User, word: str
) -> None:
    make_list(alice, "Kitchen")
    mine = make_list(carol, "Kitchen")

    add(staff, f"Buy milk {word}")

    task = Task.objects.get()
    assert (task.owner_id, task.list_id) == (carol.pk, mine.pk)


def test_a_task_is_added_where_the_page_is(
    staff: Client, carol: User, alice: User
) -> None:
    home, work = make_list(alice, "Home"), make_list(alice, "Work")

    add(staff, "In the list", list=home.pk, owner=carol.pk)
    add(staff, "In another", list=home.pk)
    add(staff, "x @work", list=home.pk)
    add(staff, "Alice's", owner=alice.pk)
    add(staff, "Mine", list="none", owner="x")

    rows = Task.objects.order_by("pk").values_list("title", "owner_id", "list_id")
    assert list(rows) == [
        ("In the list", alice.pk, home.pk),
        ("In another", alice.pk, home.pk),
        ("x", alice.pk, work.pk),
        ("Alice's", alice.pk, None),
        ("Mine", carol.pk, None),
    ]


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "Title: This field is required."),
        ("!high #errand", "Title: This field is required."),
        (
            "a" * 201,
            "Title: Ensure this value has at most 200 characters (it has 201).",
        ),
        (
            "Buy milk !now",
            (
                "There is no priority “now”, but none, low, medium, high, urgent. "
                "Write \\!now to keep it in the title."
            ),
        ),
        ("Buy milk !low !high", "A task has one priority: low, high."),
        ("Buy milk @a @b", "A task has one list: a, b."),
        (
            "Buy milk @nowhere",
            (
                "There is no list “nowhere” of this owner. Add it first, correct the "
                "name, or write \\@nowhere to keep it in the title."
            ),
        ),
        ("Buy milk due:soon", "Due date: Enter a valid date."),
        ("Buy milk due:2026-02-30", "Due date: Enter a valid date."),
        (
            "Buy milk due:9999-01-01",
            "Due date: Choose a day from the years 1900 to 2999.",
        ),
        *(
            (
                f"Buy{sign}milk",
                f"Title: {ON_ONE_LINE}",
            )
            for sign in ("\0", "\n", " @\0")
        ),
    ],
)
def test_a_line_that_is_refused_is_shown_again_once(
    staff: Client, line: str, told: str
) -> None:
    answer = add(staff, line)

    assert messages(answer) == [f"Nothing was added. {told}"]
    assert not Task.objects.exists()
    assert answer.context["quick_add"] == line
    assert staff.get(LIST).context["quick_add"] == ""


@pytest.mark.either_database
def test_who_may_not_add_gets_no_form_and_cannot_forge_it(bob: User) -> None:
    client = as_staff(bob, "view_task", "change_task")

    assert "quick-add" not in text(client.get(LIST))
    assert client.post(ADD, {"line": "Forged"}).status_code == 403
    assert not Task.objects.exists()


@pytest.mark.either_database
def test_who_may_not_view_users_or_lists_adds_tasks_of_their_own_alone(
    bob: User, alice: User
) -> None:
    client, home = as_staff(bob, "view_task", "add_task"), make_list(alice, "Home")
    make_list(bob, "Mine")

    add(client, "Forged", owner=alice.pk)
    add(client, "Named @mine")
    assert not Task.objects.exists()
    add(client, "Mine", list=home.pk)
    task = Task.objects.get()
    assert (task.owner_id, task.list_id) == (bob.pk, None)


@pytest.mark.either_database
def test_it_needs_a_post_with_the_token_against_forgery(
    staff: Client, carol: User
) -> None:
    strict = Client(enforce_csrf_checks=True)
    force_login(strict, carol)

    assert staff.get(ADD).status_code == 403
    assert strict.post(ADD, {"line": "Forged"}).status_code == 403
    assert not Task.objects.exists()
