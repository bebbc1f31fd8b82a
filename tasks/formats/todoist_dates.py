"""Dates in the files of Todoist, as users typed them: a day, or a rule in English."""

import re
from dataclasses import replace
from datetime import date, time, timedelta
from typing import NamedTuple

from tasks.formats.foreign_rules import MONTHS, of_english
from tasks.limits import FIRST_DAY, LAST_DAY
from tasks.recurrence_rules import parse

_CLOCK = (
    r"(?:(?:T|,? at | ) ?(?P<hour>\d{1,2})(?::(?P<minute>\d\d)(?::(?P<second>\d\d))?)?"
    r"(?:\.0+)?(?: ?(?P<half>[ap])m)?)?"
)
_WORDS = re.ASCII | re.IGNORECASE
ISO = re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d){_CLOCK}", _WORDS)
# Dates in English: "Oct 5 2026", "5 Oct 2026 15:30", and "17 Aug" in the year in which it
# was written.
_MONTH = r"(?P<month>[a-z]{3,9})\.?"
_DAY = r"(?P<day>\d\d?)"
_YEAR = r"(?:,? (?P<year>\d{4}))?"
_ENGLISH = (
    re.compile(f"{_MONTH} {_DAY}{_YEAR}{_CLOCK}", _WORDS),
    re.compile(f"{_DAY} {_MONTH}{_YEAR}{_CLOCK}", _WORDS),
)
# "Every friday at 9am from 5 oct until 2027-01-31".
_SPAN = re.compile(
    r"(?P<every>.+?)(?: (?:starting|from)(?: on)? (?P<begin>.+?))?"
    r"(?: (?:until|ending|to)(?: on)? (?P<until>.+))?",
    _WORDS,
)
_AT = re.compile(f"(?P<every>.+?){_CLOCK}", _WORDS)


class Series(NamedTuple):
    """A rule, with its first day and its time of day."""

    day: date
    clock: time | None
    rule: str
    source: str


def is_day(text: str) -> bool:
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII))


def read(
    text: str, english: bool, today: date
) -> tuple[date | None, time | None, bool]:
    """The day and the time of day in the text, and whether today's year was assumed; no day if
    it is any other text."""
    patterns = (ISO, *_ENGLISH) if english else (ISO,)
    found = next(filter(None, (pattern.fullmatch(text) for pattern in patterns)), None)
    if found is None:
        return None, None, False
    try:
        day = date(int(found["year"] or today.year), _month(found), int(found["day"]))
        clock = _time(found)
    except ValueError:
        return None, None, False
    return day, clock, not found["year"]


def _month(found: re.Match[str]) -> int:
    word = found["month"].lower()
    if word.isdigit():
        return int(word)
    word = "sep" if word == "sept" else word
    return next(
        number
        for number, name in enumerate((*MONTHS, word), 1)
        if name.startswith(word)
    )


def _time(found: re.Match[str]) -> time | None:
    """Raises `ValueError` if it is no time of day. An hour alone needs am or pm."""
    if found["hour"] is None:
        return None
    hour, half = int(found["hour"]), found["half"]
    if half:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    elif found["minute"] is None:
        raise ValueError
    return time(hour, int(found["minute"] or 0), int(found["second"] or 0))


def series(text: str, today: date) -> Series | None:
    """The series in the text, from the first day that is not before today, or its beginning; None
    if it is any other text."""
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    begin, clock = today, None
    if found["begin"] is not None:
        given, clock, _ = read(found["begin"], True, today)
        if given is None:
            return None
        begin = given
    repeats = of_english(found["every"])
    at = _AT.fullmatch(found["every"])
    last = LAST_DAY
    try:
        if repeats.rule is None and at is not None:
            repeats, clock = of_english(at["every"]), _time(at)
        rule = parse(repeats.rule or "")
        if found["until"] is not None:
            given, _, _ = read(found["until"], True, begin)
            last = given or FIRST_DAY
            rule = replace(rule, until=last)
        day: date | None = begin
        if not rule.is_bare:
            # Every other Friday begins on the next one.
            every = replace(rule, interval=1)
            day = next(every.after(begin - timedelta(days=1)), None)
    except (ValueError, OverflowError):
        return None
    if day is None or day > last:
        return None
    return Series(day, clock, str(rule), repeats.source)
