"""What can be done with tasks, and what the database refuses"""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.models import Task, positions
from tasks.models.due_dates import NEVER, due_moment
from tests.conftest import BY, YESTERDAY, make_old_task, make_task
from tests.support.rows import make_list


def state(task: Task) -> dict[str, Any]:
    """Every column of the task as it is stored now."""
    return dict(Task.objects.filter(pk=task.pk).values().get())


# Adjectives


def test_newest_first_goes_by_id_and_not_by_clock(alice: User) -> None:
    first, second = make_task(alice), make_task(alice)
    Task.objects.filter(pk=second.pk).update(created_at=YESTERDAY)

    assert list(Task.objects.newest_first()) == [second, first]


# add


def test_add_stores_a_new_task(alice: User) -> None:
    before = timezone.now()

    task = Task.objects.add(
        BY, owner_id=alice.pk, title=" Buy milk\n", description=" Oat ", completed=False
    )

    assert state(task) == {
        "id": task.pk,
        "owner_id": alice.pk,
        "client_id": None,
        "title": "Buy milk",
        "description": " Oat ",
        "location": None,
        "location_key": None,
        "completed": False,
        "completed_at": None,
        "list_id": None,
        "parent_id": None,
        "tags": [],
        "priority": 0,
        "due_date": None,
        "due_at": None,
        "due_timezone": None,
        "reminders": None,
        "recurrence": None,
        "recurrence_from": None,
        "recurrence_subtasks": None,
        "occurrence": None,
        "next_occurrence": None,
        "due_moment": NEVER,
        "position": positions.at_end(task.created_at),
        "sorted_title": "buy milk",
        "search": "buy milk | oat",
        "external_id": None,
        "created_at": task.created_at,
        "updated_at": task.created_at,
        "deleted_at": None,
        "version": 1,
    }
    assert before <= task.created_at <= timezone.now()


def test_add_refuses_a_field_that_tasks_do_not_have(alice: User) -> None:
    with pytest.raises(TypeError, match="titel"):
        Task.objects.add(BY, owner_id=alice.pk, title="Buy milk", titel="Buy milk")


def test_add_takes_none_for_what_is_not_given(alice: User) -> None:
    task = make_task(alice, description=None, priority=None, position=None)

    assert (task.description, task.priority, task.tags) == ("", 0, [])
    assert task.position


# edit


def test_edit_changes_what_is_given(alice: User) -> None:
    task = make_old_task(alice, description="Oat", completed=True)
    old, before = state(task), timezone.now()

    [changed] = Task.objects.edit(BY, title="Buy bread").changed.values()

    new = state(task)
    assert new == old | {
        "title": "Buy bread",
        "sorted_title": "buy bread",
        "search": "buy bread | oat",
        "updated_at": new["updated_at"],
        "version": 2,
    }
    assert before <= new["updated_at"] <= timezone.now()
    assert changed == task
    assert {name: getattr(changed, name) for name in new} == new


def test_edit_leaves_alone_what_already_is_so(alice: User) -> None:
    same, other = make_old_task(alice, title="Bread"), make_old_task(alice)
    before = state(same)

    assert list(Task.objects.edit(BY, title="Bread").changed.values()) == [other]
    assert state(same) == before
    assert state(other)["version"] == 2


def test_edit_changes_the_tasks_of_the_set_only(alice: User, bob: User) -> None:
    mine, theirs = make_task(alice), make_task(bob)
    before = state(theirs)

    assert list(
        Task.objects.owned_by(alice.pk).edit(BY, title="Bread").changed.values()
    ) == [mine]
    assert state(theirs) == before


# toggle


def test_toggle_flips_every_task_of_the_set(alice: User) -> None:
    todo, done = make_old_task(alice), make_old_task(alice, completed=True)

    changed = {task.pk: task for task in Task.objects.toggle(BY).changed.values()}

    assert changed.keys() == {todo.pk, done.pk}
    assert changed[todo.pk].completed
    assert changed[todo.pk].completed_at == changed[todo.pk].updated_at > YESTERDAY
    assert not changed[done.pk].completed
    assert changed[done.pk].completed_at is None
    assert {task.version for task in changed.values()} == {2}
    assert state(todo)["completed"] and not state(done)["completed"]


