"""The form of a task in the admin: its list, parent, tags and priority."""

from typing import Any

import pytest
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.models import Tag, Task, TaskList
from tests.conftest import BY, make_task
from tests.support.admin import ADD, LIST, Editor, as_staff, open_form, page_of, text
from tests.support.rows import make_list

CHOICES = "/admin/tasks/task/choices/"


def choices(client: Client, field: str, **more: str) -> Any:
    """What the autocomplete of the field offers."""
    query = {"app_label": "tasks", "model_name": "task", "field_name": field, **more}
    return client.get(CHOICES, query_params=query)


def offered(client: Client, field: str, **more: str) -> list[str]:
    return [each["text"] for each in choices(client, field, **more).json()["results"]]


# Adding


def test_the_add_form_stores_where_a_task_belongs(staff: Client, alice: User) -> None:
    home, parent = make_list(alice), make_task(alice)

    staff.post(
        ADD,
        {
            "owner": alice.pk,
            "title": "Buy bread",
            "list": home.pk,
            "parent": parent.pk,
            "tag_names": "errand, five minutes",
            "priority": "4",
        },
    )

    task = Task.objects.newest_first()[0]
    assert (task.list, task.parent, task.priority) == (home, parent, 4)
    assert task.tags == ["errand", "five minutes"]
    assert set(task.labels.all()) == set(Tag.objects.owned_by(alice.pk))


# Editing


def test_the_form_sets_every_one_of_them(staff: Client, alice: User) -> None:
    home, parent, task = make_list(alice), make_task(alice), make_task(alice)
    editor = Editor(staff, task)

    editor.type(
        list=str(home.pk), parent=str(parent.pk), tag_names="errand", priority="2"
    )
    assert editor.save()

    task.refresh_from_db()
    assert (task.list, task.parent, task.tags) == (home, parent, ["errand"])
    assert (task.priority, task.version) == (2, 2)


def test_the_form_takes_every_one_of_them_away(staff: Client, alice: User) -> None:
    home, parent = make_list(alice), make_task(alice)
    task = make_task(
        alice, list_id=home.pk, parent_id=parent.pk, tags=["errand"], priority=3
    )
    editor = Editor(staff, task)

    editor.type(list="", parent="", tag_names="", priority="0")
    assert editor.save()

    task.refresh_from_db()
    assert (task.list_id, task.parent_id, task.tags, task.priority) == (
        None,
        None,
        [],
        0,
    )


@pytest.mark.either_database
def test_a_form_saved_as_it_was_opened_changes_none_of_them(
    staff: Client, alice: User
) -> None:
    home, parent = make_list(alice), make_task(alice)
    tags = ["errand", "a, b", 'the "big" one', '"', "line\nbreak"]
    task = make_task(alice, list_id=home.pk, parent_id=parent.pk, tags=tags, priority=3)

    assert Editor(staff, task).save()

    task.refresh_from_db()
    assert (task.version, task.tags) == (1, tags)


@pytest.mark.either_database
def test_the_position_is_shown_and_not_taken(staff: Client, alice: User) -> None:
    task = make_task(alice)
    editor = Editor(staff, task)
    assert task.position in editor.page

    editor.type(position="a", title="Buy bread")
    editor.save()

    assert Task.objects.get(pk=task.pk).position == task.position


@pytest.mark.either_database
def test_the_form_shows_where_a_task_belongs_to_who_may_only_view(
    alice: User, bob: User
) -> None:
    home = make_list(alice, "Kitchen")
    task = make_task(alice, list_id=home.pk, tags=["errand", "five minutes"])

    page = text(as_staff(bob, "view_task").get(page_of(task)))

    assert "Kitchen" in page
    assert "errand, five minutes" in page
    assert "Opened version" not in page


# What is somebody else's


