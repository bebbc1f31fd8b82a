"""The timeline of a task in the admin: who changed what, and how it is put back."""

import re
from datetime import UTC, date, datetime
from html import unescape
from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Actor, Event, Tag, Task, lock_feeds
from tests.conftest import BY, ApiClient, make_task
from tests.support.admin import LIST, Editor, as_staff, messages
from tests.support.rows import make_list


def timeline(client: Client, task: Task) -> str:
    return unescape(client.get(f"{LIST}{task.pk}/history/").content.decode())


def restore(
    client: Client, task: Task, event: Event, name: str, *, follow: bool = False
) -> Any:
    path = f"{LIST}{task.pk}/timeline/{event.sequence}/{name}/"
    return client.post(path, follow=follow)


def edited(task: Task, **fields: Any) -> Event:
    """The event of an edit by a command."""
    Task.objects.filter(pk=task.pk).edit(BY, **fields)
    return Event.objects.of_task(task.pk).latest("sequence")


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


@pytest.mark.either_database
def test_the_timeline_escapes_what_people_wrote(
    staff: Client, task: Task, api: ApiClient
) -> None:
    api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "<script>alert(1)</script>"})

    page = staff.get(f"{LIST}{task.pk}/history/").content.decode()

    assert "<script>alert" not in page


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


NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("old", "new", "name", "stored"),
    [
        ({"tags": ["a"]}, {"tags": ["b", "c"]}, "tags", {"tags": ["a"]}),
        ({}, {"title": "Buy bread"}, "title", {"title": "Buy milk"}),
        ({}, {"completed": True}, "completed", {"completed": False}),
        ({"location": "Hall"}, {"location": "Porto"}, "location", {"location": "Hall"}),
        ({}, {"tags": ["b"]}, "tags", {"tags": []}),
        ({"priority": 3}, {"priority": 1}, "priority", {"priority": 3}),
        ({}, {"priority": 1}, "priority", {"priority": 0}),
        (
            {"due_date": NOON.date()},
            {"due_date": None},
            "due_date",
            {"due_date": NOON.date()},
        ),
        ({}, {"due_date": NOON.date()}, "due_date", {"due_date": None}),
        (
            {"due_date": NOON.date()},
            {"due_at": NOON},
            "due_date",
            {"due_date": NOON.date(), "due_at": None, "due_timezone": None},
        ),
        (
            {"due_at": NOON, "due_timezone": "Asia/Tokyo"},
            {"due_date": NOON.date()},
            "due_at",
            {"due_date": None, "due_at": NOON, "due_timezone": "Asia/Tokyo"},
        ),
        (
            {"due_at": NOON, "due_timezone": "Asia/Tokyo"},
            {"due_timezone": "UTC"},
            "due_timezone",
            {"due_at": NOON, "due_timezone": "Asia/Tokyo"},
        ),
    ],
)
def test_an_earlier_value_can_be_restored(
    staff: Client,
    carol: User,
    alice: User,
    old: dict[str, Any],
    new: dict[str, Any],
    name: str,
    stored: dict[str, Any],
) -> None:
    task = make_task(alice, **old)
    event = edited(task, **new)
    assert f"/timeline/{event.sequence}/{name}/" in timeline(staff, task)

    restore(staff, task, event, name)

    task.refresh_from_db()
    assert {key: getattr(task, key) for key in stored} == stored
    assert task.version == 3
    last = Event.objects.latest("sequence")
    assert (last.actor, last.via) == (carol, "admin")


@pytest.mark.parametrize("name", ["list", "parent"])
def test_the_earlier_list_and_parent_can_be_restored(
    staff: Client, alice: User, name: str
) -> None:
    belongs = make_list(alice, "Home") if name == "list" else make_task(alice, "Home")
    filled: dict[str, Any] = {f"{name}_id": belongs.pk}
    emptied: dict[str, Any] = {f"{name}_id": None}
    task = make_task(alice, **filled)
    event = edited(task, **emptied)
    assert "“Home” → “”" in " ".join(timeline(staff, task).split())

    restore(staff, task, event, name)
    task.refresh_from_db()
    assert getattr(task, name) == belongs

    # And back to none, which is a value too.
    event = Event.objects.of_task(task.pk).latest("sequence")
    restore(staff, task, event, name)
    task.refresh_from_db()
    assert getattr(task, name) is None


