"""Names on one line that can be seen: the same rule at every door"""

import json
from io import BytesIO
from pathlib import Path

import pytest
from django.test import Client

from taskproject.accounts.models import ApiToken, User
from tasks.formats import TaskRecord, jsonl
from tasks.models import Event, Tag, Task, TaskList
from tests.conftest import BY, ApiClient, make_task, make_token
from tests.support.admin import Editor
from tests.support.commands import refused, run

TASKS, LISTS = "/api/tasks", "/api/lists"
ON_ONE_LINE = "Send it on one line: write a space for each line break or control "
BROKEN = ["first\nsecond", "a\r\nb", "a\rb", "a\x0bb", "a\x85b", "a\u2028b", "a\x07b"]
BLANK = [
    "\u200b",
    "\u3164",
    "\u2800",
    "\xad",
    "\u2060\ufeff",
    "\U000e0061",
    "\u115f \u1160",
]
#: What belongs to words, scripts and emoji.
KEPT = [
    "a\tb",
    "می\u200cخواهم",
    "👩\u200d🚀",
    "☕\ufe0f",
    "\u200fשלום",
    "\u0600",
    "ﷺ",
    "\u0301",
]


@pytest.mark.either_database
@pytest.mark.parametrize("name", BROKEN)
def test_the_api_refuses_a_line_break(api: ApiClient, name: str) -> None:
    for path, body, pointer in (
        (TASKS, {"title": name}, "/title"),
        (TASKS, {"title": "x", "tags": ["y", name]}, "/tags/1"),
        (LISTS, {"name": name}, "/name"),
    ):
        answer = api.send("POST", path, body)
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == (pointer, "line_break")
        assert error["detail"].startswith(ON_ONE_LINE)


@pytest.mark.either_database
@pytest.mark.parametrize("name", BLANK)
def test_the_api_refuses_a_name_in_which_nothing_is_seen(
    api: ApiClient, name: str
) -> None:
    for path, body in (
        (TASKS, {"title": name}),
        (TASKS, {"title": "x", "tags": [name]}),
        (LISTS, {"name": name}),
    ):
        answer = api.send("POST", path, body)
        assert answer.status_code == 422
        assert "at least one character that" in answer.json()["detail"]


@pytest.mark.parametrize("name", KEPT)
def test_the_api_keeps_what_belongs_to_words(api: ApiClient, name: str) -> None:
    answer = api.send("POST", TASKS, {"title": name})

    assert (answer.status_code, answer.json()["title"]) == (201, name)


@pytest.mark.either_database
@pytest.mark.parametrize("title", [BROKEN[0], BLANK[0]])
def test_every_way_of_writing_a_title_refuses_it(api: ApiClient, title: str) -> None:
    path = f"{TASKS}/{api.send('POST', TASKS, {'title': 'x'}).json()['id']}"
    batch = {"operations": [{"op": "create", "body": {"title": title}}]}

    for method, where, body in (
        ("PUT", path, {"title": title}),
        ("PATCH", path, {"title": title}),
        ("POST", f"{TASKS}/batch", batch),
    ):
        answer = api.send(method, where, body)
        assert answer.status_code == 422


def test_a_tag_of_before_is_still_found(api: ApiClient, alice: User) -> None:
    make_task(alice, tags=["a\nb"])

    answer = api.send("GET", f"{TASKS}?tag=a%0Ab")

    assert len(answer.json()["items"]) == 1


# What is imported