# Every verb, on every kind of set


@pytest.mark.parametrize("verb", ["complete", "toggle"])
def test_a_verb_returns_tasks_as_they_are_stored(alice: User, verb: str) -> None:
    task = make_task(alice)

    [changed] = getattr(Task.objects, verb)(BY).changed.values()

    assert {name: getattr(changed, name) for name in state(task)} == state(task)


@pytest.mark.parametrize("verb", ["complete", "reopen", "toggle"])
@pytest.mark.parametrize(
    "condition",
    [Q(title="Another"), Q(pk__in=[]), Q(pk=2**63)],
    ids=["none-found", "none-asked", "beyond-column"],
)
def test_a_verb_on_no_task_changes_nothing(
    alice: User, verb: str, condition: Q
) -> None:
    task = make_task(alice)
    before = state(task)

    assert getattr(Task.objects.filter(condition), verb)(BY).changed == {}
    assert state(task) == before


@pytest.mark.parametrize("verb", ["complete", "toggle"])
def test_a_verb_works_on_a_set_found_through_another_table(
    alice: User, bob: User, verb: str
) -> None:
    mine, theirs = make_task(alice), make_task(bob)

    tasks = Task.objects.filter(owner__username="alice")
    assert list(getattr(tasks, verb)(BY).changed) == [mine.pk]
    assert state(mine)["completed"]
    assert not state(theirs)["completed"]


@pytest.mark.parametrize("verb", ["complete", "toggle"])
def test_a_verb_works_on_an_ordered_set(alice: User, verb: str) -> None:
    task = make_task(alice)

    assert list(getattr(Task.objects.newest_first(), verb)(BY).changed) == [task.pk]


def test_a_task_is_known_by_its_title(alice: User) -> None:
    assert str(make_task(alice)) == "Buy milk"


# What the database itself refuses


@pytest.mark.parametrize("title", ["x" * 201, "🥛" * 201])
def test_a_title_of_201_characters_is_refused(alice: User, title: str) -> None:
    # PostgreSQL refuses it by the column's type, before any constraint.
    with pytest.raises(DatabaseError), transaction.atomic():
        Task.objects.create(owner=alice, title=title)

    assert not Task.objects.exists()


@pytest.mark.parametrize("field", ["owner", "title", "description", "version"])
def test_no_column_but_completed_at_may_be_null(alice: User, field: str) -> None:
    fields = {"owner": alice, "title": "x", "description": "", "version": 1}

    with pytest.raises(IntegrityError), transaction.atomic():
        Task.objects.create(**fields | {field: None})


def test_the_longest_texts_fit(alice: User) -> None:
    task = Task.objects.create(
        owner=alice, title="🥛" * 200, description="🐄" * 10_000, version=2**63 - 1
    )

    assert state(task)["title"] == "🥛" * 200
    assert len(state(task)["description"]) == 10_000


# Fields that follow from others


def test_an_edit_of_all_that_says_when_it_is_due_is_sorted_by_it(alice: User) -> None:
    task, noon = make_task(alice), datetime(2026, 12, 1, 12, tzinfo=UTC)

    given: dict[str, Any] = {
        "due_date": None,
        "due_at": noon,
        "due_timezone": "Asia/Tokyo",
    }
    Task.objects.filter(pk=task.pk).edit(BY, **given)

    assert state(task)["due_moment"] == due_moment(None, noon)
    Task.objects.filter(pk=task.pk).edit(BY, due_date=noon.date())
    assert state(task)["due_moment"] == due_moment(noon.date(), None)


@pytest.mark.parametrize("in_list", [True, False])
@pytest.mark.parametrize("at", [0, 1])
def test_restored_tasks_have_places_of_their_own(
    alice: User, in_list: bool, at: int
) -> None:
    """Also where several have one place, which another task is at by now."""
    list_id = make_list(alice).pk if in_list else None
    tasks = [make_task(alice, list_id=list_id) for _ in range(4)]
    trashed = Task.objects.filter(pk__in=[task.pk for task in tasks[1:]])
    trashed.trash(BY)
    trashed.update(position=tasks[at].position)

    trashed.restore(BY)

    places = Task.objects.live().values_list("list_id", "position")
    assert len(set(places)) == 4
    assert {place for place, _ in places} == {list_id}
