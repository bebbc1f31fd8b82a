"""Lists and tags in the admin: made, renamed and deleted by the rules of the API; and what
nobody can forge, of tasks too."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Event, Tag, Task, TaskList
from tests.conftest import BY, ApiClient, make_task
from tests.support.admin import (
    ESCAPED,
    LIST,
    LISTS,
    SCRIPT,
    TAGS,
    Editor,
    as_staff,
    open_form,
    page_of,
    text,
)
from tests.support.rows import make_list

pytestmark = pytest.mark.either_database


def make_tag(owner: User, name: str = "errand") -> Tag:
    make_task(owner, f"Of {name}", tags=[name])
    return Tag.objects.get(owner=owner, name=name)


@pytest.fixture
def home(alice: User) -> TaskList:
    return make_list(alice, "Home")


@pytest.fixture
def tag(alice: User) -> Tag:
    return make_tag(alice)


def events() -> list[tuple[str, Any, Any]]:
    found = Event.objects.order_by("sequence")
    return [(event.verb, event.list_id, event.tag_id) for event in found]


# Making and renaming


def test_a_list_is_made(staff: Client, alice: User, carol: User) -> None:
    answer = staff.post(
        f"{LISTS}add/", {"owner": alice.pk, "name": " Home ", "archived": "on"}
    )

    row = TaskList.objects.get()
    assert answer.status_code == 302
    assert (row.owner, row.name, row.archived, row.version) == (alice, "Home", True, 1)
    event = Event.objects.get()
    assert (event.verb, event.actor, event.via) == ("created", carol, "admin")


def test_a_list_is_renamed_and_archived(staff: Client, home: TaskList) -> None:
    editor = Editor(staff, home)

    editor.type(name="House")
    editor.tick(True, "archived")
    assert editor.save()

    home.refresh_from_db()
    assert (home.name, home.key, home.archived) == ("House", "house", True)
    assert home.version == 2
    assert Event.objects.latest("sequence").changes == {
        "name": ["Home", "House"],
        "archived": [False, True],
    }


def test_a_list_stays_its_owners(staff: Client, home: TaskList, bob: User) -> None:
    editor = Editor(staff, home)
    assert "owner" not in editor.form

    editor.type(owner=str(bob.pk), name="House", position="a", key="x", version="9")
    editor.save()

    before, owner = (home.position, home.owner)
    home.refresh_from_db()
    assert (home.owner, home.position, home.version) == (owner, before, 2)


def test_a_tag_cannot_be_added_by_itself(staff: Client, alice: User) -> None:
    answer = staff.post(f"{TAGS}add/", {"owner": alice.pk, "name": "errand"})

    assert answer.status_code == 403
    assert not Tag.objects.exists()


@pytest.mark.parametrize("name", ["work", "WORK", " Work "])
def test_a_name_that_is_taken_is_an_error_of_the_form(
    staff: Client, alice: User, home: TaskList, tag: Tag, name: str
) -> None:
    make_list(alice, "Work")
    make_tag(alice, "Work")
    added = staff.post(f"{LISTS}add/", {"owner": alice.pk, "name": name})

    assert added.context["errors"] == [
        ["You have a list 'Work' already; choose another name."]
    ]
    for row, kind in ((home, "list"), (tag, "tag")):
        editor = Editor(staff, row)
        editor.type(name=name)
        assert not editor.save()
        assert editor.errors("name") == [
            f"You have a {kind} 'Work' already; choose another name."
        ]
        assert editor.form["name"] == name
    assert TaskList.objects.count() == Tag.objects.count() == 2


def test_a_name_may_change_its_case(staff: Client, home: TaskList, tag: Tag) -> None:
    for row, name in ((home, "HOME"), (tag, "ERRAND")):
        editor = Editor(staff, row)
        editor.type(name=name)
        assert editor.save()
        row.refresh_from_db()
        assert row.name == name


@pytest.mark.parametrize("name", ["", "  ", "\u3000", "a\x00b", "x" * 101])
def test_a_malformed_name_is_an_error_of_the_form(
    staff: Client, alice: User, home: TaskList, tag: Tag, name: str
) -> None:
    added = staff.post(f"{LISTS}add/", {"owner": alice.pk, "name": name})

    assert added.status_code == 200
    for row in (home, tag):
        editor = Editor(staff, row)
        editor.type(name=name)
        assert not editor.save()
        assert editor.errors("name") != []
        assert type(row).objects.get().version == 1


# Two members of staff


@pytest.mark.parametrize("kind", ["list", "tag"])
def test_a_stale_save_is_refused_with_both_names_shown(
    staff: Client, home: TaskList, tag: Tag, kind: str
) -> None:
    row: TaskList | Tag = home if kind == "list" else tag
    first, second = Editor(staff, row), Editor(staff, row)
    first.type(name="First & foremost")
    second.type(name="Second")
    assert first.save()

    assert not second.save()

    assert f"Somebody changed this {kind} after you opened it" in second.page
    assert second.errors("name") == [
        "Meanwhile somebody changed this to “First & foremost”; you typed “Second”."
    ]
    row.refresh_from_db()
    assert (row.name, row.version) == ("First & foremost", 2)
    assert second.save()
    row.refresh_from_db()
    assert (row.name, row.version) == ("Second", 3)


def test_an_untouched_box_of_a_list_takes_the_new_value(
    staff: Client, api: ApiClient, home: TaskList
) -> None:
    editor = Editor(staff, home)
    editor.type(name="House")
    api.send("PATCH", f"/api/lists/{home.pk}", {"archived": True})

    assert not editor.save()
    assert editor.form["archived"] == "on"
    assert editor.save()

    home.refresh_from_db()
    assert (home.name, home.archived, home.version) == ("House", True, 3)


@pytest.mark.parametrize("kind", ["list", "tag"])
def test_what_is_gone_meanwhile_is_not_made_anew(
    staff: Client, home: TaskList, tag: Tag, kind: str
) -> None:
    row: TaskList | Tag = home if kind == "list" else tag
    editor = Editor(staff, row)
    type(row).objects.get(pk=row.pk).remove(BY)

    answer = staff.post(editor.path, editor.form.values)

    assert answer.status_code == 302
    assert not type(row)._default_manager.exists()


# The pages


def test_the_page_of_a_list_shows_its_newest_tasks(
    staff: Client, alice: User, home: TaskList
) -> None:
    for number in range(22):
        make_task(alice, f"Task {number}.", list_id=home.pk)
    make_task(alice, "Elsewhere")

    page = text(staff.get(page_of(home)))

    assert "Task 21." in page
    assert "Task 1." not in page
    assert "Elsewhere" not in page
    assert f'href="{LIST}?list={home.pk}"' in page


def test_the_page_of_a_tag_shows_its_tasks(
    staff: Client, alice: User, tag: Tag
) -> None:
    make_task(alice, "Elsewhere")

    page = text(staff.get(page_of(tag)))

    assert "Of errand" in page
    assert "Elsewhere" not in page
    assert f'href="{LIST}?tag={tag.pk}"' in page


@pytest.mark.parametrize("model", [TaskList, Tag])
def test_the_page_shows_no_tasks_to_who_may_not_see_tasks(
    alice: User, bob: User, home: TaskList, tag: Tag, model: Any
) -> None:
    make_task(alice, "Secret", list_id=home.pk, tags=["errand"])
    name = model._meta.model_name
    client = as_staff(bob, f"view_{name}", f"change_{name}")

    page = text(client.get(page_of(model.objects.get())))

    assert "Secret" not in page
    assert "Of errand" not in page


@pytest.mark.parametrize("model", [TaskList, Tag])
def test_the_page_takes_as_many_queries_however_many_tasks_there_are(
    staff: Client, alice: User, home: TaskList, tag: Tag, model: Any
) -> None:
    row, counts = model.objects.get(), []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            staff.get(page_of(row))
        counts.append(len(queries))
        for _ in range(10):
            make_task(alice, list_id=home.pk, tags=["errand"])

    assert counts[0] == counts[1] <= 6


@pytest.mark.parametrize("model", [TaskList, Tag])
@pytest.mark.parametrize("page", ["", "{}/change/", "{}/delete/", "{}/history/"])
def test_a_name_with_markup_is_escaped(
    staff: Client, alice: User, model: Any, page: str
) -> None:
    make_list(alice, SCRIPT)
    make_tag(alice, SCRIPT)
    row = model.objects.get()

    shown = text(
        staff.get(f"/admin/tasks/{model._meta.model_name}/{page}".format(row.pk))
    )

    assert ESCAPED in shown
    assert SCRIPT not in shown


@pytest.mark.parametrize("path", [LIST, LISTS, TAGS])
@pytest.mark.parametrize("page", ["change", "delete", "history"])
@pytest.mark.parametrize("key", ["999", "0", "-1", "x", "9" * 30, "_00"])
def test_what_is_not_there_leads_back_to_the_index(
    staff: Client, path: str, page: str, key: str
) -> None:
    answer = staff.get(f"{path}{key}/{page}/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


@pytest.mark.parametrize(
    ("path", "action"), [(LIST, "complete"), (LISTS, "remove"), (TAGS, "remove")]
)
@pytest.mark.parametrize("selected", ["abc", "9" * 30, "", "-1"])
def test_a_forged_selection_is_no_server_error(
    staff: Client, home: TaskList, tag: Tag, path: str, action: str, selected: str
) -> None:
    sent = {"action": action, "_selected_action": selected, "index": "0"}

    answer = staff.post(path, sent | {"post": "yes", "tasks": "delete"})

    assert answer.status_code < 500
    assert TaskList.objects.exists() and Tag.objects.exists()


def test_the_timeline_of_a_list_and_of_a_tag_tells_their_events(
    staff: Client, home: TaskList, tag: Tag
) -> None:
    for row, name in ((home, "House"), (tag, "errands")):
        editor = Editor(staff, row)
        old = editor.form["name"]
        editor.type(name=name)
        editor.save()

        page = text(staff.get(page_of(row).replace("change", "history")))

        cells = re.findall(r"<td>(\w+ \(\w+\)|\w+)</td>", page)
        assert cells == [
            "carol (admin)", "edited", "2",
            *cells[3:4], "created", "1",
        ]  # fmt: skip
        assert f"“{old}” → “{name}”" in " ".join(page.split())
        assert "Restore this value" not in page


# Permissions


@pytest.mark.parametrize("model", [Task, TaskList, Tag])
@pytest.mark.parametrize("may", ["view", "add", "delete"])
def test_who_may_not_change_cannot_forge_the_form(
    staff: Client, bob: User, home: TaskList, tag: Tag, model: Any, may: str
) -> None:
    row = model.objects.get()
    form = open_form(staff, row).values | {"title": "Forged", "name": "Forged"}
    before = model.objects.values().get()

    answer = as_staff(bob, f"{may}_{model._meta.model_name}").post(page_of(row), form)

    assert answer.status_code == 403
    assert model.objects.values().get() == before


@pytest.mark.parametrize("model", [TaskList, Tag])
def test_who_may_not_delete_cannot_forge_a_deletion(
    bob: User, home: TaskList, tag: Tag, model: Any
) -> None:
    name, row = model._meta.model_name, model.objects.get()
    client = as_staff(bob, f"view_{name}", f"change_{name}", f"add_{name}")
    sent = {"action": "remove", "_selected_action": row.pk, "post": "yes"}
    path = f"/admin/tasks/{name}/"

    answer = client.post(f"{path}{row.pk}/delete/", {"post": "yes"})
    client.post(path, sent | {"tasks": "keep", "index": "0"})
    client.post(path, sent | {"action": "delete_selected", "index": "0"})

    assert answer.status_code == 403
    assert model.objects.get() == row


@pytest.mark.parametrize("model", [TaskList, Tag])
def test_not_even_a_superuser_deletes_past_the_verbs(
    staff: Client, alice: User, home: TaskList, tag: Tag, model: Any
) -> None:
    make_task(alice, list_id=home.pk)
    path = f"/admin/tasks/{model._meta.model_name}/"
    row = model.objects.get()

    staff.post(
        path, {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    )

    assert model.objects.get() == row


@pytest.mark.parametrize(("model", "name"), [(Task, "title"), (TaskList, "name")])
def test_who_may_not_add_cannot_forge_the_add_form(
    alice: User, bob: User, model: Any, name: str
) -> None:
    kind = model._meta.model_name
    client = as_staff(bob, f"view_{kind}", f"change_{kind}", f"delete_{kind}")

    answer = client.post(
        f"/admin/tasks/{kind}/add/", {"owner": alice.pk, name: "Forged"}
    )

    assert answer.status_code == 403
    assert not model.objects.exists()
