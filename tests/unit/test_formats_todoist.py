"""Todoist's CSV, of which tests/formats/todoist.csv is a sample."""

from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.formats import Adjusted, BadRow, ListRecord, TaskRecord, todoist
from tests.support.records import adjusted, bad_rows, nothing_raises, records

SAMPLE = Path(__file__).parent.parent / "formats" / "todoist.csv"
HEADER = "TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,DATE,DATE_LANG,TIMEZONE\n"
NOW = datetime(2026, 10, 3, 12, tzinfo=UTC)


def read(text: str) -> list[Any]:
    """The records of a file, without the list that comes before them."""
    rows = records(read_all(text))
    assert rows[0] == ListRecord("Garden")
    return rows[1:]


def read_all(text: str, name: str = "Garden", header: str = HEADER) -> list[Any]:
    content = (header + text).encode()
    return list(todoist.read(BytesIO(content), name, lambda: NOW))


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
            "Comment (Kai (48151623)): Get the peat-free soil\n"
            'Comment (Kai (48151623)): Two lines:\nand "quoted"'
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


def test_what_is_odd_is_kept_and_told_with_its_line() -> None:
    with SAMPLE.open("rb") as file:
        rows = list(todoist.read(file, "Garden"))

    assert bad_rows(rows) == []
    told = [
        (row.line, row.what.split()[0]) for row in rows if isinstance(row, Adjusted)
    ]
    assert {(16, "PRIORITY"), (18, "INDENT"), (19, "TYPE")} <= set(told)
    tasks = sample()
    assert "PRIORITY: 9" in tasks["Odd priority"].description
    assert "INDENT: x" in tasks["Odd indent"].description
    assert "CONTENT: Not a task" in tasks["Odd indent"].description
    assert tasks["Left without its parent"].parent == tasks["Odd priority"].external_id


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


@pytest.mark.parametrize(
    ("written", "due"),
    [
        ("17 Aug", date(2026, 8, 17)),
        ("Jul 17", date(2026, 7, 17)),
        ("September 3", date(2026, 9, 3)),
        ("29 Feb", None),
        ("17 Aug 26", None),
        ("Marmalade 5", None),
    ],
)
def test_a_day_without_a_year_is_one_of_this_year(
    written: str, due: date | None
) -> None:
    rows = read_all(f"task,a,,4,1,{written},en,Europe/Berlin\n")
    task = records(rows)[1]

    assert task.due_date == due
    assert task.description == ("" if due else f"Due: {written}")
    assert len(adjusted(rows)) == 1


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("10 Apr 17:15", datetime(2026, 4, 10, 15, 15, tzinfo=UTC)),
        ("Apr 10 at 5:15 PM", datetime(2026, 4, 10, 15, 15, tzinfo=UTC)),
        ("Apr 10 2027 5pm", datetime(2027, 4, 10, 15, tzinfo=UTC)),
        ("Apr 10 12 am", datetime(2026, 4, 9, 22, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_year_is_one_of_this_year(
    written: str, moment: datetime
) -> None:
    (task,) = read(f"task,a,,4,1,{written},en,Europe/Berlin\n")

    assert task.due_at == moment
    assert task.due_timezone == "Europe/Berlin"


def test_this_year_is_that_of_the_zone_of_the_task() -> None:
    content = (HEADER + "task,a,,4,1,17 Aug,en,Pacific/Kiritimati\n").encode()
    eve = datetime(2026, 12, 31, 12, tzinfo=UTC)

    rows = list(todoist.read(BytesIO(content), "Garden", lambda: eve))

    assert rows[1].due_date == date(2027, 8, 17)  # type: ignore[union-attr]


def test_a_time_of_day_in_no_zone_is_a_date_and_words() -> None:
    (task,) = read("task,a,,4,1,2026-10-05 15:30,en,\n")

    assert task.due_date == date(2026, 10, 5)
    assert task.description == "Due: 2026-10-05 15:30"


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"title\nBuy milk\n"])
def test_another_file_is_one_bad_row(content: bytes) -> None:
    (bad,) = todoist.read(BytesIO(content), "Garden")

    assert isinstance(bad, BadRow)
    assert bad.line == 1


# What is no task


BACKUP = (
    "TYPE,CONTENT,DESCRIPTION,IS_COLLAPSED,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,"
    "DATE_LANG,TIMEZONE,DURATION,DURATION_UNIT,DEADLINE,DEADLINE_LANG\n"
)


def test_what_a_backup_says_of_the_project_is_in_a_task_of_its_own() -> None:
    rows = read_all(
        "meta,view_style=list,,,,,,,,,,,,,\n"
        "note,Before any task,,,,,,,,,,,,,\n"
        'section,Planning,"What, and when",False,,,,,,,,,,,\n'
        "task,Dig,,,4,1,me,,,,,,,,\n"
        "note,Deep,,,,2,me,,2026-07-17T10:00:00.000000Z,,,,,,\n"
        "section,Empty,,False,,,,,,,,,,,\n"
        "project_note,Mind the cat,,,,,Kai,,2026-07-17T10:00:00.000000Z,,,,,,\n",
        name="Garden [6Crg8jQ886Wh4P5g]",
        header=BACKUP,
    )

    assert bad_rows(rows) == []
    garden, dig, notes = records(rows)
    assert garden == ListRecord("Garden")
    assert dig.description == "Section: Planning\nComment (me, 2026-07-17): Deep"
    assert (notes.title, notes.list) == ("Notes on Garden", "Garden")
    assert notes.description == (
        "Before any task\n"
        "Section Planning: What, and when\n"
        "Comment (Kai, 2026-07-17): Mind the cat\n"
        "Section: Empty"
    )
    assert {row.line for row in rows if isinstance(row, Adjusted)} == {1, 3, 4, 7}


