"""A version of a task has one event in a feed, and times there never go back."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from taskproject.accounts.models import User
from tasks.models import Event, Task
from tests.conftest import BY, make_task
from tests.integration.test_purge import make_trashed, run


def family(owner: User) -> list[int]:
    parent = make_task(owner, "Parent")
    children = [
        make_task(owner, f"Child {number}", parent_id=parent.pk) for number in range(3)
    ]
    return [parent.pk, *(child.pk for child in children)]


def assert_one_event_a_version() -> None:
    told = Counter(Event.objects.values_list("owner_id", "task_id", "version"))
    assert set(told.values()) == {1}


def assert_times_never_go_back(owner: User) -> None:
    times = Event.objects.owned_by(owner.pk).in_order().values_list("at", flat=True)
    assert all(one <= other for one, other in pairwise(times))


def test_a_subtask_that_is_purged_with_its_parent_is_deleted_only(alice: User) -> None:
    keys = family(alice)
    Task.objects.filter(pk__in=keys).trash(BY)
    Task.objects.update(deleted_at=_long_ago())

    run()

    assert not Task.objects.exists()
    for key in keys:
        verbs = Event.objects.of_task(key).in_order().values_list("verb", "version")
        assert list(verbs) == [("created", 1), ("trashed", 2), ("deleted", 3)]
    assert_one_event_a_version()
    assert_times_never_go_back(alice)


def _long_ago() -> object:
    return Event.objects.latest("at").at - timedelta(days=31)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_purge_in_portions_gives_each_version_one_event(
    alice: User, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr("tasks.management.commands.purge.BATCH", batch)
    make_trashed(alice, 31)
    keys = family(alice)
    Task.objects.filter(pk__in=keys).trash(BY)
    Task.objects.update(deleted_at=_long_ago())

    run()

    assert not Task.objects.exists()
    assert_one_event_a_version()
    assert_times_never_go_back(alice)


def test_a_subtask_that_stays_is_freed_before_its_parent_is_told_deleted(
    alice: User,
) -> None:
    parent, *children = family(alice)
    Task.objects.filter(pk__in=[parent, children[0]]).remove(BY)

    assert_one_event_a_version()
    assert_times_never_go_back(alice)
    left = Task.objects.filter(pk__in=children).order_by("pk")
    assert [(task.parent_id, task.version) for task in left] == [(None, 2)] * 2
    gone = Event.objects.filter(verb="deleted").values_list("task_id", "version")
    assert sorted(gone) == [(parent, 2), (children[0], 2)]


@pytest.mark.parametrize("together", [True, False])
def test_times_never_go_back_when_a_parent_is_given_away(
    alice: User, bob: User, together: bool
) -> None:
    keys = family(alice)

    Task.objects.filter(pk__in=keys if together else keys[:1]).edit(BY, owner_id=bob.pk)

    assert_one_event_a_version()
    for user in (alice, bob):
        assert_times_never_go_back(user)