def test_the_earlier_tags_are_put_back_and_made_anew(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, tags=["home"])
    event = edited(task, tags=[])
    with lock_feeds([alice.pk]):
        Tag.objects.get(name="home").remove(BY)

    answer = restore(staff, task, event, "tags", follow=True)

    assert messages(answer) == ["Restored tags."]
    task.refresh_from_db()
    assert (task.tags, Tag.objects.get(tasks=task).name) == (["home"], "home")


@pytest.mark.either_database
def test_an_earlier_position_is_not_restored(
    staff: Client, api: ApiClient, alice: User
) -> None:
    first, second = make_task(alice), make_task(alice)
    api.send("POST", f"/api/tasks/{first.pk}/move", {"after": second.pk})
    event = Event.objects.latest("sequence")
    moved = Task.objects.get(pk=first.pk).position
    assert "Restore" not in timeline(staff, first)

    restore(staff, first, event, "position")

    assert Task.objects.get(pk=first.pk).position == moved


@pytest.mark.either_database
def test_the_button_names_the_value_that_it_restores(staff: Client, task: Task) -> None:
    home = make_list(task.owner)
    edited(task, title="Buy bread", list_id=home.pk)

    page = timeline(staff, task)

    assert ">Restore “Buy milk”</button>" in page
    assert ">Restore to empty</button>" in page


@pytest.mark.either_database
def test_it_says_yes_and_no(staff: Client, task: Task) -> None:
    edited(task, completed=True)

    page = timeline(staff, task)

    assert "“no” → “yes”" in page
    assert ">Restore “no”</button>" in page


def test_a_list_that_is_gone_cannot_be_restored(staff: Client, alice: User) -> None:
    home = make_list(alice, "Home")
    task, key = make_task(alice, list_id=home.pk), home.pk
    home.remove(BY)
    event = Event.objects.of_task(task.pk).latest("sequence")
    assert f"“list {key} (deleted)”" in timeline(staff, task)

    answer = restore(staff, task, event, "list", follow=True)

    told = "The list cannot be restored: The earlier list was deleted."
    assert messages(answer) == [told]
    task.refresh_from_db()
    assert (task.list_id, task.version) == (None, 2)


@pytest.mark.parametrize("name", ["list", "parent"])
def test_the_list_and_the_parent_of_an_earlier_owner_cannot_be_restored(
    staff: Client, alice: User, bob: User, name: str
) -> None:
    belongs = make_list(alice) if name == "list" else make_task(alice)
    filled: dict[str, Any] = {f"{name}_id": belongs.pk}
    task = make_task(alice, **filled)
    event = edited(task, owner_id=bob.pk)

    answer = restore(staff, task, event, name, follow=True)

    told = f"The {name} cannot be restored: The earlier {name} is not bob's."
    assert messages(answer) == [told]
    task.refresh_from_db()
    assert (task.owner, getattr(task, name), task.version) == (bob, None, 2)


@pytest.mark.either_database
def test_a_refused_value_is_told_without_its_place_in_a_body(
    staff: Client, alice: User
) -> None:
    parent = make_task(alice)
    task = make_task(alice, parent_id=parent.pk)
    event = edited(task, parent_id=None)
    make_task(alice, parent_id=task.pk)

    answer = restore(staff, task, event, "parent", follow=True)

    told = "The parent cannot be restored: A task with subtasks cannot become one."
    assert messages(answer) == [told]
    assert Task.objects.get(pk=task.pk).version == 2


