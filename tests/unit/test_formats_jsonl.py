"""Our own format: everything comes back, and nothing is guessed at."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from io import BytesIO
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.formats import (
    READERS,
    WRITERS,
    BadRow,
    Incomplete,
    ListRecord,
    Record,
    Refused,
    TagRecord,
    TaskRecord,
    checked,
    jsonl,
)
from tasks.formats.lines import LINE_BYTES
from tests.support.records import bad_rows, lists, nothing_raises, series, tags, tasks

#: Of a file without an end.
HEADER = b'{"kind":"header","format":"tasks","version":1}\n'
HEADER_2 = b'{"kind":"header","format":"tasks","version":2}\n'
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TASK = TaskRecord("a", "Buy milk")


def read(*lines: bytes) -> list[Any]:
    return list(jsonl.read(BytesIO(HEADER + b"\n".join(lines))))


def written(*records: Record) -> list[bytes]:
    return list(jsonl.write(records))


def incomplete(content: bytes) -> list[str]:
    """What the file of these lines after its header is said to lack."""
    rows = jsonl.read(BytesIO(HEADER_2 + content))
    return [row.reason for row in rows if isinstance(row, Incomplete)]


def reason(line: bytes) -> str:
    """Why the line, which is the second one of a file, is refused."""
    (row,) = read(line)
    assert isinstance(row, BadRow)
    assert row.line == 2
    return row.reason


@given(st.lists(st.one_of(lists(), tags(), tasks(), series())))
@settings(max_examples=60)
def test_what_is_written_is_read_again(records: list[Record]) -> None:
    file = BytesIO(b"".join(jsonl.write(records)))

    assert list(jsonl.read(file)) == records


@given(tasks())
@settings(max_examples=50)
def test_a_record_that_was_checked_stays_as_it_is(task: TaskRecord) -> None:
    assert checked(task) == task


def test_a_file_is_a_header_one_object_a_line_and_its_end() -> None:
    assert written(ListRecord("Home"), TagRecord("Garden"), TASK) == [
        HEADER_2,
        b'{"kind":"list","name":"Home"}\n',
        b'{"kind":"tag","name":"Garden"}\n',
        b'{"kind":"task","external_id":"a","title":"Buy milk"}\n',
        b'{"kind":"end","records":3}\n',
    ]


def test_times_are_in_utc_with_microseconds() -> None:
    paris = datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))

    (_, line, _) = written(replace(TASK, created_at=paris, due_date=date(2026, 2, 1)))

    members = orjson.loads(line)
    assert members["created_at"] == "2026-01-31T12:00:00.000000Z"
    assert members["due_date"] == "2026-02-01"


def test_an_empty_export_is_a_header_and_an_end() -> None:
    assert written() == [HEADER_2, b'{"kind":"end","records":0}\n']
    assert incomplete(written()[1]) == []


def test_a_file_that_was_cut_off_anywhere_is_not_taken_for_a_whole_one() -> None:
    _, *lines = written(ListRecord("Home"), replace(TASK, description="Oat"), TASK)
    content = b"".join(lines)
    assert incomplete(content) == incomplete(content.rstrip()) == []

    for length in range(len(content) - 1):
        assert incomplete(content[:length]) == [
            "The file has no end: it was cut off."
        ], content[:length]


def test_a_file_from_which_lines_were_taken_is_not_whole() -> None:
    _, *lines = written(ListRecord("Home"), TASK)

    assert incomplete(b"".join(lines[1:])) == [
        "The file had 2 records when it was written; 1 are left."
    ]


def test_the_lines_after_the_header_may_be_in_any_order() -> None:
    _, *lines = written(ListRecord("Home"), TASK)
    content = HEADER_2 + b"".join(reversed(lines))

    assert list(jsonl.read(BytesIO(content))) == [TASK, ListRecord("Home")]


def test_bad_lines_are_not_missing_ones() -> None:
    lines = [b"{\n", b" " * LINE_BYTES + b"{}\n", b'{"kind":"end","records":2}\n']

    assert incomplete(b"".join(lines)) == []


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (b'{"kind":"end"}', "The end of the file is not as"),
        (b'{"kind":"end","records":"0"}', "The end of the file is not as"),
        (b'{"kind":"end","records":true}', "The end of the file is not as"),
        (b'{"kind":"end","records":0,"x":1}', "The end of the file is not as"),
    ],
)
def test_an_end_that_is_none_is_refused(end: bytes, words: str) -> None:
    assert words in bad_rows(jsonl.read(BytesIO(HEADER_2 + end)))[0].reason


def test_two_ends_are_refused() -> None:
    end = written()[1]

    bad = bad_rows(jsonl.read(BytesIO(HEADER_2 + end + end)))

    assert "two files were joined" in bad[0].reason


def test_a_file_of_version_1_has_no_end() -> None:
    assert read(written(TASK)[1]) == [TASK]


def test_blank_lines_and_a_byte_order_mark_are_passed_over() -> None:
    file = b"\xef\xbb\xbf" + HEADER + b"\r\n\n" + written(TASK)[1] + b"\n"

    assert list(jsonl.read(BytesIO(file))) == [TASK]


def test_reading_goes_on_after_a_bad_line() -> None:
    rows = read(b"{", written(TASK)[1].strip(), b"[]")

    assert [type(row) for row in rows] == [BadRow, TaskRecord, BadRow]
    assert [row.line for row in bad_rows(rows)] == [2, 4]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"", "The first line is not"),
        (b"\n", "The first line is not"),
        (b"{}\n", "The first line is not"),
        (b"[1]\n", "The first line is not"),
        (b'{"kind":"task","external_id":"a","title":"b"}\n', "The first line is not"),
        (b'{"kind":"header","format":"notes","version":1}\n', "The first line is not"),
        (b'{"kind":"header","format":"tasks","version":3}\n', "version 3; 1 and 2"),
        (b'{"kind":"header","format":"tasks","version":true}\n', "version True"),
        (b'{"kind":"header","format":"tasks"}\n', "version None"),
        (
            b'{"kind":"header","format":"tasks","version":1,"verion":1}\n',
            "did you mean 'version'?",
        ),
        (b"\xff\xfe\x00\x01" * 100, "not UTF-8"),
    ],
)
def test_nothing_is_read_without_the_header(header: bytes, words: str) -> None:
    rows = list(jsonl.read(BytesIO(header + written(TASK)[1])))

    (bad,) = bad_rows(rows)
    assert bad.line == 1
    assert words in bad.reason
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "not JSON"),
        (b"null", "no JSON object"),
        (b'"task"', "no JSON object"),
        (b"{}", "kind is missing"),
        (b'{"kind":1}', "kind is missing"),
        (b'{"kind":"tasks"}', "did you mean 'task'?"),
        (b'{"kind":"task","title":"b"}', "external_id is missing"),
        (b'{"kind":"list"}', "name is missing"),
        (b'{"kind":"tag","name":"a","nmae":"a"}', "did you mean 'name'?"),
        (b'{"kind":"tag","name":"a","name":"a"}', "'name' is given twice"),
        (b'{"kind":"tag","name":NaN}', "NaN is no number"),
        (b'{"kind":"tag","name":' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"kind":"tag","name":' + b"[" * 100_000, "nested too deeply"),
        (b'{"kind":"tag","name":"\xff"}', "not UTF-8"),
        (b'{"kind":"tag","name":"\\ud800"}', "not Unicode text"),
        (b'{"kind":"tag","name":"a\\u0000"}', "NUL"),
        (b'{"kind":"tag","name":["a"]}', "give a string"),
        (b'{"kind":"tag","name":null}', "give a string"),
        (b'{"kind":"list","name":"a","archived":1}', "give true or false"),
        (b'{"kind":"list","name":"a","position":"A"}', "0-9 and a-z"),
        (b'{"kind":"list","name":"a","position":""}', "0-9 and a-z"),
    ],
)
def test_a_line_that_is_no_record_is_refused(line: bytes, words: str) -> None:
    assert words in reason(line)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"title": " "}, "title is empty; give 1 to 200 characters."),
        ({"title": "x" * 201}, "title has 201 characters; at most 200"),
        ({"description": "x" * 10_001}, "at most 10,000 are accepted"),
        ({"external_id": ""}, "external_id is empty"),
        ({"external_id": "x" * 256}, "at most 255"),
        ({"parent": "a"}, "parent is the task itself"),
        ({"list": ""}, "list is empty"),
        ({"list": "x" * 101}, "at most 100"),
        ({"tags": "home"}, "give an array of strings"),
        ({"tags": [1]}, "give strings"),
        ({"tags": ["x" * 51]}, "at most 50"),
        ({"tags": [""]}, "tags is empty"),
        ({"tags": [str(number) for number in range(21)]}, "at most 20"),
        ({"priority": "hihg"}, "did you mean 'high'?"),
        ({"completed": "true"}, "give true or false"),
        ({"created_at": 1}, "give a time"),
        ({"created_at": "2026-01-31"}, "give a time"),
        ({"created_at": "2026-01-31T12:00:00"}, "give a time"),
        ({"created_at": "2026-02-30T12:00:00Z"}, "give a time"),
        ({"created_at": "2026-W05-6T12:00:00Z"}, "give a time"),
        ({"created_at": "9999-12-31T23:59:59-23:59"}, "give a time"),
        ({"created_at": "0001-01-01T00:00:00Z"}, "1900-01-01 to 2999-12-31"),
        ({"created_at": "1900-01-01T00:00:00+00:01"}, "1900-01-01 to 2999-12-31"),
        ({"due_date": "31.01.2026"}, "give a date"),
        ({"due_date": "20260131"}, "give a date"),
        ({"due_date": "1899-12-31"}, "1900-01-01 to 2999-12-31"),
        ({"due_date": "3000-01-01"}, "1900-01-01 to 2999-12-31"),
        ({"due_at": "2026-01-31T12:00:00Z"}, "without due_timezone"),
        ({"due_timezone": "UTC"}, "without due_at"),
        (
            {"due_at": "2026-01-31T12:00:00Z", "due_timezone": "Europe/Pariss"},
            "did you mean Europe/Paris?",
        ),
        (
            {
                "due_at": "2026-01-31T12:00:00Z",
                "due_timezone": "UTC",
                "due_date": "2026-01-31",
            },
            "give one of them",
        ),
        ({"position": "a-b"}, "0-9 and a-z"),
        ({"position": "a" * 1001}, "0-9 and a-z"),
        ({"owner": "x" * 151}, "at most 150"),
    ],
)
def test_the_bounds_of_the_service_hold(members: dict[str, Any], words: str) -> None:
    task = {"kind": "task", "external_id": "a", "title": "b", **members}

    assert words in reason(orjson.dumps(task))


def test_names_are_trimmed_and_tags_are_once_each() -> None:
    task = replace(TASK, title=" b ", list=" c ", tags=(" Ä", "ä", "a\u0308", "B"))

    assert checked(task) == replace(TASK, title="b", list="c", tags=("Ä", "B"))


@pytest.mark.parametrize(
    ("given", "completed_at"),
    [
        ({"completed": True, "completed_at": NOON}, NOON),
        ({"completed": True, "updated_at": NOON, "created_at": None}, NOON),
        ({"completed": True, "created_at": NOON}, NOON),
        ({"completed": True}, None),
        ({"completed": False, "completed_at": NOON}, None),
    ],
)
def test_only_a_completed_task_has_a_time_of_it(
    given: dict[str, Any], completed_at: datetime | None
) -> None:
    task = checked(replace(TASK, **given))

    assert isinstance(task, TaskRecord)
    assert task.completed_at == completed_at


@pytest.mark.parametrize("day", [date(1900, 1, 1), date(2999, 12, 31)])
def test_the_first_and_the_last_day_are_accepted(day: date) -> None:
    assert checked(replace(TASK, due_date=day)) == replace(TASK, due_date=day)


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(Refused, match="no offset"):
        checked(replace(TASK, created_at=datetime(2026, 1, 1)))


class Endless(BytesIO):
    """A header and then one line that does not end, of which little must be read."""

    def __init__(self) -> None:
        super().__init__(HEADER)
        self.longest = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line and self.longest < 8 * LINE_BYTES:
            assert size and 0 < size <= LINE_BYTES + 1
            self.longest += size
            return b"x" * size
        return line


def test_a_line_that_is_too_long_is_refused_unread() -> None:
    (bad,) = jsonl.read(Endless())

    assert bad == BadRow(2, "The line is longer than 1,048,576 bytes.")


def test_the_line_after_one_that_is_too_long_is_read() -> None:
    rows = read(b" " * (LINE_BYTES + 5), written(TASK)[1].strip())

    assert [type(row) for row in rows] == [BadRow, TaskRecord]


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_no_bytes_raise(content: bytes) -> None:
    nothing_raises(jsonl.read(BytesIO(content), "x"))
    nothing_raises(jsonl.read(BytesIO(HEADER + content), "x"))


@pytest.mark.parametrize("name", READERS)
@given(content=st.binary(max_size=200))
@settings(max_examples=25)
def test_no_reader_raises_for_bytes(name: str, content: bytes) -> None:
    nothing_raises(READERS[name](BytesIO(content), "x"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "items", "value", "tasks", "id", "title", "name"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("name", ["jsonl", "google", "microsoft"])
@given(value=_JSON)
@settings(max_examples=50)
def test_no_reader_raises_for_json(name: str, value: object) -> None:
    content = json.dumps(value).encode()

    nothing_raises(READERS[name](BytesIO(content), "x"))
    nothing_raises(READERS[name](BytesIO(HEADER + content), "x"))


def test_each_writer_says_what_it_writes() -> None:
    assert set(WRITERS) == {"jsonl", "csv", "ics", "xlsx"}
    for name, writer in WRITERS.items():
        assert writer.extension == f".{name}"
        assert "/" in writer.media_type
        content = b"".join(writer.write([TASK], "x"))
        assert (
            content[:4] == b"PK\x03\x04" if name == "xlsx" else b"Buy milk" in content
        )
