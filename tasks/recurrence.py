"""Occurrences of recurring tasks: their planned dates, and which one follows.

A time is what clocks show in the task's time zone, before and after they are changed. One
that does not exist on a day is the first that does; one that exists twice is the earlier.
Days have no time zone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from taskproject import timezones
from taskproject.times import midnight, parse_day
from tasks.fields import Values
from tasks.limits import FIRST_DAY, LAST_DAY, RULE_LENGTH
from tasks.recurrence_rules import MAX_COUNT, Rule, RuleError, parse

#: From which day the next date of a series counts. Of `due`, what is overdue is passed over; of
#: `each_due`, nothing is.
SOURCES = ("due", "each_due", "completion")
#: Whether completed subtasks are made again with the next occurrence.
SUBTASKS = ("again", "once")
#: The fields of a task in a series.
SERIES = ("recurrence", "recurrence_from", "recurrence_subtasks", "occurrence")
#: Most dates of a series that are passed over one by one, and named.
MOST_PASSED, MOST_NAMED = 1_000, 100
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """The planned date of one occurrence: a day; or a day and the time that a clock shows in a time
    zone."""

    day: date
    at: time | None = None
    zone: str | None = None

    def __str__(self) -> str:
        if self.at is None:
            return self.day.isoformat()
        return f"{self.day.isoformat()}T{self.at.isoformat()} {self.zone}"

    @property
    def due_at(self) -> datetime | None:
        """The instant, in UTC; None for a day."""
        if self.at is None:
            return None
        local = datetime.combine(self.day, self.at)
        return timezones.instant_of(local, timezones.zone(self.zone or "UTC"))

    def on(self, day: date) -> "Occurrence":
        return replace(self, day=day)

    def fields(self) -> Values:
        """The fields of a task with this due date."""
        if self.at is None:
            return {"due_date": self.day, "due_at": None, "due_timezone": None}
        return {
            "due_date": None,
            "due_at": self.due_at,
            "due_timezone": timezones.known(self.zone or "UTC"),
        }


def planned(
    due_date: date | None, due_at: datetime | None, due_timezone: str | None
) -> Occurrence | None:
    """The occurrence with this due date; None without one."""
    if due_at is not None:
        zone = timezones.known(due_timezone or "UTC")
        local = due_at.astimezone(timezones.zone(zone))
        # The later of two instants, too, is what a clock shows: its text has no more.
        return Occurrence(local.date(), local.time().replace(fold=0), zone)
    return None if due_date is None else Occurrence(due_date)


def occurrence(text: str) -> Occurrence | None:
    """The occurrence that has this text; None for any other text. A time zone that is not known
    any more is UTC."""
    day, _, rest = text.partition("T")
    clock, _, zone = rest.partition(" ")
    found = parse_day(day)
    # A clock may show a day before the first in UTC, or one after the last.
    beyond = _DAY if rest else timedelta(0)
    if found is None or not FIRST_DAY - beyond <= found <= LAST_DAY + beyond:
        return None
    if not rest:
        return Occurrence(found) if text == day else None
    try:
        at = time.fromisoformat(clock)
    except ValueError:
        return None
    if at.tzinfo is not None or str(Occurrence(found, at, zone)) != text:
        return None
    return Occurrence(found, at, timezones.known(zone))


def upcoming(
    rule: Rule, begin: Occurrence, since: date | None = None
) -> Iterator[Occurrence]:
    """The occurrences after `begin`, to the end of the series. With `since`, those from that day
    on, if the rule has no COUNT."""
    left = MAX_COUNT if rule.count is None else rule.count - 1
    for day in rule.after(begin.day, since if rule.count is None else None):
        if rule.count is not None and left <= 0:
            return
        left -= 1
        following = begin.on(day)
        if is_over(rule, following):
            return
        yield following


def is_over(rule: Rule, one: Occurrence) -> bool:
    """Whether the occurrence is after the UNTIL of the rule, or the last day there is."""
    at = one.due_at
    if at is not None and at >= midnight(LAST_DAY) + _DAY:
        return True
    if isinstance(rule.until, datetime):
        return (at or midnight(one.day)) > rule.until
    return rule.until is not None and one.day > rule.until


class Step(NamedTuple):
    """What follows an occurrence: the next one, the rule from there, and those passed over."""

    next: Occurrence
    rule: Rule
    passed: list[str]


def step(rule: Rule, done: Occurrence) -> Step | None:
    """The next occurrence of the series; None at its end."""
    for following in upcoming(rule, done):
        return Step(following, _left(rule, 1), [])
    return None


def step_from_due(
    rule: Rule, done: Occurrence, today: date, is_overdue: Callable[[Occurrence], bool]
) -> Step | None:
    """The next occurrence that is not overdue; None at the end of the series. `today` may be
    that of any time zone."""
    passed: list[str] = []
    for count, following in enumerate(upcoming(rule, done), 1):
        if not is_overdue(following):
            return Step(following, _left(rule, count), passed)
        if count <= MOST_NAMED:
            passed.append(str(following))
        if count == MOST_PASSED and rule.count is None:
            break
    # Two days earlier, because of the zones.
    for following in (
        upcoming(rule, done, today - 2 * _DAY) if rule.count is None else ()
    ):
        if not is_overdue(following):
            return Step(following, rule, passed)
    return None


def step_from_completion(rule: Rule, done: Occurrence, today: date) -> Step | None:
    """The next occurrence after the day on which one was done; None at the end of the series."""
    for following in upcoming(rule, done.on(today)):
        return Step(following, _left(rule, 1), [])
    return None


def _left(rule: Rule, steps: int) -> Rule:
    return rule if rule.count is None else replace(rule, count=rule.count - steps)


def checked(text: str, begin: Occurrence, source: str) -> Rule:
    """The rule of a series that begins with this occurrence, with its days written out unless they
    count from the completion. Raises `RuleError`."""
    rule = parse(text)
    if isinstance(rule.until, datetime) and begin.at is None:
        raise RuleError(
            "UNTIL is a day, such as 20261231, if the task is due on a day."
        )
    if source != "completion":
        rule = rule.beginning_at(begin.day)
    if len(str(rule)) > RULE_LENGTH:
        raise RuleError(f"A rule has at most {RULE_LENGTH} characters.")
    if is_over(rule, begin):
        raise RuleError("UNTIL is before the due date; give a later one.")
    if next(rule.after(begin.day), None) is None:
        raise RuleError("No date follows from it; give another rule.")
    return rule
