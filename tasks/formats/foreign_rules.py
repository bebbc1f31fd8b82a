"""How tasks repeat in other services, as rules of recurrence.

What is no rule here, such as every five hours, is kept as text in the description."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice, takewhile
from typing import NamedTuple

from taskproject.times import parse_day
from tasks import recurrence
from tasks.formats.documents import Remarks
from tasks.formats.records import TaskRecord
from tasks.limits import FIRST_DAY, LAST_DAY
from tasks.recurrence_rules import MAX_COUNT, WEEKDAYS, RuleError, parse

_DAY, _WEEK = 86_400, 7 * 86_400


class Repeats(NamedTuple):
    """How a task repeats: in words, and as a rule if there is one."""

    words: str
    rule: str | None
    #: One of `recurrence.SOURCES`.
    source: str = "due"


def as_series(record: TaskRecord, repeats: Repeats, remarks: Remarks) -> TaskRecord:
    """The open task as an occurrence of a series. If it can be none, the words go to the remarks."""
    if not repeats.words:
        return record
    if record.completed:
        remarks.lines.append(f"Repeats: {repeats.words}")
        return record
    reason = _refusal(record, repeats)
    if reason is not None:
        remarks.keep("Repeats", repeats.words, reason)
        return record
    return replace(record, recurrence=repeats.rule, recurrence_from=repeats.source)


def _refusal(record: TaskRecord, repeats: Repeats) -> str | None:
    """The reason why the task can be no occurrence of a series, or None."""
    if repeats.rule is None:
        return "is no rule here"
    due = record.due_date or (record.due_at and record.due_at.date())
    if due is None or not FIRST_DAY < due < LAST_DAY:
        return "has no due date to begin at"
    begin = recurrence.planned(record.due_date, record.due_at, record.due_timezone)
    assert begin is not None
    try:
        recurrence.checked(repeats.rule, begin, repeats.source)
    except RuleError as error:
        return f"is no rule here ({str(error).rstrip('.')})"
    return None


def of_seconds(seconds: float, words: str, source: str) -> Repeats:
    """Every so many seconds: a rule if they are days."""
    for freq, length in (("WEEKLY", _WEEK), ("DAILY", _DAY)):
        if seconds > 0 and seconds % length == 0:
            rule = f"FREQ={freq};INTERVAL={seconds / length:.0f}"
            return Repeats(words, rule, source)
    return Repeats(words, None)


# Microsoft Graph: https://learn.microsoft.com/graph/api/resources/recurrencepattern

_INDEXES = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CODES = dict(zip(_NAMES, WEEKDAYS, strict=True))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A patternedRecurrence of Graph; dates are texts, empty if there are none."""

    type: str
    interval: float
    month: float
    day_of_month: float
    days: tuple[str, ...]
    week_start: str
    index: str
    begin: str
    until: str
    count: float

    def words(self) -> str:
        numbers = (
            ("interval", self.interval),
            ("month", self.month),
            ("dayOfMonth", self.day_of_month),
        )
        words = [self.type or "yes"]
        words += [f"{name} {count:g}" for name, count in numbers if count]
        words += self.days
        if "relative" in self.type:
            words.append(self.index)
        if self.type == "weekly" and self.interval > 1:
            words.append(f"weeks from {self.week_start or 'sunday'}")
        words += [f"from {self.begin}"] if self.begin else []
        words += [f"until {self.until}"] if self.until else []
        words += [f"{self.count:g} times"] if self.count else []
        return ", ".join(filter(None, words))

    def rule(self, due: date | None) -> str | None:
        """The rule of a task that is due on this day; None if there is none."""
        parts = self._parts()
        if not parts:
            return None
        rule = ";".join([*parts, f"INTERVAL={self.interval or 1:g}"])
        if self.until:
            return f"{rule};UNTIL={self.until.replace('-', '')}"
        return self._counted(rule, due) if self.count else rule

    def _parts(self) -> list[str]:
        days, which = _weekdays(self.days), _INDEXES.get(self.index or "first")
        month, day = f"BYMONTH={self.month:g}", f"BYMONTHDAY={self.day_of_month:g}"
        place = [f"BYDAY={days}", f"BYSETPOS={which}"]
        match self.type:
            case "daily":
                return ["FREQ=DAILY"]
            case "weekly" if days:
                start = _CODES.get(self.week_start.lower(), "SU")
                return ["FREQ=WEEKLY", f"BYDAY={days}", f"WKST={start}"]
            case "absoluteMonthly":
                return ["FREQ=MONTHLY", day]
            case "absoluteYearly":
                return ["FREQ=YEARLY", month, day]
            case "relativeMonthly" if days:
                return ["FREQ=MONTHLY", *place]
            case "relativeYearly" if days:
                return ["FREQ=YEARLY", month, *place]
        return []

    def _counted(self, rule: str, due: date | None) -> str | None:
        """The rule with the COUNT of what is left of the series on the day of the task."""
        begin = parse_day(self.begin)
        if due is None or begin is None or not 0 < self.count <= MAX_COUNT:
            return None
        passed = 0
        if FIRST_DAY <= begin < due:
            try:
                following = parse(rule).after(begin)
            except RuleError:
                return None
            dates = takewhile(lambda day: day < due, islice(following, MAX_COUNT))
            passed = 1 + sum(1 for _ in dates)
        return f"{rule};COUNT={self.count - passed:g}"


