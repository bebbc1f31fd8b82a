"""Files of Microsoft To Do, of which tests/formats/microsoft.json is a sample."""

import json
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tasks.formats import ListRecord, TaskRecord, microsoft
from tests.support.records import bad_rows, records

SAMPLE = Path(__file__).parent.parent / "formats" / "microsoft.json"
MICROSOFT = {"id": "a", "title": "Buy milk", "status": "notStarted"}


def sample() -> list[Any]:
    with SAMPLE.open("rb") as file:
        return records(microsoft.read(file, "Imported"))


def tasks() -> dict[str, TaskRecord]:
    return {row.title: row for row in sample() if isinstance(row, TaskRecord)}


def read(document: object) -> list[Any]:
    return records(microsoft.read(BytesIO(json.dumps(document).encode()), "Mine"))


def microsoft_task(**members: Any) -> Any:
    rows = read({"value": [{**MICROSOFT, **members}]})
    assert rows[0] == ListRecord("Mine")
    return rows[1]


def test_a_microsoft_task_is_read() -> None:
    assert tasks()["Renew the café licence ☕"] == TaskRecord(
        "microsoft:AAMkTASK1=",
        "Renew the café licence ☕",
        description=(
            "Bring:\n\n- the form\n- 35 €\nForm (https://example.com/form)\n\n"
            "Reminder: on\n"
            "Link: Your licence ends - Outlook - "
            "https://outlook.office365.com/owa/?ItemID=1"
        ),
        created_at=datetime(2026, 9, 1, 8, 0, 0, 123_456, tzinfo=UTC),
        updated_at=datetime(2026, 9, 2, 8, 0, 0, 765_432, tzinfo=UTC),
        list="Tasks",
        tags=("Blue category", "work"),
        priority="high",
        due_date=date(2026, 10, 5),
        recurrence="FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU;UNTIL=20270101",
        recurrence_from="due",
        recurrence_subtasks="again",
        occurrence="2026-10-05",
    )


def test_items_of_a_checklist_are_subtasks() -> None:
    done, open_ = (tasks()[title] for title in ("Fill in the form", "Pay"))

    assert done.parent == open_.parent == "microsoft:AAMkTASK1="
    assert done.external_id == "microsoft:AAMkTASK1=:51d8a471"
    assert done.completed_at == datetime(2026, 9, 2, 7, tzinfo=UTC)
    assert not open_.completed


def test_a_microsoft_status_that_says_more_is_kept_in_words() -> None:
    assert tasks()["Order beans"].description == (
        "Two kilos,\nwhole\n\nStatus: waitingOnOthers"
    )
    assert tasks()["Clean the grinder"].completed


def test_microsoft_tasks_that_are_none_are_told_by_their_ordinal() -> None:
    assert [row.line for row in bad_rows(sample())] == [6]


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        ("2026-10-05T00:00:00.0000000", "UTC", 5),
        ("2026-10-05T00:00:00", "Pacific Standard Time", 5),
        ("2026-10-04T22:00:00.0000000", "UTC", 5),  # midnight in Paris
        ("2026-10-04T11:00:00.0000000", "UTC", 5),  # in Auckland, in summer
        ("2026-10-05T10:00:00.0000000", "UTC", 5),  # in Honolulu
        ("2026-10-05T07:00:00.0000000", "UTC", 5),  # in Los Angeles
        ("2026-10-05", "UTC", 5),
    ],
)
def test_a_microsoft_due_is_the_date_that_was_chosen(
    moment: str, zone: str, day: int
) -> None:
    task = microsoft_task(dueDateTime={"dateTime": moment, "timeZone": zone})

    assert task.due_date == date(2026, 10, day)


@pytest.mark.parametrize(
    ("members", "kept"),
    [
        ({"title": 1}, "title: 1"),
        ({"status": "done"}, "status: done"),
        ({"importance": "urgent"}, "importance: urgent"),
        ({"body": "text"}, "body: text"),
        ({"dueDateTime": {"dateTime": "soon"}}, "Due: soon"),
        ({"dueDateTime": {"dateTime": "2026-10-05T22+01"}}, "Due: 2026-10-05T22+01"),
        ({"dueDateTime": "2026-10-05"}, "dueDateTime: 2026-10-05"),
        ({"dueDateTime": {"dateTime": "9999-12-31T23:00:00"}}, "Due: 9999-12-31"),
        ({"createdDateTime": "1601-01-01T00:00:00Z"}, "Created: 1601-01-01T00:00:00."),
        (
            {"completedDateTime": {"dateTime": "2026-10-05T00:00:00", "timeZone": "X"}},
            "Completed: 2026-10-05T00:00:00 X",
        ),
        ({"recurrence": [1]}, "recurrence: [1]"),
        ({"recurrence": {"pattern": {"interval": "2"}}}, "interval: 2"),
        ({"categories": [1]}, "categories: 1"),
        ({"linkedResources": "a"}, "linkedResources: a"),
        ({"checklistItems": ["Pay"]}, "checklistItems: Pay"),
        (
            {
                "isReminderOn": True,
                "reminderDateTime": {
                    "dateTime": "2026-10-05T07:30:00.0000000",
                    "timeZone": "UTC",
                },
            },
            "Reminder: 2026-10-05T07:30:00 UTC",
        ),
        (
            {"startDateTime": {"dateTime": "2026-10-01T00:00:00", "timeZone": "UTC"}},
            "Start: 2026-10-01T00:00:00 UTC",
        ),
        ({"attachments": [{"name": "a.pdf", "size": 7}]}, "Attachment: a.pdf"),
        ({"hasAttachments": True}, "Attachment: not in the file"),
        ({"extensions": [{"note": "hi"}]}, 'extensions: [{"note": "hi"}]'),
    ],
)
def test_what_a_microsoft_task_has_besides_is_kept_in_the_description(
    members: dict[str, Any], kept: str
) -> None:
    row = microsoft_task(**members)

    assert isinstance(row, TaskRecord)
    assert kept in row.description


def test_an_item_of_a_checklist_without_words_is_a_subtask() -> None:
    steps = [{"id": "1", "displayName": ""}, {"displayName": "Pay"}]

    rows = read({"value": [{**MICROSOFT, "checklistItems": steps}]})

    assert [row.title for row in rows[2:]] == ["(no title)", "Pay"]
    assert {row.parent for row in rows[2:]} == {"microsoft:a"}


def test_each_shape_of_a_microsoft_document_is_read() -> None:
    home = {"displayName": "Home", "tasks": [MICROSOFT]}
    expected = [ListRecord("Home"), TaskRecord("microsoft:a", "Buy milk", list="Home")]

    for document in ({"value": [home]}, {"lists": [home]}, [home], home):
        assert read(document) == expected


def test_one_page_of_several_is_told() -> None:
    rows = read({"value": [MICROSOFT], "@odata.nextLink": "https://a.b"})

    assert "Fetch the others too" in rows[-1].reason