def test_a_parent_that_went_to_the_trash_cannot_be_restored(
    staff: Client, alice: User
) -> None:
    parent = make_task(alice)
    task = make_task(alice, parent_id=parent.pk)
    event = edited(task, parent_id=None)
    Task.objects.filter(pk=parent.pk).trash(BY)

    answer = restore(staff, task, event, "parent", follow=True)

    told = "The parent cannot be restored: The earlier parent is in the trash."
    assert messages(answer) == [told]
    assert Task.objects.get(pk=task.pk).version == 2


@pytest.mark.either_database
def test_a_value_that_is_there_already_is_not_restored(
    staff: Client, task: Task
) -> None:
    event = edited(task, priority=4)
    edited(task, priority=0)

    answer = restore(staff, task, event, "priority")

    page = unescape(staff.get(answer.headers["Location"]).content.decode())
    assert "The priority is as it was already." in page
    assert Task.objects.get(pk=task.pk).version == 3


@pytest.mark.either_database
@pytest.mark.parametrize("name", ["position", "id", "search", "version", "nothing"])
def test_what_an_event_does_not_tell_cannot_be_restored(
    staff: Client, task: Task, name: str
) -> None:
    edited(task, priority=4)

    answer = restore(staff, task, Event.objects.latest("sequence"), name)

    page = staff.get(answer.headers["Location"]).content.decode()
    assert "There is no earlier value to restore." in page
    assert Task.objects.get(pk=task.pk).version == 2


@pytest.mark.either_database
def test_the_timeline_tells_every_field_in_words(
    staff: Client, alice: User, bob: User
) -> None:
    home, parent = make_list(alice, "Home"), make_task(alice, "Parent")
    task = make_task(alice)
    Task.objects.filter(pk=task.pk).edit(
        BY, list_id=home.pk, parent_id=parent.pk, tags=["a", "b"], priority=4
    )
    edited(task, due_at=NOON, zone="Asia/Tokyo")
    edited(task, owner_id=bob.pk)

    page = " ".join(timeline(staff, task).split())

    for told in (
        "list</strong>: “” → “Home”",
        "parent</strong>: “” → “Parent”",
        "tags</strong>: “” → “a, b”",
        "priority</strong>: “none” → “urgent”",
        "due at</strong>: “” → “2026-12-31T12:00:00Z”",
        "due timezone</strong>: “” → “Asia/Tokyo”",
        "owner</strong>: “alice” → “bob”",
    ):
        assert told in page


def test_names_in_the_timeline_cost_the_same_however_many_there_are(
    staff: Client, task: Task, alice: User, queries: Any
) -> None:
    counts = []
    for number in range(2):
        for other in range(4):
            home = make_list(alice, f"List {number} {other}")
            parent = make_task(alice)
            tasks = Task.objects.filter(pk=task.pk)
            tasks.edit(BY, list_id=home.pk, parent_id=parent.pk)
        before = len(queries)
        timeline(staff, task)
        counts.append(len(queries) - before)

    assert counts[0] == counts[1]


def test_the_earlier_owner_can_be_restored(
    staff: Client, task: Task, alice: User, bob: User
) -> None:
    event = edited(task, owner_id=bob.pk)

    restore(staff, task, event, "owner")

    task.refresh_from_db()
    assert task.owner == alice


def test_an_owner_who_is_gone_cannot_be_restored(
    staff: Client, task: Task, alice: User, bob: User
) -> None:
    edited(task, owner_id=bob.pk)
    event = Event.objects.owned_by(bob.pk).latest("sequence")
    alice.delete()

    answer = restore(staff, task, event, "owner", follow=True)

    told = "The owner cannot be restored: The earlier owner was deleted."
    assert messages(answer) == [told]


def test_restoring_a_value_leaves_the_other_fields_as_they_are(
    staff: Client, task: Task
) -> None:
    event = edited(task, title="Buy bread", description="Rye")
    edited(task, description="Spelt")

    restore(staff, task, event, "title")

    task.refresh_from_db()
    assert (task.title, task.description) == ("Buy milk", "Spelt")


