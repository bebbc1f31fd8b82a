"""The newest events of owners, for those who wait for changes."""

import pytest
from django.db import connection, transaction

from taskproject.accounts.models import User
from tasks.models import Event
from tasks.models.newest_events import Committed, FeedWentBack, newest_of
from tests.conftest import make_task
from tests.support.threads import until


@pytest.mark.django_db(transaction=True)
def test_events_are_found_that_are_committed_in_another_order() -> None:
    alice, bob = (User.objects.create_user(name) for name in ("alice", "bob"))
    committed = Committed()
    if connection.vendor == "sqlite":  # It has one writer at a time.
        make_task(bob)
        make_task(alice)
        assert committed.read().keys() == {alice.pk, bob.pk}
        assert committed.read() == {}
        return
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tasks_event (owner_id, task_id, via, verb, version, at, changes) "
            "VALUES (%s, 1, 'command', 'created', 1, now(), '{}') RETURNING sequence",
            [bob.pk],
        )
        [earlier] = cursor.fetchone()
    make_task(alice)

    assert committed.read().keys() == {alice.pk}
    assert committed.read().keys() == {alice.pk}
    other.commit()
    assert committed.read()[bob.pk] == earlier
    other.close()
    # Once all transactions have ended that were in progress, those of other databases too.
    until(lambda: not committed.read())


@pytest.mark.django_db
def test_a_feed_that_went_back_is_noticed() -> None:
    alice = User.objects.create_user("alice")
    for _ in range(2):
        make_task(alice)
    committed = Committed()
    committed.read()
    Event.objects.filter(sequence=Event.objects.all().last_sequence()).delete()

    with pytest.raises(FeedWentBack):
        committed.read()


@pytest.mark.django_db
def test_the_newest_events_of_owners() -> None:
    alice, bob = (User.objects.create_user(name) for name in ("alice", "bob"))
    with transaction.atomic():
        make_task(alice)
    sequence = Event.objects.owned_by(alice.pk).last_sequence()

    assert newest_of([alice.pk, bob.pk]) == {alice.pk: sequence, bob.pk: 0}
    assert newest_of([]) == {}
