"""Rules of recurrence: their text, and the dates that they make."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from time import process_time
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]  # has no types
from hypothesis import assume, example, given
from hypothesis import strategies as st

from taskproject import timezones
from tasks.models.due_dates import Clock, is_overdue
from tasks.recurrence import (
    Occurrence,
    checked,
    occurrence,
    planned,
    step,
    step_from_completion,
    step_from_due,
    upcoming,
)
from tasks.recurrence_rules import Rule, RuleError, parse

DAYS = st.dates(date(1900, 1, 1), date(2990, 12, 31))
WEEKDAYS = st.lists(
    st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1
)
# Rules whose dates are those of RFC 5545: no month lacks these days.
_PARTS = st.one_of(
    st.just("FREQ=DAILY"),
    WEEKDAYS.map(lambda days: f"FREQ=DAILY;BYDAY={','.join(days)}"),
    WEEKDAYS.map(lambda days: f"FREQ=WEEKLY;WKST=SU;BYDAY={','.join(days)}"),
    WEEKDAYS.map(lambda days: f"FREQ=MONTHLY;BYDAY={','.join(days)};BYSETPOS=-1"),
    st.integers(1, 28).map(lambda day: f"FREQ=MONTHLY;BYMONTHDAY={day},-1"),
    st.integers(-4, 4)
    .filter(bool)
    .map(lambda number: f"FREQ=MONTHLY;BYDAY={number}TU,{number}FR"),
    st.integers(1, 12).map(lambda month: f"FREQ=YEARLY;BYMONTH={month};BYDAY=2SU"),
    st.integers(1, 12).map(lambda month: f"FREQ=YEARLY;BYMONTH={month};BYMONTHDAY=28"),
)
RULES = st.builds(
    lambda parts, interval: f"{parts};INTERVAL={interval}", _PARTS, st.integers(1, 5)
)


def dates(rule: str, begin: date, count: int) -> list[str]:
    """The dates after the first."""
    series = checked(rule, Occurrence(begin), "due")
    found = islice(upcoming(series, Occurrence(begin)), count)
    return [one.day.isoformat() for one in found]


@given(RULES, DAYS)
@example("FREQ=WEEKLY;WKST=SU;BYDAY=SU,MO;INTERVAL=2", date(2026, 11, 28))
def test_the_dates_are_those_of_dateutil(rule: str, begin: date) -> None:
    ours = [*islice(parse(rule).after(begin), 5)]

    start = datetime.combine(begin, time())
    theirs = (at.date() for at in rrulestr(rule, dtstart=start) if at > start)
    expected = [*islice(theirs, 5)]
    assert ours[: len(expected)] == expected


@pytest.mark.parametrize(
    ("rule", "begin", "expected"),
    [
        (
            "FREQ=MONTHLY",
            date(2027, 1, 31),
            ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"],
        ),
        ("FREQ=MONTHLY", date(2027, 12, 30), ["2028-01-30", "2028-02-29", "2028-03-30"]),
        ("FREQ=YEARLY", date(2028, 2, 29), ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-31", date(2027, 1, 1), ["2027-02-01", "2027-03-01"]),
        ("FREQ=MONTHLY;BYDAY=5FR", date(2027, 1, 29), ["2027-04-30", "2027-07-30"]),
        ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", date(2027, 8, 13), ["2028-10-13", "2029-04-13"]),
        ("FREQ=DAILY;COUNT=3", date(2999, 12, 30), ["2999-12-31"]),
        ("FREQ=WEEKLY;UNTIL=20270115", date(2027, 1, 1), ["2027-01-08", "2027-01-15"]),
    ],
)  # fmt: skip
def test_a_day_that_a_month_lacks_is_its_last(
    rule: str, begin: date, expected: list[str]
) -> None:
    found = dates(rule, begin, 4)

    assert found[: len(expected)] == expected
    assert len(found) == len(expected) or len(found) == 4


def test_weeks_from_the_completion_are_in_the_months_of_the_rule() -> None:
    """Its weekday is not written out."""
    rule = checked("FREQ=WEEKLY;BYMONTH=2", Occurrence(date(2027, 1, 6)), "completion")

    step = step_from_completion(rule, Occurrence(date(2027, 1, 6)), date(2027, 3, 4))

    assert step is not None
    assert (step.next.day, step.rule) == (
        date(2028, 2, 3),
        parse("FREQ=WEEKLY;BYMONTH=2"),
    )


@given(DAYS, st.integers(1, 24))
def test_months_are_neither_skipped_nor_drifted_from(begin: date, months: int) -> None:
    series = checked(f"FREQ=MONTHLY;INTERVAL={months}", Occurrence(begin), "due")
    passed = begin
    for number, one in enumerate(islice(upcoming(series, Occurrence(begin)), 4), 1):
        month = begin.year * 12 + begin.month + number * months
        assert one.day.year * 12 + one.day.month == month
        last = (one.day + timedelta(days=1)).day == 1
        assert one.day.day == begin.day or (last and one.day.day < begin.day)
        # From each date the rest is the same, also from one that was clamped.
        assert next(upcoming(series, Occurrence(passed))) == one
        passed = one.day


@given(
    st.datetimes(datetime(1900, 1, 2), datetime(2998, 12, 1)),
    st.sampled_from(sorted(timezones.names())),
)
@example(datetime(2027, 3, 27, 2, 30), "Europe/Berlin")
@example(datetime(2027, 10, 30, 2, 30), "Europe/Berlin")
@example(datetime(2011, 12, 29, 12), "Pacific/Apia")
def test_a_time_stays_what_clocks_show(local: datetime, zone: str) -> None:
    local = local.replace(second=0, microsecond=0)
    begin = Occurrence(local.date(), local.time(), zone)
    assert occurrence(str(begin)) == begin

    for one in islice(upcoming(parse("FREQ=DAILY"), begin), 2):
        at = one.due_at
        assert at is not None
        shown = at.astimezone(timezones.zone(zone)).replace(tzinfo=None)
        wanted = datetime.combine(one.day, local.time())
        # Where clocks pass it over, the first time that they show after it.
        assert shown == wanted or (
            wanted < shown <= wanted + timedelta(days=1, seconds=1)
        )


def test_of_a_time_that_clocks_show_twice_a_series_has_the_earlier() -> None:
    """As the API previews it, and as its occurrences are stored, in texts."""
    rule = parse("FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU")
    begin = planned(None, datetime(2027, 10, 31, 1, 30, tzinfo=UTC), "Europe/Berlin")
    assert begin is not None
    stored = occurrence(str(begin))
    assert stored is not None

    for one in (begin, stored):
        [following] = islice(upcoming(rule, one), 1)
        assert following.due_at == datetime(2028, 10, 29, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize("day", [date(1900, 1, 1), date(2999, 12, 31)])
def test_on_the_first_and_the_last_day_a_clock_may_show_another(
    day: date, zone: str
) -> None:
    noon = datetime.combine(day, time(12 if day.year == 2999 else 0), UTC)
    begin = planned(None, noon, zone)
    assert begin is not None
    assert occurrence(str(begin)) == begin
    assert (step(parse("FREQ=DAILY"), begin) is None) == (day.year == 2999)


@given(DAYS, st.integers(0, 5_000))
def test_what_is_late_goes_on_with_the_first_that_is_not(
    begin: date, days: int
) -> None:
    today = begin + timedelta(days=days)
    assume(today.year < 2999)  # A series ends with the year 2999.
    clock = Clock(datetime.combine(today, time(12), tzinfo=UTC), ZoneInfo("UTC"))

    def late(one: Occurrence) -> bool:
        return is_overdue(False, one.day, None, clock)

    following = step_from_due(Rule("DAILY", 3), Occurrence(begin), today, late)

    assert following is not None
    assert (
        today
        <= following.next.day
        <= max(today, begin + timedelta(days=1)) + (timedelta(days=2))
    )
    assert (following.next.day - begin).days % 3 == 0


@given(RULES)
def test_a_canonical_rule_is_its_own_text(rule: str) -> None:
    canonical = str(parse(rule))

    assert str(parse(canonical)) == canonical


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300",
        "FREQ=DAILY;INTERVAL=1000;BYMONTH=1;BYDAY=MO,TU,WE,TH,FR,SA,SU",
        "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=366;BYMONTHDAY="
        + ",".join(map(str, range(1, 31))),
    ],
)
def test_a_rule_that_finds_nothing_is_given_up_soon(rule: str) -> None:
    """A batch may have hundreds."""
    began = process_time()

    try:
        checked(rule, Occurrence(date(1900, 1, 7)), "due")
    except RuleError as error:
        assert str(error) == "No date follows from it; give another rule."

    assert process_time() - began < 0.2