def test_an_import_puts_a_space_for_a_line_break(alice: User, tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    record = {"external_id": "1", "title": "first\r\nsecond", "list": "a\nb"}
    task = {"kind": "task", **record, "tags": ["c\u2028d"]}
    path.write_text(
        f"{json.dumps(jsonl.HEADER | {'version': 1})}\n{json.dumps(task)}\n"
    )

    told = run("import_tasks", str(path), "--owner", "alice")

    assert "title has line breaks" in "".join(map(str, told))
    stored = Task.objects.select_related("list").get()
    assert (stored.title, stored.tags) == ("first second", ["c d"])
    assert stored.list is not None and stored.list.name == "a b"


@pytest.mark.parametrize("title", BLANK)
def test_an_import_refuses_a_title_in_which_nothing_is_seen(title: str) -> None:
    lines = jsonl.write([TaskRecord("1", title)])

    [row] = jsonl.read(BytesIO(b"".join(lines)))

    assert "title is empty" in row.reason  # type: ignore[union-attr]  # a BadRow


# The admin


@pytest.mark.either_database
@pytest.mark.parametrize("name", [*BROKEN, *BLANK])
def test_a_form_that_nobody_touched_changes_no_name(
    staff: Client, alice: User, name: str
) -> None:
    task, row = make_task(alice, tags=[name, "x"]), TaskList(owner=alice, key="k")
    Task.objects.filter(pk=task.pk).update(title=name)
    row.name, row.position = name, "a"
    row.save()
    task.refresh_from_db()
    tag = Tag.objects.get(name=name)

    for one, typed in (
        (task, {"description": "New."}),
        (row, {"archived": "on"}),
        (tag, {}),
    ):
        editor = Editor(staff, one)
        for field, value in editor.form.values.items():
            # An input of one line has no line breaks, whatever it is given.
            if not field.startswith("initial-") and field != "description":
                editor.form[field] = value.replace("\r", "").replace("\n", "")
        editor.type(**typed)
        assert editor.save()

    task.refresh_from_db()
    row.refresh_from_db()
    tag.refresh_from_db()
    assert (task.title, task.description, task.version) == (name, "New.", 2)
    assert (row.name, row.archived, row.version) == (name, True, 2)
    assert (tag.name, tag.version, task.tags) == (name, 1, [name, "x"])


def test_a_tag_that_is_added_leaves_the_others_alone(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, tags=["a\nb"])
    editor = Editor(staff, task)

    editor.type(tag_names='"ab", new')
    assert editor.save()

    task.refresh_from_db()
    assert task.tags == ["a\nb", "new"]


@pytest.mark.either_database
@pytest.mark.parametrize("title", [BLANK[0], BLANK[1], "a\x07b", "a\u2028b"])
def test_a_form_refuses_such_a_name(staff: Client, alice: User, title: str) -> None:
    editor = Editor(staff, make_task(alice))

    editor.type(title=title, tag_names=title)

    assert not editor.save()
    assert editor.errors("title") and editor.errors("tag_names")


def test_a_form_stores_what_was_typed_for_an_old_name(
    staff: Client, alice: User
) -> None:
    task = make_task(alice)
    Task.objects.filter(pk=task.pk).update(title="first\nsecond")
    editor = Editor(staff, task)

    editor.type(title="first and second")
    assert editor.save()

    task.refresh_from_db()
    assert task.title == "first and second"


def test_the_timeline_restores_no_title_on_two_lines(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, title="first\nsecond")
    Task.objects.filter(pk=task.pk).edit(BY, title="first")
    event = Event.objects.of_task(task.pk).get(verb="edited").sequence

    staff.post(f"/admin/tasks/task/{task.pk}/timeline/{event}/title/")

    task.refresh_from_db()
    assert task.title == "first"


# Tokens


@pytest.mark.parametrize("name", [BROKEN[0], BLANK[0], BLANK[1]])
def test_a_token_has_a_name_on_one_line(alice: User, name: str) -> None:
    assert "--name" in refused("create_token", "alice", "--name", name)


def test_a_token_of_before_keeps_its_name(
    staff: Client, carol: User, alice: User
) -> None:
    make_token(alice)
    ApiToken.objects.update(name="a\nb")
    token = ApiToken.objects.get()
    address = f"/admin/accounts/apitoken/{token.pk}/change/"

    answer = staff.post(
        address, {"name": "ab", "expires_at_0": "2099-01-01", "expires_at_1": "10:00"}
    )

    assert answer.status_code == 302
    token.refresh_from_db()
    assert (token.name, token.expires_at is not None) == ("a\nb", True)
