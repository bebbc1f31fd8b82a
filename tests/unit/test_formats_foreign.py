"""Files of Google Tasks and Microsoft To Do, and what readers of foreign files share."""

import json
from collections import Counter
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tasks.formats import (
    READERS,
    BadRow,
    ListRecord,
    Refused,
    TaskRecord,
)
from tasks.formats.foreign import external_id, fitted, top_ancestors
from tasks.formats.markup import MARKUP_LENGTH, plain_text
from tests.formats.records import bad_rows

SAMPLES = Path(__file__).parent.parent / "formats"
TASK = TaskRecord("a", "Buy milk")
GOOGLE = {"id": "a", "title": "Buy milk", "status": "needsAction"}
MICROSOFT = {"id": "a", "title": "Buy milk", "status": "notStarted"}


def sample(name: str) -> list[Any]:
    with (SAMPLES / f"{name}.json").open("rb") as file:
        return list(READERS[name](file, "Imported"))


def tasks(name: str) -> dict[str, TaskRecord]:
    rows = sample(name)
    return {row.title: row for row in rows if isinstance(row, TaskRecord)}


def read(name: str, document: object) -> list[Any]:
    return list(READERS[name](BytesIO(json.dumps(document).encode()), "Mine"))


def google_task(**members: Any) -> Any:
    """The only row of a list of one task, after the list."""
    items = [{**GOOGLE, **members}]
    rows = read("google", {"items": [{"title": "Home", "items": items}]})
    assert rows[0] == ListRecord("Home")
    return rows[1]


def microsoft_task(**members: Any) -> Any:
    rows = read("microsoft", {"value": [{**MICROSOFT, **members}]})
    assert rows[0] == ListRecord("Mine")
    return rows[1]


# What does not fit


def test_a_long_title_is_cut_and_kept_whole_in_the_description() -> None:
    long = "word " * 50

    task = fitted(TaskRecord("a", long, "More."))

    assert len(task.title) <= 200
    assert task.title.endswith("…")
    assert task.description == f"{long.strip()}\n\nMore."


def test_a_title_of_exactly_200_characters_stays() -> None:
    assert fitted(TaskRecord("a", "x" * 200)).title == "x" * 200
    assert fitted(TaskRecord("a", "x" * 201)).title == "x" * 199 + "…"


def test_a_task_without_a_title_takes_the_first_line_of_its_description() -> None:
    assert fitted(TaskRecord("a", " ", "One\nTwo")).title == "One"
    with pytest.raises(Refused, match="title is empty"):
        fitted(TaskRecord("a", " "))


def test_tags_that_do_not_fit_are_named_in_the_description() -> None:
    long, many = "x" * 60, [f"tag {number}" for number in range(25)]

    task = fitted(TaskRecord("a", "b", tags=(long, "", *many, "TAG 1")), ["Link: c"])

    assert task.tags == ("x" * 49 + "…", *many[:19])
    assert task.description == f"Link: c\nTags: {', '.join([long, *many[19:]])}"


def test_a_description_that_gets_too_long_is_refused() -> None:
    with pytest.raises(Refused, match="at most 10,000"):
        fitted(TaskRecord("a", "b", "x" * 9_999), ["Link: c"])


def test_what_cannot_be_stored_is_taken_out() -> None:
    task = fitted(TaskRecord("a", "b\x00c\ud83d", "d\r\ne", tags=("f\x00",)))

    assert (task.title, task.description, task.tags) == ("bc\ufffd", "d\ne", ("f",))


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
        ("<pre>a\n  b</pre>", "a\nb"),
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
        b'{"items":[{"title":"\\ud800"}]}',
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
    assert titles[-2:] == ["Deeper", "Pack the 🧳"]


def test_google_subtasks_have_one_level() -> None:
    assert tasks("google")["Pack the 🧳"].parent == "google:a1"
    assert tasks("google")["Deeper"].parent == "google:a1"
    assert tasks("google")["Lost its parent"].parent is None


def test_a_google_task_is_completed_or_deleted() -> None:
    completed, deleted = tasks("google")["Book a room"], tasks("google")["Thrown away"]

    assert completed.completed_at == datetime(2026, 9, 20, 17, 30, tzinfo=UTC)
    assert deleted.deleted_at == datetime(2026, 9, 21, 10, tzinfo=UTC)


def test_a_google_list_without_tasks_is_a_list() -> None:
    assert sample("google")[:2] == [ListRecord("My Tasks"), ListRecord("Empty")]


def test_google_tasks_that_are_none_are_told_by_their_ordinal() -> None:
    assert sorted(row.line for row in bad_rows(sample("google"))) == [8, 9, 11]


@pytest.mark.parametrize(
    "members",
    [
        {"id": None},
        {"id": []},
        {"title": 1},
        {"status": "done"},
        {"due": "soon"},
        {"completed": "soon"},
        {"links": {}},
        {"links": [1]},
        {"deleted": True},
        {"deleted": "yes"},
        {"notes": "x" * 10_001},
        {"due": "0001-01-01T00:00:00Z"},
    ],
)
def test_a_google_task_with_a_wrong_member_is_a_bad_row(
    members: dict[str, Any],
) -> None:
    row = google_task(**members)

    assert isinstance(row, BadRow)
    assert row.line == 1


