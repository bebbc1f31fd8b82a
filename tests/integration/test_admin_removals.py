"""Deleting lists and tags in the admin: it asks first, and by the rules of the API."""

import re

import pytest
from django.db import OperationalError
from django.test import Client

from taskproject.accounts.models import User
from taskproject.models import Job
from tasks.admin import lists
from tasks.jobs import remove_list
from tasks.models import Actor, Tag, TaskList
from tests.conftest import make_task
from tests.support.admin import LISTS, TAGS, as_staff, messages, text
from tests.support.rows import make_list


@pytest.fixture
def home(alice: User) -> TaskList:
    return make_list(alice, "Home")


@pytest.fixture
def tag(alice: User) -> Tag:
    make_task(alice, tags=["errand"])
    return Tag.objects.get()


# Deleting a list


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("tasks", ["keep", "delete"])
def test_deleting_a_list_does_with_its_tasks_as_was_answered(
    staff: Client, alice: User, home: TaskList, bulk: bool, tasks: str
) -> None:
    task = make_task(alice, list_id=home.pk)
    other = make_list(alice, "Other")

    if bulk:
        selected = {"action": "remove", "_selected_action": home.pk}
        answer = staff.post(LISTS, selected | {"tasks": tasks}, follow=True)
        assert messages(answer) == ["Deleted 1 of 1 lists."]
    else:
        answer = staff.post(
            f"{LISTS}{home.pk}/delete/", {"post": "yes", "tasks": tasks}
        )
        assert answer.headers["Location"] == LISTS

    assert TaskList.objects.get() == other
    task.refresh_from_db()
    assert (task.list_id, task.deleted_at is not None) == (None, tasks == "delete")


def test_deleting_a_list_without_an_answer_keeps_its_tasks(
    staff: Client, alice: User, home: TaskList
) -> None:
    task = make_task(alice, list_id=home.pk)

    staff.post(f"{LISTS}{home.pk}/delete/", {"post": "yes"})

    task.refresh_from_db()
    assert (task.list_id, task.deleted_at) == (None, None)


@pytest.mark.parametrize("bulk", [False, True])
def test_it_asks_before_a_list_is_deleted(
    staff: Client, home: TaskList, bulk: bool
) -> None:
    if bulk:
        asked = staff.post(LISTS, {"action": "remove", "_selected_action": home.pk})
    else:
        asked = staff.get(f"{LISTS}{home.pk}/delete/")

    page = text(asked)
    assert "Home (alice)" in page
    assert re.findall(r'name="tasks" value="(\w+)"', page) == ["keep", "delete"]
    assert TaskList.objects.exists()


@pytest.mark.parametrize("bulk", [False, True])
def test_tasks_go_to_the_trash_only_by_who_may_delete_tasks(
    alice: User, bob: User, home: TaskList, bulk: bool
) -> None:
    task = make_task(alice, list_id=home.pk)
    client = as_staff(bob, "view_tasklist", "delete_tasklist", "view_task")
    path = LISTS if bulk else f"{LISTS}{home.pk}/delete/"
    sent = {"action": "remove", "_selected_action": home.pk} if bulk else {}
    asked = client.post(path, sent) if bulk else client.get(path)
    assert 'value="delete"' not in text(asked)

    forged = client.post(path, sent | {"post": "yes", "tasks": "delete"})

    assert forged.status_code == 403
    task.refresh_from_db()
    assert (task.list, task.deleted_at) == (home, None)
    client.post(path, sent | {"post": "yes", "tasks": "keep"})
    assert not TaskList.objects.exists()


def test_more_lists_than_are_deleted_at_once_are_refused(
    staff: Client, alice: User
) -> None:
    for number in range(101):
        make_list(alice, f"List {number}")
    last = TaskList.objects.latest("pk").pk
    sent = {"action": "remove", "_selected_action": last, "select_across": "1"}

    answer = staff.post(LISTS, sent | {"tasks": "keep", "index": "0"}, follow=True)

    [message] = messages(answer)
    assert message.startswith("More than 100 lists match. Nothing was changed")
    assert TaskList.objects.count() == 101


@pytest.mark.django_db(transaction=True)
def test_it_says_which_lists_were_deleted_before_the_database_failed(
    staff: Client, alice: User, home: TaskList, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = make_list(alice, "Kept")
    failing = [home, kept]

    def remove_unless_failing(row: TaskList, by: Actor, *, tasks: bool) -> Job | None:
        if row in failing:
            raise OperationalError("canceling statement due to lock timeout")
        return remove_list(row, by, tasks=tasks)

    monkeypatch.setattr(lists, "remove_list", remove_unless_failing)
    selected = {"action": "remove", "_selected_action": [home.pk, kept.pk]}
    sent = selected | {"tasks": "keep"}
    staff.raise_request_exception = False

    assert staff.post(LISTS, sent).status_code == 503
    assert TaskList.objects.count() == 2
    failing.remove(home)
    assert messages(staff.post(LISTS, sent, follow=True)) == [
        "The database is not available: “Kept” was not deleted.",
        "Deleted 1 of 2 lists.",
    ]
    assert TaskList.objects.get() == kept


# Deleting a tag


@pytest.mark.parametrize("bulk", [False, True])
def test_deleting_a_tag_takes_it_off_its_tasks(
    staff: Client, alice: User, tag: Tag, bulk: bool
) -> None:
    task = make_task(alice, tags=["home", "errand"])
    path = TAGS if bulk else f"{TAGS}{tag.pk}/delete/"
    sent = {"action": "remove", "_selected_action": tag.pk} if bulk else {}
    asked = staff.post(path, sent) if bulk else staff.get(path)
    assert "errand (alice)" in text(asked)
    assert Tag.objects.count() == 2

    staff.post(path, sent | {"post": "yes"})

    task.refresh_from_db()
    assert task.tags == ["home"]
    assert Tag.objects.get().name == "home"