@pytest.mark.either_database
@pytest.mark.parametrize("adding", [True, False])
@pytest.mark.parametrize("field", ["list", "parent"])
def test_what_is_another_owners_is_refused(
    staff: Client, alice: User, bob: User, field: str, adding: bool
) -> None:
    bobs = make_list(bob) if field == "list" else make_task(bob)
    task = make_task(alice)
    form = {"owner": str(alice.pk), "title": "New", field: str(bobs.pk)}
    if not adding:
        form = open_form(staff, task).values | {field: str(bobs.pk)}

    answer = staff.post(ADD if adding else page_of(task), form)

    assert answer.status_code == 200
    kind = "list" if field == "list" else "task"
    assert answer.context["errors"] == [[f"alice has no such {kind}."]]
    assert Task.objects.owned_by(alice.pk).get() == task
    assert Task.objects.get(pk=task.pk).version == 1


@pytest.mark.either_database
@pytest.mark.parametrize("fields", [("list", "parent"), ("owner",)])
@pytest.mark.parametrize("adding", [True, False])
def test_a_forged_key_is_an_error_of_the_form(
    staff: Client, alice: User, fields: tuple[str, ...], adding: bool
) -> None:
    task = make_task(alice)
    form = {"owner": str(alice.pk), "title": "New"}
    if not adding:
        form = open_form(staff, task).values

    for key in ("999", "0", "-1", "abc", "9" * 30, "1\x00", "①"):
        forged = form | dict.fromkeys(fields, key)
        answer = staff.post(ADD if adding else page_of(task), forged)

        assert answer.status_code == 200
        assert set(fields) <= set(answer.context["adminform"].form.errors), key
        assert Task.objects.get().version == 1


def test_another_owner_takes_the_task_out_of_its_list_and_off_its_parent(
    staff: Client, alice: User, bob: User
) -> None:
    home, parent = make_list(alice), make_task(alice)
    task = make_task(alice, list_id=home.pk, parent_id=parent.pk)
    editor = Editor(staff, task)

    editor.type(owner=str(bob.pk))
    assert editor.save()

    task.refresh_from_db()
    assert (task.owner, task.list_id, task.parent_id) == (bob, None, None)


def test_another_owner_can_come_with_a_list_of_theirs(
    staff: Client, alice: User, bob: User
) -> None:
    home = make_list(bob)
    task = make_task(alice)
    editor = Editor(staff, task)

    editor.type(owner=str(bob.pk), list=str(home.pk))
    assert editor.save()

    task.refresh_from_db()
    assert (task.owner, task.list) == (bob, home)


# What the verbs refuse


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("whose", "chosen", "errors"),
    [
        ("task", "child", ["A subtask can have no subtasks of its own."]),
        ("parent", "task", ["A task with subtasks cannot become one."]),
        ("task", "trashed", ["You have no task with this id."]),
    ],
)
def test_a_parent_that_the_task_cannot_have_is_refused(
    staff: Client, alice: User, whose: str, chosen: str, errors: list[str]
) -> None:
    tasks = {name: make_task(alice) for name in ("task", "parent", "trashed")}
    tasks["child"] = make_task(alice, parent_id=tasks["parent"].pk)
    Task.objects.filter(pk=tasks["trashed"].pk).trash(BY)
    editor = Editor(staff, tasks[whose])

    editor.type(parent=str(tasks[chosen].pk), title="Kept")
    assert not editor.save()

    assert editor.errors("parent") == errors
    assert editor.form["title"] == "Kept"
    assert Task.objects.get(pk=tasks[whose].pk).version == 1


def test_a_refusal_keeps_what_was_typed_until_it_is_put_right(
    staff: Client, alice: User
) -> None:
    parent, task = make_task(alice), make_task(alice)
    editor = Editor(staff, task)

    editor.type(parent=str(task.pk), title="Buy bread", tag_names="shop")
    assert not editor.save()

    assert editor.errors("parent") == ["A task cannot be its own parent."]
    assert (editor.form["title"], editor.form["tag_names"]) == ("Buy bread", "shop")
    task.refresh_from_db()
    assert (task.title, task.version) == ("Buy milk", 1)
    assert not Tag.objects.exists()
    editor.type(parent=str(parent.pk))
    assert editor.save()
    task.refresh_from_db()
    assert (task.parent, task.title, task.tags) == (parent, "Buy bread", ["shop"])


