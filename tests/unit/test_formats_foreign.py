"""Files of Google Tasks, and what the readers of foreign files share."""

import json
from collections import Counter
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tasks.formats import READERS, BadRow, ListRecord, Refused, TaskRecord
from tasks.formats.foreign import Draft, external_id, fitted, top_ancestors
from tasks.formats.markup import MARKUP_LENGTH, plain_text
from tasks.forms.import_file import FORMATS
from tests.support.records import adjusted, bad_rows, records

SAMPLES = Path(__file__).parent.parent / "formats"
TASK = TaskRecord("a", "Buy milk")
GOOGLE = {"id": "a", "title": "Buy milk", "status": "needsAction"}


def sample(name: str) -> list[Any]:
    with (SAMPLES / f"{name}.json").open("rb") as file:
        return records(READERS[name](file, "Imported"))


def tasks(name: str) -> dict[str, TaskRecord]:
    rows = sample(name)
    return {row.title: row for row in rows if isinstance(row, TaskRecord)}


def read(name: str, document: object) -> list[Any]:
    return records(read_all(name, document))


def read_all(name: str, document: object) -> list[Any]:
    return list(READERS[name](BytesIO(json.dumps(document).encode()), "Mine"))


def fit(record: TaskRecord, *lines: str) -> list[TaskRecord]:
    draft = Draft(1, record)
    draft.remarks.lines += lines
    return fitted(draft)


def google_task(**members: Any) -> Any:
    """The only row of a list of one task, after the list."""
    items = [{**GOOGLE, **members}]
    rows = read("google", {"items": [{"title": "Home", "items": items}]})
    assert rows[0] == ListRecord("Home")
    return rows[1]


# What does not fit


def test_a_long_title_is_cut_and_kept_whole_in_the_description() -> None:
    long = "word " * 50

    (task,) = fit(TaskRecord("a", long, "More."))

    assert len(task.title) <= 200
    assert task.title.endswith("…")
    assert task.description == f"{long.strip()}\n\nMore."


def test_a_title_of_exactly_200_characters_stays() -> None:
    assert fit(TaskRecord("a", "x" * 200))[0].title == "x" * 200
    assert fit(TaskRecord("a", "x" * 201))[0].title == "x" * 199 + "…"


def test_a_task_without_a_title_takes_the_first_line_of_its_description() -> None:
    assert fit(TaskRecord("a", " ", "One\nTwo"))[0].title == "One"
    assert fit(TaskRecord("a", " "))[0].title == "(no title)"
    assert fit(TaskRecord("a", "\u200b"))[0] == TaskRecord(
        "a", "(no title)", "Title: \\u200b"
    )


def test_tags_that_do_not_fit_are_named_in_the_description() -> None:
    long, many = "x" * 60, [f"tag {number}" for number in range(25)]

    (task,) = fit(TaskRecord("a", "b", tags=(long, "", *many, "TAG 1")), "Link: c")

    assert task.tags == ("x" * 49 + "…", *many[:19])
    assert task.description == f"Link: c\nTags: {', '.join([long, *many[19:]])}"


@pytest.mark.parametrize("text", ["x" * 10_001, "word " * 5_000, "a line\n" * 4_000])
def test_what_a_description_has_no_room_for_is_in_subtasks(text: str) -> None:
    first, *more = fit(TaskRecord("google:a", "b", text, list="c"), "Link: d")

    assert "".join(it.description for it in (first, *more)) == f"{text}\n\nLink: d"
    assert [it.title for it in more] == [
        f"b (part {number} of {len(more) + 1})" for number in range(2, len(more) + 2)
    ]
    assert {(it.parent, it.list) for it in more} == {("google:a", "c")}
    assert len({it.external_id for it in (first, *more)}) == len(more) + 1


def test_what_the_description_of_a_subtask_has_no_room_for_is_beside_it() -> None:
    _, more = fit(TaskRecord("google:a", "b", "x" * 10_001, parent="google:p"))

    assert more.parent == "google:p"


