"""To-dos of iCalendar files, of this service and of other programs."""

from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.formats import (
    Adjusted,
    BadRow,
    Incomplete,
    ListRecord,
    TaskRecord,
    ics,
    ics_reading,
)
from tests.support import calendars
from tests.support.records import adjusted, bad_rows, nothing_raises, records, tasks

DUE = "DUE;VALUE=DATE:20270131"
START = "DTSTART;VALUE=DATE:20270130"
BERLIN = "DUE;TZID=Europe/Berlin:20270131T090000"


def rows(*todos: str, head: str = "") -> list[Any]:
    text = "".join(f"BEGIN:VTODO\n{todo}\nEND:VTODO\n" for todo in todos)
    file = f"BEGIN:VCALENDAR\n{head}{text}END:VCALENDAR\n".replace("\n", "\r\n")
    return [*ics_reading.read(BytesIO(file.encode()), "Mine")]


def read(*lines: str) -> TaskRecord:
    [task] = read_all("\n".join(["UID:1", "SUMMARY:Tea", *lines]))
    return task


def read_all(*todos: str) -> list[TaskRecord]:
    found = rows(*todos)
    assert bad_rows(found) == []
    return [row for row in found if isinstance(row, TaskRecord)]


def test_a_todo_has_its_fields() -> None:
    task = read(
        "DESCRIPTION:One\\, two\\;\\nthree \\\\n",
        "LOCATION:Kitchen",
        "CATEGORIES:home,a\\, b",
        "PRIORITY:1",
        "CREATED:20260101T080000Z",
        "LAST-MODIFIED:20260102T080000Z",
        DUE,
    )

    assert task == TaskRecord(
        "ics:1",
        "Tea",
        "One, two;\nthree \\n",
        location="Kitchen",
        list="Mine",
        tags=("home", "a, b"),
        priority="urgent",
        created_at=datetime(2026, 1, 1, 8, tzinfo=UTC),
        updated_at=datetime(2026, 1, 2, 8, tzinfo=UTC),
        due_date=date(2027, 1, 31),
    )


@pytest.mark.parametrize(
    ("lines", "completed", "description"),
    [
        (["STATUS:COMPLETED"], True, ""),
        (["COMPLETED:20260101T080000Z"], True, ""),
        (["PERCENT-COMPLETE:100"], True, ""),
        (["STATUS:CANCELLED"], True, "Status: CANCELLED"),
        (["STATUS:IN-PROCESS", "PERCENT-COMPLETE:50"], False, "Status: IN-PROCESS\nProgress: 50%"),
        (["STATUS:NEEDS-ACTION", "PERCENT-COMPLETE:0"], False, ""),
    ],
)  # fmt: skip
def test_its_state_is_kept(lines: list[str], completed: bool, description: str) -> None:
    task = read(*lines)

    assert (task.completed, task.description) == (completed, description)


@pytest.mark.parametrize(
    ("due", "instant", "zone"),
    [
        ("DUE:20270131T080000Z", 8, "UTC"),
        (BERLIN, 8, "Europe/Berlin"),
        ("DUE;TZID=/mozilla.org/2005/Asia/Tokyo:20270131T170000", 8, "Asia/Tokyo"),
        ('DUE;X-A="b:c";TZID="Europe/Berlin":20270131T090000', 8, "Europe/Berlin"),
        ("DUE:20270131T090000", None, None),
        ("DUE;TZID=W. Europe Standard Time:20270131T090000", None, None),
    ],
)
def test_a_time_is_that_of_its_zone(
    due: str, instant: int | None, zone: str | None
) -> None:
    task = read(due)

    if instant is None:
        assert (task.due_date, task.due_at) == (date(2027, 1, 31), None)
        assert task.description.startswith("Due: 20270131T090000")
    else:
        assert task.due_at == datetime(2027, 1, 31, instant, tzinfo=UTC)
    assert task.due_timezone == zone


