"""How tasks repeat in the files of other services, and the series that they become here."""

import json
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.formats import TaskRecord, microsoft, todoist, vikunja
from tests.support.records import adjusted, nothing_raises

#: A Friday.
NOW = datetime(2026, 7, 17, 8, tzinfo=UTC)
WORKDAYS = "BYDAY=MO,TU,WE,TH,FR"


def from_todoist(date: str, zone: str = "", language: str = "en") -> list[Any]:
    text = f'TYPE,CONTENT,DATE,DATE_LANG,TIMEZONE\ntask,Tea,"{date}",{language},{zone}'
    return [*todoist.read(BytesIO(text.encode()), "Garden", lambda: NOW)]


def from_microsoft(pattern: Any, limits: Any = None, **members: Any) -> list[Any]:
    repeats = {"pattern": pattern, "range": limits or {"type": "noEnd"}}
    due = {"dueDateTime": {"dateTime": "2026-07-31T00:00:00", "timeZone": "UTC"}}
    task = {"id": "a", "title": "Tea", "recurrence": repeats, **due, **members}
    return [*microsoft.read(BytesIO(json.dumps([task]).encode()))]


def from_vikunja(**members: Any) -> list[Any]:
    task = {"id": 1, "title": "Tea", "due_date": "2026-07-31T15:00:00Z", **members}
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("data.json", json.dumps([{"title": "Home", "tasks": [task]}]))
    return [*vikunja.read(file)]


def only(rows: list[Any]) -> TaskRecord:
    [task] = [row for row in rows if isinstance(row, TaskRecord)]
    return task


@pytest.mark.parametrize(
    ("words", "rule", "due"),
    [
        ("every day", "FREQ=DAILY", "2026-07-17"),
        ("Daily", "FREQ=DAILY", "2026-07-17"),
        ("every other day", "FREQ=DAILY;INTERVAL=2", "2026-07-17"),
        ("ev 3 weeks", "FREQ=WEEKLY;INTERVAL=3;BYDAY=FR", "2026-07-17"),
        ("every month", "FREQ=MONTHLY;BYMONTHDAY=17", "2026-07-17"),
        ("every quarter", "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=17", "2026-07-17"),
        ("yearly", "FREQ=YEARLY;BYMONTH=7;BYMONTHDAY=17", "2026-07-17"),
        ("every mon, wed", "FREQ=WEEKLY;BYDAY=MO,WE", "2026-07-20"),
        ("every Tuesday and thurs", "FREQ=WEEKLY;BYDAY=TU,TH", "2026-07-21"),
        ("every other tuesday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU", "2026-07-21"),
        ("every workday", f"FREQ=WEEKLY;{WORKDAYS}", "2026-07-17"),
        ("every 15th", "FREQ=MONTHLY;BYMONTHDAY=15", "2026-08-15"),
        ("every 2, 15, 27", "FREQ=MONTHLY;BYMONTHDAY=2,15,27", "2026-07-27"),
        ("every 31st", "FREQ=MONTHLY;BYMONTHDAY=31", "2026-07-31"),
        ("every last day", "FREQ=MONTHLY;BYMONTHDAY=-1", "2026-07-31"),
        ("every last day of the month", "FREQ=MONTHLY;BYMONTHDAY=-1", "2026-07-31"),
        ("every 3rd friday", "FREQ=MONTHLY;BYDAY=3FR", "2026-07-17"),
        ("every last monday", "FREQ=MONTHLY;BYDAY=-1MO", "2026-07-27"),
        ("every first workday", f"FREQ=MONTHLY;{WORKDAYS};BYSETPOS=1", "2026-08-03"),
        ("every jan 27", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=27", "2027-01-27"),
        ("every 27th January", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=27", "2027-01-27"),
        ("every 14 jan, 14 apr", "FREQ=YEARLY;BYMONTH=1,4;BYMONTHDAY=14", "2027-01-14"),
        ("every feb 29", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "2027-02-28"),
        ("every mon until 2026-12-31", "FREQ=WEEKLY;BYDAY=MO;UNTIL=20261231", "2026-07-20"),
        ("every 5 days from 1 Sep 2026", "FREQ=DAILY;INTERVAL=5", "2026-09-01"),
    ],
)  # fmt: skip
def test_words_of_todoist_are_rules(words: str, rule: str, due: str) -> None:
    rows = from_todoist(words)

    task = only(rows)
    assert (task.recurrence, str(task.due_date)) == (rule, due)
    assert (task.recurrence_from, task.description) == ("due", "")
    assert adjusted(rows) == [
        f"DATE {words!r} does not say which day is next; read as {due}."
    ]


@pytest.mark.parametrize("words", ["every! 10 days", "every !10 days", "ev! 10 days"])
def test_every_with_a_mark_counts_from_the_completion(words: str) -> None:
    task = only(from_todoist(words))

    assert task.recurrence == "FREQ=DAILY;INTERVAL=10"
    assert (task.recurrence_from, task.due_date) == ("completion", date(2026, 7, 17))


@pytest.mark.parametrize(
    "words",
    ["every friday at 9am", "every fri 9:00", "every friday 9am until 1 jan 2027"],
)
def test_a_time_of_day_is_that_of_the_zone(words: str) -> None:
    task = only(from_todoist(words, "Africa/Cairo"))

    assert (task.recurrence or "").startswith("FREQ=WEEKLY;BYDAY=FR")
    assert task.due_at == datetime(2026, 7, 17, 6, tzinfo=UTC)
    assert task.occurrence == "2026-07-17T09:00:00 Africa/Cairo"


def test_a_time_of_day_without_a_zone_is_kept_in_words() -> None:
    task = only(from_todoist("every friday at 9am"))

    assert (task.recurrence, task.due_at) == ("FREQ=WEEKLY;BYDAY=FR", None)
    assert task.description == "Due: every friday at 9am"


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("every 12 hours", "en"),
        ("every morning", "en"),
        ("every 14 jan, 15 apr", "en"),
        ("every 45th", "en"),
        ("every 2000 days", "en"),
        ("every monday for 3 weeks", "en"),
        ("every mon until 2020-01-01", "en"),
        ("every mon from 2999-12-31", "en"),
        ("every", "en"),
        ("jeden Freitag", "de"),
        ("every friday", "de"),
    ],
)
def test_other_words_are_kept(words: str, language: str) -> None:
    rows = from_todoist(words, language=language)

    task = only(rows)
    assert (task.recurrence, task.due_date) == (None, None)
    assert task.description == f"Due: {words}"
    assert any("kept in the description" in what for what in adjusted(rows))


