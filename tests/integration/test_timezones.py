"""Whose day it is: the user's zone (PATCH /api/me), or the one in ?tz="""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import as_json
from tests.support.rows import StillClock

COUNTS = "/api/tasks/counts"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    return StillClock(monkeypatch)


def due(text: str) -> dict[str, Any]:
    """A day, or an instant with its offset."""
    if "T" in text:
        return {"due_at": datetime.fromisoformat(text), "due_timezone": "UTC"}
    return {"due_date": date.fromisoformat(text)}


def states(api: ApiClient, query: str = "") -> str:
    """What a task's due is to the caller, everywhere the same: overdue or today's, both,
    or neither."""
    tz = f"tz={query}&" if query else ""
    [item] = api.send("GET", f"/api/tasks?{tz}").json()["items"]
    one = api.send("GET", f"/api/tasks/{item['id']}?{tz}").json()
    counted = api.send("GET", f"{COUNTS}?{tz}").json()
    for overdue in (True, False):
        asked = api.send("GET", f"/api/tasks?{tz}overdue={str(overdue).lower()}")
        assert asked.json()["items"] == ([item] if item["overdue"] == overdue else [])
    assert one == item
    assert counted["overdue"] == item["overdue"]
    told = ["overdue"] * item["overdue"] + ["today"] * counted["due_today"]
    return " ".join(told)


# The edges of a day

EDGES = [
    # In UTC+14 and UTC-11 it is never the same day.
    ("2026-03-10T09:59:59Z", "Pacific/Kiritimati", "2026-03-09", "overdue"),
    ("2026-03-10T09:59:59Z", "Pacific/Kiritimati", "2026-03-10", "today"),
    ("2026-03-10T10:00:00Z", "Pacific/Kiritimati", "2026-03-10", "overdue"),
    ("2026-03-10T10:00:00Z", "Pacific/Kiritimati", "2026-03-11", "today"),
    ("2026-03-10T10:00:00Z", "Pacific/Pago_Pago", "2026-03-08", "overdue"),
    ("2026-03-10T10:59:59Z", "Pacific/Pago_Pago", "2026-03-09", "today"),
    ("2026-03-10T11:00:00Z", "Pacific/Pago_Pago", "2026-03-09", "overdue"),
    ("2026-03-10T11:00:00Z", "Pacific/Pago_Pago", "2026-03-10", "today"),
    ("2026-03-10T23:59:59Z", "UTC", "2026-03-10", "today"),
    ("2026-03-11T00:00:00Z", "UTC", "2026-03-10", "overdue"),
    # Instants are overdue everywhere at once, and today's in some places only.
    ("2026-03-10T12:00:00Z", "Pacific/Kiritimati", "2026-03-10T10:00:00Z", "overdue today"),
    ("2026-03-10T12:00:00Z", "Pacific/Kiritimati", "2026-03-10T09:59:59Z", "overdue"),
    ("2026-03-10T12:00:00Z", "Pacific/Kiritimati", "2026-03-11T09:59:59Z", "today"),
    ("2026-03-10T12:00:00Z", "Pacific/Kiritimati", "2026-03-11T10:00:00Z", ""),
    ("2026-03-10T12:00:00Z", "Pacific/Pago_Pago", "2026-03-10T11:00:00Z", "overdue today"),
    ("2026-03-10T12:00:00Z", "Pacific/Pago_Pago", "2026-03-11T10:59:59Z", "today"),
    ("2026-03-10T12:00:00Z", "Pacific/Pago_Pago", "2026-03-11T11:00:00Z", ""),
    # Lisbon goes to summer time on a day of 23 hours, and back on one of 25.
    ("2026-03-29T12:00:00Z", "Europe/Lisbon", "2026-03-29T22:59:59Z", "today"),
    ("2026-03-29T12:00:00Z", "Europe/Lisbon", "2026-03-29T23:00:00Z", ""),
    ("2026-03-29T12:00:00Z", "Europe/Lisbon", "2026-03-29T00:00:00Z", "overdue today"),
    ("2026-03-29T12:00:00Z", "Europe/Lisbon", "2026-03-28T23:59:59Z", "overdue"),
    ("2026-03-29T22:59:59Z", "Europe/Lisbon", "2026-03-29", "today"),
    ("2026-03-29T23:00:00Z", "Europe/Lisbon", "2026-03-29", "overdue"),
    ("2026-10-25T12:00:00Z", "Europe/Lisbon", "2026-10-24T23:00:00Z", "overdue today"),
    ("2026-10-25T12:00:00Z", "Europe/Lisbon", "2026-10-24T22:59:59Z", "overdue"),
    ("2026-10-25T12:00:00Z", "Europe/Lisbon", "2026-10-25T23:59:59Z", "today"),
    ("2026-10-25T12:00:00Z", "Europe/Lisbon", "2026-10-26T00:00:00Z", ""),
    ("2026-10-25T23:59:59Z", "Europe/Lisbon", "2026-10-25", "today"),
    ("2026-10-26T00:00:00Z", "Europe/Lisbon", "2026-10-25", "overdue"),
    # In Cairo the clocks go from midnight to one: the day has no first hour.
    ("2026-04-23T21:59:59Z", "Africa/Cairo", "2026-04-23", "today"),
    ("2026-04-23T22:00:00Z", "Africa/Cairo", "2026-04-23", "overdue"),
    ("2026-04-24T06:00:00Z", "Africa/Cairo", "2026-04-23T22:00:00Z", "overdue today"),
    ("2026-04-24T06:00:00Z", "Africa/Cairo", "2026-04-23T21:59:59Z", "overdue"),
    # In Havana they go back from one to midnight: the day has that hour twice.
    ("2025-11-02T18:00:00Z", "America/Havana", "2025-11-02T04:00:00Z", "overdue today"),
    ("2025-11-02T18:00:00Z", "America/Havana", "2025-11-02T03:59:59Z", "overdue"),
    ("2025-11-02T18:00:00Z", "America/Havana", "2025-11-03T04:59:59Z", "today"),
    # An offset of a quarter of an hour
    ("2026-03-10T18:14:59Z", "Asia/Kathmandu", "2026-03-10", "today"),
    ("2026-03-10T18:15:00Z", "Asia/Kathmandu", "2026-03-10", "overdue"),
]  # fmt: skip


