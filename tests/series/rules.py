"""Rules of each kind, and their dates by another method than the service's: of each day it is
asked whether it is one."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import groupby, product

from tasks.limits import FIRST_DAY
from tasks.recurrence_rules import Rule, Weekday

INTERVALS = {
    "DAILY": (1, 2, 3, 6, 7, 14, 30, 365, 1_000),
    "WEEKLY": (1, 2, 3, 4, 26, 52, 53),
    "MONTHLY": (1, 2, 5, 12),
    "YEARLY": (1, 4, 100),
}
#: Days in a row that rules begin at: of each weekday, with month ends and a 29 February.
BEGINNINGS = tuple(date(1904, 2, 26) + timedelta(days=n) for n in range(7))
MONTHS = ((), (2,), (2, 4, 6, 9, 11))
EVERY = tuple(Weekday(day) for day in range(7))
WEEKDAYS = (
    EVERY[:1],
    EVERY[2:3],
    EVERY[6:],
    EVERY[:5],
    EVERY[5:],
    (EVERY[0], EVERY[6]),
)
MONTH_DAYS = (
    *((number,) for number in range(-31, 32) if number),
    *((29, 30, 31), (-1, 1), (-31, 31), (-16, 15, 30), (-3, -2, -1), (28, 29)),
)
POSITIONS = ((1,), (-1,), (-1, 1), (2, 4), (-2,), (31,), (-31,), (100,), (-366,))


def rules(freq: str) -> Iterator[Rule]:
    """With each interval; without COUNT and UNTIL."""
    for rule in dict.fromkeys(_parts(freq)):
        for interval in INTERVALS[freq]:
            starts = (0, 5, 6) if freq == "WEEKLY" and interval > 1 else (0,)
            for start in starts:
                yield replace(rule, interval=interval, week_start=start)


def _parts(freq: str) -> Iterator[Rule]:
    bare = Rule(freq)
    if freq in ("DAILY", "WEEKLY"):
        for months, weekdays in product(MONTHS, ((), *WEEKDAYS)):
            yield replace(bare, by_month=months, by_weekday=weekdays)
        return
    for months, days in product(MONTHS[:2], ((), *MONTH_DAYS)):
        yield replace(bare, by_month=months, by_month_day=days)
    for months, weekdays in product(MONTHS[:2], (*WEEKDAYS, *_numbered(freq))):
        most = 5 if freq == "MONTHLY" or months else 53
        if all(abs(one.which) <= most for one in weekdays):
            yield replace(bare, by_month=months, by_weekday=weekdays)
    for weekdays, days in product(WEEKDAYS, ((13,), (29, 30, 31), (-1,), (-7, 1))):
        for months in MONTHS:
            both = replace(bare, by_weekday=weekdays, by_month_day=days)
            yield replace(both, by_month=months)
    for positions, days in product(POSITIONS, MONTH_DAYS[-6:]):
        yield replace(bare, by_month_day=days, by_set_position=positions)
    for positions, weekdays in product(POSITIONS, WEEKDAYS):
        yield replace(bare, by_weekday=weekdays, by_set_position=positions)


def _numbered(freq: str) -> Iterator[tuple[Weekday, ...]]:
    """Weekdays with numbers."""
    for which in range(-5, 6):
        if which:
            yield from ((Weekday(day, which),) for day in range(7))
    yield Weekday(0, 1), Weekday(4, -1)
    yield Weekday(2), Weekday(6, 5)
    if freq == "YEARLY":
        for which in (-53, -52, -20, -6, 6, 20, 52, 53):
            yield (Weekday(which % 7, which),)


def dates(rule: Rule, begin: date, last: date) -> list[date]:
    """Those after `begin`, to the last day, which is that of a year."""
    found: list[date] = []
    listed = _days(rule, begin, last.year)
    for number, days in groupby(listed, lambda day: _period(rule, day)):
        if (number - _period(rule, begin)) % rule.interval == 0:
            found += _positioned(rule.by_set_position, [*days])
    return [day for day in found if day > begin]


def _period(rule: Rule, day: date) -> int:
    match rule.freq:
        case "DAILY":
            return day.toordinal()
        case "WEEKLY":
            # The day 1 is a Monday.
            return (day.toordinal() - 1 - rule.week_start) // 7
        case "MONTHLY":
            return day.year * 12 + day.month
    return day.year


def _positioned(positions: tuple[int, ...], days: list[date]) -> list[date]:
    if not positions:
        return days
    return [
        day
        for place, day in enumerate(days)
        if place + 1 in positions or place - len(days) in positions
    ]


def _days(rule: Rule, begin: date, last: int) -> Iterator[date]:
    """The days to this year, from the begin of its first period on that have the parts of the rule."""
    plain = Rule(
        rule.freq, 1, rule.by_month, rule.by_month_day, rule.by_weekday
    ).beginning_at(begin)
    for year in range(max(begin.year - 1, FIRST_DAY.year), last + 1):
        if rule.freq == "YEARLY" and (year - begin.year) % rule.interval:
            continue  # for speed
        first = date(year, 1, 1)
        for number in _days_of_year(plain, first.weekday(), _is_leap(year)):
            yield date.fromordinal(first.toordinal() + number)


@cache
def _days_of_year(rule: Rule, weekday: int, leap: bool) -> tuple[int, ...]:
    """In any year that begins with this weekday: there are fourteen kinds of years."""
    example = next(
        year
        for year in range(2000, 2400)
        if date(year, 1, 1).weekday() == weekday and _is_leap(year) == leap
    )
    first, last = date(example, 1, 1), date(example, 12, 31)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return tuple((day - first).days for day in days if _is_one(rule, day))


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _is_one(rule: Rule, day: date) -> bool:
    if rule.by_month and day.month not in rule.by_month:
        return False
    from_end = -_days_left(day, of_year=False)
    if rule.by_weekday:
        of_year = rule.freq == "YEARLY" and not rule.by_month
        place = (day.timetuple().tm_yday if of_year else day.day) - 1
        which = {0, 1 + place // 7, -1 - (_days_left(day, of_year) - 1) // 7}
        if not {Weekday(day.weekday(), one) for one in which} & {*rule.by_weekday}:
            return False
        numbers: Iterable[int] = rule.by_month_day or (day.day,)
        return day.day in numbers or from_end in numbers
    if not rule.by_month_day:
        return True
    last = day.day - from_end - 1
    return any(
        number in (day.day, from_end)
        or (day.day == last and number > last)
        or (day.day == 1 and number < -last)
        for number in rule.by_month_day
    )


def _days_left(day: date, of_year: bool) -> int:
    """The number of days to the end of the year or month, with this one."""
    if of_year:
        end = date(day.year + 1, 1, 1)
    else:
        end = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return (end - day).days
