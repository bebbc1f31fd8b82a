"""Vikunja's export, of whose data.json tests/formats/vikunja.json is a sample."""

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from tasks.formats import BadRow, ListRecord, TaskRecord, documents, vikunja
from tests.formats.records import bad_rows, nothing_raises

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
    return read(zipped(SAMPLE.read_bytes()))


def tasks() -> dict[str, TaskRecord]:
    return {row.title: row for row in sample() if isinstance(row, TaskRecord)}


def task(**members: Any) -> Any:
    """The only row of a project of one task, after the project."""
    project = {"title": "Home", "tasks": [{"id": 1, "title": "Buy milk", **members}]}
    rows = read(zipped(json.dumps([project]).encode()))
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
            "Repeats: every 7 days\n"
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


def test_a_task_that_is_none_is_told_by_its_ordinal() -> None:
    (bad,) = bad_rows(sample())

    assert bad == BadRow(5, "done is 'yes'; true or false is expected.")


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
    "members",
    [
        {"id": None},
        {"id": True},
        {"title": ""},
        {"title": []},
        {"priority": "high"},
        {"due_date": "soon"},
        {"due_date": 5},
        {"labels": [{"title": 1}]},
        {"labels": {"title": "a"}},
        {"related_tasks": []} | {"comments": [1]},
        {"related_tasks": {"subtask": [{}]}},
        {"assignees": ["bob"]},
        {"attachments": [{"file": 1}]},
        {"description": "<p>" + "x" * 10_001},
    ],
)
def test_a_task_with_a_wrong_member_is_a_bad_row(members: dict[str, Any]) -> None:
    row = task(**members)

    assert isinstance(row, BadRow)
    assert row.line == 1


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

    assert [row.name for row in rows if isinstance(row, ListRecord)] == ["Home", "Last"]
    assert len(bad_rows(rows)) == 3
