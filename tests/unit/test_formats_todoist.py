"""Todoist's CSV, of which tests/formats/todoist.csv is a sample."""

from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.formats import BadRow, ListRecord, TaskRecord, todoist
from tests.formats.records import bad_rows, nothing_raises

SAMPLE = Path(__file__).parent.parent / "formats" / "todoist.csv"
HEADER = "TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,DATE,DATE_LANG,TIMEZONE\n"


def read(text: str) -> list[Any]:
    """The rows of a file, without the list that comes before them."""
    rows = list(todoist.read(BytesIO((HEADER + text).encode()), "Garden"))
    assert rows[0] == ListRecord("Garden")
    return rows[1:]


def sample() -> dict[str, TaskRecord]:
    with SAMPLE.open("rb") as file:
        rows = list(todoist.read(file, "Garden"))
    return {row.title: row for row in rows if isinstance(row, TaskRecord)}


def test_a_task_has_its_labels_priority_due_and_notes() -> None:
    assert sample()["Repot the basil 🌿"] == TaskRecord(
        sample()["Repot the basil 🌿"].external_id,
        "Repot the basil 🌿",
        description=(
            "Terracotta pot from the shed\n\n"
            "Duration: 30 minute\n"
            "Get the peat-free soil\n"
            'Two lines:\nand "quoted"'
        ),
        list="Garden",
        tags=("garden", "weekend"),
        priority="urgent",
        due_date=date(2026, 10, 5),
    )


def test_subtasks_of_subtasks_become_children_of_the_task_at_the_top() -> None:
    tasks = sample()
    top = tasks["Repot the basil 🌿"].external_id

    assert tasks["Buy compost"].parent == top
    assert tasks["Buy compost"].description == "Assigned to: Mia (4815)"
    assert tasks["Ask which kind"].parent == top
    assert tasks["Water the ferns"].parent is None


def test_a_date_that_is_none_is_kept_in_words() -> None:
    task = sample()["Water the ferns"]

    assert task.due_date is None
    assert task.description == "Due: every friday at 9am\nSection: Weekly"


def test_a_time_of_day_is_an_instant_in_the_zone_of_the_task() -> None:
    task = sample()["Call Jörg (joerg@example.com) @ noon"]

    assert task.due_at == datetime(2026, 10, 6, 13, 30, tzinfo=UTC)
    assert task.due_timezone == "Europe/Berlin"
    assert task.tags == ()
    assert task.description == "Section: Weekly\nDeadline: 2026-10-09"


def test_a_content_of_labels_only_is_the_title_too() -> None:
    task = sample()["@errand"]

    assert task.tags == ("errand",)
    assert task.due_timezone == "UTC"


def test_what_is_no_task_is_told_with_its_line() -> None:
    with SAMPLE.open("rb") as file:
        bad = bad_rows(todoist.read(file, "Garden"))

    assert [(row.line, row.reason.split()[0]) for row in bad] == [
        (16, "PRIORITY"),
        (18, "INDENT"),
        (19, "TYPE"),
    ]


def test_a_child_of_a_task_that_was_refused_is_at_the_top() -> None:
    assert sample()["Left without its parent"].parent is None

    text = f"task,a,{'x' * 10_001},4,1,,,\ntask,b,,4,2,,,\n"
    bad, child = read(text)
    assert isinstance(bad, BadRow)
    assert child.parent is None


def test_a_note_on_no_task_is_told() -> None:
    (bad,) = read("note,Lost,,,,,,\n")

    assert bad == BadRow(2, "The note 'Lost' is on no task that could be read.")


def test_the_same_file_gives_the_same_ids() -> None:
    text = "task,a,,4,1,,,\ntask,b,,4,2,,,\ntask,a,,4,1,,,\ntask,b,,4,2,,,\n"

    ids = [task.external_id for task in read(text)]

    assert ids == [task.external_id for task in read(text)]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("written", "language", "due"),
    [
        ("2026-10-05", "de", date(2026, 10, 5)),
        ("Oct 5 2026", "en", date(2026, 10, 5)),
        ("5 October, 2026", "", date(2026, 10, 5)),
        ("Oct 5 2026", "de", None),
        ("2026-02-30", "en", None),
        ("1899-12-31", "en", None),
        ("5 Okt 2026", "en", None),
        ("tomorrow", "en", None),
    ],
)
def test_dates_are_read_where_they_mean_one_day(
    written: str, language: str, due: date | None
) -> None:
    (task,) = read(f'task,a,,4,1,"{written}",{language},\n')

    assert task.due_date == due
    assert task.description == ("" if due else f"Due: {written}")


@pytest.mark.parametrize(
    ("written", "zone", "hour"),
    [
        ("2026-10-05T15:30:00Z", "", 15),
        ("2026-10-05T15:30:00+03:00", "Europe/Moscow", 12),
        ("2026-10-05 15:30", "Europe/Moscow", 12),
        ("2026-10-05T15:30:00.000", "Europe/Moscow", 12),
        ("Oct 5 2026 9:30", "Europe/Moscow", 6),
    ],
)
def test_times_are_read_where_they_mean_one_instant(
    written: str, zone: str, hour: int
) -> None:
    (task,) = read(f"task,a,,4,1,{written},en,{zone}\n")

    assert task.due_at == datetime(2026, 10, 5, hour, 30, tzinfo=UTC)
    assert task.due_timezone == (zone or "UTC")


def test_a_time_of_day_in_no_zone_is_a_date_and_words() -> None:
    (task,) = read("task,a,,4,1,2026-10-05 15:30,en,\n")

    assert task.due_date == date(2026, 10, 5)
    assert task.description == "Due: 2026-10-05 15:30"


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"title\nBuy milk\n"])
def test_another_file_is_one_bad_row(content: bytes) -> None:
    (bad,) = todoist.read(BytesIO(content), "Garden")

    assert isinstance(bad, BadRow)
    assert bad.line == 1


@given(st.lists(st.lists(st.text(max_size=12), max_size=8), max_size=5))
@settings(max_examples=100, deadline=None)
def test_no_rows_raise(rows: list[list[str]]) -> None:
    text = "\n".join(",".join(["task", *row]) for row in rows)
    content = (HEADER + text).encode("utf-8", "replace")

    nothing_raises(todoist.read(BytesIO(content), "Garden"))
