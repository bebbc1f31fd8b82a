"""To-dos of iCalendar files (RFC 5545), as other programs export them: Apple's and GNOME's, KDE,
Nextcloud, Tasks.org, Thunderbird.

Events and journals are left out, and reported unless they are events that this service writes
beside the to-do. Properties without a field here are kept in descriptions.
In a series, occurrences that are written out (RECURRENCE-ID) are tasks of their own, and the
open one is the first of the others."""

import re
from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import BinaryIO
from urllib.parse import unquote

from taskproject import timezones
from taskproject.names import one_line
from tasks import recurrence
from tasks.formats import ics
from tasks.formats.foreign import (
    Draft,
    Reading,
    clean,
    content_id,
    cut,
    derived_id,
    external_id,
)
from tasks.formats.foreign_rules import Repeats, as_series
from tasks.formats.ics_components import OWN, Calendar, Todo
from tasks.formats.ics_times import Moment, moment_of, read_due, read_instant
from tasks.formats.records import BadRow, Incomplete, Refused, Row, TaskRecord, shown
from tasks.limits import LOCATION_LENGTH
from tasks.recurrence import Occurrence
from tasks.recurrence_rules import RuleError, parse

_UNTIL = re.compile(r"(UNTIL=\d{8})T\d{6}(Z?)", re.ASCII)
#: Rules for the last day of months that lack one, by the day that is meant.
_LAST = {"28,29,30,31": "31", "28,29,30": "30", "28,29": "29"}
_CLAMPED = re.compile(r"BYMONTHDAY=(28,29(?:,30(?:,31)?)?);BYSETPOS=-1\b")
# Properties without text of the user.
_UNUSED = ("DTSTAMP", "SEQUENCE", "CLASS", "BEGIN", "END")
#: RFC 5545 §3.8.1.9, and the middle of what it leaves to programs.
_PRIORITIES = ("none", "urgent", *["high"] * 3, "medium", *["low"] * 4)


@dataclass(slots=True)
class _Series:
    """The components of one UID: that of the series, and the starts of those written out."""

    draft: Draft | None = None
    rule: str = ""
    #: `recurrence_from`.
    source: str = "due"
    #: The start, which the rule counts from and RECURRENCE-ID and EXDATE name, if it is not the
    #: due date, in the zone of that.
    start: datetime | None = None
    written: set[Moment] = field(default_factory=set)


def read(stream: BinaryIO, name: str = "Tasks") -> Iterator[Row]:
    """The to-dos of the file, in a list that is called as the calendar, or else `name`."""
    reading = Reading("ics")
    try:
        calendar = Calendar(stream)
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    title = reading.lists.name(calendar.title or name, "calendar")
    series: dict[str, _Series] = defaultdict(_Series)
    for ordinal, todo in enumerate(calendar.todos, 1):
        reading.count = ordinal
        with reading.at(ordinal):
            _read_todo(reading, todo, title, series)
    for one in series.values():
        _begin(one, reading)
    reading.left_out(calendar.left_out)
    yield from reading.rows()
    if not calendar.ended:
        yield Incomplete(1, "The file has no END:VCALENDAR: it was cut off.")


def _read_todo(
    reading: Reading, todo: Todo, title: str, series: dict[str, _Series]
) -> None:
    """Reads the to-do, and puts it into the series of its UID: as the task that repeats, or as
    one that is written out, in a series of its own. `_begin` adds them."""
    draft = Draft(reading.count, TaskRecord(_own_id(todo), "", list=title))
    _read_members(todo, draft)
    rule, source = todo.first("RRULE"), todo.text(ics.SOURCE)
    written = todo.first("RECURRENCE-ID")
    start = read_due(todo, draft, rule)
    _read_parent(todo, draft)
    own = name = draft.record.external_id
    if written is not None:
        series[own].written.update(filter(None, [moment_of(written)]))
        name = derived_id("ics", own, written.value)
        draft.record = replace(draft.record, external_id=name)
    one = series[name]
    one.written.update(_left_out_dates(todo, draft))
    _keep_rest(todo, draft, reading)
    if one.draft is not None:  # the same UID again
        one = series[derived_id("ics", own, str(draft.line))]
    one.draft, one.start = draft, start
    one.rule = rule.value.strip() if rule and not written else ""
    one.source = source if source == "each_due" else "due"


def _own_id(todo: Todo) -> str:
    members: dict[str, object] = {
        name: [each.value for each in found] for name, found in todo.properties.items()
    }
    uid = todo.text("UID").strip()
    return _identifier(uid) if uid else content_id("ics", members)


def _read_members(todo: Todo, draft: Draft) -> None:
    """Reads what does not depend on other to-dos, and no dates that are due."""
    completed_at = read_instant(todo, "COMPLETED", draft)
    status = todo.text("STATUS").upper()
    progress = todo.text("PERCENT-COMPLETE").strip()
    completed = status in ("COMPLETED", "CANCELLED") or (
        not status and (completed_at is not None or progress == "100")
    )
    draft.record = replace(
        draft.record,
        title=todo.text("SUMMARY"),
        description=todo.text("DESCRIPTION"),
        location=_location(todo, draft),
        completed=completed,
        completed_at=completed_at,
        created_at=read_instant(todo, "CREATED", draft),
        updated_at=read_instant(todo, "LAST-MODIFIED", draft),
        tags=tuple(tag for each in todo.all("CATEGORIES") for tag in each.texts()),
        priority=_priority(todo, draft),
    )
    if status not in ("", "NEEDS-ACTION", "COMPLETED"):
        draft.remarks.lines.append(f"Status: {status}")
    if progress and not completed and progress != "0":
        draft.remarks.lines.append(f"Progress: {progress}%")