@pytest.mark.either_database
def test_what_had_no_earlier_value_cannot_be_restored(
    staff: Client, task: Task
) -> None:
    answer = restore(staff, task, Event.objects.get(), "title")

    page = staff.get(answer.headers["Location"]).content.decode()
    assert "There is no earlier value to restore." in page
    assert Event.objects.count() == 1


@pytest.mark.either_database
@pytest.mark.parametrize("name", ["title", "list", "tags"])
def test_restoring_a_value_needs_the_change_permission_and_a_post(
    staff: Client, alice: User, bob: User, name: str
) -> None:
    task = make_task(alice, list_id=make_list(alice).pk, tags=["errand"])
    tasks = Task.objects.filter(pk=task.pk)
    tasks.edit(Actor(None, "command"), title="Buy bread", list_id=None, tags=[])
    event = Event.objects.latest("sequence")
    before, reader = tasks.values().get(), as_staff(bob, "view_task")

    assert "Restore this value" not in timeline(reader, task)
    assert restore(reader, task, event, name).status_code == 403
    path = f"{LIST}{task.pk}/timeline/{event.sequence}/{name}/"
    assert staff.get(path).status_code == 403

    assert tasks.values().get() == before


@pytest.mark.either_database
def test_the_event_of_another_task_restores_nothing(
    staff: Client, task: Task, alice: User
) -> None:
    other = make_task(alice, "Other")
    edited(other, title="Another")
    event = Event.objects.latest("sequence")

    assert restore(staff, task, event, "title").status_code == 404


@pytest.mark.either_database
def test_a_malformed_place_in_the_timeline_is_not_found(staff: Client) -> None:
    assert staff.post(f"{LIST}abc/timeline/1/title/").status_code in (302, 404)


def test_the_page_of_a_task_shows_its_last_changes_and_restores_there(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, "First")
    for number in range(6):
        edited(task, title=f"Title {number}")
    page = f"/admin/tasks/task/{task.pk}/change/"

    shown = staff.get(page)

    assert [event["version"] for event in shown.context["timeline"]] == [7, 6, 5, 4, 3]
    assert "The whole history" in shown.content.decode()
    restore = re.search('action="([^"]+/title/[^"]*)"', shown.content.decode())
    assert restore is not None
    assert staff.post(unescape(restore[1])).headers["Location"] == page
    task.refresh_from_db()
    assert task.title == "Title 4"


def test_a_transfer_is_one_change(staff: Client, alice: User, bob: User) -> None:
    task = make_task(alice)
    edited(task, owner_id=bob.pk)
    for name in "abcd":
        edited(task, title=name)
    shown = staff.get(f"/admin/tasks/task/{task.pk}/change/").context
    assert len(shown["timeline"]) == 5 and shown["timeline_more"]


def test_the_page_of_a_task_links_its_tags_to_the_tasks_with_them(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, tags=["errand"])
    make_task(alice)

    page = staff.get(f"/admin/tasks/task/{task.pk}/change/").content.decode()

    link = re.search(r'href="([^"]+\?tag=[0-9]+)">errand<', page)
    assert link is not None
    assert list(staff.get(link[1]).context["cl"].result_list) == [task]


def test_the_page_of_a_task_in_the_trash_offers_no_earlier_value(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, "First")
    edited(task, title="Second")
    Task.objects.filter(pk=task.pk).trash(BY)

    shown = staff.get(f"/admin/tasks/task/{task.pk}/change/").content.decode()

    assert "Last changes" in shown and "/timeline/" not in shown


def test_the_next_occurrence_of_a_series_is_not_restored(
    staff: Client, alice: User
) -> None:
    """Reopening and completing the task would make a second one."""
    task = make_task(alice, due_date=date(2990, 1, 31), recurrence="FREQ=DAILY")
    Task.objects.filter(pk=task.pk).complete(BY)
    task.refresh_from_db()
    event = Event.objects.of_task(task.pk).latest("sequence")
    assert "next_occurrence/" not in timeline(staff, task)

    restore(staff, task, event, "next_occurrence")

    after = Task.objects.get(pk=task.pk)
    assert after.next_occurrence == task.next_occurrence is not None
