"""What is overdue and what is due today: the same everywhere, in any time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Task
from tasks.models.due_dates import Boundary, Clock, is_overdue
from tests.conftest import BY, ApiClient
from tests.support.admin import listed
from tests.support.rows import StillClock, ids


def make_tasks_around(owner: User, here: Clock) -> list[Task]:
    """An open and a completed task for each kind of due date around now, midnight in UTC,
    and midnight in the time zone."""
    begin, end = here.begin(here.today), here.begin(here.today + timedelta(days=1))
    dues: list[date | datetime | None] = [date(2026, 3, day) for day in range(8, 13)]
    midnights = (datetime(2026, 3, day, tzinfo=UTC) for day in (9, 10, 11))
    for edge in {begin, end, here.now, *midnights}:
        dues += [edge + step * timedelta(microseconds=1) for step in (-1, 0, 1)]
    rows = [
        {
            "title": f"{number} {completed}",
            "completed": completed,
            "due_at" if isinstance(due, datetime) else "due_date": due,
        }
        for number, due in enumerate([*dues, None])
        for completed in (False, True)
    ]
    return Task.objects.add_all(BY, owner.pk, rows)


def is_before(task: Task, boundary: Boundary) -> bool:
    if task.due_at is not None:
        return task.due_at < boundary.instant
    return task.due_date is not None and task.due_date < boundary.day


@pytest.mark.parametrize(
    "zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"]
)
@pytest.mark.parametrize(
    "moment",
    [
        *("2026-03-10T00:00:00+00:00", "2026-03-10T00:00:00.000001+00:00"),
        *("2026-03-09T23:59:59.999999+00:00", "2026-03-10T10:00:00+00:00"),
        *("2026-03-10T11:00:00+00:00", "2026-03-10T18:15:00+00:00"),
    ],
)
def test_the_member_the_filters_the_counts_and_the_admin_agree(
    monkeypatch: pytest.MonkeyPatch,
    api: ApiClient,
    staff: Client,
    alice: User,
    carol: User,
    zone: str,
    moment: str,
) -> None:
    here = Clock(StillClock(monkeypatch).at(moment), ZoneInfo(zone))
    carol.store(timezone=zone)
    tasks = make_tasks_around(alice, here)
    today, tomorrow = here.today, here.today + timedelta(days=1)

    overdue = [
        task
        for task in tasks
        if is_overdue(task.completed, task.due_date, task.due_at, here)
    ]
    due_today = [
        task
        for task in tasks
        if is_before(task, here.boundary(tomorrow))
        and not is_before(task, here.boundary(today))
    ]
    open_today = [task for task in due_today if not task.completed]

    assert overdue == [
        task for task in tasks if is_before(task, here.present) and not task.completed
    ]
    numbers = api.send("GET", f"/api/tasks/counts?tz={zone}").json()
    assert numbers["overdue"] == len(overdue)
    assert numbers["due_today"] == len(open_today)
    items = api.send("GET", f"/api/tasks?tz={zone}&limit=100").json()["items"]
    assert {item["id"] for item in items if item["overdue"]} == keys(overdue)
    assert filtered(api, zone, "overdue=true") == keys(overdue)
    assert filtered(api, zone, "overdue=false") == keys(tasks) - keys(overdue)
    between = f"due_after={today}&due_before={tomorrow}"
    assert filtered(api, zone, between) == keys(due_today)
    assert listed(staff, "due=overdue") == {task.title for task in overdue}
    assert listed(staff, "due=today") == {task.title for task in due_today}


def keys(tasks: list[Task]) -> set[int]:
    return {task.pk for task in tasks}


def filtered(api: ApiClient, zone: str, query: str) -> set[int]:
    return {*ids(api.send("GET", f"/api/tasks?tz={zone}&limit=100&{query}"))}
