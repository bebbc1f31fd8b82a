"""The records that all files of tasks are read to and written from, and their limits.

The limits are those of the service: a record that `checked` accepts can be stored. Readers
pass each record to it, and yield a `BadRow` if it raises `Refused`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from reprlib import Repr
from uuid import UUID

from taskproject import timezones, uuids
from taskproject.names import casefold_key, one_line, unknown, visible
from taskproject.times import midnight, parse_instant
from tasks import recurrence, reminder_rules
from tasks.fields import FIELDS, ONE_LINE
from tasks.limits import (
    DESCRIPTION_LENGTH,
    EXTERNAL_ID_LENGTH,
    FIRST_DAY,
    LAST_DAY,
    LIST_NAME_LENGTH,
    LOCATION_LENGTH,
    MAX_MINUTES_BEFORE,
    MAX_REMINDERS,
    MAX_TAGS,
    POSITION_LENGTH,
    PRIORITIES,
    TAG_LENGTH,
    TITLE_LENGTH,
    USERNAME_LENGTH,
)
from tasks.recurrence_rules import RuleError

_POSITION = re.compile(rf"[0-9a-z]{{1,{POSITION_LENGTH}}}")
# Not repr(), which raises RecursionError for values of deeply nested files.
_SHORT = Repr()
_SHORT.maxstring = 100
#: The fields that are names: of one line, or of several such.
_NAMES = (*ONE_LINE, "name", "list", "tags")
_NO_SERIES: dict[str, str | None] = dict.fromkeys(recurrence.SERIES)
_FIRST = midnight(FIRST_DAY)
_END = midnight(LAST_DAY + timedelta(days=1))
#: Characters that no text may have: NUL, and halves of surrogate pairs.
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ListRecord:
    """A list, identified by its name; `owner` is a username."""

    name: str
    position: str | None = None
    archived: bool = False
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class TagRecord:
    """A tag, identified by its name; `owner` is a username."""

    name: str
    owner: str | None = None


# Not frozen: that takes twice as long, for each task of a file.
@dataclass(slots=True)
class TaskRecord:
    """A task. `external_id` is the same each time that the file is read."""

    external_id: str
    title: str
    description: str = ""
    location: str | None = None
    completed: bool = False
    # None in a completed task if it is unknown.
    completed_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    # When it was moved to the trash.
    deleted_at: datetime | None = None
    # The name of its list, and the external_id of its parent.
    list: str | None = None
    parent: str | None = None
    tags: tuple[str, ...] = ()
    priority: str = "none"
    # Due on a day or at an instant, never both; the time zone is of the instant.
    due_date: date | None = None
    due_at: datetime | None = None
    due_timezone: str | None = None
    reminders: tuple[reminder_rules.Rule, ...] = ()
    # Its series, and its planned date there; the latter may be missing.
    recurrence: str | None = None
    recurrence_from: str | None = None
    recurrence_subtasks: str | None = None
    occurrence: str | None = None
    position: str | None = None
    client_id: UUID | None = None
    owner: str | None = None


#: The fields of a task in its record, in the order of the API.
TASK_FIELDS = tuple(
    field.name
    for field in FIELDS
    if field.name in {member.name for member in fields(TaskRecord)}
)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A part of the file that could not be read. `line` counts from 1: lines of the file, or
    tasks in a JSON document. `title` is empty if it could not be read either."""

    line: int
    reason: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Incomplete(BadRow):
    """Reports that records are missing from the file."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Reports a value that could not be stored as it is in the file, and what was done with it.
    `line` counts as in `BadRow`."""

    line: int
    what: str


Record = ListRecord | TagRecord | TaskRecord
Row = Record | BadRow | Adjusted


class Refused(ValueError):
    """A record that cannot be stored; the message says what can."""


def shown(value: object) -> str:
    """A value of the file for an error message: short and printable."""
    return _SHORT.repr(value)


def readable_title(value: object) -> str:
    """The title of a row that cannot be stored, as a text that can; empty if it is none."""
    if not isinstance(value, str):
        return ""
    return one_line(UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value))[:TITLE_LENGTH]


def read_uuid(member: str, text: str) -> UUID:
    """Raises `Refused` if the text is no UUID."""
    value = uuids.parse_uuid(text)
    if value is None:
        raise Refused(
            f"{member} is {shown(text)}; give a UUID such as {uuids.EXAMPLE}."
        )
    return value


