"""manage.py purge"""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject import jobs
from taskproject.accounts.models import SignInAttempt, User
from taskproject.models import StoredResponse
from tasks.management.commands import purge
from tasks.models import Actor, Event, FeedHorizon, Task
from tasks.models.events import purge_portion
from tests.conftest import BY, ApiClient, make_task
from tests.support.threads import at_once

NOTHING = "Removed 0 tasks from the trash, 0 stored responses and 0 events.\n"


def run(**options: Any) -> str:
    output = StringIO()
    call_command("purge", stdout=output, verbosity=0, **options)
    return output.getvalue()


def make_trashed(owner: User, days: float, count: int = 1) -> list[int]:
    """Tasks that have been in the trash for so many days."""
    keys = [make_task(owner, f"Old {number}").pk for number in range(count)]
    tasks = Task.objects.filter(pk__in=keys)
    tasks.trash(Actor(owner.pk, "token"))
    tasks.update(deleted_at=timezone.now() - timedelta(days=days))
    return keys


def make_response(owner: User, key: str, hours: float) -> StoredResponse:
    return StoredResponse.objects.create(
        owner=owner,
        key=key,
        fingerprint="",
        status=201,
        headers={},
        body=b"",
        created_at=timezone.now() - timedelta(hours=hours),
    )


def age_events(days: float) -> None:
    Event.objects.update(at=timezone.now() - timedelta(days=days))


def test_with_nothing_to_remove_it_removes_nothing(alice: User) -> None:
    make_task(alice)
    make_trashed(alice, 29)
    make_response(alice, "young", 23)

    assert run() == NOTHING

    assert (Task.objects.count(), StoredResponse.objects.count()) == (2, 1)
    assert not FeedHorizon.objects.exists()


def test_it_removes_trash_answers_and_events_past_their_time(alice: User) -> None:
    live = make_task(alice, "Live")
    make_trashed(alice, 31, count=2)
    (young,) = make_trashed(alice, 29)
    make_response(alice, "old", 25)
    kept = make_response(alice, "young", 23)
    age_events(91)
    recent = make_task(alice, "Recent")

    output = run()

    assert output == (
        "Removed 2 tasks from the trash, 1 stored responses and 7 events.\n"
    )
    assert set(Task.objects.values_list("pk", flat=True)) == {
        live.pk,
        young,
        recent.pk,
    }
    assert StoredResponse.objects.get() == kept
    events = Event.objects.in_order()
    assert [event.verb for event in events] == ["created", "deleted", "deleted"]


@pytest.mark.parametrize(
    ("setting", "value", "removed"),
    [
        ("TRASH_DAYS", 2, "1 tasks from the trash, 0 stored responses and 0 events"),
        ("IDEMPOTENCY_HOURS", 2, "0 tasks from the trash, 1 stored responses and 0"),
        ("EVENT_DAYS", 2, "0 tasks from the trash, 0 stored responses and 1 events"),
    ],
)
def test_each_time_is_a_setting(
    alice: User, settings: Any, setting: str, value: int, removed: str
) -> None:
    make_trashed(alice, 3)
    make_response(alice, "key", 3)
    age_events(3)
    setattr(settings, setting, value)

    assert removed in run()


