"""Whose tasks staff see in the admin, and the group that edits tasks"""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client

from taskproject.accounts.models import User
from taskproject.accounts.privileges import may_issue_token
from tasks.models import BulkChange, Event, Tag, Task, TaskList
from tests.conftest import BY, make_task
from tests.support.admin import (
    ADD,
    LIST,
    act,
    as_editor,
    as_staff,
    listed,
    page_of,
    step,
    text,
)
from tests.support.rows import make_list

ALL = (
    *("view_task", "add_task", "change_task", "delete_task", "remove_task"),
    *("view_tasklist", "add_tasklist", "change_tasklist", "delete_tasklist"),
    *("view_tag", "change_tag", "delete_tag"),
)
migration: Any = import_module("tasks.migrations.0029_task_editors")


def migrate() -> None:
    migration.forward(apps, SimpleNamespace(connection=connection))


@pytest.fixture
def theirs(alice: User) -> Task:
    """A task of alice's in a list, with a tag."""
    home = make_list(alice, "Alice's home")
    return make_task(alice, "Alice's own", list_id=home.pk, tags=["alice-tag"])


@pytest.fixture
def editor(bob: User) -> Client:
    """Bob, who may do everything with his own tasks, and choose users."""
    make_task(bob, "Mine")
    return as_editor(bob, *ALL, "view_user")


def test_staff_see_their_own_tasks_only(editor: Client, theirs: Task) -> None:
    assert listed(editor, "") == {"Mine"}
    assert "Alice" not in text(editor.get("/admin/tasks/tasklist/"))
    assert "alice-tag" not in text(editor.get("/admin/tasks/tag/"))


def test_the_pages_of_others_are_not_found(editor: Client, theirs: Task) -> None:
    rows: list[Any] = [theirs, TaskList.objects.get(), Tag.objects.get()]
    for row in rows:
        for page in (page_of(row), page_of(row).replace("change", "history")):
            answer = editor.get(page, follow=True)
            assert "Alice" not in text(answer)
            assert "alice-tag" not in text(answer)
    restore = page_of(theirs).replace("change", "restore")
    value = page_of(theirs).replace("change", "timeline/1/title")
    for path in (restore, value):
        assert editor.post(path).status_code == 404


def test_actions_do_not_reach_the_tasks_of_others(editor: Client, theirs: Task) -> None:
    for action in ("complete", "trash", "remove", "priority_high"):
        act(editor, action, theirs)
        act(editor, action, theirs, across=True)

    theirs.refresh_from_db()
    assert (theirs.version, theirs.completed, theirs.deleted_at) == (1, False, None)


def test_tasks_that_others_have_by_now_are_not_undone(
    editor: Client, alice: User
) -> None:
    theirs = Task.objects.get(title="Mine")
    act(editor, "complete", theirs)
    Task.objects.filter(pk=theirs.pk).edit(BY, owner_id=alice.pk)
    change = BulkChange.objects.get()

    answer = step(editor, f"{LIST}bulk/{change.pk}/", "undo")

    assert "It belongs to another user now." in text(answer)
    assert Task.objects.get(pk=theirs.pk).completed


@pytest.mark.parametrize("name", ["owner", "list"])
def test_only_values_that_they_may_choose_are_restored(
    alice: User, bob: User, name: str
) -> None:
    home = make_list(bob)
    task = make_task(alice if name == "owner" else bob)
    tasks = Task.objects.filter(pk=task.pk)
    tasks.edit(BY, owner_id=bob.pk)
    tasks.edit(BY, list_id=home.pk)
    tasks.edit(BY, list_id=None)
    event = Event.objects.filter(changes__has_key=f"{name}_id").latest("sequence")
    path = page_of(task).replace("change", f"timeline/{event.sequence}/{name}")

    answer = as_editor(bob, "view_task", "change_task").post(path)

    assert answer.status_code == 403
    now = tasks.get()
    assert (now.owner, now.list) == (bob, None)


def test_filters_and_choices_do_not_name_what_others_have(
    editor: Client, theirs: Task
) -> None:
    tag = Tag.objects.get()
    for query in (f"?list={theirs.list_id}", f"?tag={tag.pk}"):
        page = text(editor.get(LIST + query))
        assert "Alice's" not in page
        assert "alice-tag" not in page
    for name in ("list", "parent", "labels"):
        given = {"app_label": "tasks", "model_name": "task", "field_name": name}
        found = editor.get(f"{LIST}choices/", given)
        assert b"lice" not in found.content