def _weekdays(names: Iterable[str]) -> str | None:
    codes = [_CODES.get(name.lower()) for name in names]
    return None if None in codes else ",".join(filter(None, codes))


# Todoist, in English: https://www.todoist.com/help/articles/introduction-to-recurring-dates

MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_WORKDAYS = "MO,TU,WE,TH,FR"
_UNITS = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}
_ADVERBS = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
_ADVERBS |= {"everyday": "day", "quarterly": "quarter"}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "last": -1}
_EVERY = re.compile(r"(?:every|ev)\b ?(!?) ?(.+)")
_INTERVAL = re.compile(r"(?:(other|[1-9]\d{0,3}) )?(day|week|month|year|quarter)s?")
_AND = re.compile(r" ?, ?(?:and )?| and | ?& ?")
_OF_MONTH = re.compile(r" (?:of|in) (?:the|each|every) month")
_NUMBER = re.compile(r"(\d\d?)(?:st|nd|rd|th)?")


def of_english(text: str) -> Repeats:
    """The rule of words such as "every 3rd friday", without a time of day; those with "every!"
    count from the completion."""
    words = " ".join(text.lower().split())
    words = f"every {_ADVERBS[words]}" if words in _ADVERBS else words
    found = _EVERY.fullmatch(words)
    if found is None:
        return Repeats(text, None)
    mark, what = found.groups()
    what = _OF_MONTH.sub("", what)
    rule = _interval(what) or _on_weekdays(what) or _on_days(what) or _on_dates(what)
    return Repeats(text, rule, "completion" if mark else "due")


def _interval(what: str) -> str | None:
    found = _INTERVAL.fullmatch(what)
    if found is None:
        return None
    number = 2 if found[1] == "other" else int(found[1] or 1)
    if found[2] == "quarter":
        return f"FREQ=MONTHLY;INTERVAL={3 * number}"
    return f"FREQ={_UNITS[found[2]]};INTERVAL={number}"


def _on_weekdays(what: str) -> str | None:
    """Mon, wed; other friday; workday."""
    every = what.removeprefix("other ")
    codes = [_weekday(word) for word in _AND.split(every)]
    if every in ("workday", "weekday"):
        codes = [_WORKDAYS]
    if None in codes:
        return None
    interval = ";INTERVAL=2" if every != what else ""
    return f"FREQ=WEEKLY;BYDAY={','.join(filter(None, codes))}{interval}"


def _on_days(what: str) -> str | None:
    """2, 15th; last day; 3rd friday; first workday."""
    numbers = [_which(word.removesuffix(" day")) for word in _AND.split(what)]
    if None not in numbers:
        return f"FREQ=MONTHLY;BYMONTHDAY={','.join(map(str, numbers))}"
    first, _, day = what.partition(" ")
    which = _which(first)
    if which is None or not -1 <= which <= 5:
        return None
    if day in ("workday", "weekday"):
        return f"FREQ=MONTHLY;BYDAY={_WORKDAYS};BYSETPOS={which}"
    code = _weekday(day)
    return code and f"FREQ=MONTHLY;BYDAY={which}{code}"


def _on_dates(what: str) -> str | None:
    """Jan 27; 14 jan, 14 apr."""
    months, days = [], set()
    for one in _AND.split(what):
        words = one.replace(".", "").split()
        month = next(filter(None, map(_month, words)), None)
        day = next(filter(None, map(_which, words)), None)
        if len(words) != 2 or month is None or day is None:
            return None
        months.append(month)
        days.add(day)
    if len(days) != 1:
        return None
    return f"FREQ=YEARLY;BYMONTH={','.join(map(str, months))};BYMONTHDAY={days.pop()}"


def _which(word: str) -> int | None:
    found = _NUMBER.fullmatch(word)
    return int(found[1]) if found else _ORDINALS.get(word)


def _weekday(word: str) -> str | None:
    """The code of mon, tues, wednesday or fridays."""
    word = word if word in _NAMES else word.removesuffix("s")
    return next((code for name, code in _CODES.items() if _begins(name, word)), None)


def _month(word: str) -> int | None:
    return next((at for at, name in enumerate(MONTHS, 1) if _begins(name, word)), None)


def _begins(name: str, word: str) -> bool:
    return len(word) >= 3 and name.startswith(word)
