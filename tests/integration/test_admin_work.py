"""A day's work in the admin: what it fills in, says, and leads back to."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from taskproject.accounts.models import ApiToken, User
from tasks.models import Task, bulk
from tests.conftest import BY, force_login, make_task, make_token
from tests.support.admin import (
    ADD,
    LIST,
    Editor,
    Form,
    act,
    listed,
    many_tasks,
    messages,
    open_form,
    page_of,
    text,
)
from tests.support.rows import make_list

TOKENS = "/admin/accounts/apitoken/"


def trashed(owner: User) -> Task:
    task = make_task(owner, "Old")
    Task.objects.filter(pk=task.pk).trash(BY)
    return task


# Time zones


def test_today_is_the_day_of_who_looks(staff: Client, carol: User) -> None:
    """The button takes the offset that the page tells it."""
    User.objects.filter(pk=carol.pk).update(timezone="Asia/Tokyo")

    assert f'data-admin-utc-offset="{9 * 3600}"' in text(staff.get(ADD))


def test_times_are_shown_in_the_zone_of_who_looks(staff: Client, carol: User) -> None:
    User.objects.filter(pk=carol.pk).update(timezone="Asia/Tokyo")
    task = make_task(carol)
    noon = datetime(2026, 1, 31, 23, tzinfo=UTC)
    Task.objects.filter(pk=task.pk).update(created_at=noon)
    staff.post(f"{LIST}views/", {"columns": "", "column": "created_at"})

    assert "2026-02-01 08:00" in text(staff.get(LIST))
    assert "When (Asia/Tokyo)" in text(staff.get(f"{LIST}{task.pk}/history/"))


# Tokens


def test_a_form_sent_twice_makes_one_token(staff: Client, alice: User) -> None:
    form = Form(text(staff.get(f"{TOKENS}add/")), "apitoken_form").values
    sent = form | {"user": str(alice.pk), "name": "phone", "scopes": "read"}

    first, again = (text(staff.post(f"{TOKENS}add/", sent)) for _ in range(2))
    other = text(staff.post(f"{TOKENS}add/", sent | {"name": "laptop"}))

    assert [token.name for token in ApiToken.objects.order_by("pk")] == [
        "phone",
        "laptop",
    ]
    secret = first.split('value="tk_')[1].split('"')[0]
    assert secret in again
    assert secret not in other
    assert LogEntry.objects.count() == 2


def test_a_new_token_expires_in_90_days_unless_told_otherwise(staff: Client) -> None:
    form = Form(text(staff.get(f"{TOKENS}add/")), "apitoken_form")

    day = (timezone.now() + timedelta(days=90)).date()
    assert form["expires_at_0"] == day.isoformat()


def test_a_revocation_is_in_the_history(staff: Client, alice: User) -> None:
    make_token(alice)
    token = ApiToken.objects.get()

    for _ in range(2):
        staff.post(TOKENS, {"action": "revoke", "_selected_action": token.pk})

    assert "Revoked." in text(staff.get(f"{TOKENS}{token.pk}/history/"))
    assert LogEntry.objects.count() == 1


# The trash


def test_a_task_in_the_trash_says_so_and_is_restored_from_its_page(
    staff: Client, alice: User
) -> None:
    task = trashed(alice)
    page = text(staff.get(page_of(task)))
    assert "This task has been in the trash since" in page
    assert f"{LIST}{task.pk}/delete/" not in page

    answer = staff.post(f"{LIST}{task.pk}/restore/", follow=True)

    assert messages(answer) == ["The task “Old” is restored."]
    assert Task.objects.live().get() == task


def test_a_task_in_the_trash_is_not_moved_there_again(
    staff: Client, alice: User
) -> None:
    task = trashed(alice)
    before = Task.objects.values().get()

    staff.post(f"{LIST}{task.pk}/delete/", {"post": "yes"})

    assert Task.objects.values().get() == before


def test_the_trash_lists_its_dates_and_the_actions_that_do_something(
    staff: Client, alice: User
) -> None:
    trashed(alice)

    page = text(staff.get(f"{LIST}?trash=in"))

    assert "field-deleted_at" in page
    assert "field-purged_on" in page
    assert 'value="restore"' in page
    assert 'value="complete"' not in page
    assert 'name="_save"' not in page
    assert 'value="restore"' not in text(staff.get(LIST))


# The form


def test_the_owner_of_a_new_task_is_who_adds_it(staff: Client, carol: User) -> None:
    assert Form(text(staff.get(ADD)), "task_form")["owner"] == str(carol.pk)


def test_an_hour_may_have_one_digit(staff: Client, alice: User) -> None:
    task = make_task(alice)
    editor = Editor(staff, task)

    editor.type(due_at="2026-12-31 9:30", due_timezone="Europe/Lisbon")
    assert editor.save()

    task.refresh_from_db()
    assert task.due_at == datetime(2026, 12, 31, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("name", ["parent", "list"])
def test_a_new_task_leads_back_to_where_it_was_begun(
    staff: Client, alice: User, name: str
) -> None:
    row = make_task(alice) if name == "parent" else make_list(alice)
    address = f"{ADD}?owner={alice.pk}&{name}={row.pk}"
    form = Form(text(staff.get(address)), "task_form")

    answer = staff.post(address, form.values | {"title": "Oat", "_save": "Save"})

    assert answer.headers["Location"] == page_of(row)


def test_a_subtask_that_is_saved_leads_back_to_its_parent(
    staff: Client, alice: User
) -> None:
    parent = make_task(alice)
    task = make_task(alice, "Oat", parent_id=parent.pk)
    address = f"{page_of(task)}?parent={parent.pk}"
    assert f'href="{address}"' in text(staff.get(page_of(parent)))

    form = open_form(staff, task).values
    answer = staff.post(address, form | {"title": "Soy", "_save": "Save"})

    assert answer.headers["Location"] == page_of(parent)
    form = open_form(staff, task).values
    answer = staff.post(page_of(task), form | {"_save": "Save"})
    assert answer.headers["Location"] == LIST


def test_what_another_owner_does_not_get_is_told(
    staff: Client, alice: User, bob: User
) -> None:
    task = make_task(alice, list_id=make_list(alice, "Home").pk)
    form = open_form(staff, task).values | {"owner": str(bob.pk)}

    answer = staff.post(page_of(task), form, follow=True)

    assert messages(answer)[0] == (
        "The list “Home” belongs to alice: the task, which now belongs to bob, has no list any "
        "more."
    )


# The list


def test_a_task_is_found_by_its_id(staff: Client, alice: User) -> None:
    task = make_task(alice, "Buy milk")
    make_task(alice, "Buy bread")

    assert listed(staff, f"q={task.pk}") == {"Buy milk"}


@pytest.mark.parametrize(
    ("column", "titles"), [("5", ["Low", "High"]), ("6", ["High", "Low"])]
)
def test_the_list_is_sorted_by_priority_and_by_due(
    staff: Client, alice: User, column: str, titles: list[str]
) -> None:
    day = datetime(2026, 1, 31, tzinfo=UTC)
    make_task(alice, "High", priority=3, due_date=day.date())
    make_task(alice, "Low", priority=1, due_date=(day + timedelta(days=1)).date())

    page = staff.get(LIST, {"o": column})

    assert [task.title for task in page.context["cl"].result_list] == titles


def test_more_than_are_counted_are_not_offered_as_all(
    staff: Client, alice: User
) -> None:
    many_tasks(alice, 5_001)

    page = text(staff.get(LIST, {"q": "task"}))

    assert "more than 5000 results" in page
    assert "more than 5000 tasks" in page
    assert "Select all 5000" not in page
    assert "All 5000 selected" not in page


def test_a_page_that_is_not_there_is_told(staff: Client, alice: User) -> None:
    many_tasks(alice, 51)

    [told] = messages(staff.get(f"{LIST}?p=3", follow=True))

    assert told.startswith("There is no such page")


def test_every_box_of_the_list_has_a_name(staff: Client, alice: User) -> None:
    make_task(alice, "Buy milk")

    assert 'aria-label="Completed: Buy milk"' in text(staff.get(LIST))


@pytest.mark.parametrize(
    "path", [LIST, ADD, "/admin/accounts/user/add/", f"{TOKENS}add/"]
)
def test_what_is_typed_is_not_left_unasked(staff: Client, path: str) -> None:
    assert "/static/taskproject/unsaved.js" in text(staff.get(path))


# Pages that are not there


def test_browsers_get_an_icon(client: Client) -> None:
    answer = client.get("/favicon.ico", follow=True)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/svg+xml"


def test_a_page_that_is_not_there_is_a_page_with_a_way_back(client: Client) -> None:
    answer = client.get("/nothing")

    assert answer.status_code == 404
    assert 'href="/admin/"' in text(answer)


def test_a_page_that_is_not_allowed_is_a_page_with_a_way_back(
    alice: User, client: Client
) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    force_login(client, alice)

    answer = client.get(LIST)

    assert answer.status_code == 403
    assert "You are not allowed to do this" in text(answer)


def test_an_action_on_too_many_tasks_changes_nothing(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_SELECTED", 3)
    many_tasks(alice, 4)

    act(staff, "complete", Task.objects.latest("pk"), across=True)

    assert not Task.objects.filter(completed=True).exists()
