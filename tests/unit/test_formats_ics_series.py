"""Series in iCalendar: the dates that calendars show are those that the service plans."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from io import BytesIO, StringIO
from itertools import islice
from typing import Any

import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # has no types
from dateutil.tz import tzical  # type: ignore[import-untyped]  # has no types
from hypothesis import example, given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from taskproject import timezones
from tasks import recurrence
from tasks.formats import Adjusted, TaskRecord, checked, ics, ics_reading, ics_zones
from tasks.recurrence_rules import parse
from tests.support.records import bad_rows

BEGIN = date(2027, 1, 30)
NOON = datetime(2027, 1, 30, 11, tzinfo=UTC)


def task(rule: str, **members: Any) -> TaskRecord:
    due = {} if "due_at" in members else {"due_date": BEGIN}
    made = checked(TaskRecord("a", "Rent", recurrence=rule, **{**due, **members}))
    assert isinstance(made, TaskRecord)
    return made


def at_noon(rule: str, zone: str = "Europe/Berlin", **members: Any) -> TaskRecord:
    return task(rule, due_at=NOON, due_timezone=zone, **members)


def read(file: Iterable[bytes]) -> list[TaskRecord]:
    rows = [*ics_reading.read(BytesIO(b"".join(file)))]
    assert bad_rows(rows) == []
    told = {row.what for row in rows if isinstance(row, Adjusted)}
    assert told <= {"Not imported: VEVENT."}
    return [row for row in rows if isinstance(row, TaskRecord)]


def events(*records: TaskRecord) -> list[Any]:
    file: Any = Calendar.from_ical(b"".join(ics.write(records)))
    found: list[Any] = file.walk("VEVENT")
    return found


def shown(record: TaskRecord, begin: str = "DTSTART") -> Iterator[date | datetime]:
    """What a calendar shows after the open occurrence, by dateutil; or what a list of to-dos
    does, for `begin` DUE."""
    text = b"".join(ics.write([record])).decode().replace("\r\n ", "")
    found: set[Any] = set()
    if begin == "DTSTART":
        parts = text.split("BEGIN:VEVENT")[2:]
    else:
        parts = [text.partition("BEGIN:VTODO")[2].partition("END:VTODO")[0]]
    for part in parts:
        lines = dict(line.split(":", 1) for line in part.split("\r\n") if ":" in line)
        if "RRULE" not in lines:
            continue
        name = next(name for name in lines if name.startswith(begin))
        start = datetime.fromisoformat(lines[name].rstrip("Z"))
        zone = timezones.zone(name.partition("TZID=")[2] or "UTC")
        if "Z" not in lines["RRULE"]:
            dates = rrulestr(lines["RRULE"], dtstart=start)
            found.update(at.replace(tzinfo=zone) for at in islice(dates, 40))
        else:
            dates = rrulestr(lines["RRULE"], dtstart=start.replace(tzinfo=zone))
            found.update(islice(dates, 40))
    for at in sorted(found):
        yield at.date() if record.due_at is None else at.astimezone(UTC)


def planned(record: TaskRecord) -> Iterator[date | datetime]:
    begin = recurrence.occurrence(record.occurrence or "")
    assert begin is not None and record.recurrence is not None
    for one in recurrence.upcoming(parse(record.recurrence), begin):
        yield one.due_at or one.day


_NUMBERS = st.lists(st.integers(-31, 31).filter(bool), min_size=1, max_size=3)
_WEEKDAYS = st.lists(st.sampled_from(["2MO", "WE", "-1SU"]), min_size=1)
RULES = st.builds(
    ";".join,
    st.tuples(
        st.one_of(
            st.just("FREQ=DAILY"),
            st.just("FREQ=WEEKLY;WKST=SU;BYDAY=SU,MO,SA"),
            st.just("FREQ=WEEKLY;BYMONTH=2,12"),
            st.sampled_from(["FREQ=MONTHLY", "FREQ=YEARLY"]),
            _NUMBERS.map(lambda it: f"FREQ=MONTHLY;BYMONTHDAY={str(it)[1:-1]}"),
            _NUMBERS.map(lambda it: f"FREQ=YEARLY;BYMONTHDAY={str(it)[1:-1]}"),
            _NUMBERS.map(
                lambda it: f"FREQ=MONTHLY;BYMONTHDAY={str(it)[1:-1]};BYMONTH=2,3,4"
            ),
            _WEEKDAYS.map(lambda it: f"FREQ=MONTHLY;BYDAY={','.join(it)}"),
            st.just("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1"),
            st.just("FREQ=YEARLY;BYMONTH=2,6;BYMONTHDAY=1,28;BYSETPOS=-1"),
        ),
        st.sampled_from([1, 2, 3, 5, 12, 24]).map(lambda number: f"INTERVAL={number}"),
        st.sampled_from(["COUNT=1", "COUNT=7", "UNTIL=20310228", "WKST=MO"]),
    ),
)


@given(RULES, st.dates(date(2027, 1, 1), date(2029, 3, 31)), st.booleans())
@example("FREQ=MONTHLY;COUNT=30", date(2027, 1, 30), False)
@example("FREQ=MONTHLY;UNTIL=20310228", date(2028, 1, 29), True)
@example("FREQ=YEARLY;UNTIL=20960229", date(2028, 2, 29), False)
@settings(max_examples=60)
def test_calendars_show_the_planned_dates(rule: str, day: date, timed: bool) -> None:
    if "WKST=MO" in rule and "WKST=SU" in rule:
        rule = rule.removesuffix(";WKST=MO")
    due: dict[str, Any] = {"due_date": day}
    if timed:
        noon = datetime.combine(day, time(12), timezones.zone("Europe/Berlin"))
        due = {"due_at": noon.astimezone(UTC), "due_timezone": "Europe/Berlin"}
    rule = rule.replace(" ", "")
    try:
        record = task(rule, **{"due_date": None, **due})
    except ValueError as error:
        assert "No date follows" in str(error) or "UNTIL" in str(error)
        return

    expected = [*islice(planned(record), 12)]
    written = [*islice(shown(record), 12)]
    assert written == expected or not written
    todos = [*islice(shown(record, "DUE"), 13)]
    assert todos == [record.due_at or record.due_date, *expected] or not todos
    if todos:
        again = checked(read(ics.write([record]))[0])
        assert isinstance(again, TaskRecord)
        assert [*islice(planned(again), 12)] == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("FREQ=MONTHLY;BYMONTHDAY=31", ["FREQ=MONTHLY;BYMONTHDAY=-1"]),
        (
            "FREQ=MONTHLY;BYMONTHDAY=30",
            [
                "FREQ=MONTHLY;BYMONTH=1,3,4,5,6,7,8,9,10,11,12;BYMONTHDAY=30",
                "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=-1",
            ],
        ),
        (
            "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=30;COUNT=9",
            ["FREQ=MONTHLY;BYMONTH=1,4,7,10;BYMONTHDAY=30;UNTIL=20290130"],
        ),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", ["FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1"]),
        ("FREQ=YEARLY;BYMONTH=3,6;BYMONTHDAY=31", ["FREQ=MONTHLY;BYMONTH=3,6;BYMONTHDAY=-1"]),
        ("FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=30", ["FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=30"]),
        (
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=1;BYMONTHDAY=-12",
            ["FREQ=YEARLY;INTERVAL=4;BYMONTH=1;BYMONTHDAY=20"],
        ),
        (
            "FREQ=MONTHLY;BYDAY=MO,-1FR",
            ["FREQ=MONTHLY;BYDAY=1MO,2MO,3MO,4MO,5MO,-1FR"],
        ),
        (
            "FREQ=MONTHLY;BYMONTH=1,5;BYMONTHDAY=1;COUNT=3",
            ["FREQ=MONTHLY;BYMONTH=1,5;BYMONTHDAY=1;UNTIL=20280101"],
        ),
        ("FREQ=WEEKLY;BYDAY=MO;COUNT=3", ["FREQ=WEEKLY;BYDAY=MO;COUNT=2"]),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;COUNT=3",
            ["FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;COUNT=2;WKST=MO"],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU",
            ["FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU"],
        ),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", ["FREQ=WEEKLY;INTERVAL=2;BYDAY=SU"]),
        ("FREQ=WEEKLY;BYDAY=MO,SU", ["FREQ=WEEKLY;BYDAY=MO,SU"]),
    ],
)  # fmt: skip
def test_a_rule_is_written_as_calendars_know_it(rule: str, expected: list[str]) -> None:
    found = [event["RRULE"].to_ical().decode() for event in events(task(rule))[1:]]

    wanted = [{*text.split(";")} for text in expected]
    assert [{*text.split(";")} for text in found] == wanted


@pytest.mark.parametrize(
    ("record", "lines"),
    [
        (
            task("FREQ=WEEKLY;COUNT=3"),
            [
                "RRULE:FREQ=WEEKLY;BYDAY=SA;COUNT=3",
                "DTSTART;VALUE=DATE:20270130",
                "DUE;VALUE=DATE:20270130",
            ],
        ),
        (
            at_noon("FREQ=DAILY;UNTIL=20270301"),
            [
                "RRULE:FREQ=DAILY;UNTIL=20270301T225959Z",
                "DTSTART;TZID=Europe/Berlin:20270130T115900",
                "DUE;TZID=Europe/Berlin:20270130T120000",
            ],
        ),
        (
            at_noon("FREQ=MONTHLY;BYDAY=-1SA", "UTC"),
            [
                "RRULE:FREQ=MONTHLY;BYDAY=-1SA",
                "DTSTART:20270130T105900Z",
                "DUE:20270130T110000Z",
            ],
        ),
    ],
    ids=["a day", "a time", "a time in UTC"],
)
def test_the_todo_of_a_file_repeats_and_that_of_a_feed_does_not(
    record: TaskRecord, lines: list[str]
) -> None:
    file = b"".join(ics.write([record])).decode()
    todo = file.partition("BEGIN:VTODO")[2].partition("END:VTODO")[0].split("\r\n")

    assert [one for one in todo if one.startswith(("RRULE", "DTSTART", "DUE"))] == lines
    assert b"RRULE" not in ics.components(record).partition(b"END:VTODO")[0]


@pytest.mark.parametrize(
    "rule",
    ["FREQ=DAILY;UNTIL=20270301T110000Z", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU"],
)
def test_a_rule_is_read_as_it_was_written(rule: str) -> None:
    record = at_noon(rule)

    [again] = read(ics.write([record]))

    assert again.recurrence == record.recurrence == rule


@pytest.mark.parametrize(
    "record",
    [
        replace(task("FREQ=WEEKLY"), due_date=date(2027, 2, 2)),
        replace(at_noon("FREQ=DAILY"), due_at=NOON + timedelta(hours=1)),
        replace(at_noon("FREQ=DAILY"), due_at=None, due_date=BEGIN),
        task("FREQ=WEEKLY;BYDAY=MO"),
        task("FREQ=MONTHLY"),
        task("FREQ=WEEKLY", recurrence_from="completion"),
        task(
            "FREQ=DAILY",
            due_at=NOON + timedelta(hours=12),
            due_timezone="Europe/Berlin",
        ),
        replace(task("FREQ=WEEKLY"), completed=True),
    ],
    ids=[
        "moved day",
        "moved time",
        "a day instead of a time",
        "not of the rule",
        "the 30th",
        "completion",
        "midnight",
        "completed",
    ],
)
def test_a_todo_is_alone_where_programs_would_go_wrong(record: TaskRecord) -> None:
    file = b"".join(ics.write([record]))

    assert b"RRULE" not in file.partition(b"END:VTODO")[0].partition(b"BEGIN:VTODO")[2]


def test_the_open_occurrence_is_an_event_of_its_own() -> None:
    moved = replace(task("FREQ=WEEKLY"), due_date=date(2027, 2, 2))

    first, later = events(moved)

    assert (first["DTSTART"].dt, "RRULE" in first) == (date(2027, 2, 2), False)
    assert later["DTSTART"].dt == BEGIN + timedelta(days=7)
    assert (first["UID"], later["UID"]) == ("a@due.tasks", "a@next.tasks")
    assert later["DURATION"].dt == timedelta(days=1)
    assert later["TRANSP"] == "TRANSPARENT"


@pytest.mark.parametrize(
    "record",
    [
        task("FREQ=WEEKLY", recurrence_from="completion"),
        task("FREQ=WEEKLY;COUNT=1"),
        task("FREQ=MONTHLY;BYMONTHDAY=29,30;BYSETPOS=1"),
        task("FREQ=MONTHLY;INTERVAL=5"),
        task("FREQ=YEARLY;BYDAY=MO,FR;BYSETPOS=-1"),
        task("FREQ=YEARLY;BYDAY=MO,2FR"),
        task("FREQ=MONTHLY;COUNT=101"),
        at_noon("FREQ=DAILY", "Africa/Casablanca"),
    ],
    ids=[
        "completion",
        "last",
        "positions",
        "every 5 months",
        "positions of a year",
        "mixed weekdays",
        "a long count",
        "irregular zone",
    ],
)
def test_it_is_alone_where_no_rule_has_the_dates(record: TaskRecord) -> None:
    [event] = events(record)

    assert "RRULE" not in event


def test_a_completed_occurrence_has_no_series() -> None:
    assert events(task("FREQ=WEEKLY", completed=True)) == []


def test_a_time_names_its_zone_which_is_described_once() -> None:
    records = [at_noon("FREQ=DAILY;UNTIL=20270401"), at_noon("FREQ=WEEKLY")]

    file = b"".join(ics.write(records)).decode()

    assert file.count("TZID:Europe/Berlin") == 1
    assert file.index("END:VTIMEZONE") < file.index("BEGIN:VTODO")
    assert "DTSTART;TZID=Europe/Berlin:20270131T120000\r\n" in file
    assert "RRULE:FREQ=DAILY;UNTIL=20270401T215959Z\r\n" in file


def test_a_time_in_utc_needs_no_zone() -> None:
    file = b"".join(ics.write([at_noon("FREQ=DAILY", "UTC")]))

    assert b"VTIMEZONE" not in file
    assert b"DTSTART:20270131T110000Z\r\n" in file


def test_the_end_of_a_series_of_days_is_a_day() -> None:
    record = replace(
        at_noon("FREQ=DAILY;UNTIL=20270203T100000Z"),
        due_at=None,
        due_timezone=None,
        due_date=BEGIN,
        occurrence="2027-01-30",
    )

    assert events(record)[1]["RRULE"]["UNTIL"] == [date(2027, 2, 3)]


def test_every_zone_is_described_as_it_is_from_now_on() -> None:
    """Those whose changes are alike are checked once."""
    seen = set()
    undescribed = []
    for name in sorted(timezones.names()):
        lines = ics_zones.lines(name)
        if not lines:
            undescribed.append(name)
        if lines[2:] in seen:
            continue
        seen.add(lines[2:])
        read = tzical(StringIO("\n".join(lines))).get(name) if lines else None
        for day in range(0, 3 * 366, 3):
            at = datetime(2027, 1, 1, 12) + timedelta(days=day)
            expected = at.replace(tzinfo=timezones.zone(name)).utcoffset()
            assert read is None or read.utcoffset(at) == expected, (name, at)
    assert undescribed == [*ics_zones.IRREGULAR]
