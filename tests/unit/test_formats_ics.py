"""iCalendar, read back by the library that calendars in Python use."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from tasks.formats import ListRecord, TaskRecord, ics
from tests.support import calendars
from tests.support.records import tasks

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
TASK = TaskRecord("a", "Buy milk", created_at=NOON, updated_at=NOON)


def written(*records: TaskRecord | ListRecord, name: str = "Home") -> bytes:
    return b"".join(ics.write(records, name))


def calendar(*records: TaskRecord | ListRecord, name: str = "Home") -> Any:
    return Calendar.from_ical(written(*records, name=name))


def todo(task: TaskRecord) -> Any:
    (component,) = calendar(task).walk("VTODO")
    return component


def event(task: TaskRecord) -> Any:
    (component,) = calendar(task).walk("VEVENT")
    return component


def test_a_calendar_says_what_it_is_and_when_to_ask_again() -> None:
    lines = written(name="Büro, 2026").decode().split("\r\n")

    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines[-2:] == ["END:VCALENDAR", ""]
    assert set(lines[1:-2]) == {
        "VERSION:2.0",
        "PRODID:-//tasks//tasks 1.0//EN",
        "NAME:Büro\\, 2026",
        "X-WR-CALNAME:Büro\\, 2026",
        "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
        "X-PUBLISHED-TTL:PT15M",
    }


def test_an_open_task_without_a_due_is_a_todo_only() -> None:
    file = written(TASK).decode()

    assert set(file.partition("BEGIN:VTODO\r\n")[2].split("\r\n")) == {
        "SUMMARY:Buy milk",
        "DTSTAMP:20260131T120000Z",
        "UID:a@tasks",
        "CREATED:20260131T120000Z",
        "LAST-MODIFIED:20260131T120000Z",
        "STATUS:NEEDS-ACTION",
        "END:VTODO",
        "END:VCALENDAR",
        "",
    }
    assert not calendar(TASK).walk("VEVENT")


def test_a_completed_task_says_when() -> None:
    done = todo(
        replace(TASK, completed=True, completed_at=NOON + timedelta(seconds=1.5))
    )

    assert done["STATUS"] == "COMPLETED"
    assert done["PERCENT-COMPLETE"] == 100
    assert done["COMPLETED"].dt == NOON + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("priority", "number"),
    [("urgent", 1), ("high", 3), ("medium", 5), ("low", 9), ("none", None)],
)
def test_priorities_are_those_of_the_rfc(priority: str, number: int | None) -> None:
    assert todo(replace(TASK, priority=priority)).get("PRIORITY") == number


def test_a_due_date_is_an_all_day_event_that_blocks_nothing() -> None:
    task = replace(TASK, due_date=date(2999, 12, 31))

    assert todo(task)["DUE"].dt == date(2999, 12, 31)
    assert event(task)["DTSTART"].dt == date(2999, 12, 31)
    assert event(task)["DTEND"].dt == date(3000, 1, 1)
    assert event(task)["TRANSP"] == "TRANSPARENT"
    assert b"DUE;VALUE=DATE:29991231\r\n" in written(task)


def test_a_due_instant_is_an_event_of_half_an_hour() -> None:
    task = replace(TASK, due_at=NOON, due_timezone="Europe/Paris")

    assert b"DUE:20260131T120000Z\r\n" in written(task)
    assert event(task)["DTSTART"].dt == NOON
    assert event(task)["DTEND"].dt == NOON + timedelta(minutes=30)
    assert event(task)["UID"] == "a@due.tasks"


def test_a_completed_task_is_no_event() -> None:
    task = replace(TASK, due_date=date(2026, 2, 1), completed=True, completed_at=NOON)

    assert not calendar(task).walk("VEVENT")


def test_lists_and_the_trash_are_left_out() -> None:
    file = calendar(ListRecord("Home"), replace(TASK, deleted_at=NOON))

    assert not file.walk("VTODO")


def test_a_subtask_names_its_parent() -> None:
    child = todo(replace(TASK, external_id="b", parent="vikunja:1"))

    assert child["RELATED-TO"] == "vikunja:1@tasks"


def test_tags_are_categories() -> None:
    assert todo(replace(TASK, tags=("home", "a, b")))["CATEGORIES"].cats == [
        "home",
        "a, b",
    ]


@pytest.mark.parametrize(
    ("external_id", "uid"),
    [
        ("a b", "a%20b@tasks"),
        ("a%20b", "a%2520b@tasks"),
        ("ä\r\nEND:VTODO", "%C3%A4%0D%0AEND:VTODO@tasks"),
        ("漢" * 255, None),
    ],
)
def test_an_id_is_made_safe(external_id: str, uid: str | None) -> None:
    made = todo(replace(TASK, external_id=external_id))["UID"]

    assert len(made) < 256
    assert made.startswith("sha256:") if uid is None else made == uid


def test_control_characters_are_taken_out() -> None:
    made = todo(replace(TASK, title="a\x07b\x1b[0m", description="a\r\nb\rc\td\x85e"))

    assert made["SUMMARY"] == "ab[0m"
    assert made["DESCRIPTION"] == "a\nb\nc\td\ne"


def test_nothing_breaks_out_of_its_line() -> None:
    evil = "x\r\nEND:VTODO\r\nBEGIN:VEVENT\nSUMMARY:y;z,\\n"
    file = calendar(replace(TASK, title=evil, description=evil, tags=(evil[:40],)))

    assert len(file.walk("VTODO")) == 1
    assert not file.walk("VEVENT")
    assert file.walk("VTODO")[0]["SUMMARY"] == evil.replace("\r\n", "\n")


def test_the_same_tasks_make_the_same_file() -> None:
    assert written(TASK) == written(TASK)


@given(st.lists(tasks(deleted_at=None), max_size=3), st.text(max_size=20))
@settings(max_examples=50)
def test_any_tasks_make_a_calendar(records: list[TaskRecord], name: str) -> None:
    name = name.encode("utf-8", "replace").decode()
    file = written(*records, name=name)
    todos: list[Any] = Calendar.from_ical(file).walk("VTODO")

    assert len(todos) == len(records)
    assert all(len(line) <= 75 for line in file.split(b"\r\n"))
    for made, task in zip(todos, records, strict=True):
        assert made["SUMMARY"] == ics._clean(task.title)
        assert made.get("DESCRIPTION", "") == ics._clean(task.description)


def text_survives(task: TaskRecord) -> bool:
    """icalendar writes a backslash before N as a line break."""
    return "\\N" not in task.title + task.description + "".join(task.tags)


@given(tasks(deleted_at=None).filter(text_survives))
@settings(max_examples=100)
def test_a_component_has_the_lines_that_the_library_writes(task: TaskRecord) -> None:
    expected = calendars.todo(task).to_ical()
    if not task.completed and (task.due_date or task.due_at):
        expected += calendars.event(task).to_ical()

    assert calendars.lines_of(ics.components(task)) == calendars.lines_of(expected)


def test_a_backslash_before_a_capital_n_is_no_line_break() -> None:
    assert b"SUMMARY:C:\\\\New\r\n" in written(replace(TASK, title="C:\\New"))


@pytest.mark.parametrize("character", ["a", "ä", "漢", "🌱", "\\", ";", "\n", "\\\n"])
@pytest.mark.parametrize("shift", range(5))
def test_a_long_line_is_folded_between_characters(character: str, shift: int) -> None:
    description = "x" * shift + character * 200
    file = written(replace(TASK, description=description))

    for line in file.split(b"\r\n"):
        assert len(line) <= 75
        assert (len(line) - len(line.rstrip(b"\\"))) % 2 == 0  # no escape is cut
        line.decode()
    assert todo(replace(TASK, description=description))["DESCRIPTION"] == description


def test_a_calendar_may_be_described() -> None:
    lines = ics.begin("Home", "Half, of it").decode().split("\r\n")

    assert "DESCRIPTION:Half\\, of it" in lines
    assert "X-WR-CALDESC:Half\\, of it" in lines
