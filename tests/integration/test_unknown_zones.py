"""Zones that were stored where they had a name: they count as UTC"""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.rows import StillClock

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def nowhere(alice: User) -> User:
    """alice, whose zone only the host before this one had."""
    User.objects.filter(pk=alice.pk).update(timezone="localtime")
    return alice


@pytest.fixture
def stray(alice: User) -> Task:
    """A task of alice's whose zone only the host before this one had."""
    task = make_task(alice, due_at=NOON, due_timezone="Asia/Tokyo")
    Task.objects.filter(pk=task.pk).update(due_timezone="localtime")
    return task


def test_vancouver_has_the_rules_of_2026(
    api: ApiClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    StillClock(monkeypatch).at("2026-12-16T07:30:00+00:00")
    task = make_task(alice, due_date=datetime(2026, 12, 15, tzinfo=UTC).date())

    for path in (f"/api/tasks/{task.pk}", "/api/tasks", "/api/tasks/counts"):
        answer = api.send("GET", f"{path}?tz=America/Vancouver").json()
        [item] = answer.get("items", [answer])
        assert bool(item["overdue"]) is True


@pytest.mark.parametrize("name", ["localtime", "Factory", "posixrules"])
def test_the_api_refuses_a_name_that_is_no_zone(api: ApiClient, name: str) -> None:
    task = {"title": "Call", "due_at": "2026-12-01T12:00:00Z", "due_timezone": name}

    for method, path, body in (
        ("PATCH", "/api/me", {"timezone": name}),
        ("POST", "/api/tasks", task),
        ("GET", f"/api/tasks?tz={name}", None),
    ):
        answer = api.send(method, path, body)
        assert answer.status_code == 422
        assert "send one like Europe/Lisbon" in answer.json()["detail"]


def test_their_owner_is_served_as_in_utc(api: ApiClient, nowhere: User) -> None:
    made = api.send(
        "POST", "/api/tasks", {"title": "Call", "due_at": "2026-12-01T12:00:00Z"}
    )

    assert (made.status_code, made.json()["due_timezone"]) == (201, "UTC")
    path = f"/api/tasks/{made.json()['id']}"
    for read in ("/api/tasks", "/api/tasks/counts", "/api/changes", path):
        assert api.send("GET", read).status_code == 200
    assert api.send("GET", "/api/me").json()["timezone"] == "UTC"
    later = {"due_at": "2026-12-02T12:00:00Z"}
    assert api.send("PATCH", path, later).json()["due_timezone"] == "UTC"
    batch = {"operations": [{"op": "create", "body": {"title": "B", **later}}]}
    [result] = api.send("POST", "/api/tasks/batch", batch).json()["results"]
    assert result["task"]["due_timezone"] == "UTC"


def test_a_task_as_it_is_answered_can_be_sent_back(api: ApiClient, stray: Task) -> None:
    path = f"/api/tasks/{stray.pk}"
    task = api.send("GET", path).json()
    members = ("title", "description", "due_at", "due_timezone", "priority")

    answer = api.send("PUT", path, {name: task[name] for name in members})

    assert (answer.status_code, answer.json()["due_timezone"]) == (200, "UTC")


def test_an_export_can_be_imported(api: ApiClient, stray: Task) -> None:
    lines = api.send("GET", "/api/tasks/export?format=jsonl").getvalue().splitlines()

    told = [json.loads(line) for line in lines]
    assert [one["due_timezone"] for one in told if one["kind"] == "task"] == ["UTC"]


@pytest.mark.parametrize("verb", ["complete", "skip"])
def test_a_series_goes_on_in_utc(api: ApiClient, stray: Task, verb: str) -> None:
    far = NOON.replace(year=2999)
    tasks = Task.objects.filter(pk=stray.pk)
    tasks.edit(BY, due_at=far, recurrence="FREQ=WEEKLY")
    tasks.update(due_timezone="localtime", occurrence="2999-12-01T12:00:00 localtime")
    file = api.send("GET", "/api/tasks/export?format=jsonl").getvalue()
    assert b'"occurrence":"2999-12-01T12:00:00 UTC"' in file

    answer = api.send("POST", f"/api/tasks/{stray.pk}/{verb}")

    assert answer.status_code == 200, answer.content
    [task] = Task.objects.filter(completed=False)
    assert (task.due_timezone, task.occurrence) == ("UTC", "2999-12-08T12:00:00 UTC")


def test_the_admin_shows_and_saves_such_tasks(
    staff: Client, carol: User, stray: Task
) -> None:
    User.objects.filter(pk=carol.pk).update(timezone="localtime")
    address = f"/admin/tasks/task/{stray.pk}/change/"

    assert staff.get("/admin/tasks/task/").status_code == 200
    form: Any = staff.get(address).context["adminform"].form
    assert form["due_timezone"].value() == "UTC"
    assert form["due_at"].value() == "2026-12-01 12:00"