@pytest.mark.parametrize(
    ("start", "duration", "due"),
    [
        (";VALUE=DATE:20270131", "P1D", date(2027, 2, 1)),
        (";VALUE=DATE:20270131", "+P2W", date(2027, 2, 14)),
        (":20270131T080000Z", "PT90M", datetime(2027, 1, 31, 9, 30)),
        (":20270131T080000Z", "P1DT1H5M10S", datetime(2027, 2, 1, 9, 5, 10)),
        # Clocks are put forward on 28 March, and back on 31 October.
        (";TZID=Europe/Berlin:20270327T120000", "P1D", datetime(2027, 3, 28, 10)),
        (";TZID=Europe/Berlin:20270327T120000", "PT24H", datetime(2027, 3, 28, 11)),
        (";TZID=Europe/Berlin:20270327T023000", "P1D", datetime(2027, 3, 28, 1)),
        (";TZID=Europe/Berlin:20270327T023000", "P1DT1H", datetime(2027, 3, 28, 2)),
        (";TZID=Europe/Berlin:20271031T013000", "PT1H", datetime(2027, 10, 31, 0, 30)),
        (";TZID=Europe/Berlin:20271031T013000", "PT2H", datetime(2027, 10, 31, 1, 30)),
    ],
)  # fmt: skip
def test_a_start_and_a_duration_make_a_due_date(
    start: str, duration: str, due: date
) -> None:
    """RFC 5545, section 3.3.6: days as calendars have them, and hours as they pass."""
    task = read(f"DTSTART{start}", f"DURATION:{duration}")

    assert task.description == f"Start: {start.rpartition(':')[2]}"
    if isinstance(due, datetime):
        assert (task.due_at, task.due_date) == (due.replace(tzinfo=UTC), None)
        assert task.due_timezone == ("UTC" if start.endswith("Z") else "Europe/Berlin")
    else:
        assert (task.due_at, task.due_date) == (None, due)


@pytest.mark.parametrize(
    ("lines", "due", "told"),
    [
        ([DUE, "DURATION:P1D"], date(2027, 1, 31), "'P1D' stands beside another due date"),
        (["DURATION:P1D"], None, "'P1D' has no start to count from"),
        ([START, "DURATION:P1D", "DURATION:P3D"], date(2027, 1, 31), "'P3D' stands beside another due date"),
        ([START, "DURATION:PT8H"], None, "'PT8H' is not of whole days, as its start is"),
        ([START, "DURATION:-P1D"], None, "'-P1D' is negative"),
        ([START, "DURATION:P1W1D"], None, "'P1W1D' is no duration"),
        ([START, "DURATION:PT"], None, "'PT' is no duration"),
        ([START, "DURATION:P999999W"], None, "'P999999W' ends after the year 9999"),
    ],
)  # fmt: skip
def test_a_duration_that_makes_no_due_date_is_kept_and_reported(
    lines: list[str], due: date | None, told: str
) -> None:
    found = rows("\n".join(["UID:1", "SUMMARY:Tea", *lines]))

    [_, task] = records(found)
    assert (task.due_date, task.due_at) == (due, None)
    assert adjusted(found) == [f"Duration {told}; kept in the description."]
    assert lines[-1].replace("DURATION:", "Duration: ") in task.description


def test_an_end_in_no_known_zone_is_a_day() -> None:
    task = read("DTSTART;TZID=Mars/Base:20270131T230000", "DURATION:PT2H")

    assert (task.due_date, task.due_at) == (date(2027, 2, 1), None)
    assert task.description == "Due: 20270201T010000 Mars/Base\nStart: 20270131T230000"


@pytest.mark.parametrize(
    ("start", "kept"),
    [
        ("DTSTART;TZID=Europe/Berlin:20270131T080000", "Start: 20270131T080000"),
        ("DTSTART;TZID=Europe/Berlin:20270131T085900", ""),  # as this service writes it
        ("DTSTART:20270131T080000Z", ""),
        ("DTSTART;VALUE=DATE:20270130", "Start: 20270130"),
    ],
)
def test_a_start_that_says_more_than_the_due_date_is_kept(
    start: str, kept: str
) -> None:
    assert read(start, BERLIN).description == kept


def test_what_has_no_field_is_kept_and_reported() -> None:
    found = rows(
        "UID:1\nSUMMARY:Tea\nURL:https://example.com\nX-APPLE-SORT-ORDER:7\nodd line\n"
        "BEGIN:VALARM\nTRIGGER:-PT15M\nDESCRIPTION:Ring\nEND:VALARM",
        head="X-WR-CALNAME:Home\nBEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\n",
    )

    calendar, task = records(found)
    assert calendar == ListRecord("Home")
    assert task.description == (
        "Reminder: -PT15M\nURL: https://example.com\nLine: odd line"
    )
    assert Adjusted(1, "Not imported: X-APPLE-SORT-ORDER, VEVENT.") in found


def test_parents_may_follow_their_children() -> None:
    child, parent = "UID:b\nSUMMARY:b\nRELATED-TO:a", "UID:a\nSUMMARY:a"

    first, second = read_all(child, parent)

    assert (first.external_id, second.parent) == ("ics:a", "ics:a")


def test_a_file_that_was_cut_off_is_incomplete() -> None:
    found = [*ics_reading.read(BytesIO(b"BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:1"))]

    assert isinstance(found[-1], Incomplete)