def test_what_cannot_be_stored_is_written_as_an_escape() -> None:
    draft = Draft(1, TaskRecord("a", "b\x00c\ud83d", "d\r\ne", tags=("f\x00",)))
    (task,) = fitted(draft)

    assert (task.title, task.description, task.tags) == (
        "b\\u0000c\\ud83d",
        "d\ne",
        ("f\\u0000",),
    )
    assert "written as escapes" in draft.remarks.adjusted[0]


def test_a_title_of_several_lines_is_one_line_and_whole_in_the_description() -> None:
    (task,) = fit(TaskRecord("a", "One\nTwo\u2028Three", "Four"))

    assert task.title == "One Two Three"
    assert task.description == "One\nTwo\u2028Three\n\nFour"


@pytest.mark.parametrize("year", [1, 1601, 9999])
def test_dates_that_cannot_be_stored_are_lines_of_the_description(year: int) -> None:
    moment = datetime(year, 1, 2, tzinfo=UTC)
    draft = Draft(
        1,
        TaskRecord(
            "a",
            "b",
            completed=True,
            completed_at=moment,
            created_at=moment,
            updated_at=moment,
            due_at=moment,
            due_timezone="UTC",
        ),
    )
    (task,) = fitted(draft)

    assert task == TaskRecord("a", "b", task.description, completed=True)
    assert [line.partition(":")[0] for line in task.description.splitlines()] == [
        "Due",
        "Completed",
        "Created",
        "Updated",
    ]
    assert task.description.count(f"{year:04}-01-02T00:00:00.000000Z") == 4
    assert len(draft.remarks.adjusted) == 4


def test_an_id_that_does_not_fit_is_a_digest() -> None:
    assert external_id("google", "a") == "google:a"
    for strange in ("x" * 300, "a\x00", "\ud800"):
        made = external_id("google", strange)
        assert made.startswith("google:sha256:")
        assert len(made) < 100


def test_descendants_belong_to_the_task_at_the_top() -> None:
    parents = {"a": None, "b": "a", "c": "b", "d": "c", "e": "gone"}

    assert top_ancestors(parents) == {
        "a": None,
        "b": "a",
        "c": "a",
        "d": "a",
        "e": None,
    }


def test_a_circle_has_one_top() -> None:
    tops = top_ancestors({"a": "b", "b": "c", "c": "a", "d": "a", "e": "e"})

    assert Counter(tops.values()) == {None: 2, tops["d"]: 3}
    assert tops["e"] is None


def test_a_long_chain_takes_no_time() -> None:
    chain = {str(number): str(number + 1) for number in range(50_000)}

    assert set(top_ancestors(chain).values()) == {"49999", None}


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("Plain,\n  with a < b & c > d", "Plain,\n  with a < b & c > d"),
        ("<p>One</p><p>Two<br>Three</p>", "One\n\nTwo\nThree"),
        ("<ul><li>a</li><li><p>b</p></li></ul>", "- a\n- b"),
        (
            '<ul><li data-checked="true">a</li><li data-checked="false">b</li></ul>',
            "- [x] a\n- [ ] b",
        ),
        ('<a href="https://a.b/c">there</a>', "there (https://a.b/c)"),
        ('<a href="https://a.b/c">https://a.b/c</a>', "https://a.b/c"),
        ("<b>a</b> &amp; <i>b</i>\n c&nbsp;d", "a & b c\xa0d"),
        ("<style>p{}</style><script>x()</script><p>a</p>", "a"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("if a<b and b>c then", "if a<b and b>c then"),
        ("<p>a<thing>b</thing></p>", "a<thing>b</thing>"),
        ("<p>End. </p><p>Next</p>", "End.\n\nNext"),
        ('<ol start="3"><li>a</li><li>b</li></ol>', "3. a\n4. b"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a | b"),
        ('<p><img alt="A tap" src="https://a.b/c.png"></p>', "A tap https://a.b/c.png"),
        ('<p><mention-user data-id="bob">@bob</mention-user></p>', "@bob"),
        ("<p>a</ul></p></b><a>", "a"),
        ("<p>" * 5000 + "a", "a"),
    ],
)
def test_html_becomes_text(markup: str, text: str) -> None:
    assert plain_text(markup) == text


