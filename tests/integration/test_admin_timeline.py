"""The timeline of a task in the admin: who changed what, and how it is put back."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Actor, Event, Task
from tests.admin import LIST, Editor, as_staff
from tests.conftest import BY, ApiClient, make_task


def timeline(client: Client, task: Task) -> str:
    page = client.get(f"{LIST}{task.pk}/history/").content.decode()
    return unescape(page)


def restore(client: Client, task: Task, event: Event, name: str) -> Any:
    return client.post(f"{LIST}{task.pk}/timeline/{event.sequence}/{name}/")


def test_the_timeline_shows_who_changed_what_newest_first(
    staff: Client, api: ApiClient
) -> None:
    api.send("POST", "/api/tasks", {"title": "Buy milk"})
    task = Task.objects.get()
    api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "Buy <bread>"})
    editor = Editor(staff, task)
    editor.tick(True)
    editor.save()

    page = timeline(staff, task)

    cells = re.findall(r"<td>(\w+ \(\w+\)|\w+)</td>", page)
    assert cells == [
        "carol (admin)", "completed", "3",
        "alice (token)", "edited", "2",
        "alice (token)", "created", "1",
    ]  # fmt: skip
    assert "“Buy milk” → “Buy <bread>”" in re.sub(r"\s+", " ", page)


def test_the_timeline_escapes_what_people_wrote(
    staff: Client, task: Task, api: ApiClient
) -> None:
    api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "<script>alert(1)</script>"})

    page = staff.get(f"{LIST}{task.pk}/history/").content.decode()

    assert "<script>alert" not in page


def test_the_timeline_shows_a_transfer_once(
    staff: Client, task: Task, bob: User
) -> None:
    Task.objects.filter(pk=task.pk).edit(Actor(None, "command"), owner_id=bob.pk)

    assert timeline(staff, task).count("<td>transferred</td>") == 1


def test_the_timeline_costs_the_same_however_long_it_is(
    staff: Client, task: Task, queries: Any, alice: User
) -> None:
    counts = []
    for _ in range(2):
        before = len(queries)
        timeline(staff, task)
        counts.append(len(queries) - before)
        for _ in range(5):
            Task.objects.filter(pk=task.pk).toggle(Actor(alice.pk, "token"))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("name", "new", "old"),
    [
        ("title", "Buy bread", "Buy milk"),
        ("description", "Soy", "Oat"),
        ("completed", True, False),
    ],
)
def test_an_earlier_value_can_be_restored(
    staff: Client, task: Task, carol: User, name: str, new: Any, old: Any
) -> None:
    Task.objects.filter(pk=task.pk).edit(Actor(None, "command"), **{name: new})
    event = Event.objects.latest("sequence")
    assert "Restore this value" in timeline(staff, task)

    answer = restore(staff, task, event, name)

    assert answer.status_code == 302
    task.refresh_from_db()
    assert (getattr(task, name), task.version) == (old, 3)
    last = Event.objects.latest("sequence")
    assert (last.actor, last.via, last.changes) == (carol, "admin", {name: [new, old]})


def test_the_earlier_owner_can_be_restored(
    staff: Client, task: Task, alice: User, bob: User
) -> None:
    Task.objects.filter(pk=task.pk).edit(Actor(None, "command"), owner_id=bob.pk)
    event = Event.objects.latest("sequence")

    restore(staff, task, event, "owner")

    task.refresh_from_db()
    assert task.owner == alice


def test_restoring_a_value_leaves_the_other_fields_as_they_are(
    staff: Client, task: Task
) -> None:
    by = Actor(None, "command")
    Task.objects.filter(pk=task.pk).edit(by, title="Buy bread", description="Rye")
    event = Event.objects.latest("sequence")
    Task.objects.filter(pk=task.pk).edit(by, description="Spelt")

    restore(staff, task, event, "title")

    task.refresh_from_db()
    assert (task.title, task.description) == ("Buy milk", "Spelt")


def test_what_had_no_earlier_value_cannot_be_restored(
    staff: Client, task: Task
) -> None:
    answer = restore(staff, task, Event.objects.get(), "title")

    page = staff.get(answer.headers["Location"]).content.decode()
    assert "There is no earlier value to restore." in page
    assert Event.objects.count() == 1


def test_restoring_a_value_needs_the_change_permission_and_a_post(
    staff: Client, task: Task, bob: User
) -> None:
    Task.objects.filter(pk=task.pk).edit(Actor(None, "command"), title="Buy bread")
    event = Event.objects.latest("sequence")
    reader = as_staff(bob, "view_task")

    assert restore(reader, task, event, "title").status_code == 403
    path = f"{LIST}{task.pk}/timeline/{event.sequence}/title/"
    assert staff.get(path).status_code == 403

    task.refresh_from_db()
    assert task.title == "Buy bread"


def test_the_event_of_another_task_restores_nothing(
    staff: Client, task: Task, alice: User
) -> None:
    other = make_task(alice, "Other")
    Task.objects.filter(pk=other.pk).edit(Actor(None, "command"), title="Another")
    event = Event.objects.latest("sequence")

    assert restore(staff, task, event, "title").status_code == 404


def test_a_task_in_the_trash_offers_no_value_to_restore(
    staff: Client, task: Task
) -> None:
    Task.objects.filter(pk=task.pk).edit(BY, title="Buy bread")
    Task.objects.filter(pk=task.pk).trash(BY)

    assert "Restore this value" not in timeline(staff, task)


def test_a_malformed_place_in_the_timeline_is_not_found(staff: Client) -> None:
    assert staff.post(f"{LIST}abc/timeline/1/title/").status_code in (302, 404)
