"""A task's page in the admin, when what it refers to is refused or goes away meanwhile."""

from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Event, Tag, Task, TaskList, feed_of
from tests.admin import ADD, LIST, Editor, messages
from tests.conftest import BY, make_task
from tests.rows import make_list

NOTHING_SAVED = "Nothing is saved yet"


def edit(task: Task, **fields: Any) -> None:
    """What somebody else does to the task meanwhile."""
    Task.objects.filter(pk=task.pk).edit(BY, **fields)


def restore(client: Client, task: Task, name: str) -> list[str]:
    """What is told after the newest event's earlier value is put back."""
    event = Event.objects.of_task(task.pk).latest("sequence")
    path = f"{LIST}{task.pk}/timeline/{event.sequence}/{name}/"
    return messages(client.post(path, follow=True))


def test_a_refusal_keeps_what_was_typed(staff: Client, task: Task, alice: User) -> None:
    editor = Editor(staff, task)
    editor.type(parent=str(task.pk), title="Buy bread", tag_names="shop")

    assert not editor.save()

    assert (editor.form["title"], editor.form["tag_names"]) == ("Buy bread", "shop")
    task.refresh_from_db()
    assert (task.title, task.version) == ("Buy milk", 1)
    assert not Tag.objects.exists()


def test_a_refused_page_is_saved_once_it_is_put_right(
    staff: Client, task: Task, alice: User
) -> None:
    parent = make_task(alice)
    editor = Editor(staff, task)
    editor.type(parent=str(task.pk))
    assert not editor.save()
    editor.type(parent=str(parent.pk))

    assert editor.save()

    task.refresh_from_db()
    assert task.parent == parent


@pytest.mark.parametrize("name", ["list", "parent", "owner", "priority", "due_date"])
def test_a_forged_beginning_of_the_form_is_no_server_error(
    staff: Client, alice: User, name: str
) -> None:
    for value in ("abc", "9" * 30, "-1"):
        assert staff.get(ADD, {name: value}).status_code == 200


def test_an_untouched_list_that_is_deleted_meanwhile_is_no_conflict(
    staff: Client, alice: User
) -> None:
    row = make_list(alice)
    task = make_task(alice, list_id=row.pk)
    editor = Editor(staff, task)
    editor.type(title="Buy bread")
    with feed_of([alice.pk]):
        TaskList.objects.get(pk=row.pk).remove(BY)

    assert not editor.save()

    assert NOTHING_SAVED in editor.page
    assert (editor.errors("list"), editor.form["list"]) == ([], "")
    assert editor.save()
    task.refresh_from_db()
    assert (task.title, task.list) == ("Buy bread", None)


def test_the_earlier_tags_are_put_back_and_made_anew(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, tags=["home"])
    edit(task, tags=[])
    with feed_of([alice.pk]):
        Tag.objects.get(name="home").remove(BY)

    assert restore(staff, task, "tags") == ["Restored tags."]

    task.refresh_from_db()
    assert (task.tags, Tag.objects.get(tasks=task).name) == (["home"], "home")