def checked(record: Record) -> Record:
    """The record as it is stored: names stripped, instants in UTC, tags without repetitions.
    Raises `Refused` if a limit is exceeded."""
    if isinstance(record, TaskRecord):
        return checked_task(record)
    if isinstance(record, TagRecord):
        return TagRecord(_name("name", record.name, TAG_LENGTH), _owner(record.owner))
    return ListRecord(
        _name("name", record.name, LIST_NAME_LENGTH),
        _position(record.position),
        record.archived,
        _owner(record.owner),
    )


def put_on_one_line(line: int, record: Record) -> Iterator[Adjusted]:
    """The adjustments that `checked` made to the names of this record."""
    for name in _NAMES:
        given = getattr(record, name, None) or ()
        values = (given,) if isinstance(given, str) else given
        if "".join(values).isprintable():
            continue
        if any(one_line(value) != value.strip() for value in values):
            yield Adjusted(
                line, f"{name} has line breaks or control characters; they are spaces."
            )


def checked_task(record: TaskRecord) -> TaskRecord:
    """`checked` for a task.

    An open task loses its `completed_at`. A completed one without it gets `updated_at`, else
    `created_at`, else none."""
    created_at = _instant("created_at", record.created_at)
    updated_at = _instant("updated_at", record.updated_at)
    completed_at = None
    if record.completed:
        completed_at = _instant("completed_at", record.completed_at)
        completed_at = completed_at or updated_at or created_at
    if record.priority not in PRIORITIES:
        raise Refused(unknown(record.priority, PRIORITIES, "priority"))
    _check_due(record)
    # Not by `replace`, which takes four times as long.
    return TaskRecord(
        external_id=_identifier("external_id", record.external_id),
        title=_name("title", record.title, TITLE_LENGTH),
        description=_text("description", record.description, DESCRIPTION_LENGTH),
        location=_name_or_none("location", record.location, LOCATION_LENGTH),
        completed=record.completed,
        completed_at=completed_at,
        created_at=created_at,
        updated_at=updated_at,
        deleted_at=_instant("deleted_at", record.deleted_at),
        list=_name_or_none("list", record.list, LIST_NAME_LENGTH),
        parent=_parent(record),
        tags=_tags(record.tags),
        priority=record.priority,
        due_date=record.due_date,
        due_at=_instant("due_at", record.due_at),
        due_timezone=record.due_timezone,
        reminders=_reminders(record.reminders),
        **_series(record),
        position=_position(record.position),
        client_id=record.client_id,
        owner=_owner(record.owner),
    )


def _text(member: str, value: str, most: int) -> str:
    if value.isprintable() and len(value) <= most:
        return value
    bad = UNSTORABLE.search(value)
    if bad and bad[0] == "\x00":
        raise Refused(f"{member} has a NUL character; remove it.")
    if bad:
        raise Refused(f"{member} is not Unicode text; save the file as UTF-8.")
    if len(value) > most:
        raise Refused(
            f"{member} has {len(value):,} characters; at most {most:,} are accepted."
        )
    return value


def _name(member: str, value: str, most: int) -> str:
    value = value.strip()
    if value and value.isascii() and value.isprintable() and len(value) <= most:
        return value
    name = one_line(_text(member, value, most))
    if not visible(name):
        raise Refused(f"{member} is empty; give 1 to {most} characters.")
    return name


def _name_or_none(member: str, value: str | None, most: int) -> str | None:
    return None if value is None else _name(member, value, most)


def _identifier(member: str, value: str) -> str:
    if not value.strip():
        raise Refused(f"{member} is empty; give 1 to {EXTERNAL_ID_LENGTH} characters.")
    return _text(member, value, EXTERNAL_ID_LENGTH)


def _parent(record: TaskRecord) -> str | None:
    if record.parent is None:
        return None
    if record.parent == record.external_id:
        raise Refused("parent is the task itself; give the external_id of another.")
    return _identifier("parent", record.parent)


def _owner(value: str | None) -> str | None:
    if value is None:
        return None
    if not (name := value.strip()):
        raise Refused(f"owner is empty; give 1 to {USERNAME_LENGTH} characters.")
    return _text("owner", name, USERNAME_LENGTH)


