"""Todoist, as it exports a project: the CSV of a template or of a backup.

Columns and their meaning were read in Todoist's help, "Format a CSV file to import
into Todoist" (https://todoist.com/help/articles/UVUXTmm6), and in programs that read
such files, among them bboc/todoist-converter. A file is one project, whose name it does
not hold. Rows are tasks, sections, notes on the task before them, `meta`, or empty.
Labels are words of the content: @label. Priority 1 is the most urgent and 4 is none.
Dates are what was typed, in the language of DATE_LANG.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import BinaryIO

from taskproject import timezones
from tasks.formats.foreign import Draft, Lists, row_of
from tasks.formats.records import (
    FIRST_DAY,
    LAST_DAY,
    BadRow,
    Refused,
    Row,
    TaskRecord,
    shown,
)
from tasks.formats.rows import Rows
from tasks.formats.times import read_instant

PRIORITIES = {"": "none", "1": "urgent", "2": "high", "3": "medium", "4": "none"}
IGNORED = ("", "meta")
#: Ancestors of a task. Todoist itself allows four.
DEEPEST = 9
_MONTHS = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)

# An address has no space before its @.
_LABEL = re.compile(r"(?:^|(?<=\s))@(\S+)")
_CLOCK = r"(?:[T ]\s*(?P<clock>\d{1,2}:\d\d(?::\d\d)?)(?:\.0+)?)?"
_ISO = re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d){_CLOCK}", re.ASCII)
# What Todoist writes for English: "Oct 5 2026", "5 Oct 2026 15:30".
_MONTH = r"(?P<month>[a-z]{3})[a-z]*"
_DAY = r"(?P<day>\d\d?)"
_YEAR = r",? (?P<year>\d{4})"
_WORDS = re.ASCII | re.IGNORECASE
_ENGLISH = (
    re.compile(f"{_MONTH} {_DAY}{_YEAR}{_CLOCK}", _WORDS),
    re.compile(f"{_DAY} {_MONTH}{_YEAR}{_CLOCK}", _WORDS),
)


@dataclass(slots=True)
class _Project:
    """Where in the file reading is."""

    name: str
    section: str = ""
    #: The contents of the task that was read last and of its ancestors, and the id of
    #: the one at the top.
    path: list[str] = field(default_factory=list)
    top: str | None = None
    seen: Counter[bytes] = field(default_factory=Counter)


def read(stream: BinaryIO, name: str = "Todoist") -> Iterator[Row]:
    """The list, which is called `name`, and its tasks, in the order of the file.

    Todoist gives no ids: a task's follows from the name, its ancestors, its content, and
    how many like it came before. Give a file the same name each time. Sections,
    deadlines, durations and people are named in the description, and so is a date that
    is not just a date, such as "every friday".
    """
    rows = Rows(stream)
    try:
        columns = _columns(next(rows, []))
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    lists = Lists()
    project = _Project(lists.name(name))
    yield from lists.new()
    pending: Draft | None = None
    while True:
        try:
            row = next(rows, None)
            if row is None:
                break
            cells = dict(zip(columns, row, strict=False))
            kind = cells.get("TYPE", "").strip().lower()
            if kind == "note":
                _add_note(pending, cells)
            elif kind == "section":
                project.section = cells.get("CONTENT", "").strip()
            elif kind == "task":
                # Its notes come after a task: it is not complete before the next one.
                if pending:
                    yield _row(pending, project)
                pending = None
                pending = _draft(cells, rows.line, project)
            elif kind not in IGNORED:
                raise Refused(f"TYPE is {shown(kind)}; task, section or note is known.")
        except Refused as refusal:
            yield BadRow(rows.line, str(refusal))
    if pending:
        yield _row(pending, project)


def _columns(header: list[str]) -> list[str]:
    columns = [cell.strip().upper() for cell in header]
    if "TYPE" not in columns or "CONTENT" not in columns:
        raise Refused(
            "The file is no CSV of Todoist: the first row has no TYPE and CONTENT."
        )
    return columns


def _add_note(draft: Draft | None, cells: dict[str, str]) -> None:
    note = cells.get("CONTENT", "").strip()
    if draft is None:
        raise Refused(f"The note {shown(note)} is on no task that could be read.")
    draft.lines.append(note)


def _row(draft: Draft, project: _Project) -> TaskRecord | BadRow:
    row = row_of(draft, draft.record.parent)
    if isinstance(row, BadRow) and project.top == draft.record.external_id:
        project.top = None
    return row


def _draft(cells: dict[str, str], line: int, project: _Project) -> Draft:
    content = cells.get("CONTENT", "").strip()
    level = _level(cells.get("INDENT", ""), project)
    project.path[level:] = [content]
    external_id = _external_id(project)
    parent = project.top if level else None
    if not level:
        project.top = None
    priority = cells.get("PRIORITY", "").strip()
    if priority not in PRIORITIES:
        raise Refused(f"PRIORITY is {shown(priority)}; give 1, 2, 3 or 4.")
    labels = tuple(_LABEL.findall(content))
    record = TaskRecord(
        external_id=external_id,
        # A content of labels only stays as it is.
        title=" ".join(_LABEL.sub("", content).split()) or content,
        description=cells.get("DESCRIPTION", ""),
        list=project.name,
        parent=parent,
        tags=labels,
        priority=PRIORITIES[priority],
    )
    record, lines = _with_due(record, cells)
    if not level:
        project.top = external_id
    return Draft(line, record, [*lines, *_lines(cells, project)])


def _level(indent: str, project: _Project) -> int:
    """How many ancestors the task has. Todoist's INDENT is one more."""
    text = indent.strip() or "1"
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        project.path, project.top = [], None
        raise Refused(f"INDENT is {shown(text)}; give 1 for a task, 2 for a subtask.")
    return max(0, min(int(text) - 1, len(project.path), DEEPEST))


