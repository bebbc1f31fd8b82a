"""Rules of each kind: their dates are those that another method finds, from any day on, from each
date on, and to each end; in the 400 years after which calendars repeat, or to 2999."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from datetime import date, time, timedelta
from itertools import islice, pairwise, takewhile

import pytest

from tasks.limits import LAST_DAY
from tasks.recurrence import Occurrence, step_from_completion, step_from_due, upcoming
from tasks.recurrence_rules import FREQUENCIES, MOST_EMPTY, Rule, parse
from tests.series.rules import BEGINNINGS, dates, rules

#: Days from which the later dates are asked for.
SINCE = (date(1904, 3, 1), date(2000, 2, 29), date(2026, 12, 31))
FEW = 40
AGAIN = date(2304, 12, 31)
#: One rule of so many is compared to the last day there is.
WHOLE = 8


@pytest.mark.parametrize("freq", FREQUENCIES)
def test_the_dates_are_those_that_have_the_parts(
    freq: str, tell: Callable[[str], None]
) -> None:
    number = found = given_up = 0
    for number, rule in enumerate(rules(freq), 1):
        begin = BEGINNINGS[number % len(BEGINNINGS)]
        fixed = rule.beginning_at(begin)
        assert parse(str(fixed)) == fixed
        last = AGAIN if number % WHOLE else LAST_DAY
        expected = dates(rule, begin, last)
        if _longest_pause(fixed, begin, expected, last) >= MOST_EMPTY:
            given_up += 1
            continue
        ours = [*takewhile(lambda day: day <= last, rule.after(begin))]  # noqa: B023
        assert ours == expected, (str(rule), begin)
        _check_later(fixed, begin, expected)
        _check_ends(fixed, begin, expected[:FEW])
        _check_steps(fixed, begin, expected[:FEW])
        found += len(expected)
    tell(f"{freq}: {number:,} rules, {found:,} dates, {given_up} rules given up")


def _longest_pause(rule: Rule, begin: date, expected: list[date], last: date) -> int:
    """In periods: a rule with as many without a date is given up."""
    days = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 28, "YEARLY": 365}[rule.freq]
    ordinals = [one.toordinal() for one in (begin, *expected, last)]
    pauses = (after - before for before, after in pairwise(ordinals))
    return max(pauses) // (days * rule.interval)


def _check_later(rule: Rule, begin: date, expected: list[date]) -> None:
    """Dates from a later day on, and from one date to the next."""
    for since in SINCE:
        place = bisect_left(expected, since)
        some = expected[place : place + 3]
        later = [*islice(rule.after(begin, since), len(some))]
        assert later == some, (str(rule), begin, since)
    middle = len(expected) // 2
    for some in (expected[:FEW], expected[middle : middle + FEW]):
        for one, following in pairwise(some):
            assert next(rule.after(one)) == following, (str(rule), one)


def _check_ends(rule: Rule, begin: date, expected: list[date]) -> None:
    """COUNT and UNTIL, as a day, and as an instant that excludes the time of a day, or not."""
    few = expected[:5]
    if len(few) < 5:
        return
    whole = Occurrence(begin)
    timed = Occurrence(begin, time(12), "Europe/Berlin")
    noon = Occurrence(few[-1], time(12), "Europe/Berlin").due_at
    assert noon is not None
    ends: list[tuple[Occurrence, Rule, int]] = [
        (whole, replace(rule, count=6), 5),
        (whole, replace(rule, count=1), 0),
        (whole, replace(rule, until=few[-1]), 5),
        (timed, replace(rule, until=few[-1]), 5),
        (timed, replace(rule, until=noon), 5),
        (timed, replace(rule, until=noon - timedelta(seconds=1)), 4),
    ]
    if few[-1] - few[-2] > timedelta(days=1):
        ends.append((whole, replace(rule, until=few[-1] - timedelta(days=1)), 4))
    for one, ended, count in ends:
        found = [following.day for following in upcoming(ended, one)]
        assert found == few[:count], (str(ended), begin)


def _check_steps(rule: Rule, begin: date, expected: list[date]) -> None:
    """What follows an occurrence that is done late, or is done at all, from then."""
    if len(expected) < 2:
        return
    place = len(expected) // 2
    today = expected[place]
    step = step_from_due(rule, Occurrence(begin), today, lambda one: one.day < today)
    assert step is not None
    assert step.next == Occurrence(today)
    assert step.passed == [str(Occurrence(one)) for one in expected[:place]]

    step = step_from_completion(rule, Occurrence(begin), today)
    following = expected[place + 1] if place + 1 < len(expected) else None
    if following is not None:
        assert step is not None
        assert step.next.day == following
