"""Rules of recurrence: the part of RFC 5545 (§3.3.10) that tasks have, and the dates it makes.

Two things are not as in RFC 5545. A day that a month lacks is its last day (the RFC leaves
such a month out): BYMONTHDAY=31 is 28 February, and 31 March again. And the due date of a
task counts as the first date, whether it is one of the rule or not.

The dates are computed here: no library clamps days, and dateutil's rrule begins at the
first date each time, so that an old series would cost more than a new one. The tests
compare the dates with rrule's. Between two dates at most MOST_EMPTY periods are looked
through.
"""

import re
from calendar import isleap, monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from taskproject.times import parse_day
from tasks.limits import FIRST_DAY, LAST_DAY, RULE_LENGTH

MAX_INTERVAL = 1_000
MAX_COUNT = 1_000
#: Most periods in a row (days, weeks, months, years) without a date.
MOST_EMPTY = 1_500
FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: The parts that a rule may have, by its FREQ, beside those of all rules.
PARTS = {
    "DAILY": ("BYMONTH", "BYDAY"),
    "WEEKLY": ("BYMONTH", "BYDAY", "WKST"),
    "MONTHLY": ("BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS"),
    "YEARLY": ("BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS"),
}
_OF_ALL = ("FREQ", "INTERVAL", "COUNT", "UNTIL")
# The parts of RFC 5545 that calendars write although they say nothing here.
_NEUTRAL = {"WKST"}
_NUMBER = re.compile(r"[+-]?[0-9]{1,4}")
_WEEKDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})(T([0-9]{2})([0-9]{2})([0-9]{2})Z)?"
)
_DAY = timedelta(days=1)
_LEAP_YEAR = 2000
#: A year for each kind of calendar, which is that of other years.
_ALIKE = {
    (isleap(year), date(year, 1, 1).weekday()): year for year in range(2000, 2028)
}


class RuleError(ValueError):
    """A rule that is not accepted; the message says what is."""


