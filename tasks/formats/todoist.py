"""Todoist, as it exports a project: the CSV of a template or of a backup.

The columns are documented in Todoist's help, "Import or export a project as a CSV file"
(https://todoist.com/help/articles/YC8YvN), and known from programs that read such files,
among them bboc/todoist-converter and memrynote/memry. A file is one project, whose name
and id are in the name of the file: "Garden [2203306141].csv". Rows are tasks, sections,
notes on the task before them, notes on the project, `meta`, or empty. Labels are words of
the content: @label. Priority 1 is the most urgent and 4 is none. Dates are as the user
entered them, in the language of DATE_LANG; the date of a note is when it was written."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import BinaryIO

from taskproject import timezones
from tasks.formats import todoist_dates
from tasks.formats.csv_rows import Rows
from tasks.formats.documents import Remarks
from tasks.formats.foreign import (
    UNNAMED,
    Draft,
    Lists,
    clean,
    cut,
    report_level,
    rows_of,
)
from tasks.formats.foreign_rules import Repeats, as_series
from tasks.formats.lines import RESAVE
from tasks.formats.records import (
    Adjusted,
    BadRow,
    Refused,
    Row,
    TaskRecord,
    shown,
)
from tasks.formats.times import read_instant
from tasks.limits import LIST_NAME_LENGTH

PRIORITIES = {"": "none", "1": "urgent", "2": "high", "3": "medium", "4": "none"}
#: Most ancestors of a task. Todoist itself allows four.
DEEPEST = 9
Clock = Callable[[], datetime]

# Columns without text of the user, or about the meaning of another column.
_UNUSED = ("IS_COLLAPSED", "DATE_LANG", "DEADLINE_LANG", "TIMEZONE")

# In the name of a backup's file: digits, or 16 letters and digits.
_PROJECT_ID = re.compile(r"(?P<name>.*\S)\s*\[(\d{4,}|[0-9A-Za-z]{16})\]\s*")
# In an e-mail address there is no space before the @.
_LABEL = re.compile(r"(?:^|\s)@(\S+)")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Project:
    """The state of reading: the current section and task."""

    #: The name of the list, and that of the file, which the ids of tasks follow from.
    title: str
    file: str
    now: Clock
    section: str = ""
    #: The line of the section's row, until a task is read in it.
    new_section: int = 0
    #: The contents of the task that was read last and of its ancestors, and the id of
    #: the one at the top.
    path: list[str] = field(default_factory=list)
    top: str | None = None
    seen: Counter[bytes] = field(default_factory=Counter)
    #: The task that was read last, which further notes may be on.
    pending: Draft | None = None
    #: The notes on the project.
    notes: Draft | None = None
    #: The adjustments of the last row.
    adjusted: list[Adjusted] = field(default_factory=list)
    #: What is left out, which is reported once.
    left_out: dict[str, None] = field(default_factory=dict)

    def report(self, line: int, what: str) -> None:
        self.adjusted.append(Adjusted(line, what))

    def notes_at(self, line: int) -> Draft:
        """The notes on the project, as a task, which the first of them creates."""
        if self.notes is None:
            digest = sha256(json.dumps({"notes on": self.file}).encode()).hexdigest()
            name = f"Notes on {self.title}"
            record = TaskRecord(f"todoist:{digest}", name, list=self.title)
            self.notes = Draft(line, record)
            self.report(line, f"The notes on the project are in the task {name!r}.")
        return self.notes


def read(stream: BinaryIO, name: str = "Todoist", now: Clock = _now) -> Iterator[Row]:
    """The list, which is called `name` without the id of the project, and its tasks, in the
    order of the file. `now` decides the year of dates without one.

    Todoist gives no ids: the id of a task is derived from the name, its ancestors, its content,
    and the number of equal tasks before it. So the file must have the same name each time.
    Dates such as "every friday" are series, in English. Sections, deadlines, durations and
    people are named in the description, and so are dates that are neither. Notes on the project and on sections
    are in a task of their own, the last one."""
    rows = Rows(stream)
    try:
        columns = _columns(next(rows, []))
    except Refused as refusal:
        yield BadRow(1, str(refusal))
        return
    lists = Lists()
    found = _PROJECT_ID.fullmatch(name)
    known = cut(clean(name).strip() or UNNAMED, LIST_NAME_LENGTH)
    called = lists.name(found["name"] if found else name, name)
    project = _Project(called, known, now)
    yield from lists.new()
    while True:
        try:
            row = next(rows, None)
            if row is None:
                break
        except Refused as refusal:
            # It is unknown what it was, and whose notes follow: not the previous task's.
            yield from _finished(project)
            project.path, project.top = [], None
            yield BadRow(rows.line, str(refusal))
            continue
        if not all(map(_is_text, row)):
            yield from _finished(project)
            yield BadRow(rows.line, f"From this line on it is not UTF-8. {RESAVE}.")
            return
        yield from _read_row(project, _Cells(columns, row), rows.line)
    yield from _finished(project)
    _end_section(project)
    yield from project.adjusted
    if project.notes is not None:
        yield from rows_of(project.notes, None)
    if project.left_out:
        yield Adjusted(1, f"Not imported: {', '.join(project.left_out)}.")


def _is_text(cell: str) -> bool:
    """Whether the bytes are text: not if they are no UTF-8, or ISO 2022, which resembles it."""
    return "\x1b" not in cell and not any("\ud800" <= it <= "\udfff" for it in cell)


class _Cells:
    """The cells of a row by their columns. Reading one removes it."""

    def __init__(self, columns: list[str], row: list[str]) -> None:
        self._left: dict[str, str] = {}
        for number, cell in enumerate(row):
            column = columns[number] if number < len(columns) else ""
            name, count = column or "Without a column", 1
            while name in self._left:
                count += 1
                name = f"{column or 'Without a column'} ({count})"
            self._left[name] = cell

    def text(self, column: str) -> str:
        return self._left.pop(column, "")

    def word(self, column: str) -> str:
        return self.text(column).strip()

    def left(self) -> Iterator[tuple[str, str]]:
        """The cells that have not been read and are not empty."""
        for column, cell in self._left.items():
            if cell.strip() and column not in _UNUSED:
                yield column, cell


def _columns(header: list[str]) -> list[str]:
    columns = [cell.strip().upper() for cell in header]
    if columns and columns[0].startswith("PK\x03\x04"):
        raise Refused("The file is a zip: unpack it, and import each CSV in it.")
    if "TYPE" not in columns or "CONTENT" not in columns:
        raise Refused(
            "The file is no CSV of Todoist: the first row has no TYPE and CONTENT."
        )
    return columns


def _read_row(project: _Project, cells: _Cells, line: int) -> Iterator[Row]:
    kind = cells.word("TYPE").lower()
    if kind == "task":
        # Its notes come after a task: it is not complete before the next one.
        yield from _finished(project)
        project.pending = _draft(cells, line, project)
        project.new_section = 0
    elif kind == "section":
        yield from _finished(project)
        _read_section(project, cells, line)
    elif kind == "note":
        on = project.pending
        if on is None:
            project.report(
                line, "The note is before any task; it is one on the project."
            )
        _add_note(cells, on or project.notes_at(line))
    elif kind == "project_note":
        _add_note(cells, project.notes_at(line))
    elif kind == "meta":
        words = (cells.word("CONTENT"), *(cell for _, cell in cells.left()))
        project.left_out[f"meta {' '.join(filter(None, words))}"] = None
    elif left := list(cells.left()):
        on = project.pending or project.notes_at(line)
        on.remarks.lines += [f"{column}: {cell}" for column, cell in left]
        project.report(line, f"TYPE is {shown(kind)}; kept in a description.")
    yield from project.adjusted
    project.adjusted.clear()


def _read_section(project: _Project, cells: _Cells, line: int) -> None:
    _end_section(project)
    project.section, project.new_section = cells.word("CONTENT"), line
    for column in ("INDENT", "PRIORITY", "AUTHOR"):
        cells.text(column)
    for column, cell in cells.left():
        column = "" if column == "DESCRIPTION" else f"{column}: "
        remarks = project.notes_at(line).remarks
        remarks.lines.append(f"Section {project.section}: {column}{cell}")
        project.report(line, "The description of the section is in a task of its own.")
        project.new_section = 0


def _end_section(project: _Project) -> None:
    """Keep a section without tasks."""
    if project.new_section:
        line, project.new_section = project.new_section, 0
        project.notes_at(line).remarks.lines.append(f"Section: {project.section}")
        project.report(
            line, "The section has no tasks; it is named in a task of its own."
        )


def _add_note(cells: _Cells, draft: Draft) -> None:
    note = cells.text("CONTENT").strip()
    author, moment = cells.word("AUTHOR"), cells.word("DATE")
    for column in ("INDENT", "PRIORITY"):
        cells.text(column)
    written = moment[: len("2026-01-31")] if todoist_dates.ISO.match(moment) else moment
    by = ", ".join(filter(None, (author, written)))
    draft.remarks.lines.append(f"Comment ({by}): {note}" if by else note)
    _keep_rest(cells, draft)


def _keep_rest(cells: _Cells, draft: Draft) -> None:
    for column, cell in cells.left():
        draft.remarks.keep(column, cell, "is not known here")


def _finished(project: _Project) -> Iterator[Row]:
    """The last task, after all of its notes were read."""
    draft, project.pending = project.pending, None
    if draft is not None:
        for row in rows_of(draft, draft.record.parent):
            if isinstance(row, BadRow) and project.top == draft.record.external_id:
                project.top = None
            yield row


def _draft(cells: _Cells, line: int, project: _Project) -> Draft:
    content = cells.word("CONTENT")
    remarks = Remarks()
    level = _level(cells.word("INDENT"), project, remarks)
    project.path[level:] = [content]
    external_id = _external_id(project)
    parent = project.top if level else None
    if not level:
        project.top = external_id
    if level > 1:
        report_level(remarks, project.path[level - 1])
    priority = _whole(cells.word("PRIORITY"))
    if priority not in PRIORITIES:
        remarks.keep("PRIORITY", priority, "is not 1, 2, 3 or 4")
    record = TaskRecord(
        external_id=external_id,
        # A content of labels only stays as it is.
        title=_LABEL.sub("", content).strip() or content,
        description=cells.text("DESCRIPTION"),
        list=project.title,
        parent=parent,
        tags=tuple(_LABEL.findall(content)),
        priority=PRIORITIES.get(priority, "none"),
    )
    record = _with_due(record, cells, remarks, project.now)
    remarks.lines += _lines(cells, project)
    if cells.word("AUTHOR"):
        project.left_out["AUTHOR of tasks"] = None
    draft = Draft(line, record, remarks)
    _keep_rest(cells, draft)
    return draft


def _whole(text: str) -> str:
    """The number without the fraction that a spreadsheet may have added."""
    return re.sub(r"^(\d+)\.0+$", r"\1", text, flags=re.ASCII)


def _level(indent: str, project: _Project, remarks: Remarks) -> int:
    """The number of ancestors of the task: Todoist's INDENT less one."""
    text = _whole(indent or "1")
    if not re.fullmatch(r"[1-9]\d{0,2}", text, re.ASCII):
        remarks.keep("INDENT", text, "is not from 1 on; it is a task of its own")
        return 0
    level = min(int(text) - 1, DEEPEST)
    if level and (not project.path or project.top is None):
        remarks.keep("INDENT", text, "is that of a subtask, and no task is above")
        return 0
    return min(level, len(project.path))