def _left_out_dates(todo: Todo, draft: Draft) -> Iterator[Moment]:
    for each in todo.all("EXDATE"):
        moments = {moment_of(each._replace(value=value)) for value in each.texts()}
        yield from filter(None, moments)
        draft.remarks.keep("EXDATE", each.value, "is no date of the series there")


def _identifier(uid: str) -> str:
    """The external id: of a task of this service, its own."""
    if uid.endswith(OWN) and not uid.startswith("sha256:"):
        name = unquote(uid.removesuffix(OWN))
        if f"{ics.identifier(name)}{OWN}" == uid:
            return name
    return external_id("ics", uid)


def _location(todo: Todo, draft: Draft) -> str | None:
    wanted = clean(todo.text("LOCATION")).strip()
    name = cut(one_line(wanted), LOCATION_LENGTH)
    if name != wanted:
        draft.remarks.keep("Location", wanted, "is not one line that fits")
    return name or None


def _priority(todo: Todo, draft: Draft) -> str:
    text = todo.text("PRIORITY").strip() or "0"
    if re.fullmatch("[0-9]", text, re.ASCII):
        return _PRIORITIES[int(text)]
    draft.remarks.keep("Priority", text, "is not from 0 to 9")
    return "none"


def _read_parent(todo: Todo, draft: Draft) -> None:
    for related in todo.all("RELATED-TO"):
        kind = related.parameters.get("RELTYPE", "PARENT").upper()
        if kind == "PARENT" and related.text.strip() and draft.record.parent is None:
            draft.record = replace(
                draft.record, parent=_identifier(related.text.strip())
            )
        else:
            draft.remarks.lines.append(f"Related ({kind.lower()}): {related.text}")


def _keep_rest(todo: Todo, draft: Draft, reading: Reading) -> None:
    own = [name for name in todo.properties if name.startswith("X-")]
    reading.left_out(name for name in own if any(it.value for it in todo.all(name)))
    for trigger in todo.all("TRIGGER"):
        draft.remarks.lines.append(f"Reminder: {trigger.value}")
    for name, found in todo.properties.items():
        for each in found:
            if name not in _UNUSED and each.value:
                draft.remarks.keep(name, each.text, "is not known here")
    for line in todo.others:
        draft.remarks.keep("Line", line, "is no property")


def _begin(one: _Series, reading: Reading) -> None:
    """Adds the task, at the first occurrence that is not written out."""
    draft = one.draft
    if draft is None:
        return
    if one.rule:
        record = _with_rule(one.rule, one.start, draft)
        if record.recurrence is not None:
            record = replace(record, recurrence_from=one.source)
        if record.recurrence is not None and one.written:
            moved = _moved(record, one)
            if moved is None:
                what = (
                    "All occurrences of the series are tasks of their own, or left out."
                )
                reading.adjusted(draft.line, what)
                return
            record = moved
        draft.record = record
    reading.add(draft)


def _with_rule(text: str, start: datetime | None, draft: Draft) -> TaskRecord:
    record = draft.record
    due = recurrence.planned(record.due_date, record.due_at, record.due_timezone)
    days_only = record.due_at is None
    rule = _UNTIL.sub(
        lambda it: it[1] if days_only or not it[2] else it[0], text.upper()
    )
    rule, clamped = _CLAMPED.subn(lambda it: f"BYMONTHDAY={_LAST[it[1]]}", rule)
    try:
        parsed = parse(rule)
    except RuleError:
        return as_series(record, Repeats(text, rule), draft.remarks)
    if due is not None and start is not None:
        other_day = due.day != start.date()
        if other_day and not parsed.is_bare and parsed.freq != "DAILY":
            draft.remarks.keep("Repeats", text, "counts from a start on another day")
            return record
        try:
            rule = str(replace(parsed, until=_last_due(parsed.until, start, due)))
        except OverflowError:
            draft.remarks.keep("Repeats", text, "ends after the year 9999")
            return record
    made = as_series(record, Repeats(text, rule), draft.remarks)
    if made.recurrence is None or clamped or parsed.by_weekday:
        return made
    assert due is not None
    written = parsed.beginning_at(due.day)
    months = written.by_month or range(1, 13)
    shortest = min(monthrange(2027, month)[1] for month in months)
    if any(abs(day) > shortest for day in written.by_month_day):
        draft.remarks.adjusted.append(
            f"Months that lack the day of {shown(text)} have their last day here."
        )
    return made


def _last_due(
    until: date | datetime | None, start: datetime, due: Occurrence
) -> date | datetime | None:
    """The UNTIL of the due dates, where `until` is that of the starts."""
    if until is None:
        return None
    if not isinstance(until, datetime) or due.at is None:
        return until + (due.day - start.date())
    zone = timezones.zone(due.zone or "UTC")
    apart = datetime.combine(due.day, due.at) - start
    return timezones.instant_of(timezones.local_time(until, zone) + apart, zone)


def _moved(record: TaskRecord, one: _Series) -> TaskRecord | None:
    """The task at the first of its occurrences that is not written out; None at the end of the
    series."""
    due = recurrence.planned(record.due_date, record.due_at, record.due_timezone)
    assert due is not None and record.recurrence is not None
    rule = recurrence.checked(record.recurrence, due, "due")
    apart = due.day - one.start.date() if one.start else timedelta()
    written = {each.local(due.zone).toordinal() + apart.days for each in one.written}
    while due.day.toordinal() in written:
        step = recurrence.step(rule, due)
        if step is None:
            return None
        due, rule = step.next, step.rule
    return replace(record, recurrence=str(rule), **due.fields())