@given(
    st.lists(
        st.sampled_from(
            [
                "every",
                "every!",
                "ev",
                "other",
                "3",
                "31st",
                "9999",
                "day",
                "weeks",
                "last",
                "mon",
                "fri,",
                "and",
                "jan",
                "29",
                "feb",
                "until",
                "from",
                "2026-12-31",
                "9999-12-31",
                "2999-12-31",
                "at",
                "9am",
                "workday",
                ".",
                ",",
            ]
        ),
        max_size=7,
    ),
    st.sampled_from(["", "Pacific/Apia"]),
)
@settings(max_examples=80)
def test_no_words_raise(words: list[str], zone: str) -> None:
    nothing_raises(from_todoist(" ".join(words), zone))


# Vikunja


@pytest.mark.parametrize(
    ("members", "rule", "source"),
    [
        ({"repeat_after": 86_400}, "FREQ=DAILY", "due"),
        ({"repeat_after": 14 * 86_400}, "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "due"),
        ({"repeat_mode": 1}, "FREQ=MONTHLY;BYMONTHDAY=31", "due"),
        (
            {"repeat_after": 3 * 86_400, "repeat_mode": 2},
            "FREQ=DAILY;INTERVAL=3",
            "completion",
        ),
    ],
)
def test_seconds_of_vikunja_are_rules(
    members: dict[str, int], rule: str, source: str
) -> None:
    task = only(from_vikunja(**members))

    assert (task.recurrence, task.recurrence_from) == (rule, source)
    assert (task.description, task.occurrence) == ("", "2026-07-31T15:00:00 UTC")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"repeat_after": 5_400}, "every 90 minutes"),
        ({"repeat_after": 86_400, "due_date": None}, "every 1 days"),
        ({"repeat_after": 86_400, "due_date": "9999-12-31T23:00:00Z"}, "every 1 days"),
        ({"repeat_after": 86_400 * 10_001}, "every 10001 days"),
    ],
)
def test_what_is_no_series_is_kept_in_words(
    members: dict[str, Any], words: str
) -> None:
    rows = from_vikunja(**members)

    task = only(rows)
    assert task.recurrence is None
    assert f"Repeats: {words}" in task.description
    assert any(what.startswith(f"Repeats {words!r}") for what in adjusted(rows))