@pytest.mark.either_database
def test_a_refused_add_stores_nothing(staff: Client, alice: User) -> None:
    parent = make_task(alice)
    child = make_task(alice, parent_id=parent.pk)

    answer = staff.post(
        ADD,
        {
            "owner": alice.pk,
            "title": "New",
            "parent": child.pk,
            "tag_names": "never made",
        },
    )

    assert answer.context["errors"] == [["A subtask can have no subtasks of its own."]]
    assert Task.objects.count() == 2
    assert not Tag.objects.exists()


# Tags


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("errand", ["errand"]),
        (" errand ,, home,", ["errand", "home"]),
        ("Errand, ERRAND, errand", ["Errand"]),
        ('"a, b", c', ["a, b", "c"]),
        ('"the ""big"" one"', ['the "big" one']),
        ("x" * 50, ["x" * 50]),
        (", ,", []),
    ],
)
def test_tags_are_read_from_one_line(
    staff: Client, alice: User, typed: str, stored: list[str]
) -> None:
    staff.post(ADD, {"owner": alice.pk, "title": "New", "tag_names": typed})

    assert Task.objects.get().tags == stored


def test_a_tag_that_is_there_in_another_case_is_taken(
    staff: Client, alice: User
) -> None:
    make_task(alice, tags=["Straße"])

    staff.post(ADD, {"owner": alice.pk, "title": "New", "tag_names": "STRASSE"})

    assert Task.objects.newest_first()[0].tags == ["Straße"]
    assert Tag.objects.count() == 1


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("tag_names", "x" * 51),
        ("tag_names", ",".join(map(str, range(21)))),
        ("tag_names", '"errand'),
        ("tag_names", "a\x00b"),
        ("tag_names", '"a"b'),
        ("tag_names", "x" * 200_000),
        *(("priority", typed) for typed in ("5", "-1", "abc", "9" * 30, "high")),
    ],
)
def test_malformed_tags_and_unknown_priorities_are_errors_of_the_form(
    staff: Client, alice: User, name: str, typed: str
) -> None:
    answer = staff.post(ADD, {"owner": alice.pk, "title": "New", name: typed})

    assert answer.status_code == 200
    assert name in answer.context["adminform"].form.errors
    assert not Task.objects.exists()


# Autocomplete


@pytest.mark.either_database
def test_the_pickers_of_a_task_ask_for_what_its_owner_has(
    staff: Client, alice: User
) -> None:
    task = make_task(alice)

    page = text(staff.get(page_of(task)))

    assert page.count(f'data-ajax--url="{CHOICES}?owner={alice.pk}"') == 2


def test_only_what_the_owner_has_is_offered(
    staff: Client, alice: User, bob: User
) -> None:
    make_list(alice, "Home"), make_list(bob, "Homework")
    make_task(alice, "Home work", tags=["homely"]), make_task(bob, "Home alone")
    owner = str(alice.pk)

    assert offered(staff, "list", term="home", owner=owner) == ["Home"]
    assert offered(staff, "parent", term="home", owner=owner) == ["Home work"]
    assert offered(staff, "labels", term="home", owner=owner) == ["homely"]


def test_without_an_owner_each_choice_tells_its_owner(
    staff: Client, alice: User, bob: User
) -> None:
    make_list(alice, "Home"), make_list(bob, "Homework")

    assert set(offered(staff, "list", term="home")) == {
        "Home (alice)",
        "Homework (bob)",
    }


