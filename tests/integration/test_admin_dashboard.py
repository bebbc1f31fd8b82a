"""The first page of the admin: numbers, each of which leads to the list that it counts."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from taskproject.accounts.models import User
from tasks.admin.filters import overdue
from tasks.models import Reminder, Task, overview
from tasks.models.due_dates import clock
from tests.conftest import BY, make_task
from tests.support.admin import ESCAPED, SCRIPT, as_editor, as_staff
from tests.support.rows import StillClock, make_list


def board(staff: Client) -> Any:
    answer = staff.get("/admin/")
    assert answer.status_code == 200
    return answer.context["board"]


def listed(staff: Client, address: str) -> int:
    answer = staff.get(address)
    assert answer.status_code == 200, address
    count: int = answer.context["cl"].result_count
    return count


@pytest.mark.parametrize(
    ("now", "zone"),
    [
        ("2026-03-10T00:00:00+00:00", "UTC"),
        ("2026-03-10T12:00:00+00:00", "UTC"),
        ("2026-03-10T23:30:00+00:00", "Pacific/Kiritimati"),
        ("2026-03-10T00:30:00+00:00", "Pacific/Pago_Pago"),
    ],
)
def test_every_number_is_that_of_the_list_that_it_leads_to(
    staff: Client,
    carol: User,
    alice: User,
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
    now: str,
    zone: str,
) -> None:
    moment = StillClock(monkeypatch).at(now)
    User.objects.filter(pk=carol.pk).update(timezone=zone)
    row = make_list(alice, "Home")
    due = [
        {"title": "a", "list_id": row.pk, "due_date": date(2026, 3, 10 + days)}
        for days in range(-4, 10)
    ]
    Task.objects.add_all(BY, alice.pk, [*due, {"title": "a"}])
    bobs = [
        {"title": "b", "due_at": moment + timedelta(days, hours=hours)}
        for days in range(-4, 10)
        for hours in (-12, -1, 0, 1, 11)
    ]
    keys = [task.pk for task in Task.objects.add_all(BY, bob.pk, bobs)]
    Task.objects.filter(pk__in=keys[::9]).complete(BY)
    Task.objects.filter(pk__in=keys[1::9]).trash(BY)

    shown = board(staff)

    numbers = {figure.label: figure.number for figure in shown.figures}
    assert numbers["Overdue"] > 10 and numbers["Due in 7 days"] > numbers["Due today"]
    figures = [*shown.figures, *shown.owners, *shown.lists]
    assert len(figures) == 8 and all(figure.number for figure in figures)
    for figure in figures:
        assert listed(staff, figure.address) == figure.number, figure
    assert [figure.label for figure in shown.owners] == ["bob", "alice"]


def test_completed_tasks_are_counted_by_the_days_of_the_viewer(
    staff: Client, carol: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    StillClock(monkeypatch).at("2026-03-30T12:00:00+00:00")
    # Clocks are put forward there on the 29th, which has 23 hours.
    User.objects.filter(pk=carol.pk).update(timezone="Europe/Berlin")
    for at in ("28T22:59", "28T23:00", "29T21:59", "29T22:00"):
        task = make_task(alice, completed=True)
        done = datetime.fromisoformat(f"2026-03-{at}:00+00:00")
        Task.objects.filter(pk=task.pk).update(completed_at=done)
    Task.objects.filter(pk=make_task(alice, completed=True).pk).trash(BY)

    shown = board(staff)

    found = {bar.day.day: bar for bar in shown.bars if bar.number}
    assert {day: bar.number for day, bar in found.items()} == {28: 1, 29: 2, 30: 1}
    assert len(shown.bars) == 30 and shown.bars[-1].day == date(2026, 3, 30)
    for bar in found.values():
        assert listed(staff, bar.address) == bar.number


def test_long_ranges_are_counted_in_part(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task(alice)
    assert board(staff).written_text == "1"

    monkeypatch.setattr(overview, "MOST", 1)
    assert board(staff).written_text == "at least 1"


@pytest.mark.parametrize("kind", ["all", "list"])
def test_tallies_of_all_owners_are_found_by_an_index(db: None, kind: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")

    plan = overview.tallies(None, kind).filter(key__gte=0).explain()

    assert "tally_of_all_and_lists" in plan


def test_sums_of_many_tasks_are_counted_once_a_minute(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = StillClock(monkeypatch)
    moment.at("2026-03-10T12:00:00+00:00")
    monkeypatch.setattr(overview, "MANY", 2)
    make_task(alice, due_date=date(2026, 3, 10))
    assert board(staff).at is None and board(staff).at is None  # few
    make_task(alice, due_date=date(2026, 3, 10))
    assert board(staff).at is None

    now = moment.at("2026-03-10T12:00:59+00:00")
    make_task(alice, due_date=date(2026, 3, 10))

    shown = board(staff)
    numbers = {figure.label: figure.number for figure in shown.figures}
    assert numbers["Open"] == 2 and numbers["Due today"] == 3
    assert shown.at == now - timedelta(seconds=59)
    assert "are as of 12:00:00" in staff.get("/admin/").content.decode()
    assert board(as_editor(alice, "view_task")).figures[0].number == 3  # hers


def test_the_changes_of_the_last_day_are_counted(staff: Client, alice: User) -> None:
    task = make_task(alice)
    Task.objects.filter(pk=task.pk).complete(BY)

    assert board(staff).writes == {"created": 1, "completed": 1}


def test_it_shows_no_number_of_what_staff_may_not_view(alice: User, bob: User) -> None:
    make_task(alice, list_id=make_list(alice, "Secret").pk)

    assert board(as_staff(alice, "view_tag")) is None
    seen = board(as_staff(bob, "view_task"))
    assert seen.figures and seen.lists is None


def test_it_names_what_waits_for_the_worker(
    staff: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = StillClock(monkeypatch).at("2026-03-10T12:00:00+00:00")
    make_task(alice, reminders=[{"at": "2026-03-10T11:50:00Z"}])
    assert board(staff).backlog == []

    Reminder.objects.update(status="pending")

    assert board(staff).backlog == ["Reminders: for 10\xa0minutes"]
    Reminder.objects.update(fire_at=moment - timedelta(seconds=50))
    assert board(staff).backlog == []
    assert board(as_editor(alice, "view_task")).backlog is None


def test_names_stay_text(staff: Client, alice: User) -> None:
    make_task(alice, list_id=make_list(alice, SCRIPT).pk)

    page = staff.get("/admin/").content.decode()

    assert ESCAPED in page and SCRIPT not in page


def test_it_takes_as_many_statements_for_many_tasks(staff: Client, alice: User) -> None:
    with CaptureQueriesContext(connection) as none:
        board(staff)
    for number in range(8):
        row = make_list(alice, f"List {number}")
        make_task(alice, list_id=row.pk, due_date=date(2026, 3, 10))
    with CaptureQueriesContext(connection) as many:
        board(staff)

    assert len(many) <= len(none) + 1 <= 17  # the names of lists


def test_due_dates_of_all_owners_are_found_by_an_index(db: None) -> None:
    if connection.vendor != "sqlite":
        return  # PostgreSQL chooses by what there is.
    now = clock("UTC")
    rows = Task.objects.live().filter(completed=False)
    late = overdue(Task.objects.live(), now).order_by("due_moment", "id")

    assert "task_open_due" in rows.filter(due_moment__lt=now.now).order_by().explain()
    assert "task_open_due" in late[:100].explain()
    assert "task_open_due" in rows.order_by("due_moment", "id")[:100].explain()
    several = late.filter(priority=3, list__isnull=True, completed=False).order_by()
    assert "COVERING INDEX task_open_due" in several.values("pk")[:100].explain()