@pytest.mark.parametrize("way", ["setting", "query"])
def test_a_due_is_seen_from_the_zone_of_the_caller(
    api: ApiClient, alice: User, clock: StillClock, way: str
) -> None:
    for now, zone, text, expected in EDGES:
        clock.at(now)
        task = make_task(alice, **due(text))
        if way == "setting":
            answer = api.send("PATCH", "/api/me", {"timezone": zone})
            assert (answer.status_code, answer.json()["timezone"]) == (200, zone)

        shown = states(api, zone if way == "query" else "")

        assert shown == expected, (now, zone, text)
        Task.one(alice.pk, task.pk).remove(BY)


@pytest.mark.parametrize(
    ("zone", "day", "before", "after"),
    [
        ("UTC", "2026-03-10", "2026-03-09T23:59:59Z", "2026-03-10T00:00:00Z"),
        ("Pacific/Kiritimati", "2026-03-10", "2026-03-09T09:59:59Z", "2026-03-09T10:00:00Z"),
        ("Pacific/Pago_Pago", "2026-03-10", "2026-03-10T10:59:59Z", "2026-03-10T11:00:00Z"),
        ("Europe/Lisbon", "2026-03-30", "2026-03-29T22:59:59Z", "2026-03-29T23:00:00Z"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T21:59:59Z", "2026-04-23T22:00:00Z"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["setting", "query"])
def test_a_day_in_a_filter_begins_in_the_zone_of_the_caller(
    api: ApiClient, alice: User, way: str, zone: str, day: str, before: str, after: str
) -> None:
    for title, moment in (("before", before), ("after", after)):
        make_task(alice, title, **due(moment))
    yesterday = date.fromisoformat(day) - timedelta(days=1)
    make_task(alice, "day before", due_date=yesterday)
    make_task(alice, "day", due_date=date.fromisoformat(day))
    if way == "setting":
        alice.store(timezone=zone)
    tz = f"&tz={zone}" if way == "query" else ""

    def found(query: str) -> list[str]:
        answer = api.send("GET", f"/api/tasks?sort=created&{query}{tz}")
        return [item["title"] for item in answer.json()["items"]]

    assert found(f"due_before={day}") == ["before", "day before"]
    assert found(f"due_after={day}") == ["after", "day"]


def test_the_zone_of_the_query_comes_before_the_setting(
    api: ApiClient, alice: User, clock: StillClock
) -> None:
    clock.at("2026-03-10T10:00:00Z")
    make_task(alice, **due("2026-03-10"))
    alice.store(timezone="Pacific/Kiritimati")

    assert states(api) == "overdue"
    assert states(api, "Pacific/Pago_Pago") == ""
    assert states(api, "UTC") == "today"


def test_the_zone_of_an_instant_does_not_decide_whose_day_it_is(
    api: ApiClient, alice: User, clock: StillClock
) -> None:
    clock.at("2026-03-10T12:00:00Z")
    moment = datetime.fromisoformat("2026-03-11T01:00:00Z")
    make_task(alice, due_at=moment, due_timezone="Pacific/Pago_Pago")

    assert states(api) == ""
    assert states(api, "Pacific/Pago_Pago") == "today"


def test_every_answer_of_a_change_is_told_in_the_callers_zone(
    api: ApiClient, alice: User, clock: StillClock
) -> None:
    clock.at("2026-03-10T12:00:00Z")
    alice.store(timezone="Pacific/Kiritimati")
    path = "/api/tasks"
    body = {"title": "a", "due_date": "2026-03-10"}

    for method, suffix, sent in (
        ("POST", "", body),
        ("PUT", "", body | {"title": "b"}),
        ("PATCH", "", {"title": "c"}),
        ("POST", "/toggle", None),
        ("POST", "/reopen", None),
        ("POST", "/restore", None),
        ("GET", "", None),
    ):
        answer = api.send(method, path + suffix, sent)
        task = answer.json()
        assert task["overdue"] == (not task["completed"])
        assert answer.headers["ETag"].endswith('-overdue"') == task["overdue"]
        path = f"/api/tasks/{task['id']}"


# ETags


@pytest.mark.parametrize("path", ["/api/tasks", COUNTS])
@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("2026-03-10", "2026-03-10T23:59:59Z", "2026-03-11T00:00:00Z"),
        ("2026-03-10T12:00:00Z", "2026-03-10T12:00:00Z", "2026-03-10T12:00:00.000001Z"),
        # Today's tomorrow, with nothing overdue
        ("2026-03-11", "2026-03-10T23:59:59Z", "2026-03-11T00:00:00Z"),
    ],
)
def test_the_tag_of_all_changes_as_a_due_passes(
    api: ApiClient,
    alice: User,
    clock: StillClock,
    path: str,
    text: str,
    before: str,
    after: str,
) -> None:
    make_task(alice, **due(text))
    clock.at(before)
    first = api.send("GET", path)
    tag = first.headers["ETag"]
    same = api.send("GET", path, headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")

    clock.at(after)
    answer = api.send("GET", path, headers={"If-None-Match": tag})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag
    again = api.send("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.headers["ETag"]) == (304, answer.headers["ETag"])


def test_each_instant_that_passes_changes_the_tag(
    api: ApiClient, alice: User, clock: StillClock
) -> None:
    for second in (10, 20, 20, 30):
        make_task(alice, **due(f"2026-03-10T12:00:{second}Z"))
    make_task(alice, completed=True, **due("2026-03-10T12:00:40Z"))
    tags = []

    for second in (0, 11, 21, 29, 31, 41):
        clock.at(f"2026-03-10T12:00:{second:02}Z")
        tags.append(api.send("GET", "/api/tasks").headers["ETag"])

    assert len(set(tags)) == 4
    assert (tags[2], tags[4]) == (tags[3], tags[5])


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("2026-03-10", "2026-03-10T23:59:59Z", "2026-03-11T00:00:00Z"),
        ("2026-03-10T12:00:00Z", "2026-03-10T12:00:00Z", "2026-03-10T12:00:00.000001Z"),
    ],
)
def test_the_tag_of_a_task_changes_as_its_due_passes(
    api: ApiClient, alice: User, clock: StillClock, text: str, before: str, after: str
) -> None:
    task = make_task(alice, **due(text))
    path = f"/api/tasks/{task.pk}"
    clock.at(before)
    assert api.send("GET", path).headers["ETag"] == '"1.3"'
    same = api.send("GET", path, headers={"If-None-Match": '"1.3"'})
    assert (same.status_code, same.content) == (304, b"")

    clock.at(after)
    answer = api.send("GET", path, headers={"If-None-Match": '"1.3"'})

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"1.3-overdue"')
    assert answer.json() == as_json(task) | {"overdue": True}
    again = api.send("GET", path, headers={"If-None-Match": '"1.3-overdue"'})
    assert (again.status_code, again.content) == (304, b"")
    saved = api.send("PATCH", path, {"title": "b"}, headers={"If-Match": '"1"'})
    assert (saved.status_code, saved.headers["ETag"]) == (200, '"2.3-overdue"')


@pytest.mark.parametrize("path", [COUNTS, "/api/tasks?due_after=2026-03-10"])
def test_another_setting_changes_the_tags_of_what_it_changes(
    api: ApiClient, alice: User, clock: StillClock, path: str
) -> None:
    """Also where it is the same day in both zones."""
    clock.at("2026-03-10T12:00:00Z")
    make_task(alice, **due("2026-03-09T23:30:00Z"))
    first = api.send("GET", path)
    api.send("PATCH", "/api/me", {"timezone": "Africa/Lagos"})

    tag = first.headers["ETag"]
    answer = api.send("GET", path, headers={"If-None-Match": tag})

    assert answer.status_code == 200
    assert answer.headers["ETag"] != tag
    assert answer.json() != first.json()
