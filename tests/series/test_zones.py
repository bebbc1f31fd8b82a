"""All time zones from 1900 to 2999: on each day on which one's clocks change, times are what these
show, or the first that they show after; of two instants, the earlier. Days never move."""

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from itertools import islice, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from taskproject import timezones
from tasks.recurrence import Occurrence, occurrence, planned, upcoming
from tasks.recurrence_rules import parse

BEGIN = datetime(1900, 1, 1, tzinfo=UTC)
END = datetime(2999, 12, 30, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
#: By the yearly rules of zones, changes of their clocks are further apart.
STEP = timedelta(days=7)


class Change(NamedTuple):
    """From this instant on, clocks differ from UTC so much."""

    at: datetime
    offset: timedelta


class Zone(NamedTuple):
    """Zones whose files are the same, and the changes of their clocks."""

    names: list[str]
    changes: list[Change]


@cache
def zones() -> list[Zone]:
    files: dict[bytes, list[str]] = {}
    for name in sorted(timezones.names()):
        path = resources.files("tzdata.zoneinfo").joinpath(*name.split("/"))
        files.setdefault(path.read_bytes(), []).append(name)
    found, rules = [], set()
    for file, names in files.items():
        named, rule = instants_in(file)
        # Later, all zones with this rule are alike.
        end = END if rule not in rules else max([LATER, *named])
        rules.add(rule)
        told = changes(named, end if "," in rule else BEGIN, timezones.zone(names[0]))
        found.append(Zone(names, [*told]))
    return found


def changes(named: list[datetime], end: datetime, zone: ZoneInfo) -> Iterator[Change]:
    """At these instants, and at those that the zone's yearly rule makes from the last of them to
    the end: at instants, what clocks show is never ambiguous."""

    def offset(at: datetime) -> timedelta:
        found = at.astimezone(zone).utcoffset()
        assert found is not None
        return found

    yield Change(BEGIN, shown := offset(BEGIN))
    for at in named:
        if at > BEGIN and offset(at) != shown:
            yield Change(at, shown := offset(at))
    before = max([BEGIN, *named])
    while before < end:
        after = before + STEP
        if (now := offset(after)) != shown:
            low, high = before, after
            while high - low > SECOND:
                middle = (low + (high - low) / 2).replace(microsecond=0)
                low, high = (middle, high) if offset(middle) == shown else (low, middle)
            yield Change(high, shown := now)
        before = after


def instants_in(file: bytes) -> tuple[list[datetime], str]:
    """Those of a TZif file, and its rule for the time after these: RFC 9636, section 3."""

    def counts(begin: int) -> tuple[int, ...]:
        return struct.unpack(">6l", file[begin + 20 : begin + 44])

    isut, isstd, leaps, times, types, letters = counts(0)
    begin = 44 + times * 5 + types * 6 + letters + leaps * 8 + isstd + isut
    isut, isstd, leaps, times, types, letters = counts(begin)
    begin += 44
    named = struct.unpack(f">{times}q", file[begin : begin + times * 8])
    begin += times * 9 + types * 6 + letters + leaps * 12 + isstd + isut
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    first = (BEGIN - epoch).total_seconds()
    found = [epoch + timedelta(seconds=one) for one in named if one >= first]
    return found, file[begin:].decode().strip()


def instants(told: list[Change], local: datetime) -> list[datetime]:
    """Those at which clocks show this time; without one, the first at which they show a later."""
    utc = local.replace(tzinfo=UTC)
    near = bisect_right(told, Change(utc - timedelta(days=2), timedelta())) - 1
    found: list[datetime] = []
    passed: list[datetime] = []
    for place in range(max(near, 0), len(told)):
        change = told[place]
        if change.at > utc + timedelta(days=2):
            break
        at = utc - change.offset
        end = told[place + 1].at if place + 1 < len(told) else END + timedelta(days=9)
        if change.at <= at < end:
            found.append(at)
        elif at < change.at:
            passed.append(change.at)
    return found or passed[:1]


def test_times_are_what_clocks_show_on_each_day_of_a_change(
    tell: Callable[[str], None],
) -> None:
    compared = gaps = twice = same = 0
    daily = parse("FREQ=DAILY")
    for names, told in zones():
        zone = timezones.zone(names[0])
        for before, change in pairwise(told):
            at = change.at.replace(tzinfo=None)
            edges = sorted({at + before.offset, at + change.offset})
            middle = edges[0] + (edges[-1] - edges[0]) / 2
            for local in (
                edges[0],
                middle.replace(microsecond=0),
                edges[-1] - SECOND,
                edges[-1],
            ):
                begin = Occurrence(
                    local.date() - timedelta(days=1), local.time(), names[-1]
                )
                assert occurrence(str(begin)) == begin
                previous = begin.due_at
                for one in islice(upcoming(daily, begin), 1):
                    due, wall = one.due_at, datetime.combine(one.day, local.time())
                    expected = instants(told, wall)
                    assert due == expected[0], (names, wall, due, expected)
                    assert previous is not None
                    assert previous <= due, (names, wall)
                    shown = due.astimezone(zone).replace(tzinfo=None)
                    if shown == wall:
                        # Stored, it is the same occurrence.
                        assert planned(None, due, names[-1]) == one
                    assert shown >= wall
                    gaps += shown != wall
                    twice += len(expected) > 1
                    same += previous == due
                    previous = due
                    compared += 1
    tell(
        f"{len(zones())} zones: {compared:,} times compared, {gaps:,} of them passed over, {twice:,} "
        f"shown twice; {same} at the instant of the day before"
    )


def test_days_move_in_no_zone() -> None:
    for day in (date(1900, 1, 1), date(2011, 12, 30), date(2027, 3, 28)):
        [following] = islice(upcoming(parse("FREQ=DAILY"), Occurrence(day)), 1)
        assert following == Occurrence(day + timedelta(days=1))
        assert following.due_at is None
        assert planned(following.day, None, None) == following
        assert following.fields()["due_date"] == following.day


def test_each_hour_of_2027_is_what_clocks_show_in_each_zone(
    tell: Callable[[str], None],
) -> None:
    compared = 0
    for names, told in zones():
        for hour in range(365 * 24):
            local = datetime(2027, 1, 1) + timedelta(hours=hour)
            due = Occurrence(local.date(), local.time(), names[0]).due_at
            assert due == instants(told, local)[0], (names, local)
            compared += 1
    tell(f"2027: {compared:,} hours compared")
