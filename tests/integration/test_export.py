"""GET /api/tasks/export"""

import csv
import json
from datetime import UTC, date, datetime
from io import StringIO
from typing import Any

import pytest
from icalendar import Calendar

from taskproject.accounts.models import User
from tasks import exports
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.batches import statements
from tests.support.rows import make_list

PATH = "/api/tasks/export"


def export(api: ApiClient, kind: str | None = None) -> Any:
    answer = api.send("GET", PATH if kind is None else f"{PATH}?format={kind}")
    assert answer.status_code == 200, answer.getvalue()
    return answer


def lines(api: ApiClient) -> list[Any]:
    """The records of a jsonl, without its header and its end."""
    content = export(api, "jsonl").getvalue()
    header, *rest, end = map(json.loads, content.splitlines())
    assert header == {"kind": "header", "format": "tasks", "version": 2}
    assert end == {"kind": "end", "records": len(rest)}
    return rest


def rows(api: ApiClient) -> list[dict[str, str]]:
    return list(
        csv.DictReader(StringIO(export(api, "csv").getvalue().decode("utf-8-sig")))
    )


def components(api: ApiClient, kind: str) -> list[Any]:
    return list(Calendar.from_ical(export(api, "ics").getvalue()).walk(kind))


def external_id(task: Task) -> str:
    return exports.external_id(task.pk, task.created_at, task.external_id)