def test_a_completed_task_begins_no_series() -> None:
    task = only(from_vikunja(repeat_after=86_400, done=True))

    assert (task.recurrence, task.description) == (None, "Repeats: every 1 days")


def test_the_rest_of_a_long_description_does_not_repeat() -> None:
    rows = from_vikunja(repeat_after=86_400, description="x" * 10_001)

    first, rest = [row for row in rows if isinstance(row, TaskRecord)]
    assert first.recurrence == "FREQ=DAILY"
    assert (rest.recurrence, rest.recurrence_from, rest.occurrence) == (None,) * 3


# Microsoft To Do


@pytest.mark.parametrize(
    ("pattern", "rule"),
    [
        ({"type": "daily", "interval": 3}, "FREQ=DAILY;INTERVAL=3"),
        (
            {"type": "weekly", "interval": 2, "daysOfWeek": ["monday", "friday"]},
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU",
        ),
        (
            {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
            "FREQ=MONTHLY;BYMONTHDAY=31",
        ),
        (
            {"type": "absoluteYearly", "interval": 1, "month": 2, "dayOfMonth": 29},
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        ),
        (
            {"type": "relativeMonthly", "daysOfWeek": ["friday"], "index": "last"},
            "FREQ=MONTHLY;BYDAY=FR;BYSETPOS=-1",
        ),
        (
            {
                "type": "relativeYearly",
                "daysOfWeek": ["sunday", "monday"],
                "index": "second",
                "month": 5,
            },
            "FREQ=YEARLY;BYMONTH=5;BYDAY=MO,SU;BYSETPOS=2",
        ),
    ],
)
def test_patterns_of_microsoft_are_rules(pattern: dict[str, Any], rule: str) -> None:
    task = only(from_microsoft(pattern))

    assert (task.recurrence, task.recurrence_from) == (rule, "due")
    assert (task.description, task.occurrence) == ("", "2026-07-31")


@pytest.mark.parametrize(
    ("limits", "end"),
    [
        ({"type": "endDate", "endDate": "2026-12-31"}, ";UNTIL=20261231"),
        ({"numberOfOccurrences": 5, "startDate": "2026-07-31"}, ";COUNT=5"),
        ({"numberOfOccurrences": 5, "startDate": "2026-07-29"}, ";COUNT=3"),
        ({"type": "noEnd", "endDate": "0001-01-01"}, ""),
    ],
)
def test_a_series_ends_as_it_does_there(limits: dict[str, Any], end: str) -> None:
    task = only(from_microsoft({"type": "daily"}, limits))

    assert task.recurrence == f"FREQ=DAILY{end}"


@pytest.mark.parametrize(
    ("pattern", "limits", "words"),
    [
        ({"type": "lunar"}, None, "lunar"),
        ({"type": "daily", "interval": 2.5}, None, "daily, interval 2.5"),
        ({"type": "weekly", "daysOfWeek": ["freitag"]}, None, "weekly, freitag"),
        ({"type": "daily"}, {"endDate": "2020-01-01"}, "daily, until 2020-01-01"),
        (
            {"type": "daily"},
            {"numberOfOccurrences": 3, "startDate": "2020-01-01"},
            "daily, from 2020-01-01, 3 times",
        ),
        ({"type": "daily"}, {"endDate": "soon"}, "daily, until soon"),
    ],
)
def test_other_patterns_are_kept_in_words(
    pattern: dict[str, Any], limits: Any, words: str
) -> None:
    rows = from_microsoft(pattern, limits)

    task = only(rows)
    assert (task.recurrence, task.description) == (None, f"Repeats: {words}")
    assert any(what.startswith(f"Repeats {words!r}") for what in adjusted(rows))