def _external_id(project: _Project) -> str:
    place = json.dumps([project.name, *project.path]).encode()
    key = sha256(place).digest()[:16]
    project.seen[key] += 1
    return f"todoist:{sha256(place + b'%d' % project.seen[key]).hexdigest()}"


def _with_due(
    record: TaskRecord, cells: dict[str, str]
) -> tuple[TaskRecord, list[str]]:
    """The task with its due, and the line for a date that is none, or not wholly one."""
    text = cells.get("DATE", "").strip()
    if not text:
        return record, []
    told = [f"Due: {text}"]
    zone = cells.get("TIMEZONE", "").strip()
    zone = zone if zone in timezones.names() else ""
    try:
        instant = read_instant("DATE", text)
    except Refused:
        pass
    else:
        return _due_at(record, instant, zone or "UTC"), []
    day, clock = _date(text, cells.get("DATE_LANG", "").strip().lower() in ("", "en"))
    if day is None:
        return record, told
    if clock is None:
        return replace(record, due_date=day), []
    if not zone:
        # A time of day in no zone is no instant.
        return replace(record, due_date=day), told
    moment = datetime.combine(day, clock, timezones.zone(zone)).astimezone(UTC)
    return _due_at(record, moment, zone), []


def _due_at(record: TaskRecord, instant: datetime, zone: str) -> TaskRecord:
    return replace(record, due_at=instant, due_timezone=zone)


def _date(text: str, english: bool) -> tuple[date | None, time | None]:
    """The day and the time of day in the text; no day where it is any other text."""
    patterns = (_ISO, *_ENGLISH) if english else (_ISO,)
    found = next(filter(None, (pattern.fullmatch(text) for pattern in patterns)), None)
    if found is None:
        return None, None
    month = found["month"].lower()
    try:
        number = _MONTHS.index(month) + 1 if month.isalpha() else int(month)
        day = date(int(found["year"]), number, int(found["day"]))
        clock = found["clock"]
        at = time.fromisoformat(_padded(clock)) if clock else None
    except ValueError:
        return None, None
    if not FIRST_DAY <= day <= LAST_DAY:
        return None, None
    return day, at


def _padded(clock: str) -> str:
    return clock if clock[1] != ":" else f"0{clock}"


def _lines(cells: dict[str, str], project: _Project) -> Iterator[str]:
    """What has no field here, a line each."""
    if project.section:
        yield f"Section: {project.section}"
    length = cells.get("DURATION", "").strip()
    if length and length != "None":
        yield f"Duration: {length} {cells.get('DURATION_UNIT', '').strip()}"
    for word, column in (("Deadline", "DEADLINE"), ("Assigned to", "RESPONSIBLE")):
        if told := cells.get(column, "").strip():
            yield f"{word}: {told}"