def test_a_dry_run_counts_and_removes_nothing(alice: User) -> None:
    make_trashed(alice, 31, count=2)
    make_response(alice, "old", 25)
    age_events(91)

    output = run(dry_run=True)

    assert output == (
        "Would remove 2 tasks from the trash, 1 stored responses and 3 events.\n"
    )
    assert (Task.objects.count(), Event.objects.count()) == (2, 4)
    assert StoredResponse.objects.exists() and not FeedHorizon.objects.exists()


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_batches_of_any_size_remove_the_same(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(purge, "BATCH", batch)
    monkeypatch.setattr(jobs, "PORTION", batch)
    for owner in (alice, bob):
        make_trashed(owner, 31, count=3)
        for number in range(3):
            make_response(owner, f"key {number}", 25)
    age_events(91)
    last = Event.objects.latest("sequence").sequence
    alices = Event.objects.owned_by(alice.pk).last_sequence()

    output = run()

    assert output == (
        "Removed 6 tasks from the trash, 6 stored responses and 12 events.\n"
    )
    assert not Task.objects.exists() and not StoredResponse.objects.exists()
    assert set(Event.objects.values_list("verb", flat=True)) == {"deleted"}
    horizons = dict(FeedHorizon.objects.values_list("owner_id", "sequence"))
    assert horizons == {alice.pk: alices, bob.pk: last}


@pytest.mark.django_db(transaction=True)
def test_each_portion_of_the_trash_is_a_transaction_of_its_own(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a job: the owner's other writers wait for one."""
    monkeypatch.setattr(jobs, "PORTION", 2)
    make_trashed(alice, 31, count=6)

    with CaptureQueriesContext(connection) as queries:
        run()

    sent = [query["sql"] for query in queries.captured_queries]
    deletes = [sql for sql in sent if sql.startswith('DELETE FROM "tasks_task"')]
    # Each deletion is committed before the next one: COMMIT is captured, too.
    commits = [sql for sql in sent if sql.startswith("COMMIT")]
    assert len(deletes) == 3
    assert len(commits) >= 3


def test_running_twice_removes_nothing_more(alice: User) -> None:
    make_trashed(alice, 31)
    make_response(alice, "old", 25)
    age_events(91)
    run()
    before = list(Event.objects.values()), list(FeedHorizon.objects.values())

    assert run() == NOTHING

    assert (list(Event.objects.values()), list(FeedHorizon.objects.values())) == before


def test_what_was_restored_meanwhile_stays(
    alice: User, monkeypatch: pytest.MonkeyPatch, api: ApiClient
) -> None:
    """Between choosing the rows and removing them, one is restored."""
    stays, goes = make_trashed(alice, 31, count=2)
    restored: list[int] = []

    def restore_one(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        chosen = sql.startswith('SELECT "tasks_task"."id"') and "LIMIT" in sql
        if chosen and not restored:
            restored.append(stays)
            answer = api.send("POST", f"/api/tasks/{stays}/restore")
            assert answer.status_code == 200
        return result

    with connection.execute_wrapper(restore_one):
        output = run()

    assert restored == [stays]
    assert "Removed 1 tasks" in output
    task = Task.objects.get()
    assert (task.pk, task.deleted_at) == (stays, None)
    deleted = Event.objects.filter(verb="deleted")
    assert [event.task_id for event in deleted] == [goes]


def test_each_owner_gets_the_event_and_the_horizon_of_their_own(
    alice: User, bob: User, api: ApiClient, bobs_api: ApiClient
) -> None:
    (alices,), (bobs,) = make_trashed(alice, 31), make_trashed(bob, 31)
    cursors = {
        client: client.send("GET", "/api/changes?after=latest").json()["next_cursor"]
        for client in (api, bobs_api)
    }

    run()

    for client, key in ((api, alices), (bobs_api, bobs)):
        path = f"/api/changes?after={cursors[client]}"
        (item,) = client.send("GET", path).json()["items"]
        assert (item["verb"], item["task_id"], item["task"]) == ("deleted", key, None)
        assert (item["actor"], item["via"]) == (None, "command")


def test_only_the_owner_whose_events_went_gets_a_horizon(
    alice: User, bob: User
) -> None:
    for _ in range(2):
        make_task(alice)
    age_events(91)
    for _ in range(2):
        make_task(bob)

    run()

    assert FeedHorizon.objects.get().owner == alice


def test_a_later_purge_moves_the_horizon_on(alice: User) -> None:
    for _ in range(2):
        make_task(alice)
    age_events(91)
    run()
    first = FeedHorizon.objects.get().sequence
    make_task(alice)
    age_events(91)

    run()

    assert FeedHorizon.objects.get().sequence > first


def test_each_owners_newest_event_is_kept_however_old(alice: User, bob: User) -> None:
    """It is what the list's tag and the feed's cursor are made of."""
    for owner in (alice, alice, bob):
        make_task(owner)
    age_events(91)
    newest = {Event.objects.owned_by(user.pk).last_sequence() for user in (alice, bob)}

    assert "and 1 events" in run()

    assert set(Event.objects.values_list("sequence", flat=True)) == newest


def test_a_young_event_behind_an_old_one_stays(alice: User) -> None:
    make_task(alice, "Old")
    age_events(91)
    young = make_task(alice, "Young")

    run()

    assert Event.objects.get().task_id == young.pk


def test_a_horizon_never_goes_back(alice: User) -> None:
    first = make_task(alice)
    Task.objects.filter(pk=first.pk).edit(BY, title="Buy bread")
    Event.objects.update(at=timezone.now() - timedelta(days=91))
    FeedHorizon.objects.create(owner=alice, sequence=10**6)

    run()

    assert FeedHorizon.objects.get(owner=alice).sequence == 10**6


def test_it_removes_what_signing_in_and_the_admin_leave_behind(
    alice: User, settings: Any
) -> None:
    now = timezone.now()
    for days, key in ((-1, "old"), (1, "young")):
        Session.objects.create(
            session_key=key, session_data="", expire_date=now + timedelta(days=days)
        )
    for days in (364, 366):
        entry = LogEntry.objects.create(
            user=alice, action_flag=1, object_repr="", change_message=""
        )
        LogEntry.objects.filter(pk=entry.pk).update(
            action_time=now - timedelta(days=days)
        )
    for minutes in (14, 16):
        at = now - timedelta(minutes=minutes)
        SignInAttempt.objects.create(key="key", at=at)
    counts = "1 expired sessions, 1 entries of the admin's log and 1 counts of"

    assert f"Would remove {counts}" in run(dry_run=True)
    assert f"Removed {counts} failed sign-ins.\n" in run()

    assert Session.objects.get().session_key == "young"
    assert LogEntry.objects.count() == SignInAttempt.objects.count() == 1
    settings.ADMIN_LOG_DAYS = 300
    assert "1 entries of the admin's log" in run()


def test_a_portion_of_events_takes_as_many_statements_for_any_owners(
    alice: User, bob: User
) -> None:
    counts = []
    for owners in ((alice,), (alice, bob)):
        for owner in (*owners, *owners):
            make_task(owner)
        age_events(91)
        with CaptureQueriesContext(connection) as queries:
            assert purge_portion(0, 100, timezone.now() - timedelta(days=90))
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 5


def test_the_events_after_a_horizon_are_complete(alice: User) -> None:
    """Between moving the horizon and removing the events, one more is appended: that which
    was the newest is another one's predecessor now, and stays."""
    for _ in range(3):
        make_task(alice)
    age_events(91)
    before = list(Event.objects.values_list("sequence", flat=True).order_by("sequence"))

    def append_one(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if sql.startswith('INSERT INTO "tasks_feedhorizon"'):
            make_task(alice)
        return result

    with connection.execute_wrapper(append_one):
        assert "and 2 events" in run()

    assert FeedHorizon.objects.get().sequence == before[1]
    assert Event.objects.filter(sequence__gt=before[1]).count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_purges_at_once_remove_each_event_once(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "BATCH", 3)
    for owner in (alice, bob) * 8:
        make_task(owner)
    age_events(91)
    last = {
        owner.pk: Event.objects.owned_by(owner.pk).order_by("-sequence")[1].sequence
        for owner in (alice, bob)
    }

    outputs = at_once([run, run])

    removed = [int(output.split(" events")[0].split()[-1]) for output in outputs]
    assert sum(removed) == 14
    assert dict(FeedHorizon.objects.values_list("owner_id", "sequence")) == last
    assert Event.objects.count() == 2