def micro(moment: datetime | None) -> str | None:
    """As a file writes a moment: always with its six digits."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


# Three formats


@pytest.mark.parametrize(
    ("kind", "media_type", "extension", "begin"),
    [
        (None, "application/jsonl", "jsonl", b'{"kind":"header"'),
        ("jsonl", "application/jsonl", "jsonl", b'{"kind":"header"'),
        (
            "csv",
            "text/csv; charset=utf-8; header=present",
            "csv",
            b"\xef\xbb\xbfexternal_id,title",
        ),
        ("ics", "text/calendar; charset=utf-8", "ics", b"BEGIN:VCALENDAR\r\n"),
    ],
)
def test_it_streams_a_file_of_the_format(
    api: ApiClient, task: Task, kind: str, media_type: str, extension: str, begin: bytes
) -> None:
    answer = export(api, kind)

    assert answer.streaming
    assert answer.headers["Content-Type"] == media_type
    today = datetime.now(UTC).date()
    assert answer.headers["Content-Disposition"] == (
        f'attachment; filename="tasks-{today}.{extension}"'
    )
    assert answer.headers["Cache-Control"] == "private, no-cache"
    content = answer.getvalue()
    assert content.startswith(begin)
    assert b"Buy milk" in content


def test_a_jsonl_holds_everything(api: ApiClient, alice: User) -> None:
    home = make_list(alice, "Home", archived=True)
    parent = make_task(alice, "Party", list_id=home.pk)
    task = make_task(
        alice,
        "Buy milk",
        description="Oat",
        completed=True,
        parent_id=parent.pk,
        tags=["errand"],
        priority=Task.Priority.HIGH,
        due_at=datetime(2099, 12, 31, 17, tzinfo=UTC),
        due_timezone="Europe/Paris",
    )
    trashed = make_task(alice, "Old", due_date=date(2026, 1, 2))
    Task.objects.filter(pk=trashed.pk).trash(BY)
    trashed.refresh_from_db()

    assert lines(api) == [
        {"kind": "list", "name": "Home", "position": home.position, "archived": True},
        {"kind": "tag", "name": "errand"},
        {
            "kind": "task",
            "external_id": external_id(parent),
            "title": "Party",
            "created_at": micro(parent.created_at),
            "updated_at": micro(parent.updated_at),
            "list": "Home",
            "position": parent.position,
        },
        {
            "kind": "task",
            "external_id": external_id(trashed),
            "title": "Old",
            "created_at": micro(trashed.created_at),
            "updated_at": micro(trashed.updated_at),
            "deleted_at": micro(trashed.deleted_at),
            "due_date": "2026-01-02",
            "position": trashed.position,
        },
        {
            "kind": "task",
            "external_id": external_id(task),
            "title": "Buy milk",
            "description": "Oat",
            "completed": True,
            "completed_at": micro(task.completed_at),
            "created_at": micro(task.created_at),
            "updated_at": micro(task.updated_at),
            "parent": external_id(parent),
            "tags": ["errand"],
            "priority": "high",
            "due_at": "2099-12-31T17:00:00.000000Z",
            "due_timezone": "Europe/Paris",
            "position": task.position,
        },
    ]


@pytest.mark.parametrize("path", [PATH, "/api/me/export", "/api/snapshot"])
def test_line_separators_in_a_text_end_no_line(
    api: ApiClient, alice: User, path: str
) -> None:
    text = "one\u2028two\u2029three\x85four – five"
    make_task(alice, description=text)

    content = api.send("GET", path).getvalue().decode()

    read = [json.loads(line) for line in content.splitlines()]  # as httpx and ndjson do
    assert [row["description"] for row in read if row["kind"] == "task"] == [text]


def test_a_csv_has_one_row_a_task(api: ApiClient, alice: User) -> None:
    home = make_list(alice, "Home")
    task = make_task(
        alice,
        "Buy milk",
        description="Oat",
        list_id=home.pk,
        tags=["errand", "a, b"],
        priority=Task.Priority.LOW,
        due_date=date(2099, 12, 31),
    )

    assert rows(api) == [
        {
            "external_id": external_id(task),
            "title": "Buy milk",
            "description": "Oat",
            "location": "",
            "list": "Home",
            "parent": "",
            "tags": 'errand, "a, b"',
            "priority": "low",
            "due_date": "2099-12-31",
            "due_at": "",
            "due_timezone": "",
            "completed": "false",
            "completed_at": "",
            "created_at": micro(task.created_at),
            "updated_at": micro(task.updated_at),
            "client_id": "",
            "recurrence": "",
            "recurrence_from": "",
            "recurrence_subtasks": "",
            "occurrence": "",
        }
    ]


def test_an_ics_has_every_task_and_an_event_of_an_open_one_that_is_due(
    api: ApiClient, alice: User
) -> None:
    make_task(alice, "Some day")
    make_task(alice, "Done", completed=True, due_date=date(2099, 1, 1))
    due = make_task(alice, "Due", due_date=date(2099, 12, 31))

    names = [str(todo["summary"]) for todo in components(api, "VTODO")]
    [event] = components(api, "VEVENT")

    assert names == ["Some day", "Done", "Due"]
    assert (str(event["summary"]), event["dtstart"].dt) == ("Due", due.due_date)


# What is in it


@pytest.mark.parametrize("kind", ["jsonl", "csv", "ics"])
def test_it_holds_the_callers_own_alone(
    api: ApiClient, alice: User, bob: User, kind: str
) -> None:
    make_task(alice, "Mine")
    theirs = make_list(bob, "BobsList")
    make_task(bob, "BobsTask", list_id=theirs.pk, tags=["BobsTag"])

    content = export(api, kind).getvalue()

    assert b"Mine" in content
    assert b"Bobs" not in content


@pytest.mark.parametrize("kind", ["jsonl", "csv", "ics"])
def test_without_tasks_it_is_a_file_without_tasks(api: ApiClient, kind: str) -> None:
    content = export(api, kind).getvalue()

    assert content.count(b"\n") == {"jsonl": 2, "csv": 1, "ics": 8}[kind]
    assert b"TODO" not in content


def test_more_than_a_thousand_are_all_there_once_and_read_in_chunks(
    api: ApiClient, alice: User
) -> None:
    titles = [f"Task {number}" for number in range(2_001)]
    Task.objects.add_all(BY, alice.pk, [{"title": title} for title in titles])

    found: list[Any] = []
    taken = statements(lambda: found.extend(lines(api)))

    assert [line["title"] for line in found] == titles
    assert taken <= 16, "some for each thousand, none for each task"


# Refusals


def test_an_unknown_format_is_refused(api: ApiClient) -> None:
    answer = api.send("GET", f"{PATH}?format=xlsx")

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    [error] = problem["errors"]
    assert (error["in"], error["pointer"]) == ("query", "/format")
    assert "jsonl" in error["detail"]
    assert problem["code"] == "invalid"


def test_an_unknown_parameter_is_refused(api: ApiClient) -> None:
    answer = api.send("GET", f"{PATH}?formt=csv")

    assert answer.status_code == 422
    assert "format" in answer.json()["detail"]