class Weekday(NamedTuple):
    """A weekday, from 0 for Monday; the which one of a month or year, or 0 for every one."""

    day: int
    which: int = 0

    def __str__(self) -> str:
        return f"{self.which or ''}{WEEKDAYS[self.day]}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule. `count` includes the date that it begins at."""

    freq: str
    interval: int = 1
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_weekday: tuple[Weekday, ...] = ()
    by_set_position: tuple[int, ...] = ()
    week_start: int = 0
    count: int | None = None
    until: date | datetime | None = None

    def __str__(self) -> str:
        """The canonical text."""
        parts = [f"FREQ={self.freq}"]
        if self.interval > 1:
            parts.append(f"INTERVAL={self.interval}")
        for name, values in (
            ("BYMONTH", self.by_month),
            ("BYMONTHDAY", self.by_month_day),
            ("BYDAY", self.by_weekday),
            ("BYSETPOS", self.by_set_position),
        ):
            if values:
                parts.append(f"{name}={','.join(map(str, values))}")
        if self.week_start:
            parts.append(f"WKST={WEEKDAYS[self.week_start]}")
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if isinstance(self.until, datetime):
            parts.append(f"UNTIL={self.until:%Y%m%dT%H%M%SZ}")
        elif self.until is not None:
            parts.append(f"UNTIL={self.until:%Y%m%d}")
        return ";".join(parts)

    def as_json(self) -> dict[str, object]:
        """The parts, for clients that have no parser."""
        until = self.until
        return {
            "freq": self.freq.lower(),
            "interval": self.interval,
            "by_month": [*self.by_month],
            "by_month_day": [*self.by_month_day],
            "by_weekday": [
                {"day": WEEKDAYS[one.day].lower(), "which": one.which or None}
                for one in self.by_weekday
            ],
            "by_set_position": [*self.by_set_position],
            "week_start": WEEKDAYS[self.week_start].lower(),
            "count": self.count,
            "until": None if until is None else _shown(until),
        }

    @property
    def is_bare(self) -> bool:
        """Whether the days follow from the date that it begins at."""
        if self.freq == "DAILY":
            return False
        return not (self.by_weekday or self.by_month_day)

    def beginning_at(self, day: date) -> "Rule":
        """The rule with the days that follow from that date written out, so that they are the same
        after a date that is clamped, or is moved."""
        if not self.is_bare:
            return self
        if self.freq == "WEEKLY":
            return replace(self, by_weekday=(Weekday(day.weekday()),))
        months = self.by_month
        if self.freq == "YEARLY":
            months = months or (day.month,)
        return replace(self, by_month=months, by_month_day=(day.day,))

    def has(self, day: date) -> bool:
        """Whether the date that it begins at is one of its own dates."""
        return day in (self._days(day, 0) or ())

    def after(self, begin: date, since: date | None = None) -> Iterator[date]:
        """The dates after `begin`, ascending, up to LAST_DAY; with a later `since`, those from that
        day on. They do not heed `count` and `until`."""
        number, empty = self._periods_before(begin, since or begin), 0
        first = max(begin + _DAY, since or begin)
        while empty < MOST_EMPTY:
            days = self._days(begin, number * self.interval)
            if days is None:
                return
            number, empty = number + 1, empty + 1
            for day in days:
                if day >= first:
                    empty = 0
                    if day > LAST_DAY:
                        return
                    yield day

    def _periods_before(self, begin: date, since: date) -> int:
        """The number of periods of the rule that end before `since`."""
        if since <= begin:
            return 0
        match self.freq:
            case "DAILY":
                passed = (since - begin).days
            case "WEEKLY":
                passed = (since - self._week(begin)).days // 7
            case "MONTHLY":
                passed = (since.year - begin.year) * 12 + since.month - begin.month
            case _:
                passed = since.year - begin.year
        return passed // self.interval

    def _week(self, day: date) -> date:
        """The first day of the week."""
        back = (day.weekday() - self.week_start) % 7
        return day - min(timedelta(days=back), day - date.min)

    def _days(self, begin: date, ahead: int) -> list[date] | None:
        """The dates in the period that is this many ahead of the one of `begin`; None past the last
        year."""
        match self.freq:
            case "DAILY":
                if ahead > (LAST_DAY - begin).days:
                    return None
                day = begin + timedelta(days=ahead)
                return [day] if self._has(day) else []
            case "WEEKLY":
                first = self._week(begin)
                if ahead * 7 > (LAST_DAY - first).days:
                    return None
                first += timedelta(days=7 * ahead)
                week = (first + timedelta(days=n) for n in range(7))
                days = [day for day in week if self._has(day)]
                if self.by_weekday:
                    return days
                return [day for day in days if day.weekday() == begin.weekday()]
            case "MONTHLY":
                year, month = divmod(begin.year * 12 + begin.month - 1 + ahead, 12)
                if year > LAST_DAY.year:
                    return None
                if self.by_month and month + 1 not in self.by_month:
                    return []
                return self._in(year, month + 1, begin)
        year = begin.year + ahead
        return None if year > LAST_DAY.year else self._in(year, None, begin)

    def _in(self, year: int, month: int | None, begin: date) -> list[date]:
        """The dates in the year or month."""
        alike = _ALIKE[isleap(year), date(year, 1, 1).weekday()]
        days = _dates(self, alike, month, begin.replace(year=_LEAP_YEAR))
        return [day.replace(year=year) for day in days]

    def _has(self, day: date) -> bool:
        if self.by_month and day.month not in self.by_month:
            return False
        return not self.by_weekday or Weekday(day.weekday()) in self.by_weekday

    def _of_year(self, year: int, begin: date) -> set[date]:
        if self.by_weekday and not self.by_month and not self.by_month_day:
            return _weekdays(date(year, 1, 1), date(year, 12, 31), self.by_weekday)
        months = self.by_month
        if not months:
            months = tuple(range(1, 13)) if self.by_month_day else (begin.month,)
        days: set[date] = set()
        for month in months:
            days |= self._of_month(year, month, begin)
        return days

    def _of_month(self, year: int, month: int, begin: date) -> set[date]:
        last = monthrange(year, month)[1]
        if not self.by_weekday:
            wanted = self.by_month_day or (begin.day,)
            return {date(year, month, _clamped(number, last)) for number in wanted}
        end = date(year, month, last)
        days = _weekdays(date(year, month, 1), end, self.by_weekday)
        if self.by_month_day:
            numbers = {n if n > 0 else last + 1 + n for n in self.by_month_day}
            days = {day for day in days if day.day in numbers}
        return days

    def _positioned(self, days: set[date]) -> list[date]:
        """Those of the dates of a period that BYSETPOS names, ascending."""
        in_order = sorted(days)
        if not self.by_set_position:
            return in_order
        count = len(in_order)
        places = (at - 1 if at > 0 else count + at for at in self.by_set_position)
        return [in_order[at] for at in sorted({*places}) if 0 <= at < count]


@lru_cache(maxsize=256)
def _dates(rule: Rule, year: int, month: int | None, begin: date) -> list[date]:
    """The dates of a MONTHLY or YEARLY rule in this year or month; of `begin`, the month and the day
    count. Cached: a rule may pass over hundreds of years without a date. The list is not to
    be changed."""
    if month is None:
        return rule._positioned(rule._of_year(year, begin))
    return rule._positioned(rule._of_month(year, month, begin))


def _clamped(number: int, last: int) -> int:
    """The day of a month that has `last` days; a negative number counts from its end."""
    return min(number, last) if number > 0 else max(last + 1 + number, 1)


def _weekdays(first: date, last: date, wanted: tuple[Weekday, ...]) -> set[date]:
    """These weekdays from one day to another."""
    days: set[date] = set()
    for weekday, which in wanted:
        begin = first + timedelta(days=(weekday - first.weekday()) % 7)
        every = (last - begin).days // 7 + 1
        if not which:
            days |= {begin + timedelta(days=7 * n) for n in range(every)}
            continue
        place = which - 1 if which > 0 else every + which
        if 0 <= place < every:
            days.add(begin + timedelta(days=7 * place))
    return days