@pytest.mark.either_database
def test_forms_take_no_list_parent_or_owner_of_others(
    editor: Client, theirs: Task, bob: User
) -> None:
    page = text(editor.get(f"{ADD}?list={theirs.list_id}&parent={theirs.pk}"))
    assert "Alice" not in page
    plain = {"title": "New", "priority": "0", "owner": bob.pk}
    for wrong in (
        {"list": theirs.list_id},
        {"parent": theirs.pk},
        {"owner": theirs.owner_id},
    ):
        answer = editor.post(ADD, plain | wrong)
        assert answer.status_code == 200
        assert "Alice" not in text(answer)

    assert not Task.objects.filter(title="New").exists()
    assert editor.post(ADD, plain).status_code == 302


def test_the_dashboard_counts_their_own(editor: Client, theirs: Task) -> None:
    Task.objects.filter(pk=theirs.pk).complete(BY)

    page = text(editor.get("/admin/"))

    assert "alice" not in page.lower()
    assert ">1</strong> Open" in page
    assert ">0</strong> Completed" in page


@pytest.mark.either_database
def test_a_task_in_one_line_takes_no_list_or_owner_of_others(
    editor: Client, theirs: Task
) -> None:
    for given in (
        {"line": 'New @"Alice\'s home"', "owner": theirs.owner_id},
        {"line": "New", "owner": theirs.owner_id},
    ):
        editor.post(f"{LIST}quick-add/", given)

    assert not Task.objects.filter(title="New", owner=theirs.owner_id).exists()


def test_exports_have_the_tasks_of_the_list(editor: Client, theirs: Task) -> None:
    answer: Any = editor.get(f"{LIST}export/", {"format": "jsonl", "scope": "all"})
    content = b"".join(answer) if answer.streaming else answer.content

    assert b"Alice" not in content


def test_with_the_permission_staff_see_all(bob: User, theirs: Task) -> None:
    assert listed(as_staff(bob, "view_task"), "") == {"Alice's own"}


def test_a_token_for_somebody_else_needs_the_permission(
    bob: User, theirs: Task
) -> None:
    as_editor(bob, *ALL)
    assert not may_issue_token(User.objects.get(pk=bob.pk), theirs.owner, "read")
    as_staff(bob, *ALL)
    assert may_issue_token(User.objects.get(pk=bob.pk), theirs.owner, "read")


# The migration


def test_staff_of_before_keep_seeing_all_tasks(alice: User, bob: User) -> None:
    group = Group.objects.create(name="Support")
    group.permissions.set(Permission.objects.filter(codename="view_tasklist"))
    alice.user_permissions.set(Permission.objects.filter(codename="change_task"))
    bob.user_permissions.set(Permission.objects.filter(codename="view_user"))

    migrate()
    migrate()

    assert group.permissions.filter(codename="view_all_tasks").count() == 1
    assert alice.has_perm("tasks.view_all_tasks")
    assert not bob.has_perm("tasks.view_all_tasks")


def test_the_group_has_least_privilege_also_before_there_are_permissions(
    alice: User,
) -> None:
    Group.objects.all().delete()
    Permission.objects.all().delete()

    migrate()

    held = Group.objects.get(name="Task editors").permissions
    assert set(held.values_list("codename", flat=True)) == {
        *("view_task", "add_task", "change_task", "delete_task"),
        *("view_tasklist", "add_tasklist", "change_tasklist"),
        *("view_tag", "change_tag"),
    }


def test_a_group_of_this_name_is_left_as_it_is(db: None) -> None:
    Group.objects.all().delete()
    group = Group.objects.create(name="Task editors")

    migrate()

    assert not group.permissions.exists()


def test_task_editors_edit_their_own_tasks(bob: User, theirs: Task) -> None:
    Group.objects.all().delete()
    migrate()
    mine = make_task(bob, "Mine")
    bob.groups.add(Group.objects.get(name="Task editors"))
    client = as_editor(bob)

    assert listed(client, "") == {"Mine"}
    act(client, "complete", mine)
    mine.refresh_from_db()
    assert client.get("/admin/accounts/user/").status_code == 403
