"""Vikunja's export, of whose data.json tests/formats/vikunja.json is a sample."""

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from tasks.formats import Adjusted, BadRow, ListRecord, TaskRecord, documents, vikunja
from tests.support.records import adjusted, bad_rows, nothing_raises, records

SAMPLE = Path(__file__).parent.parent / "formats" / "vikunja.json"


def zipped(content: bytes, name: str = "data.json") -> bytes:
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("VERSION", "v1.0.0")
        archive.writestr(name, content)
    return file.getvalue()


def read(content: bytes) -> list[Any]:
    return list(vikunja.read(BytesIO(content), "Mine"))


def sample() -> list[Any]:
    return records(sample_rows())


def sample_rows() -> list[Any]:
    return read(zipped(SAMPLE.read_bytes()))


def tasks() -> dict[str, TaskRecord]:
    return {row.title: row for row in sample() if isinstance(row, TaskRecord)}


def task(**members: Any) -> Any:
    """The only row of a project of one task, after the project."""
    project = {"title": "Home", "tasks": [{"id": 1, "title": "Buy milk", **members}]}
    rows = records(read(zipped(json.dumps([project]).encode())))
    assert rows[0] == ListRecord("Home")
    return rows[1]


def test_projects_are_lists() -> None:
    assert sample()[:3] == [
        ListRecord("Küche"),
        ListRecord("Alt", archived=True),
        ListRecord("Leer"),
    ]


def test_a_task_is_read() -> None:
    assert tasks()["Fix the tap"] == TaskRecord(
        "vikunja:1",
        "Fix the tap",
        description=(
            "Washer is worn.\n\n- [x] Buy a washer\n- [ ] Water off\n\n"
            "Bucket: Doing\n"
            "Start: 2026-10-01T00:00:00.000000Z\n"
            "Progress: 50%\n"
            "Assigned to: Bob B.\n"
            "Attachment: tap.jpg\n"
            "Comment (bob, 2026-09-03): Which size?\n"
            f"Tags: {'x' * 60}"
        ),
        created_at=datetime(2026, 9, 1, 8, tzinfo=UTC),
        updated_at=datetime(2026, 9, 2, 8, tzinfo=UTC),
        list="Küche",
        tags=("home", "x" * 49 + "…"),
        priority="urgent",
        due_at=datetime(2026, 10, 5, 15, tzinfo=UTC),
        due_timezone="UTC",
        recurrence="FREQ=WEEKLY;BYDAY=MO",
        recurrence_from="due",
        recurrence_subtasks="again",
        occurrence="2026-10-05T15:00:00 UTC",
    )


def test_a_done_task_says_when_and_year_one_is_never() -> None:
    done = tasks()["Throw the old one away"]

    assert done.completed_at == datetime(2026, 9, 5, 8, tzinfo=UTC)
    assert done.due_at is None


def test_relations_make_one_level_of_subtasks() -> None:
    made = tasks()

    assert {made[title].parent for title in ("Sand it", "Oil it", "Second coat")} == {
        "vikunja:2"
    }
    assert made["Worktop"].parent is None


def test_parents_come_before_their_children() -> None:
    titles = list(tasks())

    assert titles.index("Worktop") < titles.index("Sand it")


def test_an_odd_member_is_kept_and_told_by_the_ordinal_of_the_task() -> None:
    assert bad_rows(sample()) == []
    assert Adjusted(5, "done 'yes' is not true or false; kept in the description.") in (
        sample_rows()
    )
    assert tasks()["Wrong"].description == "done: yes"


@pytest.mark.parametrize(
    ("number", "priority"),
    [
        (0, "none"),
        (1, "low"),
        (2, "medium"),
        (3, "high"),
        (4, "urgent"),
        (5, "urgent"),
        (99, "urgent"),
        (-1, "none"),
        (None, "none"),
    ],
)
def test_priorities(number: int | None, priority: str) -> None:
    assert task(priority=number).priority == priority


