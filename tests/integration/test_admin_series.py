"""Series in the admin: their next dates in the form, and bulk changes."""

from datetime import date

import pytest
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import make_task
from tests.support.admin import ADD, act, as_staff

pytestmark = pytest.mark.either_database

NEXT = "/admin/tasks/task/next-dates/"
DAY = {"due_date": "2027-01-31"}


def shown(client: Client, **typed: str) -> str:
    answer = client.get(NEXT, typed)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        (
            {**DAY, "recurrence": "FREQ=MONTHLY"},
            "Next: 2027-02-28, 2027-03-31, 2027-04-30, 2027-05-31, 2027-06-30, and so on.",
        ),
        (
            {**DAY, "recurrence": "FREQ=DAILY;COUNT=3", "recurrence_from": "completion"},
            "Next, if each is completed when it is due: 2027-02-01, 2027-02-02, then it ends.",
        ),
        (  # clocks are put forward over the second
            {
                "due_at": "2027-03-27 02:30",
                "due_timezone": "Europe/Berlin",
                "recurrence": "FREQ=DAILY;COUNT=3",
            },
            "Next: 2027-03-28 03:00, 2027-03-29 02:30, then it ends.",
        ),
        ({**DAY, "recurrence": ""}, ""),
        ({"recurrence": "FREQ=DAILY"}, "Enter when the task is due, where the series begins."),
        ({"due_date": "31.1.2027", "recurrence": "FREQ=DAILY"}, "Enter when the task is due"),
        ({"due_at": "noon", "recurrence": "FREQ=DAILY"}, "Enter a day and a time"),
        ({**DAY, "recurrence": "FREQ=HOURLY"}, "FREQ"),
        ({**DAY, "recurrence": "FREQ=DAILY;" * 2_000}, "characters"),
    ],
)  # fmt: skip
def test_it_says_which_dates_follow_or_what_is_missing(
    staff: Client, typed: dict[str, str], text: str
) -> None:
    assert text in shown(staff, **typed)


def test_a_time_is_one_of_the_zone_of_who_types_it(staff: Client, carol: User) -> None:
    User.objects.filter(pk=carol.pk).update(timezone="Asia/Tokyo")

    typed = {"due_at": "2027-01-31 09:00", "recurrence": "FREQ=DAILY;COUNT=2"}

    assert shown(staff, **typed) == "Next: 2027-02-01 09:00, then it ends."


def test_the_form_suggests_rules_that_are_accepted(staff: Client) -> None:
    page = staff.get(ADD)
    rules = (
        page.context["adminform"]
        .form["recurrence"]
        .field.widget.get_context("recurrence", "", {})["rules"]
    )

    assert len(rules) == 8 and f'data-url="{NEXT}"' in page.content.decode()
    for rule, meaning in rules:
        assert "and so on" in shown(staff, **DAY, recurrence=rule), meaning


def test_it_is_for_those_who_may_view_tasks(alice: User) -> None:
    assert as_staff(alice, "view_tag").get(NEXT).status_code == 403


def test_subtasks_that_are_completed_with_their_parent_are_made_again(
    staff: Client, alice: User
) -> None:
    day = date(2999, 1, 1)
    task = make_task(alice, due_date=day, recurrence="FREQ=DAILY")
    below = make_task(alice, "Below", parent_id=task.pk)

    act(staff, "complete", task, below)

    task.refresh_from_db()
    below.refresh_from_db()
    assert (below.parent_id, below.completed, below.version) == (task.pk, True, 2)
    again = Task.objects.get(parent_id=task.next_occurrence)
    assert (again.title, again.completed) == ("Below", False)
