"""Two members of staff, one task: nobody overwrites what they have not seen."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Actor, Event, Task, TaskList, lock_feeds
from tests.conftest import BY, ApiClient, force_login, make_task
from tests.support.admin import Editor, row
from tests.support.rows import make_list

pytestmark = pytest.mark.either_database

NOTHING_SAVED = "Nothing is saved yet"


@pytest.fixture
def dave(db: None) -> User:
    """Another one of staff."""
    return User.objects.create_superuser("dave")


@pytest.fixture
def colleague(dave: User) -> Client:
    client = Client()
    force_login(client, dave)
    return client


# The form


def test_a_save_writes_only_the_fields_that_were_typed(
    staff: Client, task: Task
) -> None:
    editor = Editor(staff, task)
    editor.type(title="Buy bread")

    assert editor.save()

    assert Event.objects.of_task(task.pk).latest("sequence").changes == {
        "title": ["Buy milk", "Buy bread"]
    }


def test_the_second_save_is_refused_with_both_values_shown(
    staff: Client, colleague: Client, task: Task
) -> None:
    first, second = Editor(colleague, task), Editor(staff, task)
    first.type(title="Buy rye bread")
    second.type(title="Buy <white> bread")
    assert first.save()

    assert not second.save()

    assert NOTHING_SAVED in second.page
    (error,) = second.errors("title")
    assert "changed this to “Buy rye bread”" in error
    assert "you typed “Buy <white> bread”" in error
    task.refresh_from_db()
    assert (task.title, task.version) == ("Buy rye bread", 2)


def test_nothing_that_was_typed_is_lost(
    staff: Client, colleague: Client, task: Task, bob: User
) -> None:
    first, second = Editor(colleague, task), Editor(staff, task)
    first.type(title="Buy rye bread")
    first.save()
    second.type(title="Buy bread", description="Two\r\nlines", owner=str(bob.pk))
    second.tick(True)

    assert not second.save()

    assert second.form["title"] == "Buy bread"
    assert second.form["description"] == "Two\r\nlines"
    assert second.form["owner"] == str(bob.pk)
    assert second.form["completed"] == "on"


def test_an_unticked_box_stays_unticked(
    staff: Client, colleague: Client, alice: User
) -> None:
    task = make_task(alice, completed=True)
    first, second = Editor(colleague, task), Editor(staff, task)
    first.type(title="Buy bread")
    first.save()
    second.tick(False)

    assert not second.save()
    assert "completed" not in second.form
    assert second.save()

    task.refresh_from_db()
    assert (task.title, task.completed) == ("Buy bread", False)


def test_untouched_fields_take_the_new_values(
    staff: Client, colleague: Client, task: Task, bob: User
) -> None:
    first, second = Editor(colleague, task), Editor(staff, task)
    first.type(description="Oat, two litres", owner=str(bob.pk))
    first.tick(True)
    first.save()
    second.type(title="Buy bread")

    assert not second.save()

    assert second.form["title"] == "Buy bread"
    assert second.form["description"] == "Oat, two litres"
    assert second.form["owner"] == str(bob.pk)
    assert second.form["completed"] == "on"


def test_an_untouched_box_that_was_unticked_meanwhile_is_shown_unticked(
    staff: Client, colleague: Client, alice: User
) -> None:
    task = make_task(alice, completed=True)
    first, second = Editor(colleague, task), Editor(staff, task)
    first.tick(False)
    first.save()
    second.type(title="Buy bread")

    assert not second.save()

    assert "completed" not in second.form


def test_only_fields_that_both_changed_are_said_to_conflict(
    staff: Client, colleague: Client, alice: User
) -> None:
    task = make_task(alice, description="Two\nlines")
    first, second = Editor(colleague, task), Editor(staff, task)
    first.type(title="Buy rye bread")
    first.save()
    second.type(description="Three\r\nmore\r\nlines")

    assert not second.save()

    assert NOTHING_SAVED in second.page
    assert second.errors("title") == []
    assert second.errors("description") == []


def test_the_second_try_wins_and_writes_only_what_was_typed(
    staff: Client, colleague: Client, task: Task, carol: User
) -> None:
    first, second = Editor(colleague, task), Editor(staff, task)
    first.type(title="Buy rye bread", description="Sliced")
    first.save()
    second.type(title="Buy white bread")
    assert not second.save()

    assert second.save()

    task.refresh_from_db()
    assert (task.title, task.description) == ("Buy white bread", "Sliced")
    event = Event.objects.of_task(task.pk).latest("sequence")
    assert (event.version, event.actor) == (3, carol)
    assert event.changes == {"title": ["Buy rye bread", "Buy white bread"]}


def test_the_second_try_is_refused_again_when_somebody_was_quicker_again(
    staff: Client, colleague: Client, task: Task
) -> None:
    second = Editor(staff, task)
    second.type(title="Buy white bread")
    for title in ("Buy rye bread", "Buy spelt bread"):
        first = Editor(colleague, task)
        first.type(title=title)
        assert first.save()

        assert not second.save()
        assert any(title in error for error in second.errors("title"))

    assert second.save()
    task.refresh_from_db()
    assert (task.title, task.version) == ("Buy white bread", 4)


def test_a_change_by_the_api_counts_as_well(
    staff: Client, api: ApiClient, task: Task
) -> None:
    editor = Editor(staff, task)
    editor.type(description="Soy")
    api.send("PATCH", f"/api/tasks/{task.pk}", {"description": "Almond"})

    assert not editor.save()

    assert "“Almond”" in editor.errors("description")[0]
    assert "“Soy”" in editor.errors("description")[0]


def test_saving_a_page_without_having_typed_does_not_undo_a_change(
    staff: Client, colleague: Client, task: Task
) -> None:
    first, second = Editor(colleague, task), Editor(staff, task)
    first.type(title="Buy bread")
    first.save()

    second.save()
    second.save()

    task.refresh_from_db()
    assert (task.title, task.version) == ("Buy bread", 2)


def test_a_conflict_and_a_mistake_at_once_lose_nothing(
    staff: Client, colleague: Client, task: Task
) -> None:
    first, second = Editor(colleague, task), Editor(staff, task)
    first.type(description="Sliced")
    first.save()
    second.type(title="", description="Whole")

    assert not second.save()

    assert second.form["description"] == "Whole"
    assert second.errors("title") == ["This field is required."]
    second.type(title="Buy bread")
    assert second.save()
    task.refresh_from_db()
    assert (task.title, task.description) == ("Buy bread", "Whole")


def test_a_task_that_is_gone_meanwhile_is_not_made_anew(
    staff: Client, task: Task, alice: User
) -> None:
    editor = Editor(staff, task)
    editor.type(title="Buy bread")
    Task.objects.filter(pk=task.pk).remove(Actor(alice.pk, "token"))

    answer = staff.post(editor.path, editor.form.values)

    assert answer.status_code == 302
    assert not Task.objects.exists()


# Where a task belongs and when it is due


@pytest.fixture
def home(alice: User) -> TaskList:
    return make_list(alice, "Home")


NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)
# What a colleague stores, what the page then shows of it, what is typed over it, and how
# both are told: for every field that says where a task belongs or when it is due.
FIELDS: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "tag_names": (
        {"tags": ["a", "b, c"]}, 'a, "b, c"', "mine", 'a, "b, c"', "mine",
    ),
    "location": ({"location": "Porto"}, "Porto", "Hall", "Porto", "Hall"),
    "priority": ({"priority": 4}, "4", "1", "urgent", "low"),
    "due_date": (
        {"due_date": date(2026, 12, 31)}, "2026-12-31", "2027-01-01",
        "2026-12-31", "2027-01-01",
    ),
    "due_at": (
        {"due_at": NOON, "due_timezone": "UTC"}, "2026-12-31 12:00", "2027-01-01 09:00",
        "2026-12-31 12:00", "2027-01-01 09:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_an_untouched_field_takes_the_new_value(
    staff: Client, task: Task, name: str
) -> None:
    stored, shown, _, _, _ = FIELDS[name]
    editor = Editor(staff, task)
    editor.type(title="Buy bread")
    Task.objects.filter(pk=task.pk).edit(BY, **stored)
    now = row(task)

    assert not editor.save()
    assert editor.form[name] == shown
    assert editor.form[f"initial-{name}"] == shown
    assert editor.errors(name) == []
    assert editor.save()

    differs = {key for key, value in row(task).items() if value != now[key]}
    assert differs == {"title", "sorted_title", "search", "updated_at", "version"}


@pytest.mark.parametrize("name", FIELDS)
def test_both_values_of_a_field_are_shown(staff: Client, task: Task, name: str) -> None:
    stored, _, typed, theirs, mine = FIELDS[name]
    editor = Editor(staff, task)
    editor.type(**{name: typed})
    Task.objects.filter(pk=task.pk).edit(BY, **stored)

    assert not editor.save()

    told = f"Meanwhile somebody changed this to “{theirs}”; you typed “{mine}”."
    assert editor.errors(name) == [told]
    assert editor.form[name] == typed
    assert Task.objects.get(pk=task.pk).version == 2
    assert editor.save()
    assert Task.objects.get(pk=task.pk).version == 3


def test_both_lists_and_parents_are_shown_by_name(
    staff: Client, task: Task, home: TaskList, alice: User
) -> None:
    work, mine, theirs = (
        make_list(alice, "Work"),
        make_task(alice, "My parent"),
        make_task(alice, "Their parent"),
    )
    editor = Editor(staff, task)
    editor.type(list=str(work.pk), parent=str(mine.pk))
    Task.objects.filter(pk=task.pk).edit(BY, list_id=home.pk, parent_id=theirs.pk)

    assert not editor.save()

    told = "Meanwhile somebody changed this to “{}”; you typed “{}”."
    assert editor.errors("list") == [told.format("Home", "Work")]
    assert editor.errors("parent") == [told.format("Their parent", "My parent")]
    assert editor.save()
    task.refresh_from_db()
    assert (task.list, task.parent) == (work, mine)


def test_an_untouched_list_and_parent_take_the_new_ones(
    staff: Client, task: Task, home: TaskList, alice: User
) -> None:
    parent = make_task(alice, "Parent")
    editor = Editor(staff, task)
    editor.type(title="Buy bread")
    Task.objects.filter(pk=task.pk).edit(BY, list_id=home.pk, parent_id=parent.pk)

    assert not editor.save()
    assert (editor.form["list"], editor.form["parent"]) == (
        str(home.pk),
        str(parent.pk),
    )
    assert editor.save()

    task.refresh_from_db()
    assert (task.title, task.list, task.parent) == ("Buy bread", home, parent)


def test_an_untouched_list_that_is_deleted_meanwhile_is_no_conflict(
    staff: Client, alice: User
) -> None:
    row = make_list(alice)
    task = make_task(alice, list_id=row.pk)
    editor = Editor(staff, task)
    editor.type(title="Buy bread")
    with lock_feeds([alice.pk]):
        TaskList.objects.get(pk=row.pk).remove(BY)

    assert not editor.save()

    assert NOTHING_SAVED in editor.page
    assert (editor.errors("list"), editor.form["list"]) == ([], "")
    assert editor.save()
    task.refresh_from_db()
    assert (task.title, task.list) == ("Buy bread", None)


def test_two_dues_that_meet_are_told_before_either_is_stored(
    staff: Client, task: Task
) -> None:
    editor = Editor(staff, task)
    editor.type(due_date="2027-01-01")
    Task.objects.filter(pk=task.pk).edit(BY, due_at=NOON, zone="Asia/Tokyo")

    assert not editor.save()
    assert editor.form["due_at"] == "2026-12-31 21:00"
    assert not editor.save()
    assert editor.errors("due_at") == [
        "A task is due on a day or at a time: clear one of the two."
    ]
    editor.type(due_at="")
    assert editor.save()

    task.refresh_from_db()
    assert (task.due_date, task.due_at) == (date(2027, 1, 1), None)


def test_a_move_meanwhile_counts_as_a_change(
    staff: Client, api: ApiClient, task: Task, alice: User
) -> None:
    other = make_task(alice)
    editor = Editor(staff, task)
    editor.type(priority="3")
    api.send("POST", f"/api/tasks/{task.pk}/move", {"after": other.pk})

    assert not editor.save()
    assert NOTHING_SAVED in editor.page
    assert editor.save()

    moved = Task.objects.get(pk=task.pk)
    assert (moved.priority, moved.position > other.position) == (3, True)


def test_a_list_that_was_renamed_meanwhile_is_no_conflict(
    staff: Client, home: TaskList, alice: User
) -> None:
    task = make_task(alice, list_id=home.pk)
    editor = Editor(staff, task)
    editor.type(title="Buy bread")
    home.edit(BY, name="House")

    assert editor.save()


def test_what_was_typed_stays_when_the_task_went_to_the_trash(
    staff: Client, task: Task
) -> None:
    editor = Editor(staff, task)
    editor.type(title="Buy bread")
    Task.objects.filter(pk=task.pk).trash(BY)

    assert not editor.save()

    assert "moved this task to the trash" in editor.page
    assert "Buy bread" in editor.page
    task.refresh_from_db()
    assert task.title == "Buy milk"