def _external_id(project: _Project) -> str:
    place = json.dumps([project.file, *project.path]).encode()
    key = sha256(place).digest()[:16]
    project.seen[key] += 1
    return f"todoist:{sha256(place + b'%d' % project.seen[key]).hexdigest()}"


def _with_due(
    record: TaskRecord, cells: _Cells, remarks: Remarks, now: Clock
) -> TaskRecord:
    """The task with its due date. What is no date, or more than a date, is kept as text."""
    text, language = cells.word("DATE"), cells.word("DATE_LANG").lower()
    named = cells.word("TIMEZONE")
    if not text:
        return record
    zone = named if named in timezones.names() else ""
    if named and not zone and not todoist_dates.is_day(text):
        remarks.keep("TIMEZONE", named, "is no IANA time zone")
    try:
        instant = read_instant("DATE", text)
    except Refused:
        pass
    else:
        return replace(record, due_at=instant, due_timezone=zone or "UTC")
    today = now().astimezone(timezones.zone(zone or "UTC")).date()
    english = language in ("", "en")
    day, clock, guessed = todoist_dates.read(text, english, today)
    if day is not None:
        if guessed:
            remarks.adjusted.append(f"DATE {shown(text)} has no year; read as {day}.")
        return _due(record, text, day, clock, zone, remarks)
    found = todoist_dates.series(text, today) if english else None
    if found is None:
        remarks.keep("Due", text, "is neither a day nor a known rule")
        return record
    remarks.adjusted.append(
        f"DATE {shown(text)} does not say which day is next; read as {found.day}."
    )
    record = _due(record, text, found.day, found.clock, zone, remarks)
    return as_series(record, Repeats(text, found.rule, found.source), remarks)


def _due(
    record: TaskRecord,
    text: str,
    day: date,
    clock: time | None,
    zone: str,
    remarks: Remarks,
) -> TaskRecord:
    if clock is None:
        return replace(record, due_date=day)
    if not zone:
        remarks.keep("Due", text, "has a time of day in no zone")
        return replace(record, due_date=day)
    try:
        moment = datetime.combine(day, clock, timezones.zone(zone)).astimezone(UTC)
    except OverflowError:
        remarks.keep("Due", text, "is out of range")
        return record
    return replace(record, due_at=moment, due_timezone=zone)


def _lines(cells: _Cells, project: _Project) -> Iterator[str]:
    """The values without a field here, one line each."""
    if project.section:
        yield f"Section: {project.section}"
    length, unit = cells.word("DURATION"), cells.word("DURATION_UNIT")
    if length and length != "None":
        yield f"Duration: {length} {unit}"
    for word, column in (("Deadline", "DEADLINE"), ("Assigned to", "RESPONSIBLE")):
        if text := cells.word(column):
            yield f"{word}: {text}"
