"""Dues: a calendar date or an instant"""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskproject import timezones
from tasks.limits import FIRST_DAY, LAST_DAY
from tasks.models.due_dates import (
    MOST_APART,
    NEVER,
    Clock,
    clock,
    due_moment,
    is_overdue,
    read_day,
    read_instant,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = date(2026, 11, 24)
DAY = timedelta(days=1)
ZONES = st.sampled_from(sorted(timezones.names()))
DAYS = st.dates(FIRST_DAY, LAST_DAY)


def at(now: datetime, zone: str = "UTC") -> Clock:
    return Clock(now, ZoneInfo(zone))


# Clock


@pytest.mark.parametrize(
    ("zone", "today"),
    [
        ("UTC", TODAY),
        ("Europe/Lisbon", TODAY),
        ("Pacific/Kiritimati", TODAY + DAY),  # UTC+14
        ("Etc/GMT+12", TODAY),
    ],
)
def test_today_is_the_zones_own(zone: str, today: date) -> None:
    assert at(NOON, zone).today == today


def test_a_day_begins_when_the_zone_says() -> None:
    assert at(NOON, "Europe/Berlin").begin(date(2026, 7, 1)) == datetime(
        2026, 6, 30, 22, tzinfo=UTC
    )
    # At midnight clocks went forward: the day began at one o'clock.
    assert at(NOON, "America/Sao_Paulo").begin(date(2018, 11, 4)) == datetime(
        2018, 11, 4, 3, tzinfo=UTC
    )


@given(ZONES, DAYS)
def test_no_day_of_any_zone_leaves_what_dates_can_be(zone: str, day: date) -> None:
    begin = at(NOON, zone).begin(day)

    assert abs(begin - datetime(day.year, day.month, day.day, tzinfo=UTC)) < MOST_APART


@given(ZONES)
def test_a_clock_is_of_now(zone: str) -> None:
    before = datetime.now(UTC)

    assert before <= clock(zone).now <= datetime.now(UTC)


# Overdue


@pytest.mark.parametrize(
    ("due", "overdue"), [(TODAY - DAY, True), (TODAY, False), (TODAY + DAY, False)]
)
def test_a_date_is_overdue_when_its_day_is_over(due: date, overdue: bool) -> None:
    assert is_overdue(False, due, None, at(NOON)) is overdue
    assert is_overdue(True, due, None, at(NOON)) is False


@pytest.mark.parametrize(
    ("due_at", "overdue"),
    [
        (NOON - timedelta(microseconds=1), True),
        (NOON, False),
        (NOON + timedelta(microseconds=1), False),
    ],
)
def test_an_instant_is_overdue_when_it_has_passed(
    due_at: datetime, overdue: bool
) -> None:
    for zone in ("UTC", "Pacific/Kiritimati", "Etc/GMT+12"):
        assert is_overdue(False, None, due_at, at(NOON, zone)) is overdue
        assert is_overdue(True, None, due_at, at(NOON, zone)) is False


def test_without_a_due_nothing_is_overdue() -> None:
    assert is_overdue(False, None, None, at(NOON)) is False


def test_a_date_is_overdue_where_the_day_is_over_already() -> None:
    assert is_overdue(False, TODAY, None, at(NOON, "Pacific/Kiritimati")) is True
    assert is_overdue(False, TODAY, None, at(NOON, "Etc/GMT+12")) is False


# What dues are sorted by


def test_a_date_is_sorted_at_its_end_and_nothing_last() -> None:
    end = datetime(2026, 11, 25, tzinfo=UTC)

    assert due_moment(TODAY, None) == end
    assert due_moment(None, NOON) == NOON
    assert due_moment(None, None) == NEVER
    assert due_moment(LAST_DAY, None) < NEVER


# Reading


@given(DAYS)
def test_a_day_is_read_as_it_is_written(day: date) -> None:
    assert read_day(day.isoformat()) == day


@pytest.mark.parametrize(
    "text",
    ["", "2026-02-30", "1899-12-31", "3000-01-01", "0001-01-01", "10000-01-01", "2026-1-1", "20260101", "2026-W01-1",
     "tomorrow", "2026-01-01T00:00:00Z", "2026-01-01\n", " 2026-01-01", "\u0662026-01-01", "2026-01-01\x00"],
)  # fmt: skip
def test_nothing_else_is_a_day(text: str) -> None:
    assert read_day(text) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31T17:00:00Z", datetime(2026, 12, 31, 17, tzinfo=UTC)),
        ("2026-12-31t17:00:00z", datetime(2026, 12, 31, 17, tzinfo=UTC)),
        ("2026-12-31T17:00:00-00:00", datetime(2026, 12, 31, 17, tzinfo=UTC)),
        ("2026-12-31T18:30:00+01:30", datetime(2026, 12, 31, 17, tzinfo=UTC)),
        ("2026-12-31T17:00:00.5Z", datetime(2026, 12, 31, 17, 0, 0, 500_000, UTC)),
        (
            "2026-12-31T17:00:00.123456789Z",
            datetime(2026, 12, 31, 17, 0, 0, 123_456, UTC),
        ),
        ("1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
        ("1899-12-31T23:59:00-00:01", datetime(1900, 1, 1, tzinfo=UTC)),
        ("2999-12-31T23:59:59.999999Z", datetime(3000, 1, 1, tzinfo=UTC) - DAY / 86_400_000_000),
        ("2024-02-29T23:59:59-23:59", datetime(2024, 3, 1, 23, 58, 59, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_an_instant_is_read_as_rfc_3339_has_it(text: str, moment: datetime) -> None:
    assert read_instant(text) == moment


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00Z", "2026-01-01 00:00:00Z", "20260101T000000Z",
     "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-12-31T23:59:60Z", "2026-01-01T00:00:00+24:00",
     "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00Z\n",
     "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1900-01-01T00:00:00+00:01", "2999-12-31T23:59:59-00:01",
     "2026-01-01T00:00:00\u221201:00", "\u0662026-01-01T00:00:00Z", "2026-01-01T00:00:00Z\x00"],
)  # fmt: skip
def test_nothing_else_is_an_instant(text: str) -> None:
    assert read_instant(text) is None


@given(st.text(max_size=40) | st.from_regex(r"[0-9T:Z+.-]{10,30}"))
def test_reading_never_fails(text: str) -> None:
    read_day(text)
    read_instant(text)