def test_html_without_end_is_refused() -> None:
    with pytest.raises(Refused, match="characters of HTML"):
        plain_text("<p>" * MARKUP_LENGTH)


# Both


@pytest.mark.parametrize("name", ["google", "microsoft"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"{}",
        b'"items"',
        b'{"items":{"a":1},"value":"b"}',
        b"[" * 100_000,
        b"\x00" * 1000,
        b"PK\x03\x04" + b"\xff" * 1000,
        b'{"items":[{"title":"caf\xe9"}],"value":[]}',
        b"\xff\xfe\x00\x00[\x00\x00\x00",
    ],
)
def test_another_file_is_one_bad_row(name: str, content: bytes) -> None:
    (bad,) = READERS[name](BytesIO(content), "x")

    assert isinstance(bad, BadRow)
    assert bad.line == 1


@pytest.mark.parametrize("name", ["google", "microsoft"])
def test_lists_come_first_and_parents_before_their_children(name: str) -> None:
    rows = sample(name)
    lists = {row.name for row in rows if isinstance(row, ListRecord)}
    seen = set()

    for row in rows:
        if isinstance(row, TaskRecord):
            assert row.list in lists
            assert row.parent is None or row.parent in seen
            seen.add(row.external_id)


@pytest.mark.parametrize("name", ["google", "microsoft"])
@pytest.mark.parametrize("depth", [5, 500, 1000])
def test_what_is_nested_deep_is_told_shortly(name: str, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    task = f'{{"id":"a","title":{deep},"position":{deep},"items":{deep}}}'

    for part in ("items", "value"):
        content = f'{{"{part}":[{task}]}}'.encode()
        for row in bad_rows(READERS[name](BytesIO(content), "x")):
            assert len(row.reason) < 200


# Google


def test_a_google_task_is_read() -> None:
    assert tasks("google")["Fly to Zürich"] == TaskRecord(
        "google:a1",
        "Fly to Zürich",
        description=(
            "Passport!\nSeat 12A\n\n"
            "Link: Your booking https://mail.google.com/mail/#all/abc"
        ),
        created_at=datetime(2026, 9, 1, 8, tzinfo=UTC),
        updated_at=datetime(2026, 10, 2, 9, 0, 0, 123_000, tzinfo=UTC),
        list="My Tasks",
        due_date=date(2026, 11, 5),
    )


def test_google_tasks_come_in_the_order_of_their_positions() -> None:
    titles = list(tasks("google"))

    assert titles[:3] == ["Fly to Zürich", "Second", "Thrown away"]
    assert titles[-3:] == ["Deeper", "Pack the 🧳", "Lost its parent"]


def test_google_subtasks_have_one_level() -> None:
    assert tasks("google")["Pack the 🧳"].parent == "google:a1"
    assert tasks("google")["Deeper"].parent == "google:a1"
    assert tasks("google")["Lost its parent"].parent == "google:i1"
    assert tasks("google")["Deeper"].description == "Subtask of: Pack the 🧳"


def test_a_google_task_is_completed_or_deleted() -> None:
    completed, deleted = tasks("google")["Book a room"], tasks("google")["Thrown away"]

    assert completed.completed_at == datetime(2026, 9, 20, 17, 30, tzinfo=UTC)
    assert deleted.deleted_at == datetime(2026, 9, 21, 10, tzinfo=UTC)


def test_a_google_list_without_tasks_is_a_list() -> None:
    assert sample("google")[:2] == [ListRecord("My Tasks"), ListRecord("Empty")]


def test_google_tasks_that_are_none_are_told_by_their_ordinal() -> None:
    assert [row.line for row in bad_rows(sample("google"))] == [11]


@pytest.mark.parametrize(
    ("members", "kept"),
    [
        ({"id": []}, ""),
        ({"title": 1}, "title: 1"),
        ({"status": "done"}, "status: done"),
        ({"due": "soon"}, "Due: soon"),
        ({"completed": "soon"}, "completed: soon"),
        ({"completed": "2026-10-05T00:00:00Z"}, "Completed: 2026-10-05T00:00:00."),
        ({"links": {"a": 1}}, 'links: {"a": 1}'),
        ({"links": [1]}, "links: 1"),
        ({"deleted": True}, "deleted: true"),
        ({"deleted": "yes"}, "deleted: yes"),
        ({"due": "0001-01-01T00:00:00Z"}, "Due: 0001-01-01"),
        ({"due": "9999-12-31T00:00:00Z"}, "Due: 9999-12-31"),
        ({"created": "1601-01-01T00:00:00Z"}, "Created: 1601-01-01T00:00:00."),
        ({"assignmentInfo": {"surfaceType": "SPACE"}}, '{"surfaceType": "SPACE"}'),
    ],
)
def test_a_google_member_that_is_not_understood_is_kept_in_the_description(
    members: dict[str, Any], kept: str
) -> None:
    row = google_task(**members)

    assert isinstance(row, TaskRecord)
    assert kept in row.description


def test_a_google_task_without_an_id_has_one_of_its_content() -> None:
    first, second = (google_task(id=None, title=title) for title in ("a", "b"))

    assert first == google_task(id=None, title="a")
    assert first.external_id != second.external_id


def test_wrong_google_lists_are_passed_over() -> None:
    lists = [1, {"items": 1}, {"title": 1}, {"items": [GOOGLE]}]
    rows = read("google", {"items": lists})

    assert [type(row) for row in rows] == [ListRecord] * 3 + [TaskRecord, BadRow]


def test_one_google_list_alone_is_read() -> None:
    document = {"kind": "tasks#taskList", "title": "Home", "items": [GOOGLE]}

    assert [type(row) for row in read("google", document)] == [ListRecord, TaskRecord]


def test_lists_of_the_same_name_are_a_list_each() -> None:
    lists = [
        {"id": "1", "title": "Home"},
        {"id": "2", "title": "HOME", "items": [GOOGLE]},
    ]

    rows = read_all("google", {"items": lists})

    assert records(rows) == [
        ListRecord("Home"),
        ListRecord("HOME (2)"),
        TaskRecord("google:a", "Buy milk", list="HOME (2)"),
    ]
    assert adjusted(rows) == ["The list 'HOME' is called 'HOME (2)' here."]


def test_a_long_name_of_a_list_is_cut_and_told() -> None:
    lists = [{"title": "x" * 200, "items": [GOOGLE]}, {"title": "x" * 201}]
    rows = read_all("google", {"items": lists})

    first, second, task = records(rows)
    assert first.name == task.list == "x" * 99 + "…"
    assert second.name == "x" * 95 + "… (2)"
    assert "x" * 200 in adjusted(rows)[0]


def test_two_tasks_of_one_id_are_both_kept() -> None:
    items = [GOOGLE, {**GOOGLE, "title": "Another"}, GOOGLE]
    document = {"items": [{"title": "Home", "items": items}]}

    rows = read_all("google", document)

    _, first, second = records(rows)
    assert (first.title, second.title) == ("Buy milk", "Another")
    assert second.external_id != first.external_id == "google:a"
    assert records(rows) == read("google", document)
    assert len(adjusted(rows)) == 2


def test_staff_can_import_each_format() -> None:
    assert FORMATS.keys() == READERS.keys()
