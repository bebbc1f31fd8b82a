"""Tasks in the admin: the forms and the boxes, by the same rules as the API."""

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import make_task
from tests.support.admin import (
    ADD,
    LIST,
    open_form,
    page_of,
    row,
    row_of,
    text,
    written_columns,
)

pytestmark = pytest.mark.either_database

# The add form


def test_the_add_form_stores_a_task(staff: Client, alice: User) -> None:
    answer = staff.post(
        ADD, {"owner": alice.pk, "title": "  Buy milk ", "description": "Oat"}
    )

    task = Task.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, LIST)
    assert (task.owner, task.title, task.description) == (alice, "Buy milk", "Oat")
    assert (task.completed, task.completed_at, task.version) == (False, None, 1)


def test_a_task_can_be_added_completed(staff: Client, alice: User) -> None:
    staff.post(ADD, {"owner": alice.pk, "title": "Done", "completed": "on"})

    task = Task.objects.get()
    assert task.completed
    assert task.completed_at == task.created_at == task.updated_at
    assert task.version == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "   "),
        ("title", "\u3000"),
        ("title", "x" * 201),
        ("title", "a\x00b"),
        ("description", "x" * 10_001),
        ("description", "a\x00b"),
        ("owner", ""),
        ("owner", "0"),
    ],
)
def test_the_add_form_refuses_what_the_api_refuses(
    staff: Client, alice: User, field: str, value: str
) -> None:
    answer = staff.post(ADD, {"owner": alice.pk, "title": "Fine"} | {field: value})

    assert answer.status_code == 200
    assert list(answer.context["errors"]) != []
    assert field in answer.context["adminform"].form.errors
    assert not Task.objects.exists()


def test_a_title_of_200_characters_is_taken(staff: Client, alice: User) -> None:
    staff.post(ADD, {"owner": alice.pk, "title": "😀" * 200})

    assert Task.objects.get().title == "😀" * 200


def test_the_add_form_takes_no_version_and_no_times(staff: Client, alice: User) -> None:
    forged = {"version": "7", "completed_at": "2020-01-01", "created_at": "2020-01-01"}
    staff.post(ADD, {"owner": alice.pk, "title": "Buy milk"} | forged)

    task = Task.objects.get()
    assert (task.version, task.completed_at) == (1, None)
    assert task.created_at.year > 2020


# The edit form


def test_saving_the_form_as_it_was_opened_changes_nothing(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, description="Oat", completed=True)

    answer = staff.post(page_of(task), open_form(staff, task).values)

    assert answer.status_code == 302
    assert row(task) == row_of(task)


LONGEST = "123456789\n" * 999 + "1234567890"


@pytest.mark.parametrize(
    "description",
    ["Oat\nor soy", "\nOat", "  Oat", "Oat\n", "Oat\r\nor soy", LONGEST],
)
def test_saving_another_field_leaves_the_description_as_it_is(
    staff: Client, alice: User, description: str
) -> None:
    task = make_task(alice, description=description)

    form = open_form(staff, task)
    form["title"] = "Buy bread"
    staff.post(page_of(task), form.values)

    task.refresh_from_db()
    assert (task.title, task.description) == ("Buy bread", description)


def test_an_edit_writes_only_what_was_changed(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    task = make_task(alice, description="Oat")

    form = open_form(staff, task)
    form["title"] = "Buy bread"
    staff.post(page_of(task), form.values)

    assert "title" in written_columns(queries)
    assert written_columns(queries).isdisjoint(
        {"owner_id", "description", "completed", "completed_at", "created_at"}
    )


def test_an_edit_counts_one_version_however_much_it_changes(
    staff: Client, alice: User, bob: User
) -> None:
    task = make_task(alice)

    form = open_form(staff, task)
    form.values |= {"title": "Buy bread", "description": "Rye", "owner": str(bob.pk)}
    form.tick("completed", True)
    staff.post(page_of(task), form.values)

    edited = Task.objects.get()
    assert (edited.title, edited.description) == ("Buy bread", "Rye")
    assert (edited.owner, edited.completed, edited.version) == (bob, True, 2)
    assert edited.completed_at == edited.updated_at
    assert edited.updated_at > task.updated_at
    assert edited.created_at == task.created_at


@pytest.mark.parametrize(
    ("before", "after"), [(False, True), (True, False), (True, True)]
)
def test_the_form_keeps_the_time_of_completion_with_the_box(
    staff: Client, alice: User, before: bool, after: bool
) -> None:
    task = make_task(alice, completed=before)

    form = open_form(staff, task)
    form["title"] = "Buy bread"
    form.tick("completed", after)
    staff.post(page_of(task), form.values)

    edited = Task.objects.get()
    assert (edited.title, edited.completed) == ("Buy bread", after)
    assert edited.completed_at == (
        None if not after else task.completed_at if before else edited.updated_at
    )
    assert edited.version == 2


def test_the_edit_form_takes_no_version_and_no_times(
    staff: Client, alice: User
) -> None:
    task = make_task(alice)

    form = open_form(staff, task)
    form.values |= {"version": "7", "completed_at": "2020-01-01", "id": "99"}
    staff.post(page_of(task), form.values)

    assert row(task) == row_of(task)


def test_a_refused_edit_changes_nothing(staff: Client, alice: User) -> None:
    task = make_task(alice)

    form = open_form(staff, task)
    form["title"] = " "
    form.tick("completed", True)
    answer = staff.post(page_of(task), form.values)

    assert answer.status_code == 200
    assert "This field is required." in text(answer)
    assert row(task) == row_of(task)


def test_the_owner_is_found_by_autocomplete(staff: Client, alice: User) -> None:
    make_task(alice)

    form = text(staff.get(ADD))
    found = staff.get(
        "/admin/autocomplete/",
        {
            "term": "ali",
            "app_label": "tasks",
            "model_name": "task",
            "field_name": "owner",
        },
    )

    assert "admin-autocomplete" in form
    assert ">alice<" not in form
    assert found.json()["results"] == [{"id": str(alice.pk), "text": "alice"}]
