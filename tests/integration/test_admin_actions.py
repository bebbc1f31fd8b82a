"""The admin's actions on many tasks: their priority, and the list that they are in."""

from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Event, Task, TaskList
from tests.conftest import BY, make_task
from tests.support.admin import (
    ESCAPED,
    LIST,
    SCRIPT,
    act,
    as_staff,
    many_tasks,
    messages,
    row,
    row_of,
    select,
    step,
    text,
)
from tests.support.rows import make_list

FORGED = ["abc", "9" * 30, "", "1\x00"]


def place(client: Client, into: TaskList | str, *tasks: Task, **more: Any) -> Any:
    """The page after the tasks are put into the list of this name."""
    return act(client, "place", *tasks, name=str(into), **more)


def told(task: Task) -> list[dict[str, Any]]:
    """What the events of the task tell, without the one of its beginning."""
    events = Event.objects.of_task(task.pk).in_order()
    return [event.changes for event in events if event.version > 1]


@pytest.fixture
def home(alice: User) -> TaskList:
    return make_list(alice, "Home")


# The priority


def test_the_priority_of_tasks_in_the_trash_stays(staff: Client, alice: User) -> None:
    task = make_task(alice)
    Task.objects.filter(pk=task.pk).trash(BY)

    answer = act(staff, "priority_high", task, query="?trash=in")

    [message] = messages(answer)
    assert message.startswith("Priority high: 0 of 1 tasks. Not changed: 1. ")
    assert "“Buy milk”: It is in the trash." in message
    assert Task.objects.get().priority == Task.Priority.NONE


# Into a list


def test_it_asks_into_which_list_of_their_owner_the_tasks_go(
    staff: Client, alice: User, bob: User, home: TaskList
) -> None:
    task = make_task(alice, SCRIPT)
    make_list(bob, "Work")

    page = text(select(staff, "place", task))

    assert '<option value="Home">' in page
    assert "Work" not in page
    assert ESCAPED in page
    assert SCRIPT not in page
    assert row(task) == row_of(task)


def test_the_selected_tasks_are_put_into_the_list(
    staff: Client, alice: User, carol: User, home: TaskList
) -> None:
    first, second, other = (make_task(alice) for _ in range(3))
    there = make_task(alice, list_id=home.pk)

    answer = place(staff, home, first, second, there)

    assert messages(answer) == ["Put into Home: 2 of 3 tasks. Not changed: 1."]
    inside = home.tasks.order_by("position")
    assert [*inside] == [there, first, second]
    for task in (first, second):
        assert [changes["list_id"] for changes in told(task)] == [[None, home.pk]]
        event = Event.objects.of_task(task.pk).latest("sequence")
        assert (event.actor, event.via) == (carol, "admin")
    assert [row(task) for task in (there, other)] == [row_of(there), row_of(other)]


def test_a_selection_across_all_pages_goes_into_the_list_as_it_was_shown(
    staff: Client, alice: User, home: TaskList
) -> None:
    many_tasks(alice, 1_101)
    asked = select(staff, "place", Task.objects.latest("pk"), across=True)
    since, path = make_task(alice), asked.request["PATH_INFO"]

    asked = staff.post(path, {"name": "Home"}, follow=True)
    assert "1101 of 1101 selected tasks will be changed" in text(asked)
    step(staff, path, "confirm", title=asked.context["title"])

    assert home.tasks.count() == 1_101
    assert row(since) == row_of(since)


@pytest.mark.either_database
@pytest.mark.parametrize("key", FORGED)
def test_a_list_that_is_not_there_is_refused(
    staff: Client, alice: User, key: str
) -> None:
    task = make_task(alice)

    answer = place(staff, key, task)

    [error] = answer.context["form"].errors["name"]
    assert error in (
        "alice has no such list.",
        "This field is required.",
        "Null characters are not allowed.",
    )
    assert row(task) == row_of(task)


@pytest.mark.either_database
def test_another_owners_list_is_refused(staff: Client, alice: User, bob: User) -> None:
    task, bobs = make_task(alice), make_list(bob)

    answer = place(staff, bobs, task)

    assert "alice has no such list." in text(answer)
    assert row(task) == row_of(task)


@pytest.mark.either_database
def test_tasks_of_several_owners_share_no_list(
    staff: Client, alice: User, bob: User, home: TaskList
) -> None:
    tasks = [make_task(alice), make_task(bob)]

    [message] = messages(place(staff, home, *tasks))

    assert message.startswith("These tasks have several owners")
    assert [row(task) for task in tasks] == [row_of(task) for task in tasks]


# Permissions


@pytest.mark.either_database
@pytest.mark.parametrize("action", ["priority_high", "place", "take_out"])
@pytest.mark.parametrize("across", [False, True])
def test_who_may_only_view_is_offered_none_and_can_forge_none(
    alice: User, bob: User, home: TaskList, action: str, across: bool
) -> None:
    task = make_task(alice, list_id=make_list(alice, "Work").pk)
    client = as_staff(bob, "view_task", "add_task", "delete_task", "view_tasklist")
    assert f'value="{action}"' not in text(client.get(LIST))

    act(client, action, task, across=across)
    act(client, action, task, across=across, name="Home")

    assert row(task) == row_of(task)


@pytest.mark.either_database
def test_who_may_see_no_lists_puts_nothing_into_one(
    alice: User, bob: User, home: TaskList
) -> None:
    task = make_task(alice)
    client = as_staff(bob, "view_task", "change_task")
    assert 'value="place"' not in text(client.get(LIST))

    place(client, home, task)

    assert row(task) == row_of(task)


@pytest.mark.either_database
def test_who_may_change_tasks_and_see_lists_may_do_all_of_it(
    alice: User, bob: User, home: TaskList
) -> None:
    task = make_task(alice)
    client = as_staff(bob, "view_task", "change_task", "view_tasklist")

    place(client, home, task)
    act(client, "priority_low", task)
    act(client, "take_out", task)

    assert [sorted(changes) for changes in told(task)] == [
        ["list_id", "position"],
        ["priority"],
        ["list_id", "position"],
    ]
