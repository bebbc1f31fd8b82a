"""The reminders of a task in its form in the admin."""

from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Reminder, Task
from tasks.reminder_rules import relative
from tests.conftest import BY, make_task
from tests.support.admin import ADD, Editor, as_staff, open_form, page_of, text

pytestmark = pytest.mark.either_database

LINES = "1 day before (of a day: 18:00)\r\n2990-12-31 17:30"
RULES = [relative(1_440, 18), {"at": "2990-12-31T16:30:00Z"}]


@pytest.fixture
def berliner(staff: Client, carol: User) -> Client:
    User.objects.filter(pk=carol.pk).update(timezone="Europe/Berlin")
    return staff


def test_staff_set_change_and_remove_them(berliner: Client, alice: User) -> None:
    lines = "1 day before (of a day: 18:00)\n\n 2990-12-31 17:30 \n1 Day before (of a day: 18:00)"
    given = {"owner": alice.pk, "title": "a", "priority": "0", "reminder_lines": lines}
    berliner.post(ADD, given | {"due_date": "2990-12-31"})
    task = Task.objects.get()
    assert task.reminders == RULES
    assert Reminder.objects.pending().count() == 2

    editor = Editor(berliner, task)
    assert editor.form["reminder_lines"] == LINES
    editor.type(reminder_lines="2 weeks before\n2 hours before")
    editor.save()
    task.refresh_from_db()
    assert task.reminders == [relative(20_160), relative(120)]

    editor = Editor(berliner, task)
    editor.type(reminder_lines="")
    editor.save()
    task.refresh_from_db()
    assert (task.reminders, task.version) == (None, 3)
    assert not Reminder.objects.exists()


def test_a_save_that_leaves_them_changes_nothing(berliner: Client, alice: User) -> None:
    precise = {"at": "2990-10-27T00:30:00.000123Z"}
    task = make_task(alice, reminders=[*RULES, precise])

    editor = Editor(berliner, task)
    editor.save()

    assert Task.objects.get().version == 1


@pytest.mark.parametrize(
    "line",
    [
        *("tomorrow", "before", "-1 minutes before", "1 month before"),
        *("367 days before", "1 day before (of a day: 24:00)", "2990-12-31"),
        *("2026-03-29 02:30", "3000-01-01 12:00"),
    ],
)
def test_others_are_refused_by_their_line(
    berliner: Client, alice: User, line: str
) -> None:
    task = make_task(alice)

    editor = Editor(berliner, task)
    editor.type(reminder_lines=f"30 minutes before\n{line}")
    assert not editor.save()

    [error] = editor.errors("reminder_lines")
    assert error.startswith(f"“{line}”: enter")
    assert Task.objects.get().reminders is None


def test_there_are_at_most_twenty(berliner: Client, alice: User) -> None:
    task = make_task(alice)
    many = "\n".join(f"{number} minutes before" for number in range(21))

    editor = Editor(berliner, task)
    editor.type(reminder_lines=many)

    assert not editor.save()

    assert editor.errors("reminder_lines") == ["Enter at most 20 reminders."]


def test_a_concurrent_change_is_shown_beside_ones_own(
    berliner: Client, alice: User
) -> None:
    task = make_task(alice, reminders=[relative(30)])
    editor = Editor(berliner, task)
    Task.one(alice.pk, task.pk).edit(BY, reminders=[relative(60)])

    editor.type(reminder_lines="2 hours before")
    assert not editor.save()

    [error] = editor.errors("reminder_lines")
    assert "changed this to “1 hour before”" in error
    assert "you typed “2 hours before”" in error
    assert Task.objects.get().reminders == [relative(60)]


def test_staff_who_may_only_look_see_them(alice: User) -> None:
    task: Any = make_task(alice, reminders=[relative(30)])
    viewer = as_staff(User.objects.create_user("dave"), "view_task")

    assert "30 minutes before" in text(viewer.get(page_of(task)))
    assert "reminder_lines" not in open_form(viewer, task).values
