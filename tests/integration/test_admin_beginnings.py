"""The form of a new task in the admin, as an address fills it in, and the links there."""

import re
from html import unescape

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Task, TaskList
from tests.conftest import BY, make_task
from tests.support.admin import ADD, Form, as_staff, page_of, text
from tests.support.rows import make_list


@pytest.fixture
def home(alice: User) -> TaskList:
    return make_list(alice, "Home")


def link(client: Client, row: Task | TaskList) -> str | None:
    """Where the page of the row leads who adds a task there."""
    found = re.search(
        r'class="addlink" href="([^"]*)">Add a (?:sub)?task<',
        text(client.get(page_of(row))),
    )
    return unescape(found[1]) if found else None


def begun(client: Client, address: str) -> Form:
    """The form of a new task, opened in a browser."""
    return Form(text(client.get(address)), "task_form")


def filled(form: Form) -> list[str]:
    return [form.values.get(name, "") for name in ("owner", "list", "parent")]


# The links


def test_a_subtask_is_added_from_the_page_of_its_parent(
    staff: Client, alice: User, home: TaskList
) -> None:
    parent = make_task(alice, list_id=home.pk)
    address = link(staff, parent)
    assert address == f"{ADD}?owner={alice.pk}&list={home.pk}&parent={parent.pk}"

    form = begun(staff, address)
    form["title"] = "Child"
    assert staff.post(address, form.values).status_code == 302

    [child] = parent.subtasks.all()
    assert (child.title, child.owner, child.list) == ("Child", alice, home)


def test_a_task_is_added_from_the_page_of_its_list(
    staff: Client, alice: User, home: TaskList
) -> None:
    address = link(staff, home)
    assert address == f"{ADD}?owner={alice.pk}&list={home.pk}"

    form = begun(staff, address)
    form["title"] = "New"
    assert staff.post(address, form.values).status_code == 302

    [task] = home.tasks.all()
    assert (task.title, task.owner, task.parent) == ("New", alice, None)


@pytest.mark.either_database
def test_a_task_in_no_list_hands_none_on(staff: Client, alice: User) -> None:
    parent = make_task(alice)

    assert link(staff, parent) == f"{ADD}?owner={alice.pk}&parent={parent.pk}"


@pytest.mark.either_database
def test_what_can_have_no_subtasks_has_no_link(staff: Client, alice: User) -> None:
    parent, trashed = make_task(alice), make_task(alice)
    child = make_task(alice, parent_id=parent.pk)
    Task.objects.filter(pk=trashed.pk).trash(BY)

    assert [link(staff, task) for task in (child, trashed)] == [None, None]


@pytest.mark.either_database
def test_who_may_add_no_tasks_is_shown_no_link_and_no_form(
    alice: User, bob: User, home: TaskList
) -> None:
    parent = make_task(alice)
    client = as_staff(
        bob, "view_task", "change_task", "view_tasklist", "change_tasklist"
    )

    assert [link(client, row) for row in (parent, home)] == [None, None]
    assert client.get(ADD, {"parent": parent.pk}).status_code == 403


# The address


def test_the_owner_is_filled_in_with_the_list_or_the_parent(
    staff: Client, alice: User, home: TaskList
) -> None:
    parent = make_task(alice)
    owner = str(alice.pk)

    assert filled(begun(staff, f"{ADD}?list={home.pk}")) == [owner, str(home.pk), ""]
    with_parent = begun(staff, f"{ADD}?parent={parent.pk}")
    assert filled(with_parent) == [owner, "", str(parent.pk)]


def test_the_pickers_offer_what_the_owner_in_the_address_has(
    staff: Client, alice: User
) -> None:
    page = text(staff.get(ADD, {"owner": alice.pk}))

    assert page.count(f'/choices/?owner={alice.pk}"') == 2


@pytest.mark.either_database
@pytest.mark.parametrize("name", ["list", "parent"])
def test_what_another_owner_has_is_not_filled_in(
    staff: Client, alice: User, bob: User, name: str
) -> None:
    bobs = make_list(bob) if name == "list" else make_task(bob)

    form = begun(staff, f"{ADD}?owner={alice.pk}&{name}={bobs.pk}")

    assert filled(form) == [str(alice.pk), "", ""]


@pytest.mark.either_database
def test_a_parent_that_the_form_would_refuse_is_not_filled_in(
    staff: Client, alice: User
) -> None:
    parent, trashed = make_task(alice), make_task(alice)
    child = make_task(alice, parent_id=parent.pk)
    Task.objects.filter(pk=trashed.pk).trash(BY)

    for task in (child, trashed):
        form = begun(staff, f"{ADD}?owner={alice.pk}&parent={task.pk}")
        assert filled(form) == [str(alice.pk), "", ""]


@pytest.mark.parametrize("name", ["list", "parent", "owner", "priority", "due_date"])
@pytest.mark.parametrize("value", ["999", "abc", "9" * 30, "-1", "①"])
def test_a_forged_address_of_the_form_is_no_server_error(
    staff: Client, alice: User, name: str, value: str
) -> None:
    answer = staff.get(ADD, {name: value})

    assert answer.status_code == 200
    assert filled(Form(text(answer), "task_form")) == ["", "", ""]
