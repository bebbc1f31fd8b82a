"""The buttons in the list of tasks, which complete and reopen one task."""

import re
from datetime import UTC, date, datetime
from html import unescape

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Event, Task
from tests.conftest import BY, force_login, make_task
from tests.support.admin import (
    LIST,
    SCRIPT,
    act,
    as_staff,
    messages,
    row,
    row_of,
    text,
    written_columns,
)


def button(client: Client, task: Task, query: str = "") -> tuple[str, dict[str, str]]:
    """The address of the button in the task's row, and what a browser sends to it."""
    page = text(client.get(f"{LIST}?{query}"))
    [found] = re.findall(rf'<button [^>]*id="completion-{task.pk}"[^>]*>', page)
    named = dict(re.findall(r'([a-z-]+)="([^"]*)"', found))
    [back] = re.findall(r'id="row-form".*name="back" value="([^"]*)"', page)
    assert named["form"] == "row-form"
    assert named["aria-pressed"] == str(task.completed).lower()
    return named["formaction"], {"version": named["value"], "back": unescape(back)}


@pytest.mark.parametrize("completed", [False, True])
def test_it_completes_an_open_task_and_reopens_a_completed_one(
    staff: Client, carol: User, alice: User, completed: bool
) -> None:
    task, other = make_task(alice, completed=completed), make_task(alice)

    answer = staff.post(*button(staff, task, "priority__exact=0&p=1"), follow=True)

    assert answer.redirect_chain == [(f"{LIST}?priority__exact=0&p=1", 302)]
    verb = "Reopened" if completed else "Completed"
    assert messages(answer) == [f"{verb} “Buy milk”."]
    task.refresh_from_db()
    assert (task.completed, task.version) == (not completed, 2)
    assert task.completed_at == (None if completed else task.updated_at)
    event = Event.objects.get(task_id=task.pk, version=2)
    assert (event.verb, event.via, event.actor) == (verb.lower(), "admin", carol)
    assert row(other) == row_of(other)


@pytest.mark.either_database
def test_scripts_get_the_new_cells(staff: Client, alice: User) -> None:
    task = make_task(alice, SCRIPT)
    address, form = button(staff, task)

    answer = staff.post(address, form, headers={"Accept": "application/json"})

    told = answer.json()
    assert (told["level"], told["message"]) == ("success", f"Completed “{SCRIPT}”.")
    assert f'formaction="{LIST}{task.pk}/reopen/"' in told["cells"]["completion"]
    assert 'value="2"' in told["cells"]["completion"]
    assert "<script" not in "".join(told["cells"].values())


def test_a_task_that_changed_meanwhile_is_not_completed_and_says_who_changed_what(
    staff: Client, alice: User, bob: User
) -> None:
    task = make_task(alice)
    sent = button(staff, task)
    Task.objects.filter(pk=task.pk).edit(BY._replace(user_id=bob.pk), priority=4)
    before = row(task)

    first = staff.post(*sent, follow=True)

    assert row(task) == before
    assert messages(first) == [
        (
            "Nothing was changed, because “Buy milk” changed after this list was shown: "
            "bob changed priority. If you still want to, press again."
        )
    ]
    staff.post(*button(staff, task))
    assert row(task)["completed"]


@pytest.mark.parametrize(
    ("verb", "told"),
    [
        ("complete", "“Buy milk” is completed already."),
        ("trash", "“Buy milk” is in the trash: nothing was changed. Restore it first."),
    ],
)
def test_of_two_tabs_the_second_says_what_happened(
    staff: Client, alice: User, verb: str, told: str
) -> None:
    task = make_task(alice)
    sent = button(staff, task)
    getattr(Task.objects.filter(pk=task.pk), verb)(BY)
    before = row(task)

    answer = staff.post(*sent, follow=True)

    assert messages(answer) == [told]
    assert row(task) == before


@pytest.mark.either_database
def test_a_task_that_was_deleted_is_not_found(staff: Client, alice: User) -> None:
    task = make_task(alice)
    sent = button(staff, task)
    Task.objects.filter(pk=task.pk).remove(BY)

    assert staff.post(*sent).status_code == 404


@pytest.mark.either_database
@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30, "①", "1 OR 1=1"])
def test_a_forged_version_changes_nothing(
    staff: Client, alice: User, version: str
) -> None:
    task = make_task(alice)

    answer = staff.post(f"{LIST}{task.pk}/complete/", {"version": version})

    assert answer.status_code == 400
    assert row(task) == row_of(task)


@pytest.mark.either_database
@pytest.mark.parametrize(
    "back", ["//evil.example/", "\r\nX: y", "\x00", "a" * 9_000, "e=1&p=x", "%"]
)
def test_a_forged_way_back_stays_in_the_list(
    staff: Client, alice: User, back: str
) -> None:
    task = make_task(alice)
    form = {"version": "1", "back": back}

    answer = staff.post(f"{LIST}{task.pk}/complete/", form)

    assert answer.status_code == 302
    assert answer.headers["Location"].startswith(f"{LIST}?")
    assert staff.get(answer.headers["Location"]).status_code < 500


@pytest.mark.either_database
def test_it_needs_a_post_with_the_token_against_forgery(
    staff: Client, carol: User, alice: User
) -> None:
    task = make_task(alice)
    address, form = button(staff, task)
    strict = Client(enforce_csrf_checks=True)
    force_login(strict, carol)

    assert staff.get(address).status_code == 403
    assert strict.post(address, form).status_code == 403
    assert row(task) == row_of(task)


@pytest.mark.either_database
@pytest.mark.parametrize("permission", ["view_task", "add_task", "delete_task"])
def test_who_may_not_change_tasks_cannot_forge_it(
    bob: User, alice: User, permission: str
) -> None:
    task = make_task(alice)

    answer = as_staff(bob, permission).post(
        f"{LIST}{task.pk}/complete/", {"version": "1"}
    )

    assert answer.status_code == 403
    assert row(task) == row_of(task)


@pytest.mark.either_database
def test_who_may_change_tasks_may_use_the_buttons_and_the_actions(
    bob: User, alice: User
) -> None:
    first, second = make_task(alice), make_task(alice)
    client = as_staff(bob, "view_task", "change_task")

    client.post(*button(client, first))
    act(client, "complete", second)

    assert Task.objects.filter(completed=True).count() == 2


@pytest.mark.either_database
def test_it_writes_only_whether_the_task_is_completed(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    task = make_task(alice)

    staff.post(*button(staff, task))

    assert {"completed", "completed_at"} <= written_columns(queries)
    assert written_columns(queries).isdisjoint({"owner_id", "title", "description"})


@pytest.mark.parametrize(
    ("due", "told"),
    [
        ({"due_date": date(2990, 1, 31)}, "2990-02-01"),
        (
            {
                "due_at": datetime(2990, 1, 31, 9, tzinfo=UTC),
                "due_timezone": "Asia/Tokyo",
            },
            "2990-02-01 18:00",
        ),
    ],
)
def test_it_tells_when_the_next_occurrence_is_due(
    staff: Client, alice: User, due: dict[str, object], told: str
) -> None:
    task = make_task(alice, "Water", recurrence="FREQ=DAILY", **due)

    answer = staff.post(*button(staff, task), follow=True)

    said = f"Completed “Water”. The next occurrence is due {told}."
    assert said in text(answer)
