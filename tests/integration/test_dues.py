"""Dues: a calendar date, or an instant in a zone; never both"""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import ApiClient, make_task
from tests.support.answers import as_json
from tests.support.rows import alone, assert_refused, event, latest, news

NONE = {"due_date": None, "due_at": None, "due_timezone": None}
DAY = {"due_date": "2030-06-01", "due_at": None, "due_timezone": None}
INSTANT = {
    "due_date": None,
    "due_at": "2030-06-01T15:00:00Z",
    "due_timezone": "Europe/Lisbon",
}
BEFORE: dict[str, dict[str, Any]] = {
    "none": {},
    "day": {"due_date": date(2030, 6, 1)},
    "instant": {
        "due_at": datetime(2030, 6, 1, 15, tzinfo=UTC),
        "due_timezone": "Europe/Lisbon",
    },
}


def due(answer: Any) -> dict[str, Any]:
    return {name: answer.json()[name] for name in NONE}


@pytest.fixture
def in_tokyo(alice: User) -> None:
    alice.store(timezone="Asia/Tokyo")


# A new task


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({}, NONE),
        (NONE, NONE),
        ({"due_date": "2030-06-01"}, DAY),
        ({"due_date": "2028-02-29"}, DAY | {"due_date": "2028-02-29"}),
        ({"due_date": "1900-01-01"}, DAY | {"due_date": "1900-01-01"}),
        ({"due_date": "2999-12-31"}, DAY | {"due_date": "2999-12-31"}),
        ({"due_at": "2030-06-01T15:00:00Z"}, INSTANT | {"due_timezone": "Asia/Tokyo"}),
        ({"due_at": "2030-06-01T16:00:00+01:00", "due_timezone": "Europe/Lisbon"}, INSTANT),
        ({"due_at": "2030-06-01t05:30:00-09:30", "due_timezone": "Europe/Lisbon"}, INSTANT),
        (
            {"due_at": "2030-06-01T15:00:00.123456Z", "due_timezone": "Europe/Lisbon"},
            INSTANT | {"due_at": "2030-06-01T15:00:00.123456Z"},
        ),
        (
            {"due_at": "1900-01-01T00:00:00Z", "due_timezone": "UTC"},
            {
                "due_date": None,
                "due_at": "1900-01-01T00:00:00Z",
                "due_timezone": "UTC",
            },
        ),
        (
            {"due_at": "2999-12-31T23:59:59.999999Z", "due_timezone": "UTC"},
            {
                "due_date": None,
                "due_at": "2999-12-31T23:59:59.999999Z",
                "due_timezone": "UTC",
            },
        ),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("in_tokyo")
def test_a_new_task_is_due_as_it_was_sent(
    api: ApiClient, sent: dict[str, Any], stored: dict[str, Any]
) -> None:
    answer = api.send("POST", "/api/tasks", {"title": "a", **sent})
    task = Task.objects.get()

    read = api.send("GET", f"/api/tasks/{task.pk}")
    [listed] = api.send("GET", "/api/tasks").json()["items"]
    assert (answer.status_code, due(answer)) == (201, stored)
    assert answer.json() == read.json() == listed == as_json(task)


def test_the_event_of_a_new_task_tells_its_due(api: ApiClient, alice: User) -> None:
    since = latest(api)
    body = {"title": "a", "due_at": INSTANT["due_at"], "due_timezone": "Europe/Lisbon"}

    api.send("POST", "/api/tasks", body)

    task = Task.objects.get()
    assert news(api, since) == [
        event(
            alice,
            "created",
            1,
            task_id=task.pk,
            task=as_json(task),
            changes={name: (None, value) for name, value in body.items()},
        )
    ]


# A change