@pytest.mark.parametrize("content", [b"", b"hello", b"BEGIN:VCARD\n"])
def test_another_file_is_refused(content: bytes) -> None:
    [bad] = ics_reading.read(BytesIO(content))

    assert isinstance(bad, BadRow)
    assert "is no iCalendar" in bad.reason


# Series


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=SU"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", "FREQ=MONTHLY;BYMONTHDAY=31"),
        ("FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1", "FREQ=MONTHLY;BYMONTHDAY=30"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"),
        ("FREQ=DAILY;UNTIL=20270301T225959Z", "FREQ=DAILY;UNTIL=20270301"),
        ("FREQ=DAILY;UNTIL=20270301T000000", "FREQ=DAILY;UNTIL=20270301"),
        ("FREQ=DAILY;COUNT=3", "FREQ=DAILY;COUNT=3"),
    ],
)  # fmt: skip
def test_its_rule_makes_a_series(rule: str, expected: str) -> None:
    task = read(DUE, f"RRULE:{rule}")

    assert (task.recurrence, task.recurrence_from) == (expected, "due")
    assert (task.occurrence, task.description) == ("2027-01-31", "")


@pytest.mark.parametrize("rule", ["FREQ=HOURLY", "FREQ=YEARLY;BYWEEKNO=20", "odd"])
def test_another_rule_is_kept_and_reported(rule: str) -> None:
    found = rows(f"UID:1\nSUMMARY:Tea\n{DUE}\nRRULE:{rule}")

    [_, task] = records(found)
    assert (task.recurrence, task.description) == (None, f"Repeats: {rule}")
    assert any(
        what.startswith(f"Repeats {rule!r} is no rule") for what in adjusted(found)
    )


@pytest.mark.parametrize(
    "rule",
    ["FREQ=MONTHLY", "FREQ=MONTHLY;UNTIL=20271231T000000", "COUNT=9;FREQ=MONTHLY"],
)
@pytest.mark.parametrize("start", [DUE, f"DTSTART;VALUE=DATE:20270130\n{DUE}"])
def test_months_that_lack_a_day_are_reported(start: str, rule: str) -> None:
    found = rows(f"UID:1\nSUMMARY:Tea\n{start}\nRRULE:{rule}")

    assert records(found)[1].recurrence.startswith("FREQ=MONTHLY;BYMONTHDAY=31")
    assert adjusted(found) == [
        f"Months that lack the day of '{rule}' have their last day here."
    ]


@pytest.mark.parametrize(
    ("start", "rule"),
    [
        ("DTSTART;VALUE=DATE:20270131", "FREQ=WEEKLY;BYDAY=SU"),
        ("DTSTART;VALUE=DATE:20270130", None),
    ],
)
def test_a_rule_that_counts_from_an_earlier_start_is_kept(
    start: str, rule: str | None
) -> None:
    task = read(start, DUE, "RRULE:FREQ=WEEKLY;BYDAY=SU")

    assert task.recurrence == rule
    assert ("Repeats: FREQ" in task.description) == (rule is None)


def test_a_series_without_a_due_date_begins_at_its_start() -> None:
    task = read("DTSTART;TZID=Europe/Berlin:20270131T090000", "RRULE:FREQ=DAILY")

    assert task.occurrence == "2027-01-31T09:00:00 Europe/Berlin"


def test_occurrences_that_are_written_out_are_tasks_of_their_own() -> None:
    """As Thunderbird completes them."""
    series = f"UID:1\nSUMMARY:Tea\n{BERLIN}\nRRULE:FREQ=DAILY;COUNT=5"
    done = (
        "UID:1\nSUMMARY:Tea\nSTATUS:COMPLETED\n"
        "RECURRENCE-ID;TZID=Europe/Berlin:20270131T090000\n" + BERLIN
    )
    left_out = series + "\nEXDATE;TZID=Europe/Berlin:20270201T090000"

    master, first = read_all(left_out, done)

    assert (first.completed, first.recurrence) == (True, None)
    assert first.external_id == "ics:1:20270131T090000"
    assert (master.recurrence, master.completed) == ("FREQ=DAILY;COUNT=3", False)
    assert master.occurrence == "2027-02-02T09:00:00 Europe/Berlin"
    assert "EXDATE: 20270201T090000" in master.description


def test_occurrences_are_named_by_their_start_if_it_is_on_another_day() -> None:
    """RFC 5545, section 3.8.2.3: a day that is due is later than the one of the start."""
    start, due = "DTSTART;VALUE=DATE:20270131", "DUE;VALUE=DATE:20270202"
    exception = "EXDATE;VALUE=DATE:20270207"
    series = f"UID:1\nSUMMARY:Tea\n{start}\n{due}\nRRULE:FREQ=WEEKLY\n{exception}"
    done = f"UID:1\nSUMMARY:Tea\nRECURRENCE-ID;VALUE=DATE:20270131\n{start}\n{due}"

    master, _ = read_all(series, done)

    assert master.occurrence == "2027-02-16"


