"""The form of a task in the admin: when it is due."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import make_task
from tests.support.admin import ADD, Editor

pytestmark = pytest.mark.either_database

NOON = datetime(2026, 12, 31, 12, tzinfo=UTC)


def due(task: Task) -> tuple[Any, Any, Any]:
    task.refresh_from_db()
    return task.due_date, task.due_at, task.due_timezone


def add(staff: Client, owner: User, **typed: str) -> Any:
    """The answer to the add form."""
    return staff.post(ADD, {"owner": owner.pk, "title": "New", **typed})


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    found: dict[str, list[str]] = answer.context["adminform"].form.errors
    return found


def test_a_task_is_due_on_a_day(staff: Client, alice: User) -> None:
    add(staff, alice, due_date="2026-12-31")

    assert due(Task.objects.get()) == (date(2026, 12, 31), None, None)


@pytest.mark.parametrize(
    ("typed", "zone", "moment"),
    [
        ("2026-12-31 13:00", "Europe/Berlin", NOON),
        ("2026-12-31T13:00", "Europe/Berlin", NOON),
        ("2026-12-31 13:00:00.5", "Europe/Berlin", NOON.replace(microsecond=500_000)),
        ("2026-12-31 12:00Z", "Europe/Berlin", NOON),
        ("2026-12-31 14:00+02:00", "Europe/Berlin", NOON),
        ("2026-12-31 12:00", "UTC", NOON),
        # Clocks are put back at 03:00 there.
        ("2026-10-25 02:30+01:00", "Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_a_task_is_due_at_a_time_in_a_zone(
    staff: Client, alice: User, typed: str, zone: str, moment: datetime
) -> None:
    add(staff, alice, due_at=typed, due_timezone=zone)

    assert due(Task.objects.get()) == (None, moment, zone)


def test_a_time_without_a_zone_is_meant_in_that_of_who_typed_it(
    staff: Client, alice: User, carol: User
) -> None:
    carol.store(timezone="Asia/Tokyo")

    add(staff, alice, due_at="2026-12-31 21:00")

    assert due(Task.objects.get()) == (None, NOON, "Asia/Tokyo")


@pytest.mark.parametrize(
    ("typed", "field", "told"),
    [
        ({"due_date": "2026-13-01"}, "due_date", "Enter a valid date."),
        ({"due_date": "1899-12-31"}, "due_date", "from the years 1900 to 2999"),
        ({"due_date": "3000-01-01"}, "due_date", "from the years 1900 to 2999"),
        ({"due_at": "2026-12-31"}, "due_at", "Enter a day and a time"),
        ({"due_at": "soon"}, "due_at", "Enter a day and a time"),
        ({"due_at": "2026-12-31 25:00"}, "due_at", "Enter a day and a time"),
        ({"due_at": "0001-01-01 00:00+14:00"}, "due_at", "from the years 1900 to"),
        ({"due_at": "9999-12-31 23:59-12:00"}, "due_at", "from the years 1900 to"),
        ({"due_at": "1800-12-31 12:00"}, "due_at", "from the years 1900 to 2999"),
        ({"due_at": "３０２６-12-31 12:00"}, "due_at", "Enter a day and a time"),
        ({"due_at": "a\x00b"}, "due_at", "Null characters are not allowed."),
        (
            {"due_at": "2026-12-31 12:00", "due_timezone": "Mars/Olympus"},
            "due_timezone",
            "is no time zone; send one like Europe/Lisbon.",
        ),
        (
            {"due_at": "2026-12-31 12:00", "due_timezone": "../../etc/passwd"},
            "due_timezone",
            "is no time zone",
        ),
        ({"due_timezone": "Europe/Berlin"}, "due_timezone", "A time zone needs a time"),
        (
            {"due_date": "2026-12-31", "due_timezone": "Europe/Berlin"},
            "due_timezone",
            "A time zone needs a time",
        ),
        (
            {"due_date": "2026-12-31", "due_at": "2026-12-31 12:00"},
            "due_at",
            "A task is due on a day or at a time: clear one of the two.",
        ),
        (
            {"due_at": "2026-03-29 02:30", "due_timezone": "Europe/Berlin"},
            "due_at",
            "This time does not exist there: clocks are put forward",
        ),
        (
            {"due_at": "2026-10-25 02:30", "due_timezone": "Europe/Berlin"},
            "due_at",
            "clocks are put back over it. Add its offset, such as +02:00.",
        ),
    ],
)
def test_a_malformed_due_is_an_error_of_the_form(
    staff: Client, alice: User, typed: dict[str, str], field: str, told: str
) -> None:
    answer = add(staff, alice, **typed)

    assert list(errors(answer)) == [field]
    [error] = errors(answer)[field]
    assert told in error
    assert not Task.objects.exists()


def test_a_time_is_shown_by_the_clocks_of_its_zone(staff: Client, alice: User) -> None:
    task = make_task(alice, due_at=NOON, due_timezone="Asia/Tokyo")

    editor = Editor(staff, task)

    assert editor.form["due_at"] == "2026-12-31 21:00"
    assert editor.form["due_timezone"] == "Asia/Tokyo"


@pytest.mark.parametrize(
    "moment",
    [
        NOON,
        NOON.replace(second=1),
        NOON.replace(microsecond=1),
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
        datetime(1900, 1, 1, tzinfo=UTC),
        datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_a_due_that_nobody_typed_over_stays_to_the_microsecond(
    staff: Client, alice: User, moment: datetime
) -> None:
    task = make_task(alice, due_at=moment, due_timezone="Europe/Berlin")
    editor = Editor(staff, task)

    assert editor.save()
    assert due(task) == (None, moment, "Europe/Berlin")
    assert task.version == 1


def test_another_zone_means_the_same_time_by_its_clocks(
    staff: Client, alice: User
) -> None:
    task = make_task(
        alice, due_at=NOON.replace(microsecond=1), due_timezone="Europe/Berlin"
    )
    editor = Editor(staff, task)

    editor.type(due_timezone="UTC")
    assert editor.save()

    one_hour_on = NOON.replace(hour=13, microsecond=1)
    assert due(task) == (None, one_hour_on, "UTC")


def test_a_day_takes_the_place_of_a_time_that_is_emptied(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, due_at=NOON, due_timezone="Europe/Berlin")
    editor = Editor(staff, task)

    editor.type(due_date="2027-01-01")
    assert not editor.save()
    assert editor.errors("due_at") == [
        "A task is due on a day or at a time: clear one of the two."
    ]
    editor.type(due_at="")
    assert editor.save()

    assert due(task) == (date(2027, 1, 1), None, None)


def test_a_time_takes_the_place_of_a_day_that_is_emptied(
    staff: Client, alice: User
) -> None:
    task = make_task(alice, due_date=date(2027, 1, 1))
    editor = Editor(staff, task)

    editor.type(due_date="", due_at="2026-12-31 12:00")
    assert editor.save()

    assert due(task) == (None, NOON, "UTC")


@pytest.mark.parametrize(
    "given",
    [{"due_date": date(2027, 1, 1)}, {"due_at": NOON, "due_timezone": "Asia/Tokyo"}],
)
def test_a_due_can_be_taken_away(
    staff: Client, alice: User, given: dict[str, Any]
) -> None:
    task = make_task(alice, **given)
    editor = Editor(staff, task)

    editor.type(due_date="", due_at="")
    assert editor.save()

    assert due(task) == (None, None, None)