def _tags(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        return ()
    names: dict[str, str] = {}
    for value in values:
        key, name = _tag(value)
        names.setdefault(key, name)
    if len(names) > MAX_TAGS:
        raise Refused(f"tags has {len(names)} names; at most {MAX_TAGS} are accepted.")
    return tuple(names.values())


def _reminders(
    rules: tuple[reminder_rules.Rule, ...],
) -> tuple[reminder_rules.Rule, ...]:
    if not rules:
        return ()
    found = tuple(reminder_rules.each_once(map(_reminder, rules)) or ())
    if len(found) > MAX_REMINDERS:
        raise Refused(
            f"reminders has {len(found)} of them; at most {MAX_REMINDERS} are accepted."
        )
    return found


def _reminder(rule: reminder_rules.Rule) -> reminder_rules.Rule:
    """The reminder as it is stored."""
    match rule:
        case {"at": str(text), **others} if not others:
            at = parse_instant(text)
            if at and (instant := _instant("reminders", at)):
                return reminder_rules.absolute(instant)
        case {"hour": int(hour), "minutes_before": int(minutes), **others} if (
            not others
            and type(hour) is type(minutes) is int
            and 0 <= hour <= 23
            and 0 <= minutes <= MAX_MINUTES_BEFORE
        ):
            return reminder_rules.relative(minutes, hour)
    raise Refused(
        f"reminders has {shown(rule)} in it; give {{'at': '2026-01-31T12:00:00Z'}}, or "
        f"{{'hour': 9, 'minutes_before': 30}} with at most {MAX_MINUTES_BEFORE:,} minutes."
    )


@lru_cache(10_000)
def _tag(value: str) -> tuple[str, str]:
    """The key and the name of a tag."""
    name = _name("tags", value, TAG_LENGTH)
    return casefold_key(name), name


def _position(value: str | None) -> str | None:
    if value is not None and not _POSITION.fullmatch(value):
        raise Refused(
            f"position is not 1 to {POSITION_LENGTH:,} characters of 0-9 and a-z."
        )
    return value


def _check_due(record: TaskRecord) -> None:
    if record.due_date is not None and record.due_at is not None:
        raise Refused("due_date and due_at are both given; give one of them.")
    if record.due_date is not None and not FIRST_DAY <= record.due_date <= LAST_DAY:
        raise Refused(f"due_date is not from {FIRST_DAY} to {LAST_DAY}.")
    if record.due_timezone is None:
        if record.due_at is not None:
            raise Refused(
                "due_at is given without due_timezone; name a zone such as "
                "'Europe/Paris' or 'UTC'."
            )
    elif record.due_at is None:
        raise Refused("due_timezone is given without due_at; leave it out.")
    elif record.due_timezone not in timezones.names():
        zone = record.due_timezone
        advice = timezones.advice(zone)
        raise Refused(f"due_timezone {shown(zone)} is no IANA time zone; {advice}")


def _series(record: TaskRecord) -> dict[str, str | None]:
    """The series of a task that recurs, with its rule in its canonical text."""
    if record.recurrence is None:
        if any(getattr(record, name) is not None for name in _NO_SERIES):
            others = ", ".join(recurrence.SERIES[1:])
            raise Refused(f"These go with a recurrence only: {others}.")
        return _NO_SERIES
    due = recurrence.planned(record.due_date, record.due_at, record.due_timezone)
    source = record.recurrence_from or recurrence.SOURCES[0]
    if due is None:
        raise Refused("recurrence is given without a due date; give one, too.")
    if source not in recurrence.SOURCES:
        raise Refused(unknown(source, recurrence.SOURCES, "recurrence_from"))
    subtasks = record.recurrence_subtasks or recurrence.SUBTASKS[0]
    if subtasks not in recurrence.SUBTASKS:
        raise Refused(unknown(subtasks, recurrence.SUBTASKS, "recurrence_subtasks"))
    planned = due
    if record.occurrence is not None:
        found = recurrence.occurrence(record.occurrence)
        if found is None or str(found) != record.occurrence:
            raise Refused(
                f"occurrence {shown(record.occurrence)} is no date such as 2026-12-31, or "
                "2026-12-31T17:00:00 Europe/Paris."
            )
        planned = found
    try:
        rule = str(recurrence.checked(record.recurrence, planned, source))
    except RuleError as error:
        raise Refused(f"recurrence {shown(record.recurrence)}: {error}") from None
    return {
        "recurrence": rule,
        "recurrence_from": source,
        "recurrence_subtasks": subtasks,
        "occurrence": str(planned),
    }


def _instant(member: str, value: datetime | None) -> datetime | None:
    if value is None or (value.tzinfo is UTC and _FIRST <= value < _END):
        return value
    if value.tzinfo is None:
        raise Refused(f"{member} has no offset from UTC; end it with Z.")
    try:
        instant = value.astimezone(UTC)
    except OverflowError:
        instant = datetime.max.replace(tzinfo=UTC)
    if not FIRST_DAY <= instant.date() <= LAST_DAY:
        raise Refused(f"{member} is not from {FIRST_DAY} to {LAST_DAY} in UTC.")
    return instant