@pytest.mark.parametrize(
    ("start", "due", "until", "last"),
    [
        (";VALUE=DATE:20270131", "DUE;VALUE=DATE:20270202", "20270402", "20270404"),
        (":20270131T080000Z", "DUE:20270131T160000Z", "20270402T080000Z", "20270402T160000Z"),
        (
            ";TZID=Europe/Berlin:20270131T170000",
            "DURATION:PT16H",
            "20270402T150000Z",
            "20270403T070000Z",
        ),
    ],
    ids=["days", "times of a day", "across midnight and a change of the clocks"],
)  # fmt: skip
def test_the_last_occurrence_is_the_one_whose_start_is_the_last(
    start: str, due: str, until: str, last: str
) -> None:
    """RFC 5545, section 3.3.10: UNTIL bounds the starts, as DTSTART has them."""
    task = read(f"DTSTART{start}", due, f"RRULE:FREQ=DAILY;UNTIL={until}")

    assert task.recurrence == f"FREQ=DAILY;UNTIL={last}"


def test_occurrences_may_be_named_in_utc() -> None:
    due = "DUE;TZID=Europe/Berlin:20270131T003000"
    exceptions = "EXDATE:20270130T233000Z,20270131T233000Z"

    task = read(due, "RRULE:FREQ=DAILY", exceptions)

    assert task.occurrence == "2027-02-02T00:30:00 Europe/Berlin"


# Files of this service, and of the library icalendar


@given(tasks(deleted_at=None, position=None, client_id=None, owner=None))
@settings(max_examples=30)
def test_what_was_written_is_read_again(task: TaskRecord) -> None:
    library = calendars.todo(task).to_ical()
    for file in (
        b"".join(ics.write([task])),
        b"BEGIN:VCALENDAR\r\n" + library + b"END:VCALENDAR\r\n",
    ):
        if b"\\N" in file:  # which the library writes for a backslash before N
            continue
        [again] = [
            row
            for row in ics_reading.read(BytesIO(file))
            if isinstance(row, TaskRecord)
        ][:1]
        if not ics.identifier(task.external_id).startswith("sha256:"):
            assert again.external_id == task.external_id
        for name in ("completed", "priority", "due_date"):
            assert getattr(again, name) == getattr(task, name), name
        wanted = task.due_at and task.due_at.replace(microsecond=0)
        assert again.due_at == wanted
        assert ics._clean(task.title).strip()[:50] in again.title + again.description


@pytest.mark.parametrize("source", ["due", "each_due"])
def test_a_series_that_was_written_is_read_again_without_a_report(source: str) -> None:
    task = TaskRecord(
        "1",
        "Tea",
        due_date=date(2027, 1, 28),
        recurrence="FREQ=MONTHLY;BYMONTHDAY=28",
        recurrence_from=source,
        occurrence="2027-01-28",
    )
    file = b"".join(ics.write([task]))
    assert file.count(b"BEGIN:VEVENT") == 2

    [_, again] = ics_reading.read(BytesIO(file))

    assert isinstance(again, TaskRecord)
    assert (again.recurrence, again.recurrence_from) == (task.recurrence, source)
    alone = file.replace(b"UID:1@tasks", b"UID:2@tasks")
    [*_, report] = ics_reading.read(BytesIO(alone))
    assert "VEVENT" in str(report)


@given(
    st.lists(
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(
                ["BEGIN:VTODO", "END:VTODO", "BEGIN:VALARM", "UID:1", DUE, BERLIN]
                + [
                    "RRULE:FREQ=DAILY;COUNT=2",
                    "RECURRENCE-ID:20270131",
                    "EXDATE:20270131",
                ]
                + [
                    "DUE:99991231T235959Z",
                    "DUE:00010101",
                    "RELATED-TO:1",
                    "LOCATION:\\n",
                ]
                + ["DTSTART:20270130", "DTSTART:99991231T235959Z", "DURATION:PT1S"]
                + ["DURATION:P1D", "COMPLETED:00010101T000000", "CATEGORIES:,\\"]
            ),
        ),
        max_size=12,
    )
)
@settings(max_examples=80)
def test_no_lines_raise(lines: list[str]) -> None:
    text = "\n".join(["BEGIN:VCALENDAR", "BEGIN:VTODO", *lines])

    nothing_raises(ics_reading.read(BytesIO(text.encode("utf-8", "replace"))))
