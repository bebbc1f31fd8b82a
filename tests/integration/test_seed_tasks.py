"""manage.py seed_tasks"""

import sys
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from taskproject.accounts.models import User
from taskproject.times import midnight
from tasks.management.commands import seed_tasks
from tasks.models import Tag, Task, TaskList
from tests.conftest import ApiClient
from tests.support.commands import refused, run


def seeded(*fields: str) -> list[Any]:
    return list(Task.objects.order_by("pk").values_list(*fields))


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_tasks, "BATCH", 50)


def test_seed_tasks_adds_as_many_as_asked_for(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed_tasks, "BATCH", 1_000)

    output, _ = run("seed_tasks", "1001", "--owner", "alice", "-v", "0")

    assert "Added 1,001 tasks to alice." in output
    assert Task.objects.owned_by(alice.pk).count() == Task.objects.count() == 1001


def test_seed_tasks_is_the_same_for_the_same_seed(alice: User) -> None:
    first = seeded_anew("120")
    Task.objects.all().delete()

    assert seeded_anew("120") == first


def seeded_anew(count: str) -> list[Any]:
    """All that is stored of new tasks. Ids differ from run to run: a parent is told by
    its place among the tasks. So do positions, which are of the clock: the tasks are told
    in their order."""
    given = "--seed=7", "--until=2026-01-01", "-v0"
    run("seed_tasks", count, "--owner", "alice", *given)
    rows: list[Any] = list(Task.objects.order_by("position", "pk").values())
    places = {row.pop("id"): place for place, row in enumerate(rows)}
    for row in rows:
        del row["position"]
        row["parent_id"] = places.get(row["parent_id"])
    return rows


def test_seed_tasks_is_another_for_another_seed(alice: User) -> None:
    run("seed_tasks", "50", "--owner", "alice", "--seed", "1", "-v", "0")
    first = seeded("title")
    Task.objects.all().delete()

    run("seed_tasks", "50", "--owner", "alice", "--seed", "2", "-v", "0")

    assert seeded("title") != first


def test_seed_tasks_makes_tasks_as_the_service_would(alice: User) -> None:
    run("seed_tasks", "100", "--owner", "alice", "-v", "0")

    tasks = list(Task.objects.order_by("pk"))
    assert 0 < sum(task.completed for task in tasks) < 100
    assert len({task.title for task in tasks}) > 90
    assert [task.created_at for task in tasks] == sorted(t.created_at for t in tasks)
    assert {task.version for task in tasks} == {1}
    assert all(task.updated_at >= task.created_at for task in tasks)
    assert {task.priority for task in tasks} == set(Task.Priority)
    assert {bool(task.due_date) + 2 * bool(task.due_at) for task in tasks} == {0, 1, 2}
    assert 8 == TaskList.objects.count() == len({t.list_id for t in tasks} - {None})
    today = midnight(timezone.now().date())
    assert today - timedelta(days=366) <= tasks[0].created_at
    assert today - timedelta(days=15) < max(task.updated_at for task in tasks) <= today
    for task in tasks:
        # The database has checked the constraints.
        task.full_clean(validate_unique=False, validate_constraints=False)
        assert [*task.labels.order_by("key")] == [
            *Tag.objects.named(task.tags).order_by("key")
        ]


def test_seed_tasks_refuses_what_is_no_day(alice: User) -> None:
    told = refused("seed_tasks", "5", "--owner", "alice", "--until", "2026-02-30")

    assert told == "--until must be a day as YYYY-MM-DD."


def test_seed_tasks_makes_subtasks_and_lists_once(alice: User) -> None:
    run("seed_tasks", "130", "--owner", "alice", "-v", "0")
    run("seed_tasks", "1", "--owner", "alice", "-v", "0")

    assert Task.objects.filter(parent__isnull=False).exists()
    assert not Task.objects.filter(parent__parent__isnull=False).exists()
    assert TaskList.objects.count() == 8


def test_seed_tasks_adds_to_what_there_is(alice: User) -> None:
    run("seed_tasks", "3", "--owner", "alice", "-v", "0")
    run("seed_tasks", "4", "--owner", "alice", "-v", "0")

    assert Task.objects.count() == 7


def test_seed_tasks_can_be_read_through_the_api(api: ApiClient) -> None:
    run("seed_tasks", "120", "--owner", "alice", "-v", "0")

    assert len(api.get("/api/tasks?limit=100").json()["items"]) == 100


@pytest.mark.parametrize("count", ["0", "-1", "10000001"])
def test_seed_tasks_refuses_a_count_out_of_bounds(alice: User, count: str) -> None:
    said = refused("seed_tasks", "--owner", "alice", "--", count)

    assert "COUNT must be from 1 to 10,000,000." in said
    assert not Task.objects.exists()


def test_seed_tasks_refuses_a_count_that_is_no_number(alice: User) -> None:
    assert "invalid int value" in refused("seed_tasks", "many", "--owner", "alice")


def test_seed_tasks_wants_an_owner_where_there_is_no_guest(
    db: None, settings: Settings
) -> None:
    settings.API_GUEST = ""

    assert "Name a user with --owner" in refused("seed_tasks", "3")


def test_seed_tasks_gives_them_to_the_guest(db: None, settings: Settings) -> None:
    settings.API_GUEST = "guest"

    run("seed_tasks", "3", "-v", "0")

    assert len(Client().get("/api/tasks").json()["items"]) == 3


def test_seed_tasks_says_how_to_make_the_owner(db: None) -> None:
    said = refused("seed_tasks", "3", "--owner", "erin")

    assert "There is no user 'erin'" in said
    assert "create_token erin --create-user" in said
    assert not User.objects.exists()


def test_seed_tasks_shows_a_terminal_how_far_it_is(
    alice: User, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    run("seed_tasks", "3", "--owner", "alice")

    assert "3/3" in capsys.readouterr().err
