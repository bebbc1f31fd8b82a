"""CSV: for spreadsheets, and safe in them."""

import csv as standard
from dataclasses import replace
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.formats import BadRow, ListRecord, TaskRecord, csv
from tasks.formats.lines import LINE_BYTES
from tests.support.records import bad_rows, nothing_raises, series, tasks

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TASK = TaskRecord("a", "Buy milk")


def read(text: str | bytes) -> list[Any]:
    content = text.encode() if isinstance(text, str) else text
    return list(csv.read(BytesIO(content)))


def written(*records: TaskRecord | ListRecord) -> bytes:
    return b"".join(csv.write(records))


def cells(task: TaskRecord) -> dict[str, str]:
    """The cells of the row, as a spreadsheet would see them."""
    text = StringIO(written(task).decode("utf-8-sig"), newline="")
    (row,) = standard.DictReader(text)
    return row


def reason(text: str | bytes) -> str:
    (row,) = read(text)
    assert isinstance(row, BadRow)
    return row.reason


_CELLS = {"position": None, "owner": None, "deleted_at": None}


@given(st.lists(st.one_of(tasks(**_CELLS), series(**_CELLS)), max_size=4))
@settings(max_examples=80)
@example([replace(TASK, title="=1+1", description="'=1+1", tags=("'", '"', "a,b"))])
@example(
    [replace(TASK, title="''@", description="\r\n-\r\t\n", list="'a", parent="+1")]
)
def test_what_is_written_is_read_again(records: list[TaskRecord]) -> None:
    assert read(written(*records)) == records


@given(tasks(deleted_at=None))
@settings(max_examples=50)
def test_no_cell_begins_like_a_formula(task: TaskRecord) -> None:
    for cell in cells(task).values():
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_a_file_is_rfc_4180() -> None:
    task = replace(
        TASK,
        description='two\nlines, and "quotes"',
        tags=("home", "a, b", 'say "hi"'),
        due_at=NOON,
        due_timezone="Europe/Paris",
        completed=True,
        completed_at=NOON,
    )

    assert written(task).decode() == (
        "\ufeffexternal_id,title,description,location,list,parent,tags,priority,due_date,"
        "due_at,due_timezone,completed,completed_at,created_at,updated_at,client_id,"
        "recurrence,recurrence_from,recurrence_subtasks,occurrence\r\n"
        'a,Buy milk,"two\nlines, and ""quotes""",,,,'
        '"home, ""a, b"", ""say """"hi""""""",none,,2026-01-31T12:00:00.000000Z,'
        "Europe/Paris,true,2026-01-31T12:00:00.000000Z,,,,,,,\r\n"
    )


def test_only_tasks_out_of_the_trash_are_written() -> None:
    file = written(ListRecord("Home"), replace(TASK, deleted_at=NOON), TASK)

    assert read(file) == [TASK]


def test_only_a_title_is_needed() -> None:
    (task,) = read("title\nBuy milk\n")

    assert task == replace(TASK, external_id=task.external_id)
    assert task.external_id.startswith("csv:")


def test_what_people_type_is_understood() -> None:
    (task,) = read(
        "\ufeff Due_Date ,TITLE,Priority,completed,tags\r\n"
        ' 2026-01-31 , Buy milk ,HIGH, Yes ,"home,,garden , ""a, b"""\r\n'
    )

    assert task == TaskRecord(
        task.external_id,
        "Buy milk",
        priority="high",
        completed=True,
        due_date=date(2026, 1, 31),
        tags=("home", "garden", "a, b"),
    )


def test_empty_rows_and_cells_at_the_end_are_passed_over() -> None:
    rows = read("external_id,title,list\n\n,,\na,Buy milk,,,\na,Buy milk\n")

    assert rows == [TASK, TASK]


def test_the_same_file_gives_the_same_ids() -> None:
    text = "title,list\nBuy milk,Home\nBuy milk,Home\nBuy milk,\n"

    ids = [task.external_id for task in read(text)]

    assert ids == [task.external_id for task in read(text)]
    assert len(set(ids)) == 3


