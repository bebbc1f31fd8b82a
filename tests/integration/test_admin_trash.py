"""The trash in the admin: what is listed, put there, restored and deleted for good."""

import re
from datetime import UTC, datetime

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Actor, Event, Task
from tests.conftest import make_task
from tests.support.admin import LIST, act, as_staff, select, text


@pytest.mark.parametrize(
    ("query", "shown"),
    [("", {"Live"}), ("?trash=in", {"Trashed"}), ("?trash=all", {"Live", "Trashed"})],
)
def test_the_trash_filter_chooses_which_tasks_are_listed(
    staff: Client, alice: User, query: str, shown: set[str]
) -> None:
    make_task(alice, "Live")
    trashed = make_task(alice, "Trashed")
    Task.objects.filter(pk=trashed.pk).trash(Actor(alice.pk, "token"))

    page = staff.get(LIST + query).content.decode()

    titles = re.findall(r'class="field-title"><a[^>]*>(.*?)</a>', page)
    assert set(titles) == shown


def test_the_page_of_a_task_in_the_trash_is_only_to_be_looked_at(
    staff: Client, alice: User
) -> None:
    noon = datetime(2026, 12, 31, 12, tzinfo=UTC)
    task = make_task(
        alice, "Old", tags=["errand"], due_at=noon, due_timezone="Asia/Tokyo"
    )
    Task.objects.filter(pk=task.pk).trash(Actor(alice.pk, "token"))

    page = staff.get(f"{LIST}{task.pk}/change/").content.decode()

    assert "errand" in page
    assert "2026-12-31 21:00 Asia/Tokyo" in page
    assert 'name="_save"' not in page


@pytest.mark.either_database
@pytest.mark.parametrize("method", ["get", "post"])
def test_the_question_about_a_task_in_the_trash_leads_to_its_page(
    staff: Client, task: Task, method: str
) -> None:
    """It is asked again by the browser's button Back."""
    delete = f"{LIST}{task.pk}/delete/"
    staff.post(delete, {"post": "yes"})

    answer = getattr(staff, method)(delete, follow=True)

    assert answer.redirect_chain == [(f"{LIST}{task.pk}/change/", 302)]
    assert "is in the trash already" in answer.text
    assert as_staff(task.owner, "view_task").get(delete).status_code == 403


def test_permanent_deletion_needs_its_own_permission(task: Task, bob: User) -> None:
    client = as_staff(bob, "view_task", "change_task", "delete_task")
    assert "permanently" not in client.get(LIST).content.decode()

    act(client, "remove", task)

    assert Task.objects.filter(pk=task.pk).exists()


def test_with_its_permission_and_a_confirmation_a_task_is_deleted_for_good(
    task: Task, bob: User
) -> None:
    client = as_staff(bob, "view_task", "remove_task")
    asked = text(select(client, "remove", task))
    assert "cannot be restored" in asked
    assert Task.objects.exists()

    assert "Undo" not in text(act(client, "remove", task))

    assert not Task.objects.exists()
    assert Event.objects.latest("sequence").verb == "deleted"