@pytest.mark.parametrize(
    ("before", "sent", "after"),
    [
        ("none", {"due_date": "2030-06-01"}, DAY),
        ("none", {"due_at": INSTANT["due_at"]}, INSTANT | {"due_timezone": "Asia/Tokyo"}),
        ("none", {"due_at": INSTANT["due_at"], "due_timezone": "Europe/Lisbon"}, INSTANT),
        ("none", {"due_date": None, "due_at": None}, NONE),
        ("day", {"due_date": "2031-01-01"}, DAY | {"due_date": "2031-01-01"}),
        ("day", {"due_at": INSTANT["due_at"]}, INSTANT | {"due_timezone": "Asia/Tokyo"}),
        (
            "day",
            {"due_date": None, "due_at": INSTANT["due_at"]},
            INSTANT | {"due_timezone": "Asia/Tokyo"},
        ),
        ("day", {"due_date": None}, NONE),
        ("day", {"due_at": None}, DAY),
        ("day", {"title": "b"}, DAY),
        ("instant", {"due_date": "2030-06-01"}, DAY),
        ("instant", {"due_date": "2030-06-01", "due_at": None}, DAY),
        (
            "instant",
            {"due_at": "2031-01-01T00:00:00Z"},
            INSTANT | {"due_at": "2031-01-01T00:00:00Z"},
        ),
        ("instant", {"due_timezone": "UTC"}, INSTANT | {"due_timezone": "UTC"}),
        ("instant", {"due_at": None}, NONE),
        ("instant", {"due_date": None}, INSTANT),
        ("instant", {"title": "b"}, INSTANT),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("in_tokyo")
def test_a_patch_changes_one_due_in_two_forms(
    api: ApiClient,
    alice: User,
    before: str,
    sent: dict[str, Any],
    after: dict[str, Any],
) -> None:
    task = make_task(alice, "a", **BEFORE[before])

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", sent)

    assert (answer.status_code, due(answer)) == (200, after)
    assert answer.json() == as_json(task)


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(
    ("sent", "after"),
    [
        ({}, NONE),
        ({"due_date": "2030-06-01"}, DAY),
        ({"due_at": INSTANT["due_at"]}, INSTANT | {"due_timezone": "Asia/Tokyo"}),
        ({"due_at": INSTANT["due_at"], "due_timezone": "Europe/Lisbon"}, INSTANT),
    ],
)
@pytest.mark.usefixtures("in_tokyo")
def test_a_put_leaves_nothing_of_the_due_before(
    api: ApiClient,
    alice: User,
    before: str,
    sent: dict[str, Any],
    after: dict[str, Any],
) -> None:
    task = make_task(alice, "a", **BEFORE[before])

    answer = api.send("PUT", f"/api/tasks/{task.pk}", {"title": "a", **sent})

    assert (answer.status_code, due(answer)) == (200, after)
    assert answer.json() == as_json(task)


def test_the_event_tells_all_that_changes_with_the_form(
    api: ApiClient, alice: User
) -> None:
    task = make_task(alice, "a", **BEFORE["instant"])
    since = latest(api)

    api.send("PATCH", f"/api/tasks/{task.pk}", {"due_date": "2030-06-01"})

    changes = {name: (INSTANT[name], DAY[name]) for name in NONE}
    assert news(api, since) == [
        event(alice, "edited", 2, task_id=task.pk, task=as_json(task), changes=changes)
    ]


@pytest.mark.parametrize("offset", ["15:00:00Z", "16:00:00+01:00", "15:00:00.000Z"])
def test_the_same_instant_in_another_offset_is_no_change(
    api: ApiClient, alice: User, offset: str
) -> None:
    task = make_task(alice, **BEFORE["instant"])
    before = as_json(task)

    answer = api.send(
        "PATCH", f"/api/tasks/{task.pk}", {"due_at": f"2030-06-01T{offset}"}
    )

    assert (answer.status_code, answer.json()) == (200, before)
    assert as_json(task) == before


# Refusals


@pytest.mark.parametrize(
    ("before", "more"),
    [
        ("none", {}),
        ("day", {}),
        ("instant", {"due_at": None}),
        ("instant", {"due_date": "2030-06-01"}),
    ],
)
def test_a_zone_cannot_be_given_to_a_task_without_an_instant(
    api: ApiClient, alice: User, before: str, more: dict[str, Any]
) -> None:
    task = make_task(alice, **BEFORE[before])
    old = as_json(task)
    path = f"/api/tasks/{task.pk}"

    answer = alone(api, "PATCH", path, {"due_timezone": "UTC", **more})

    detail = "A due_timezone goes with due_at only."
    assert_refused(answer, path, "/due_timezone", "zone_alone", detail)
    assert as_json(task) == old


@pytest.mark.parametrize("priority", ["none", "low", "medium", "high", "urgent"])
def test_a_priority_is_a_word_everywhere(
    api: ApiClient, alice: User, priority: str
) -> None:
    task = make_task(alice, priority=2 if priority == "none" else 0)
    old, since = as_json(task)["priority"], latest(api)

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", {"priority": priority})

    assert (answer.json(), answer.json()["priority"]) == (as_json(task), priority)
    changes = {"priority": (old, priority)}
    assert news(api, since) == [
        event(alice, "edited", 2, task_id=task.pk, task=as_json(task), changes=changes)
    ]