def test_an_id_depends_on_content_and_not_on_place_or_columns() -> None:
    (alone,) = read("title\nBuy milk\n")
    (_, after) = read("list,title,description\nHome,Buy bread,\n,Buy milk,\n")

    assert alone.external_id == after.external_id


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'title' is missing"),
        ("external_id,list\n", "'title' is missing"),
        ("titel\nBuy milk\n", "Unknown column 'titel'; did you mean 'title'?"),
        ("title,title\na,b\n", "there twice"),
        ('"title\n', "not CSV"),
        (b"\x89PNG\r\n\x1a\n" * 50, "Unknown column"),
        (b"title" * 300_000, "longer than 1,048,576 bytes"),
    ],
)
def test_a_header_that_is_none_is_one_bad_row(text: str | bytes, words: str) -> None:
    assert words in reason(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title\n' '\n' \n\" \"\n", "title is empty"),
        ("title,list\na,b,c\n", "3 cells for 2 columns"),
        ("title,completed\na,perhaps\n", "completed is 'perhaps'"),
        ("title,due_date\na,31/01/2026\n", "format the column as text"),
        ("title,due_date\na,12/31/2026\n", "format the column as text"),
        ("title,due_date\na,31-12-2026\n", "format the column as text"),
        ("title,due_date\na,31.12.26\n", "format the column as text"),
        ("title,due_date\na,2026-12-31 12:00:00\n", "give a date"),
        ("title,due_date\na,2026/12.31\n", "give a date"),
        ("title,due_date\na,46387\n", "give a date"),
        ("title,created_at\na,2026-12-31 12:00:00\n", "with this column as text"),
        ("title,external_id\na,1.23456789012346E+018\n", "took for a number"),
        ("title;parent\na;1,23457E+15\n", "took for a number"),
        ("title|list\na|b\n", "semicolons or tabs stand between"),
        ("title,due_at\na,2026-01-31T12:00:00Z\n", "without due_timezone"),
        ("title,priority\na,hihg\n", "did you mean 'high'?"),
        ('title,tags\na,"""b""c"\n', "separate tags with commas"),
        (b"title\n\xff\n", "title is not Unicode text"),
        ("title\na\x00b\n", "NUL"),
        ('title\n"a"b\n', "not CSV"),
        ('title\n"a\n', "not CSV"),
        ("title\n" + "a" * 140_000 + "\n", "field larger"),
        ('title\n"' + "a\n" * 70_000 + '"\n', "field larger"),
    ],
)
def test_a_row_that_is_no_task_is_refused(text: str | bytes, words: str) -> None:
    bad = bad_rows(read(text))[-1 if words == "title is empty" else 0]

    assert words in bad.reason


def test_a_bad_row_tells_its_line_and_reading_goes_on() -> None:
    rows = read('title\nBuy milk\n"two\nlines","x"\n' + "a" * 2_000_000 + "\nBread\n")

    assert [type(row) for row in rows] == [TaskRecord, BadRow, BadRow, TaskRecord]
    assert [row.line for row in bad_rows(rows)] == [3, 5]


def test_a_row_without_end_is_not_held_in_memory() -> None:
    rows = read('title\n"' + '","\n' * (LINE_BYTES // 4 + 9) + '"\n')

    assert isinstance(rows[0], BadRow)
    assert "longer than" in rows[0].reason


@given(st.binary(max_size=300))
@settings(max_examples=50)
def test_no_bytes_raise(content: bytes) -> None:
    nothing_raises(csv.read(BytesIO(content)))
    nothing_raises(csv.read(BytesIO(b"title,tags,due_at,completed\n" + content)))


# What spreadsheets make of it

SHEET = (
    "external_id,title,description,list,tags,completed\r\n"
    'a,"Buy milk; now","two\nlines, ""Été""",Home,"x, y",TRUE\r\n'
    "b,Bread,,,,FALSE\r\n"
)
MEANT = [
    TaskRecord(
        "a",
        "Buy milk; now",
        description='two\nlines, "Été"',
        list="Home",
        tags=("x", "y"),
        completed=True,
    ),
    TaskRecord("b", "Bread"),
]


def resaved(separator: str, end: str = "\r\n", quoting: Any = 0) -> str:
    text = StringIO(newline="")
    rows = standard.reader(StringIO(SHEET, newline=""))
    standard.writer(
        text, delimiter=separator, lineterminator=end, quoting=quoting
    ).writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("quoting", [standard.QUOTE_MINIMAL, standard.QUOTE_ALL])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_any_way_in_which_spreadsheets_save_it_is_read(
    separator: str, end: str, quoting: int, encoding: str
) -> None:
    assert read(resaved(separator, end, quoting).encode(encoding)) == MEANT


def test_a_first_line_may_name_the_separator() -> None:
    assert read("sep=;\r\n" + resaved(";")) == MEANT


@pytest.mark.parametrize("end", ["\r", "\n"])
def test_a_row_that_is_too_long_does_not_hide_the_next(end: str) -> None:
    rows = read(f"title{end}" + "a" * 2 * LINE_BYTES + f"{end}Bread{end}")

    assert [type(row) for row in rows] == [BadRow, TaskRecord]


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-31",
        "2026-12-31 00:00:00",
        "2026-12-31T00:00:00",
        "2026-12-31 00:00",
        "2026-12-31 0:00",
        "31.12.2026",
        "31.12.2026 00:00:00",
        "2026/12/31",
        "2026.12.31",
    ],
)
def test_a_date_that_is_certain_is_read(text: str) -> None:
    (task,) = read(f"title,due_date\na,{text}\n")

    assert task.due_date == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("TRUE", True),
        ("WAHR", True),
        ("Vrai", True),
        ("1", True),
        ("FALSE", False),
        ("FALSCH", False),
        ("0", False),
    ],
)
def test_a_word_for_true_or_false_is_read(word: str, value: bool) -> None:
    (task,) = read(f"title,completed\na,{word}\n")

    assert task.completed is value