@pytest.mark.parametrize(
    ("members", "kept"),
    [
        ({"title": []}, ""),
        ({"title": 12}, "title: 12"),
        ({"priority": "high"}, "priority: high"),
        ({"due_date": "soon"}, "due_date: soon"),
        ({"due_date": 5}, "due_date: 5"),
        ({"labels": [{"title": 1}]}, "labels.title: 1"),
        ({"labels": {"title": "a"}}, 'labels: {"title": "a"}'),
        ({"comments": [1]}, "comments: 1"),
        ({"related_tasks": {"subtask": ["x"]}}, "related_tasks.subtask: x"),
        ({"assignees": ["bob"]}, "assignees: bob"),
        ({"attachments": [{"file": 1}]}, "attachments.file: 1"),
        ({"colour_of_the_day": "green"}, "colour_of_the_day: green"),
    ],
)
def test_a_member_that_is_not_understood_is_kept_in_the_description(
    members: dict[str, Any], kept: str
) -> None:
    row = task(**members)

    assert isinstance(row, TaskRecord)
    assert kept in row.description


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"PK\x03\x04" + b"\x00" * 500,
        zipped(b"[]", "other.json"),
        zipped(b"{}"),
        zipped(b"["),
        zipped(b"[" * 100_000),
        zipped(b"\xff" * 100),
        zipped(SAMPLE.read_bytes())[:-30],
        zipped(SAMPLE.read_bytes())[200:],
    ],
)
def test_another_file_is_one_bad_row(content: bytes) -> None:
    (bad,) = read(content)

    assert isinstance(bad, BadRow)
    assert bad.line == 1


def test_no_damage_raises() -> None:
    whole = zipped(SAMPLE.read_bytes())

    for place in range(0, len(whole), 23):
        damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        nothing_raises(read(damaged))


def test_a_zip_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vikunja, "DOCUMENT_BYTES", 2**20)
    (bad,) = read(zipped(b" " * (2**20 + 1)))

    assert bad.reason == "data.json is larger than 1 MiB."


def test_a_zip_that_lies_about_its_size_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(documents, "DOCUMENT_BYTES", 2**20)
    (bad,) = read(zipped(b" " * (2**20 + 1)))

    assert bad.reason == "The document is larger than 1 MiB."


def test_wrong_projects_are_passed_over() -> None:
    projects = [1, {"title": 1}, {"title": "Home", "tasks": "none"}, {"title": "Last"}]
    rows = read(zipped(json.dumps(projects).encode()))

    assert [row.name for row in rows if isinstance(row, ListRecord)] == [
        "Mine",
        "Home",
        "Last",
    ]
    assert len(bad_rows(rows)) == 1


# What has no field here


def dump(*projects: Any, **files: Any) -> list[Any]:
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("data.json", json.dumps(projects))
        for name, content in files.items():
            archive.writestr(f"{name}.json", json.dumps(content))
    return read(file.getvalue())


@pytest.mark.parametrize(
    ("members", "kept"),
    [
        (
            {"reminders": [{"reminder": "2026-10-05T09:00:00Z", "relative_period": 0}]},
            "Reminder: 2026-10-05T09:00:00.000000Z",
        ),
        (
            {
                "reminders": [
                    {
                        "reminder": "2026-10-05T09:00:00Z",
                        "relative_period": -5400,
                        "relative_to": "due_date",
                    }
                ]
            },
            "Reminder: 2026-10-05T09:00:00.000000Z, 90 minutes before due_date",
        ),
        ({"reminders": ["2026-10-05T09:00:00Z"]}, "reminders: 2026-10-05T09:00:00Z"),
        (
            {"related_tasks": {"blocking": [{"id": 9, "title": "Paint"}]}},
            "Blocking: Paint",
        ),
        ({"related_tasks": {"follows": [{"id": 9}]}}, "Follows: 9"),
        (
            {"related_tasks": {"parenttask": [{"id": 9, "title": "Kitchen"}]}},
            "Subtask of: Kitchen",
        ),
        ({"repeat_after": 5400}, "Repeats: every 90 minutes"),
        (
            {"repeat_after": 86400, "repeat_mode": 2},
            "Repeats: every 1 days, from the day that it was done",
        ),
        ({"percent_done": 0.333}, "Progress: 33.3%"),
        ({"done_at": "2026-10-05T09:00:00Z"}, "Completed: 2026-10-05T09:00:00.000000Z"),
        ({"identifier": "HOME-7"}, "Identifier: HOME-7"),
        ({"hex_color": "ff0000"}, "Color: #ff0000"),
        ({"is_favorite": True}, "Favorite: yes"),
        ({"reactions": {"👍": [{"username": "bob"}]}}, "Reactions: 👍 bob"),
        ({"priority": 99}, "Priority: 99"),
        ({"due_date": "9999-12-31T23:00:00Z"}, "Due: 9999-12-31T23:00:00.000000Z"),
        ({"description": "<p>" + "x" * 100_000}, "<p>xxx"),
    ],
)
def test_what_a_task_has_besides_is_kept_in_its_description(
    members: dict[str, Any], kept: str
) -> None:
    assert kept in task(**members).description


