"""A change of two fields of a task that recurs leaves all others."""

from itertools import chain, combinations

import pytest

from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_task
from tests.support.rows import make_list

SERIES = {
    "due_date": "2998-01-28",
    "recurrence": "FREQ=MONTHLY;BYMONTHDAY=28",
    "reminders": [{"minutes_before": 30, "hour": 9}],
    "tags": ["home"],
    "location": "Shed",
}
CHANGES: dict[str, object] = {
    "title": "Buy soap",
    "description": "Green",
    "location": "Shop",
    "priority": "high",
    "tags": ["errand"],
    "due_date": "2998-01-30",
    "reminders": [{"minutes_before": 60, "hour": 8}],
    "recurrence": "FREQ=MONTHLY;BYMONTHDAY=30",
    "recurrence_from": "completion",
    "recurrence_subtasks": "once",
    "list": None,
    "parent": None,
}


@pytest.mark.django_db
def test_each_pair_of_fields_is_changed_alone(api: ApiClient, alice: User) -> None:
    links = {"list": make_list(alice).pk, "parent": make_task(alice).pk}
    one_or_two = chain(((name, name) for name in CHANGES), combinations(CHANGES, 2))
    for pair in one_or_two:
        body = {"title": "Buy milk", **SERIES}
        before = api.send("POST", "/api/tasks", body).json()
        sent = {name: links.get(name, CHANGES[name]) for name in pair}

        answer = api.send("PATCH", f"/api/tasks/{before['id']}", sent)

        assert answer.status_code == 200, (pair, answer.json())
        after = answer.json()
        changed = {"version", "updated_at"}
        if "list" in sent:
            changed.add("position")  # at the end of that list
        expected = before | sent | {name: after[name] for name in changed}
        if {*pair} == {"due_date", "recurrence"}:
            expected["occurrence"] = sent["due_date"]  # the series begins anew
        assert after == expected, pair
