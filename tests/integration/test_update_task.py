"""PATCH /api/tasks/{id}"""

from typing import Any

import pytest
from django.utils import timezone

from taskproject.accounts.models import User
from tests.conftest import YESTERDAY, ApiClient, make_old_task, make_task
from tests.support.answers import as_json


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ({"title": " Buy bread "}, {"title": "Buy bread"}),
        ({"description": "Rye"}, {"description": "Rye"}),
        ({"description": ""}, {"description": ""}),
        (
            {"title": "Buy bread", "description": "Rye"},
            {"title": "Buy bread", "description": "Rye"},
        ),
    ],
)
@pytest.mark.parametrize("completed", [True, False])
def test_it_changes_what_was_sent_and_nothing_else(
    api: ApiClient,
    alice: User,
    completed: bool,
    body: dict[str, Any],
    changed: dict[str, Any],
) -> None:
    task = make_old_task(alice, completed=completed, description="Oat")
    old, before = as_json(task), timezone.now()

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", body)

    new = as_json(task)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2.3"'
    assert answer.json() == new
    assert new == old | changed | {"updated_at": new["updated_at"], "version": 2}
    assert before <= task.updated_at <= timezone.now()
    assert task.owner == alice


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_it_keeps_the_time_of_the_first_completion(
    api: ApiClient, alice: User, method: str
) -> None:
    task = make_old_task(alice, completed=True)

    body = {"completed": True, "title": "Buy bread"}
    answer = api.send(method, f"/api/tasks/{task.pk}", body)

    assert answer.json() == as_json(task)
    assert (task.title, task.completed_at) == ("Buy bread", YESTERDAY)
    assert task.updated_at > YESTERDAY


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "Buy milk"},
        {"title": "  Buy milk  "},
        {"description": "Oat"},
        {"completed": True},
        {"title": "Buy milk", "description": "Oat", "completed": True},
    ],
)
def test_what_is_so_already_changes_nothing(
    api: ApiClient, alice: User, body: dict[str, Any]
) -> None:
    task = make_old_task(alice, completed=True, description="Oat")
    before = as_json(task)

    answer = api.send("PATCH", f"/api/tasks/{task.pk}", body)

    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"1.3"'
    assert answer.json() == before == as_json(task)


def test_every_change_counts_the_version_up(api: ApiClient, alice: User) -> None:
    task = make_task(alice)

    versions = [
        api.send("PATCH", f"/api/tasks/{task.pk}", {"title": title}).json()["version"]
        for title in ("a", "b", "b", "a")
    ]

    assert versions == [2, 3, 3, 4]


def test_it_takes_a_merge_patch(api: ApiClient, alice: User) -> None:
    task = make_task(alice)

    answer = api.generic(
        "PATCH",
        f"/api/tasks/{task.pk}",
        b'{"title": "Buy bread"}',
        "application/merge-patch+json",
    )

    assert (answer.status_code, answer.json()) == (200, as_json(task))
    assert task.title == "Buy bread"


def test_one_bad_member_stops_the_good_ones(api: ApiClient, alice: User) -> None:
    task = make_task(alice)
    before = as_json(task)

    api.send("PATCH", f"/api/tasks/{task.pk}", {"title": "Good", "completed": "no"})

    assert as_json(task) == before