def test_a_task_without_a_title_is_kept_with_its_children() -> None:
    items = [
        {"id": 1, "title": ""},
        {"id": 2, "title": "Child", "related_tasks": {"parenttask": [{"id": 1}]}},
    ]
    rows = dump({"id": 1, "title": "Home", "tasks": items})

    _, parent, child = records(rows)
    assert parent.title == "(no title)"
    assert child.parent == parent.external_id
    assert Adjusted(1, "The title is empty; it is '(no title)' here.") in rows


def test_the_description_of_a_project_is_a_task_in_its_list() -> None:
    rows = dump({"id": 7, "title": "Home", "description": "<p>Mind the cat</p>"})

    assert records(rows) == [
        ListRecord("Home"),
        TaskRecord("vikunja:project:7", "About Home", "Mind the cat", list="Home"),
    ]
    assert adjusted(rows) == [
        "The description of the project 'Home' is a task of its own."
    ]


def test_projects_of_one_title_are_a_list_each_and_their_place_is_told() -> None:
    rows = dump(
        {"id": 1, "title": "Home", "tasks": [{"id": 1, "title": "a"}]},
        {
            "id": 2,
            "title": "Home",
            "parent_project_id": 1,
            "tasks": [{"id": 2, "title": "b"}],
        },
    )

    assert [(it.title, it.list) for it in records(rows)[2:]] == [
        ("a", "Home"),
        ("b", "Home (2)"),
    ]
    assert "The project 'Home' is within 'Home'; lists have no levels here." in (
        adjusted(rows)
    )


def test_the_favorites_are_no_list() -> None:
    rows = dump({"id": 1, "title": "Home"}, {"id": -1, "title": "Favorites"})

    assert records(rows) == [ListRecord("Home")]


def test_projects_within_projects_are_lists() -> None:
    inner = {"id": 2, "title": "Inner", "tasks": [{"id": 1, "title": "a"}]}

    rows = dump({"id": 1, "title": "Outer", "child_projects": [inner]})

    assert [row.name for row in records(rows)[:2]] == ["Outer", "Inner"]


def test_tasks_and_projects_keep_their_order() -> None:
    items = [{"id": number, "title": f"{number}"} for number in (1, 2, 3)]
    places = [
        {"task_id": number, "project_view_id": 4, "position": position}
        for number, position in ((1, 300), (2, 100), (3, 200))
    ]
    rows = dump(
        {"id": 1, "title": "Last", "position": 9, "tasks": items, "positions": places},
        {"id": 2, "title": "First", "position": 1},
    )

    assert [row.name for row in records(rows)[:2]] == ["First", "Last"]
    assert [row.title for row in records(rows)[2:]] == ["2", "3", "1"]


def test_what_is_left_out_is_told() -> None:
    label = {"id": 1, "title": "home", "description": "All of <it>"}
    rows = dump(
        {
            "id": 1,
            "title": "Home",
            "hex_color": "ff0000",
            "views": [{"id": 1, "title": "List"}],
            "buckets": [{"id": 1, "title": "Later"}],
            "tasks": [{"id": 1, "title": "a", "labels": [label]}],
        },
        filters=[{"id": 1, "title": "Mine"}],
    )

    assert adjusted(rows) == [
        "The label 'home' is described: 'All of <it>'; tags are not.",
        "The saved filter 'Mine' is not imported.",
        "Not imported: buckets without tasks, hex_color of projects, views of projects.",
    ]