# The text


def parse(text: str) -> Rule:
    """The rule of a text such as FREQ=MONTHLY;BYMONTHDAY=31. Raises `RuleError`."""
    if len(text) > RULE_LENGTH:
        raise RuleError(f"A rule has at most {RULE_LENGTH} characters.")
    parts: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise RuleError(
                "Write NAME=VALUE parts with semicolons between, such as "
                "FREQ=WEEKLY;BYDAY=MO,FR."
            )
        if name in parts:
            raise RuleError(f"{name} is given twice; give it once.")
        parts[name] = value
    freq = parts.get("FREQ", "")
    if freq not in FREQUENCIES:
        raise RuleError(f"FREQ is one of {', '.join(FREQUENCIES)}.")
    allowed = (*_OF_ALL, *PARTS[freq])
    for name in parts:
        if name not in allowed and name not in _NEUTRAL:
            raise RuleError(
                f"A {freq} rule has no {name[:20]}; it may have {', '.join(allowed)}."
            )
    if "COUNT" in parts and "UNTIL" in parts:
        raise RuleError("Give COUNT or UNTIL, not both.")
    interval = _number("INTERVAL", parts.get("INTERVAL", "1"), 1, MAX_INTERVAL)
    count = _number("COUNT", parts["COUNT"], 1, MAX_COUNT) if "COUNT" in parts else None
    weekdays = _weekdays_in(parts.get("BYDAY"))
    week_start = parts.get("WKST", "MO")
    if week_start not in WEEKDAYS:
        raise RuleError(f"WKST is one of {', '.join(WEEKDAYS)}.")
    matters = freq == "WEEKLY" and interval > 1
    rule = Rule(
        freq=freq,
        interval=interval,
        by_month=_numbers("BYMONTH", parts.get("BYMONTH"), 1, 12),
        by_month_day=_numbers("BYMONTHDAY", parts.get("BYMONTHDAY"), -31, 31),
        by_weekday=weekdays,
        by_set_position=_numbers("BYSETPOS", parts.get("BYSETPOS"), -366, 366),
        week_start=WEEKDAYS.index(week_start) if matters else 0,
        count=count,
        until=_until(parts["UNTIL"]) if "UNTIL" in parts else None,
    )
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    """Raises `RuleError` for parts that contradict each other."""
    most = 0
    if rule.freq in ("MONTHLY", "YEARLY"):
        most = 5 if rule.freq == "MONTHLY" or rule.by_month else 53
    for one in rule.by_weekday:
        if one.which and rule.by_month_day:
            raise RuleError("BYDAY has no numbers beside BYMONTHDAY.")
        if abs(one.which) > most and not most:
            raise RuleError(f"BYDAY of a {rule.freq} rule has no numbers.")
        if abs(one.which) > most:
            raise RuleError(f"The numbers in BYDAY are 1 to {most}, or -1 to -{most}.")
    if rule.by_set_position and not (rule.by_weekday or rule.by_month_day):
        raise RuleError("BYSETPOS goes with BYDAY or BYMONTHDAY only.")


def _number(name: str, text: str, least: int, most: int) -> int:
    if _NUMBER.fullmatch(text) and least <= int(text) <= most and int(text):
        return int(text)
    zero = ", but not 0" if least < 0 else ""
    raise RuleError(f"{name} is a whole number from {least} to {most:,}{zero}.")


def _numbers(name: str, text: str | None, least: int, most: int) -> tuple[int, ...]:
    if text is None:
        return ()
    return tuple(sorted({_number(name, one, least, most) for one in text.split(",")}))


def _weekdays_in(text: str | None) -> tuple[Weekday, ...]:
    days: set[Weekday] = set()
    for one in text.split(",") if text else ():
        match = _WEEKDAY.fullmatch(one)
        if match is None or match[1] in ("0", "00", "+0", "-0", "+00", "-00"):
            names = ", ".join(WEEKDAYS)
            raise RuleError(f"BYDAY has {names}, each with a number before or without.")
        days.add(Weekday(WEEKDAYS.index(match[2]), int(match[1] or 0)))
    return tuple(sorted(days))


def _until(text: str) -> date | datetime:
    match = _UNTIL.fullmatch(text)
    day = parse_day("-".join(match.group(1, 2, 3))) if match else None
    if match is None or day is None or not FIRST_DAY <= day <= LAST_DAY:
        raise RuleError("UNTIL is a day such as 20261231, or 20261231T235959Z.")
    if match[4] is None:
        return day
    try:
        at = time(int(match[5]), int(match[6]), int(match[7]), tzinfo=UTC)
    except ValueError:
        raise RuleError("UNTIL has a time from 000000Z to 235959Z.") from None
    return datetime.combine(day, at)


def _shown(value: date | datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")