def test_a_task_without_words_is_kept_with_its_subtasks() -> None:
    first, second = read("task,,,4,1,,,\ntask,b,,4,2,,,\n")

    assert first.title == "(no title)"
    assert second.parent == first.external_id


def test_a_long_description_is_kept_with_the_subtasks() -> None:
    first, more, second = read(f"task,a,{'x' * 10_001},4,1,,,\ntask,b,,4,2,,,\n")

    assert more.title == "a (part 2 of 2)"
    assert more.parent == second.parent == first.external_id


def test_a_project_is_called_by_its_name_and_known_by_its_file() -> None:
    text = "task,a,,4,1,,,\n"
    first, second, plain = (
        records(read_all(text, name))
        for name in ("Garden [2203306141]", "Garden [2203306142]", "Garden")
    )

    assert first[0] == second[0] == plain[0] == ListRecord("Garden")
    names = {rows[1].external_id for rows in (first, second, plain)}
    assert len(names) == 3


def test_a_cell_that_no_column_is_for_is_kept() -> None:
    (task,) = read("task,a,,4,1,,,,More\n")

    assert task.description == "Without a column: More"


def test_a_column_that_is_not_known_or_there_twice_is_kept() -> None:
    header = "TYPE,CONTENT,LABELS,LABELS\n"
    task = records(read_all("task,a,b,c\n", header=header))[1]

    assert task.description == "LABELS: b\nLABELS (2): c"


def test_words_keep_the_space_between_them() -> None:
    (task,) = read("task,Buy @shop oat  milk @home,,4,1,,,\n")

    assert task.title == "Buy oat  milk"
    assert task.tags == ("shop", "home")


def test_nothing_is_said_of_the_task_before_a_row_that_cannot_be_read() -> None:
    rows = read_all(
        'task,a,,4,1,,,\ntask,"b"x,,4,1,,,\nnote,On b,,,,,,\ntask,c,,4,2,,,\n'
    )

    (bad,) = bad_rows(rows)
    assert bad.line == 3
    first, child, notes = (row for row in rows if isinstance(row, TaskRecord))
    assert first.description == ""
    assert child.parent is None
    assert notes.description == "On b"


# Encodings


TEXT = HEADER + "task,Sweep ä 掃除 @café,,4,1,,,\ntask,b,,4,2,,,\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_encoding_that_is_certain_is_read(encoding: str) -> None:
    rows = list(todoist.read(BytesIO(TEXT.encode(encoding)), "Garden"))

    _, task, child = records(rows)
    assert (task.title, task.tags) == ("Sweep ä 掃除", ("café",))
    assert child.parent == task.external_id


@pytest.mark.parametrize("bom", [b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_of_either_order_is_read(bom: bytes) -> None:
    name = "utf-16-le" if bom == b"\xff\xfe" else "utf-16-be"
    text = TEXT.replace("b,,4", "ਊ\u2028x" * 40_000 + ",,4")

    rows = list(todoist.read(BytesIO(bom + text.encode(name)), "Garden"))

    assert bad_rows(rows) == []
    assert len([row for row in rows if isinstance(row, TaskRecord)]) > 2


@pytest.mark.parametrize(
    "content",
    [
        TEXT.replace("掃除", "").encode("cp1252"),
        TEXT.replace(" @café", "").replace("ä", "").encode("shift-jis"),
        TEXT.replace(" @café", "").replace("ä", "").encode("iso2022-jp"),
        TEXT.replace("掃除", "").encode("utf-16-le"),
        TEXT.encode("utf-32"),
        TEXT.encode("utf-16")[:-1],
        (HEADER + "task,Sweep,,4,1,,,\nnote,").encode() + b"\xe4,,,,,\n",
        (HEADER + "section,").encode() + b"\xe4,,,,,\n",
    ],
)
def test_any_other_encoding_is_refused_with_what_to_do(content: bytes) -> None:
    rows = list(todoist.read(BytesIO(content), "Garden"))

    assert "Save it as UTF-8" in bad_rows(rows)[-1].reason
    assert "\ufffd" not in repr(rows)


def test_a_zip_of_a_backup_is_refused_with_what_to_do() -> None:
    (bad,) = todoist.read(BytesIO(b"PK\x03\x04" + b"\x14\x00" * 20), "Garden")

    assert isinstance(bad, BadRow)
    assert "unpack it" in bad.reason


@given(st.lists(st.lists(st.text(max_size=12), max_size=8), max_size=5))
@settings(max_examples=50)
def test_no_rows_raise(rows: list[list[str]]) -> None:
    text = "\n".join(",".join(["task", *row]) for row in rows)
    content = (HEADER + text).encode("utf-8", "replace")

    nothing_raises(todoist.read(BytesIO(content), "Garden"))
