"""The preview of a bulk change, which counts by SQL what its writes find one by one"""

from datetime import UTC, date, datetime
from itertools import product
from random import Random
from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import BulkChange, Task
from tests.conftest import BY
from tests.support.rows import make_list

DAY, MOMENT = date(2030, 5, 1), datetime(2030, 5, 1, 12, 30, tzinfo=UTC)
#: The values of fields that tasks may have.
STATES: dict[str, list[Any]] = {
    "completed": [False, True],
    "priority": [0, 3],
    "tags": [[], ["home"], ["Home", "errand"]],
    "due": [
        {},
        {"due_date": DAY},
        {"due_at": MOMENT, "due_timezone": "UTC"},
        {"due_at": MOMENT, "due_timezone": "Asia/Tokyo"},
    ],
    "listed": [False, True],
    "trashed": [False, True],
}
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("complete", {}),
    ("reopen", {}),
    ("priority", {"fields": {"priority": 3}}),
    ("take_out", {}),
    ("add_tags", {"tags": ["HOME", "new"]}),
    ("remove_tags", {"tags": ["HOME", "errand"]}),
    ("due", {"fields": {"due_date": str(DAY)}}),
    ("due", {"fields": {"due_at": MOMENT.isoformat(), "due_timezone": "UTC"}}),
    ("due", {"fields": {"due_date": None, "due_at": None}}),
    ("trash", {}),
    ("restore", {}),
    ("remove", {}),
]


def make_tasks(owner: User) -> None:
    """One in eight of all combinations of STATES, and subtasks below some."""
    listed = make_list(owner, "Work").pk
    every = [dict(zip(STATES, each, strict=True)) for each in product(*STATES.values())]
    rows = [
        {
            "title": "Buy milk",
            "list_id": listed if state.pop("listed") else None,
            **state.pop("due"),
            **state,
        }
        for state in Random(5).sample(every, len(every) // 8)
    ]
    trashed = [row.pop("trashed") for row in rows]
    tasks = Task.objects.add_all(BY, owner.pk, rows)
    below = [{"title": "Below", "parent_id": task.pk} for task in tasks[:5]]
    Task.objects.add_all(BY, owner.pk, below)
    gone = [task.pk for task, is_gone in zip(tasks, trashed, strict=True) if is_gone]
    Task.objects.filter(pk__in=gone).trash(BY)


def check(verb: str, values: dict[str, Any]) -> None:
    change = BulkChange.objects.select(0, verb, Task.objects.all(), "", **values)
    assert change is not None
    preview = change.preview()

    while change.do_portion() is not None:
        pass

    assert change.counts()["changed"] == preview.changed
    left = preview.same + preview.trashed + preview.family
    assert preview.changed + left == change.total


@pytest.mark.parametrize(("verb", "values"), CHANGES)
def test_as_many_tasks_change_as_the_preview_says(
    alice: User, verb: str, values: dict[str, Any]
) -> None:
    make_tasks(alice)

    check(verb, values)


def test_as_many_are_put_into_a_list(alice: User) -> None:
    make_tasks(alice)
    work = Task.objects.exclude(list=None)[0].list_id

    check("place", {"fields": {"list_id": work}, "owner": alice.pk})


def test_as_many_are_assigned(alice: User, bob: User) -> None:
    make_tasks(alice)
    make_tasks(bob)

    check("assign", {"fields": {"owner_id": bob.pk}})
