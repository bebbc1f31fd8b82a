"""Time zones for calendars: VTIMEZONE (RFC 5545 §3.6.5).

A zone has the rules that hold from now on, which end each file of the tzdata package as a TZ
string of POSIX (RFC 9636 §3.3); years whose rules were others are not described. They are
yearly rules, because ical.js (Thunderbird, Nextcloud) reads only the first date of the RDATE
lists that the library icalendar writes."""

import re
from calendar import monthrange
from functools import cache
from importlib import resources

from tasks.recurrence_rules import WEEKDAYS

#: Zones whose coming changes are others than the yearly ones: at Ramadan, and in Cuba, which
#: keeps its summer time until November 2027. A test compares the list with the tzdata package.
IRREGULAR = ("Africa/Casablanca", "Africa/El_Aaiun", "America/Havana", "Cuba")
_DAY = 86_400
_NAME = r"(<[^>]+>|[A-Za-z]+)"
_TIME = r"(-?\d+)(?::(\d+))?"
_STRING = re.compile(rf"{_NAME}{_TIME}(?:{_NAME}(?:{_TIME})?,(.+),(.+))?")
_CHANGE = re.compile(rf"M(\d+)\.(\d)\.(\d)(?:/{_TIME})?")


@cache
def lines(zone: str) -> tuple[str, ...]:
    """The component of a time zone, as lines; none if it cannot be described."""
    file = resources.files("tzdata").joinpath("zoneinfo", *zone.split("/"))
    found = _STRING.fullmatch(file.read_bytes().split(b"\n")[-2].decode())
    if found is None or zone in IRREGULAR:
        return ()
    standard, hours, minutes, summer, ahead, more, begin, end = found.groups()
    usual = -_seconds(hours, minutes)
    if summer is None:
        parts = _part("STANDARD", standard, usual, usual, "19700101T000000")
    else:
        # POSIX: an hour ahead, unless it is given.
        other = usual + 3_600 if ahead is None else -_seconds(ahead, more)
        parts = _part("DAYLIGHT", summer, usual, other, *_yearly(begin))
        parts += _part("STANDARD", standard, other, usual, *_yearly(end))
    return ("BEGIN:VTIMEZONE", f"TZID:{zone}", *parts, "END:VTIMEZONE")


def _part(
    kind: str, name: str, before: int, after: int, start: str, *rule: str
) -> list[str]:
    return [
        f"BEGIN:{kind}",
        f"DTSTART:{start}",
        f"TZOFFSETFROM:{_offset(before)}",
        f"TZOFFSETTO:{_offset(after)}",
        f"TZNAME:{name.strip('<>')}",
        *rule,
        f"END:{kind}",
    ]


def _yearly(change: str) -> tuple[str, str]:
    """The first time of a change from 1970 on, and its rule."""
    found = _CHANGE.fullmatch(change)
    assert found is not None
    month, week, weekday = map(int, found.group(1, 2, 3))
    seconds = _seconds(found[4] or "2", found[5])
    if seconds == _DAY:
        seconds -= 1  # The last day of a month ends in the next one.
    shift, seconds = divmod(seconds, _DAY)
    first = 7 * (week - 1) + 1 if week < 5 else monthrange(1970, month)[1] - 6
    days = range(first + shift, first + shift + 7)
    named = (weekday - 1 + shift) % 7  # POSIX counts from Sunday.
    begin = next(day for day in days if _weekday(month, day) == named)
    clock = f"{seconds // 3_600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
    rule = f"RRULE:FREQ=YEARLY;BYMONTH={month};BYDAY="
    if shift:
        rule += f"{WEEKDAYS[named]};BYMONTHDAY={','.join(map(str, days))}"
    else:
        rule += f"{week if week < 5 else -1}{WEEKDAYS[named]}"
    return f"1970{month:02}{begin:02}T{clock}", rule


def _weekday(month: int, day: int) -> int:
    return (monthrange(1970, month)[0] + day - 1) % 7


def _seconds(hours: str, minutes: str | None) -> int:
    sign = -1 if hours.startswith("-") else 1
    return int(hours) * 3_600 + sign * int(minutes or 0) * 60


def _offset(seconds: int) -> str:
    sign = "-" if seconds < 0 else "+"
    return f"{sign}{abs(seconds) // 3_600:02}{abs(seconds) // 60 % 60:02}"
