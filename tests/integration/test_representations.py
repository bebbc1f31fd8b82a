"""ETags name the form that something is represented in: none outlives a release."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from taskproject.accounts.models import User
from tasks.api import collection, lists_and_tags, responses, schemas
from tasks.api.responses import json_response, represent
from tasks.formats import ics
from tasks.models import Tag, Task, TaskList
from tasks.models.due_dates import Clock
from tests.conftest import BY, ApiClient, make_task

MOMENT = datetime(2026, 11, 23, 8, 30, 0, 123456, tzinfo=UTC)
TASK = (
    b'{"id":42,"client_id":null,"title":"Buy oat milk","description":"The barista kind.","location":"Market hall",'
    b'"list":3,"parent":41,"tags":["errand"],"priority":"high","due_date":null,'
    b'"due_at":"2026-11-23T08:30:00.123456Z","due_timezone":"Asia/Tokyo",'
    b'"reminders":[],"recurrence":null,"recurrence_from":null,'
    b'"recurrence_subtasks":null,"occurrence":null,'
    b'"overdue":true,"position":"n","open_subtasks":2,"completed":false,'
    b'"completed_at":null,"next_occurrence":null,"created_at":"2026-11-23T08:30:00.123456Z",'
    b'"updated_at":"2026-11-23T08:30:00.123456Z","version":7}'
)
LIST = (
    b'{"id":3,"name":"Shopping","archived":false,"position":"n",'
    b'"created_at":"2026-11-23T08:30:00.123456Z",'
    b'"updated_at":"2026-11-23T08:30:00.123456Z","version":1}'
)
TAG = b'{"id":5,"name":"errand","version":1}'


def members(model: type[BaseModel]) -> list[str]:
    return [*model.model_fields]


# Where one of these fails, the form of what is represented has changed: write the new one
# here, and raise REPRESENTATION here and where it stands.


def test_the_form_of_a_task_and_of_their_lists_is_number_3() -> None:
    task = Task(
        id=42, title="Buy oat milk", description="The barista kind.",
        location="Market hall", list_id=3, parent_id=41, tags=["errand"], priority=3, due_at=MOMENT,
        due_timezone="Asia/Tokyo", position="n", created_at=MOMENT, updated_at=MOMENT,
        version=7,
    )  # fmt: skip
    task.open_subtasks = 2
    clock = Clock(datetime(2026, 11, 24, tzinfo=UTC), ZoneInfo("UTC"))

    assert schemas.REPRESENTATION == 3
    assert json_response(represent(task, clock)).content == TASK
    assert members(collection.TaskPage) == [
        "items",
        "next_cursor",
        "total",
        "highlights",
    ]
    counts = ["open", "completed", "overdue", "due_today", "lists", "tags"]
    assert members(collection.Counts) == counts
    assert members(collection.OpenInList) == ["list", "open"]
    assert members(collection.OpenWithTag) == ["tag", "open"]


def test_the_form_of_a_list_and_of_a_tag_is_number_2() -> None:
    row = TaskList(
        id=3, name="Shopping", position="n", created_at=MOMENT, updated_at=MOMENT
    )

    assert lists_and_tags.REPRESENTATION == 2
    assert json_response(lists_and_tags.represent_row(row)).content == LIST
    assert (
        json_response(lists_and_tags.represent_row(Tag(id=5, name="errand"))).content
        == TAG
    )


# What a browser has from an earlier release


def every_path(alice: User) -> dict[str, str]:
    task = make_task(alice, tags=["errand"], due_date=date(2999, 12, 31))
    row = TaskList.objects.add(BY, owner_id=alice.pk, name="Home")
    return {
        f"/api/tasks/{task.pk}": '"1"',
        f"/api/lists/{row.pk}": '"1"',
        f"/api/tags/{Tag.objects.get().pk}": '"1"',
    }


def test_a_tag_of_an_earlier_release_is_never_304(api: ApiClient, alice: User) -> None:
    for path, tag in every_path(alice).items():
        for header in (tag, f"W/{tag}", f'"0", {tag}'):
            answer = api.send("GET", path, headers={"If-None-Match": header})
            assert answer.status_code == 200
        now = answer.headers["ETag"]
        same = api.send("GET", path, headers={"If-None-Match": now})
        form = 3 if "tasks" in path else 2
        assert (same.status_code, now) == (304, f'"1.{form}"')


@pytest.mark.parametrize("path", ["/api/tasks", "/api/tasks/counts", "calendar"])
def test_the_tag_of_what_is_made_of_many_rows_changes_with_its_form(
    api: ApiClient, alice: User, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_path(alice)
    if path == "calendar":
        path = api.send("POST", "/api/calendar").json()["url"]
    tag = api.send("GET", path).headers["ETag"]
    assert api.send("GET", path, headers={"If-None-Match": tag}).status_code == 304

    for module in (responses, collection, ics):
        monkeypatch.setattr(module, "REPRESENTATION", 9)
    answer = api.send("GET", path, headers={"If-None-Match": tag})

    assert answer.status_code == 200
    assert answer.headers["ETag"] == re.sub(r"\.[0-9]-", ".9-", tag) != tag


@pytest.mark.parametrize("tag", ['"1"', '"1-"', '"1-3overdue"', '"1.1"', '"1.9-2"'])
def test_if_match_is_about_the_version_whatever_the_form(
    api: ApiClient, alice: User, tag: str
) -> None:
    for path in every_path(alice):
        body = {"title": "New"} if "tasks" in path else {"name": "New"}
        answer = api.send("PATCH", path, body, headers={"If-Match": tag})
        assert (answer.status_code, answer.json()["version"]) == (200, 2)


# What proxies make of a tag


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "alter",
    ["W/{}".format, lambda tag: f'{tag[:-1]}-br"', lambda tag: f'{tag[:-1]}--x"'],
)
def test_a_tag_that_a_proxy_has_altered_is_told_from_a_stale_one(
    api: ApiClient, alice: User, alter: Callable[[str], str]
) -> None:
    for path in every_path(alice):
        body = {"title": "New"} if "tasks" in path else {"name": "New"}
        tag = alter(api.send("GET", path).headers["ETag"])

        answer = api.send("PATCH", path, body, headers={"If-Match": tag})
        problem = answer.json()

        assert (answer.status_code, problem["code"]) == (412, "altered_tag")
        assert "altered" in problem["title"]
        assert tag in problem["detail"] and 'If-Match: "1"' in problem["detail"]
        assert (problem["current"]["version"], problem["changed"]) == (1, [])
        again = api.send("PATCH", path, body, headers={"If-Match": '"1"'})
        assert again.status_code == 200


def test_an_altered_tag_of_another_version_is_stale(
    api: ApiClient, alice: User
) -> None:
    task = make_task(alice)
    Task.objects.filter(pk=task.pk).edit(BY, title="New")
    path, headers = f"/api/tasks/{task.pk}", {"If-Match": 'W/"1.3"'}

    answer = api.send("PATCH", path, {"title": "Mine"}, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (412, "stale_version")
