"""`location`, where a task is to be done: everywhere that a field of a task is"""

from datetime import date
from io import BytesIO
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.formats import csv
from tasks.formats.records import TaskRecord
from tasks.models import Event, Task, constraints
from tests.conftest import ApiClient, make_task
from tests.support.admin import Editor
from tests.support.answers import as_json
from tests.support.rows import ids

HALL = "Market hall, Lisbon"


def history(api: ApiClient, task: Task) -> list[dict[str, Any]]:
    events = api.send("GET", f"/api/tasks/{task.pk}/history").json()["items"]
    return [event["changes"] for event in events]


# Writing


def test_a_task_is_made_with_a_location(api: ApiClient, alice: User) -> None:
    answer = api.send("POST", "/api/tasks", {"title": "Buy", "location": f" {HALL} "})

    assert answer.status_code == 201
    task = Task.objects.get()
    assert task.location == HALL
    assert answer.json() == as_json(task)
    assert history(api, task) == [
        {"title": {"old": None, "new": "Buy"}, "location": {"old": None, "new": HALL}}
    ]


@pytest.mark.parametrize(("new", "stored"), [("Porto", "Porto"), (None, None)])
def test_it_is_changed_by_patch_and_told_by_an_event(
    api: ApiClient, alice: User, new: str | None, stored: str | None
) -> None:
    task = make_task(alice, location=HALL)

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", {"location": new})

    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert answer.json() == as_json(task)
    assert task.location == stored
    assert history(api, task)[0] == {"location": {"old": HALL, "new": stored}}
    found = api.send("GET", f"/api/tasks?location={HALL}")
    assert ids(found) == []


def test_other_changes_leave_it_and_its_key(api: ApiClient, alice: User) -> None:
    task = make_task(alice, location=HALL)
    path = f"/api/tasks/{task.pk}"

    api.send("PATCH", path, {"title": "New", "description": "New"})
    api.send("PATCH", path, {"priority": "high"})
    api.send("POST", f"{path}/toggle")

    assert as_json(task)["location"] == HALL
    assert ids(api.send("GET", f"/api/tasks?location={HALL}")) == [task.pk]


@pytest.mark.parametrize("location", ["", "x" * 501])
def test_the_database_bounds_it(alice: User, location: str) -> None:
    task = make_task(alice)

    with (
        pytest.raises(DatabaseError, match="task_location_length|too long"),
        transaction.atomic(),
    ):
        Task.objects.filter(pk=task.pk).update(location=location)


@pytest.mark.parametrize("letter", ["x", "漢", "🌱", "ﬃ", "\u0390"])
def test_the_longest_fit_into_the_index(
    api: ApiClient, alice: User, letter: str
) -> None:
    body = {"title": "Far", "location": letter * 500}

    answer = api.send("POST", "/api/tasks", body)

    assert answer.status_code == 201
    assert len(answer.json()["location"]) == 500


# Finding


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("Office", "office"),
        ("office", "OFFICE"),
        ("Straße 1", "STRASSE 1"),
        ("Ärztehaus", "ärztehaus"),
        ("Café", "CAFE\u0301"),
        ("Office", " Office "),
    ],
)
def test_it_is_found_whatever_its_case(
    api: ApiClient, alice: User, location: str, asked: str
) -> None:
    task = make_task(alice, location=location)
    make_task(alice)

    assert ids(api.send("GET", f"/api/tasks?location={asked}")) == [task.pk]


@pytest.mark.parametrize("asked", ["Offic", "Office 2", "Cafe"])
def test_another_one_is_not(api: ApiClient, alice: User, asked: str) -> None:
    make_task(alice, location="Office")
    make_task(alice, location="Café")

    assert ids(api.send("GET", f"/api/tasks?location={asked}")) == []


def test_it_is_found_by_its_index(api: ApiClient, alice: User) -> None:
    assert "task_owner_location" in [index.name for index in constraints.INDEXES]
    for number in range(30):
        make_task(alice, location=HALL if number == 7 else "Porto")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE tasks_task")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
    with CaptureQueriesContext(connection) as queries:
        assert len(ids(api.send("GET", f"/api/tasks?location={HALL}"))) == 1
    [page] = [query["sql"] for query in queries if '"location_key" =' in query["sql"]]

    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {page}")
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "task_owner_location" in plan


# Files


def test_a_row_of_csv_without_an_id_keeps_its_name_from_before() -> None:
    """It follows from the content, as it did before there were locations: what was
    imported then is not imported twice."""
    lines = b"title,list,tags\r\nBuy milk,Home,errand\r\n"
    [old] = csv.read(BytesIO(lines))
    [same] = csv.read(BytesIO(b"title,list,tags,location\r\nBuy milk,Home,errand,\r\n"))
    [other] = csv.read(
        BytesIO(b"title,list,tags,location\r\nBuy milk,Home,errand,x\r\n")
    )

    assert isinstance(old, TaskRecord) and isinstance(other, TaskRecord)
    assert old.external_id == (
        "csv:b6b7c69f3e8938caf086278021b76727b9e2400dd66fe7ca6d2d7b4a6d68aa1f"
    )
    assert old == same
    assert other.external_id != old.external_id
    assert (old.location, other.location) == (None, "x")


def test_a_calendar_shows_it(api: ApiClient, alice: User) -> None:
    make_task(alice, location="Market hall, Lisbon; door 3", due_date=date(2030, 1, 1))

    answer = api.send("GET", "/api/tasks/export?format=ics")

    lines = b"".join(answer.streaming_content).decode().split("\r\n")
    line = "LOCATION:Market hall\\, Lisbon\\; door 3"
    assert lines.count(line) == 2  # of the to-do and of the event


# The admin


def test_staff_set_and_empty_it(staff: Client, alice: User) -> None:
    task = make_task(alice)
    for typed, stored in ((HALL, HALL), ("", None)):
        editor = Editor(staff, task)
        editor.type(location=typed)
        assert editor.save()
        task.refresh_from_db()
        assert task.location == stored

    last = Event.objects.of_task(task.pk).latest("sequence")
    assert last.changes == {"location": [HALL, None]}