def test_a_parent_that_the_form_would_refuse_is_not_offered(
    staff: Client, alice: User
) -> None:
    parent = make_task(alice, "Parent")
    make_task(alice, "Child", parent_id=parent.pk)
    trashed = make_task(alice, "Trashed")
    Task.objects.filter(pk=trashed.pk).trash(BY)

    assert offered(staff, "parent", owner=str(alice.pk)) == ["Parent"]


@pytest.mark.parametrize("owner", ["abc", "9" * 30, "-1", ""])
def test_a_forged_owner_of_choices_is_no_server_error(
    staff: Client, alice: User, owner: str
) -> None:
    make_list(alice)

    assert choices(staff, "list", owner=owner).status_code == 200


@pytest.mark.either_database
@pytest.mark.parametrize("field", ["title", "nothing", "subtasks", "id"])
def test_there_are_no_choices_of_other_fields(staff: Client, field: str) -> None:
    assert choices(staff, field).status_code == 403


def test_choices_are_closed_to_who_may_not_see_them(alice: User, bob: User) -> None:
    make_list(alice)
    client = as_staff(bob, "view_task", "change_task")

    assert choices(client, "list").status_code == 403
    assert choices(client, "parent").status_code == 200
    assert choices(Client(), "list").status_code == 302


def test_choices_take_as_many_queries_however_many_there_are(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    counts = []
    for number in range(2):
        for other in range(5):
            make_list(alice, f"List {number} {other}")
        before = len(queries)
        offered(staff, "list")
        counts.append(len(queries) - before)

    assert counts[0] == counts[1] <= 6


# Subtasks


def test_the_page_of_a_task_shows_its_newest_subtasks(
    staff: Client, alice: User
) -> None:
    parent = make_task(alice)
    for number in range(22):
        make_task(alice, f"Child {number}.", parent_id=parent.pk)
    trashed = make_task(alice, "Trashed child", parent_id=parent.pk)
    Task.objects.filter(pk=trashed.pk).trash(BY)

    page = text(staff.get(page_of(parent)))

    assert "Child 21." in page
    assert "Child 1." not in page
    assert "Trashed child" not in page
    assert f'href="{LIST}?parent__id__exact={parent.pk}"' in page


def test_the_link_to_all_subtasks_shows_all(staff: Client, alice: User) -> None:
    parent, other = make_task(alice), make_task(alice)
    children = {make_task(alice, parent_id=parent.pk) for _ in range(3)}
    make_task(alice, parent_id=other.pk)

    page = staff.get(LIST, {"parent__id__exact": parent.pk})

    assert set(page.context["cl"].result_list) == children


def test_the_page_of_a_task_takes_as_many_queries_however_much_it_has(
    staff: Client, alice: User, queries: CaptureQueriesContext
) -> None:
    task = make_task(alice)
    counts = []
    for _ in range(2):
        before = len(queries)
        staff.get(page_of(task))
        counts.append(len(queries) - before)
        for _ in range(5):
            make_task(alice, parent_id=task.pk)
        tags = [f"tag {number}" for number in range(9)]
        Task.objects.filter(pk=task.pk).edit(BY, tags=tags)

    assert counts[0] == counts[1] <= 8


@pytest.mark.either_database
def test_a_title_of_a_subtask_with_markup_is_escaped(
    staff: Client, alice: User
) -> None:
    parent = make_task(alice)
    make_task(alice, "<b>Child</b>", parent_id=parent.pk)

    page = text(staff.get(page_of(parent)))

    assert "&lt;b&gt;Child" in page
    assert "<b>Child" not in page


def test_a_list_that_goes_meanwhile_is_an_error_of_the_form(
    staff: Client, alice: User
) -> None:
    home, task = make_list(alice), make_task(alice)
    editor = Editor(staff, task)
    TaskList.objects.get(pk=home.pk).remove(BY)

    editor.type(list=str(home.pk))
    assert not editor.save()

    assert editor.errors("list") != []
