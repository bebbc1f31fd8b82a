"""The dates of series as recurring-ical-events shows them, which many programs use to read
calendars. (With the versions of `requirements.txt` in an environment of its own.)"""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, time, timedelta

import pytest

from taskproject import timezones
from tasks import recurrence
from tasks.formats import TaskRecord, checked, ics
from tasks.recurrence import Occurrence
from tasks.recurrence_rules import FREQUENCIES, Rule, RuleError, parse
from tests.series.rules import rules
from tests.support.servers import ROOT

PYTHON = ROOT / ".venv-series" / "bin" / "python"
FIRST, LAST = date(2027, 1, 1), date(2033, 12, 31)
BEGINNINGS = (date(2027, 1, 30), date(2027, 1, 31), date(2028, 2, 29), date(2027, 6, 6))
ENDS = ("", ";COUNT=7", ";UNTIL=20310228", ";UNTIL=20301231T110000Z")
DAY = timedelta(days=1)

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="`make test-series` installs recurring-ical-events"
)


def shown(file: bytes) -> dict[str, list[str]]:
    """The dates of each component, by its name and UID."""
    command = [str(PYTHON), "tests/series/expand.py", str(FIRST), str(LAST + DAY)]
    ran = subprocess.run(
        command, cwd=ROOT, input=file, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


def text_of(one: Occurrence) -> str:
    """The date as `expand.py` writes it."""
    if one.due_at is None:
        return one.day.isoformat()
    return one.due_at.astimezone(timezones.zone(one.zone or "UTC")).isoformat()


def from_now_on(rule: Rule, begin: Occurrence) -> list[str]:
    """Those that the service plans after `begin`, as far as they are compared."""
    found = []
    for one in recurrence.upcoming(rule, begin):
        if one.day > LAST:
            break
        found.append(text_of(one))
    return found


# As calendars are given them


def begin_of(number: int) -> Occurrence:
    day = BEGINNINGS[number % len(BEGINNINGS)]
    return Occurrence(day) if number % 3 else Occurrence(day, time(12), "Europe/Berlin")


def series(freq: str) -> Iterator[TaskRecord]:
    """A task of each rule, some with an end, some with a time."""
    for number, rule in enumerate(rules(freq)):
        begin, end = begin_of(number), ENDS[number // 7 % len(ENDS)]
        if begin.at is None and end.endswith("Z"):
            end = ""
        try:
            fixed = recurrence.checked(f"{rule}{end}", begin, "due")
        except RuleError:
            continue
        record = checked(
            TaskRecord(str(number), str(fixed), recurrence=str(fixed), **begin.fields())
        )
        assert isinstance(record, TaskRecord)
        yield record


@dataclass
class Numbers:
    series: int = 0
    alone: int = 0
    dates: int = 0
    wrong: list[str] = field(default_factory=list)

    def compare(self, record: TaskRecord, found: dict[str, list[str]]) -> None:
        begin = recurrence.occurrence(record.occurrence or "")
        assert begin is not None and record.recurrence is not None
        expected = from_now_on(parse(record.recurrence), begin)
        open_one = (record.due_at or begin.day).isoformat()
        of_events = [
            at
            for name in ("next", "next2")
            for at in found.get(f"VEVENT {record.external_id}@{name}.tasks", ())
        ]
        of_todo = found[f"VTODO {record.external_id}@tasks"]
        self.series += 1
        self.dates += len(of_events) + len(of_todo)
        told = f"{record.recurrence} {record.occurrence}"
        if found[f"VEVENT {record.external_id}@due.tasks"] != [open_one]:
            self.wrong.append(f"{told}: the open occurrence")
        if not of_events and expected:
            self.alone += 1
        elif sorted(of_events) != expected:
            self.wrong.append(f"{told}: {sorted(of_events)[:5]} not {expected[:5]}")
        if len(of_todo) > 1 and of_todo != [text_of(begin), *expected]:
            self.wrong.append(f"{told}: {of_todo[:5]} of the to-do")


@pytest.mark.parametrize("freq", FREQUENCIES)
def test_calendars_show_the_planned_dates(
    freq: str, tell: Callable[[str], None]
) -> None:
    records = [*series(freq)]
    found = shown(b"".join(ics.write(records)))

    numbers = Numbers()
    for record in records:
        numbers.compare(record, found)

    tell(
        f"{freq}: {numbers.series:,} series in files, {numbers.dates:,} dates shown, "
        f"{numbers.alone:,} series have no such rule"
    )
    assert numbers.wrong == []


# The rules as they are


def as_events(listed: Iterable[tuple[Rule, date]]) -> bytes:
    """An event of each rule, which no program rewrites."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tasks//test//EN"]
    for number, (rule, begin) in enumerate(listed):
        lines += [
            *("BEGIN:VEVENT", f"UID:{number}", "DTSTAMP:20270101T000000Z"),
            *(f"DTSTART;VALUE=DATE:{begin:%Y%m%d}", f"RRULE:{rule}", "END:VEVENT"),
        ]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


def in_rfc(rule: Rule, day: date) -> bool:
    """Whether the date of ours is one that RFC 5545 knows: no last day of a month that lacks the
    day of the rule."""
    if rule.by_weekday or not rule.by_month_day:
        return True
    last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - DAY
    return day.day in rule.by_month_day or day.day - last.day - 1 in rule.by_month_day


def has_other_dates(rule: Rule) -> bool:
    """Whether RFC 5545, or dateutil, which counts for the library, has others than ours without
    those that no month lacks: see the table in docs/api.md."""
    mixed = len({bool(one.which) for one in rule.by_weekday}) > 1
    clamped = any(abs(number) > 28 for number in rule.by_month_day)
    return mixed or bool(clamped and rule.by_set_position and not rule.by_weekday)


@pytest.mark.parametrize("freq", FREQUENCIES)
def test_rules_have_the_dates_of_the_rfc_but_for_the_ends_of_months(
    freq: str, tell: Callable[[str], None]
) -> None:
    listed = []
    for number, rule in enumerate(rules(freq)):
        begin = BEGINNINGS[number % len(BEGINNINGS)]
        fixed = rule.beginning_at(begin)
        if next(fixed.after(begin), LAST) < LAST and not has_other_dates(fixed):
            listed.append((fixed, begin))
    found = shown(as_events(listed))

    wrong, more = [], 0
    for number, (rule, begin) in enumerate(listed):
        ours = [date.fromisoformat(at) for at in from_now_on(rule, Occurrence(begin))]
        common = [day for day in ours if in_rfc(rule, day)]
        more += len(ours) - len(common)
        theirs = [date.fromisoformat(at) for at in found.get(f"VEVENT {number}", ())]
        theirs = [day for day in theirs if day > begin]
        if theirs != common:
            wrong.append(f"{rule} from {begin}: {theirs[:6]} not {common[:6]}")
    tell(
        f"{freq}: {len(listed):,} rules as they are; {more:,} dates are last days that are ours "
        "alone"
    )
    assert wrong == []