def test_wrong_google_lists_are_passed_over() -> None:
    rows = read(
        "google", {"items": [1, {"items": 1}, {"title": 1}, {"items": [GOOGLE]}]}
    )

    assert [type(row) for row in rows] == [ListRecord, TaskRecord] + [BadRow] * 3
    assert rows[0] == ListRecord("Mine")


def test_one_google_list_alone_is_read() -> None:
    document = {"kind": "tasks#taskList", "title": "Home", "items": [GOOGLE]}

    assert [type(row) for row in read("google", document)] == [ListRecord, TaskRecord]


def test_lists_of_the_same_name_are_one() -> None:
    document = {"items": [{"title": "Home"}, {"title": "HOME", "items": [GOOGLE]}]}

    assert read("google", document) == [
        ListRecord("Home"),
        TaskRecord("google:a", "Buy milk", list="Home"),
    ]


def test_a_long_name_of_a_list_is_cut() -> None:
    rows = read("google", {"items": [{"title": "x" * 200, "items": [GOOGLE]}]})

    assert rows[0].name == rows[1].list == "x" * 99 + "…"


# Microsoft


def test_a_microsoft_task_is_read() -> None:
    assert tasks("microsoft")["Renew the café licence ☕"] == TaskRecord(
        "microsoft:AAMkTASK1=",
        "Renew the café licence ☕",
        description=(
            "Bring:\n\n- the form\n- 35 €\nForm (https://example.com/form)\n\n"
            "Repeats: weekly, interval 2, monday, friday, until 2027-01-01\n"
            "Link: Your licence ends - Outlook - "
            "https://outlook.office365.com/owa/?ItemID=1"
        ),
        created_at=datetime(2026, 9, 1, 8, 0, 0, 123_456, tzinfo=UTC),
        updated_at=datetime(2026, 9, 2, 8, 0, 0, 765_432, tzinfo=UTC),
        list="Tasks",
        tags=("Blue category", "work"),
        priority="high",
        due_date=date(2026, 10, 5),
    )


def test_items_of_a_checklist_are_subtasks() -> None:
    done, open_ = (tasks("microsoft")[title] for title in ("Fill in the form", "Pay"))

    assert done.parent == open_.parent == "microsoft:AAMkTASK1="
    assert done.external_id == "microsoft:AAMkTASK1=:51d8a471"
    assert done.completed_at == datetime(2026, 9, 2, 7, tzinfo=UTC)
    assert not open_.completed


def test_a_microsoft_status_that_says_more_is_kept_in_words() -> None:
    assert tasks("microsoft")["Order beans"].description == (
        "Two kilos,\nwhole\n\nStatus: waitingOnOthers"
    )
    assert tasks("microsoft")["Clean the grinder"].completed


def test_microsoft_tasks_that_are_none_are_told_by_their_ordinal() -> None:
    assert [row.line for row in bad_rows(sample("microsoft"))] == [4, 5, 6]


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        ("2026-10-05T00:00:00.0000000", "UTC", 5),
        ("2026-10-05T00:00:00", "Pacific Standard Time", 5),
        ("2026-10-04T22:00:00.0000000", "UTC", 5),  # midnight in Paris
        ("2026-10-04T11:00:00.0000000", "UTC", 5),  # in Auckland, in summer
        ("2026-10-05T10:00:00.0000000", "UTC", 5),  # in Honolulu
        ("2026-10-05T07:00:00.0000000", "UTC", 5),  # in Los Angeles
        ("2026-10-05", "UTC", 5),
    ],
)
def test_a_microsoft_due_is_the_date_that_was_chosen(
    moment: str, zone: str, day: int
) -> None:
    task = microsoft_task(dueDateTime={"dateTime": moment, "timeZone": zone})

    assert task.due_date == date(2026, 10, day)


@pytest.mark.parametrize(
    "members",
    [
        {"id": None},
        {"title": 1},
        {"title": ""},
        {"status": "done"},
        {"importance": 1},
        {"body": "text"},
        {"dueDateTime": {"dateTime": "soon"}},
        {"dueDateTime": {"dateTime": "2026-10-05T99:00:00"}},
        {"dueDateTime": {"dateTime": "2026-10-05T22+01"}},
        {"dueDateTime": "2026-10-05"},
        {"dueDateTime": {"dateTime": "9999-12-31T23:00:00"}},
        {"completedDateTime": {"dateTime": "soon", "timeZone": "UTC"}},
        {"recurrence": []},
        {"recurrence": {"pattern": {"interval": "2"}}},
        {"categories": [1]},
        {"linkedResources": "a"},
    ],
)
def test_a_microsoft_task_with_a_wrong_member_is_a_bad_row(
    members: dict[str, Any],
) -> None:
    row = microsoft_task(**members)

    assert isinstance(row, BadRow)
    assert row.line == 1


def test_each_shape_of_a_microsoft_document_is_read() -> None:
    home = {"displayName": "Home", "tasks": [MICROSOFT]}
    expected = [
        ListRecord("Home"),
        TaskRecord("microsoft:a", "Buy milk", list="Home"),
    ]

    for document in ({"value": [home]}, {"lists": [home]}, [home], home):
        assert read("microsoft", document) == expected


def test_one_page_of_several_is_told() -> None:
    rows = read("microsoft", {"value": [MICROSOFT], "@odata.nextLink": "https://a.b"})

    assert "Fetch the others too" in rows[-1].reason
