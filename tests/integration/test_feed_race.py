"""The feed against writers: real threads, each with a connection of its own."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from random import Random
from threading import Event as Flag
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Actor, Event, Task, lock_feeds
from tests.conftest import ApiClient, make_task, make_token
from tests.support.admin import Editor
from tests.support.threads import PATIENCE, Threads, at_once, until, waiting

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS, WRITES = 6, 25


@pytest.fixture
def on_postgresql(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time; row locks are PostgreSQL's")


class Poller:
    """A client that remembers its cursor."""

    def __init__(self, user: User, limit: int = 7) -> None:
        self.api, self.limit = ApiClient(make_token(user)), limit
        self.items: list[dict[str, Any]] = []
        self.cursor = ""

    def poll(self) -> int:
        """How many changes were new."""
        after = f"&after={self.cursor}" if self.cursor else ""
        answer = self.api.send("GET", f"/api/changes?limit={self.limit}{after}")
        assert answer.status_code == 200, answer.content
        page = answer.json()
        self.items += page["items"]
        self.cursor = page["next_cursor"]
        return len(page["items"])

    def sequences(self) -> list[int]:
        return [item["sequence"] for item in self.items]


def stored(owner: User) -> list[int]:
    events = Event.objects.owned_by(owner.pk).in_order()
    return list(events.values_list("sequence", flat=True))


def test_a_poller_sees_every_event_once_and_in_order_while_others_write(
    alice: User,
) -> None:
    token = make_token(alice)
    keys = [make_task(alice, f"Task {number}").pk for number in range(4)]
    poller, done = Poller(alice), Flag()

    def write(number: int) -> list[Any]:
        random, api, answers = Random(number), ApiClient(token), []
        for count in range(WRITES):
            path = f"/api/tasks/{random.choice(keys)}"
            title = {"title": f"{count} of {number}"}
            method, suffix, body = random.choice(
                [
                    ("POST", "", title),
                    ("POST", "/toggle", None),
                    ("PATCH", "", title),
                    ("DELETE", "", None),
                    ("POST", "/restore", None),
                    ("POST", "/restore", None),
                ]
            )
            if (method, suffix) == ("POST", ""):
                path = "/api/tasks"
            answers.append(api.send(method, path + suffix, body))
        return answers

    def poll() -> None:
        while not done.is_set():
            poller.poll()
        while poller.poll():
            pass

    with Threads() as threads:
        polling = threads.start(poll)
        try:
            by_writer = at_once([partial(write, number) for number in range(WRITERS)])
        finally:
            done.set()
        polling.result(PATIENCE)

    answers = [answer for some in by_writer for answer in some]
    assert {answer.status_code for answer in answers} <= {200, 201, 204, 410}
    assert poller.sequences() == stored(alice)
    versions: defaultdict[int, list[int]] = defaultdict(list)
    for item in poller.items:
        versions[item["task_id"]].append(item["version"])
    for seen in versions.values():
        assert seen == list(range(1, len(seen) + 1))
    for task in Task.objects.all():
        assert versions[task.pk][-1] == task.version
    # Nothing that was acknowledged is missing.
    bodies = [answer.json() for answer in answers if answer.status_code in (200, 201)]
    assert all(body["version"] in versions[body["id"]] for body in bodies)
    trashed = [item for item in poller.items if item["verb"] == "trashed"]
    assert len(trashed) == sum(answer.status_code == 204 for answer in answers)
    assert len(trashed) > 0


@pytest.mark.without_pooler("needs three sessions at once")
def test_of_two_interleaved_transactions_neither_is_missed(
    alice: User, on_postgresql: None
) -> None:
    by, poller = Actor(alice.pk, "command"), Poller(alice)

    with Threads() as threads:
        with transaction.atomic():
            Task.objects.add(by, owner_id=alice.pk, title="Slow")
            quick = threads.start(lambda: make_task(alice, "Quick"))
            until(lambda: quick.done() or waiting() > 0)
            overtook = quick.done()
            threads.call(poller.poll)
        quick.result(PATIENCE)
    while poller.poll():
        pass

    assert not overtook, "it committed before the one that had begun before it"
    assert poller.sequences() == stored(alice)
    assert [item["task"]["title"] for item in poller.items] == ["Slow", "Quick"]


def test_writers_of_different_owners_do_not_wait_for_each_other(
    alice: User, bob: User, on_postgresql: None
) -> None:
    with Threads() as threads, transaction.atomic():
        make_task(alice, "Slow")

        threads.call(lambda: make_task(bob, "Quick"))

    assert Task.objects.count() == 2


def test_a_change_that_met_a_transfer_is_not_missed_by_the_new_owner(
    alice: User, bob: User, on_postgresql: None
) -> None:
    """A change that chose its task as alice's waits while it becomes bob's, and is then
    slow to commit. Meanwhile bob writes."""
    task, by, poller = make_task(alice), Actor(None, "command"), Poller(bob)
    tasks = Task.objects.filter(pk=task.pk)
    changed, may_commit = Flag(), Flag()

    def change_slowly() -> None:
        with transaction.atomic():
            tasks.complete(by)
            changed.set()
            assert may_commit.wait(PATIENCE)

    with Threads() as threads:
        try:
            with transaction.atomic():
                tasks.edit(by, owner_id=bob.pk)
                change = threads.start(change_slowly)
                until(lambda: waiting() > 0)
            assert changed.wait(PATIENCE)
            write = threads.start(lambda: make_task(bob, "Bob's"))
            until(lambda: write.done() or waiting() > 0)
            threads.call(poller.poll)
        finally:
            may_commit.set()
        change.result(PATIENCE)
        write.result(PATIENCE)
    while poller.poll():
        pass

    assert poller.sequences() == stored(bob)


def test_a_later_version_never_has_an_earlier_time(
    alice: User, on_postgresql: None
) -> None:
    task, by = make_task(alice), Actor(alice.pk, "command")
    tasks = Task.objects.owned_by(alice.pk)

    with Threads() as threads:
        with lock_feeds([alice.pk]):
            waits = threads.start(lambda: tasks.complete(by))
            until(lambda: waiting() > 0)
            (second,) = tasks.edit(by, title="Buy bread").changed.values()
        (third,) = waits.result(PATIENCE).changed.values()

    assert (task.version, second.version, third.version) == (1, 2, 3)
    assert task.updated_at <= second.updated_at <= third.updated_at
    times = list(Event.objects.in_order().values_list("at", flat=True))
    assert times == sorted(times)


# Locks


def test_bulk_writers_of_the_same_tasks_in_other_orders_do_not_deadlock(
    alice: User, bob: User
) -> None:
    keys = [make_task((alice, bob)[n % 2], f"Task {n}").pk for n in range(20)]
    everything = Task.objects.filter(pk__in=keys)
    rounds = 10

    def repeat(write: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(rounds):
                write()

        return run

    by = Actor(None, "command")
    at_once(
        [
            repeat(lambda: everything.order_by("pk").toggle(by)),
            repeat(lambda: everything.order_by("-pk").toggle(by)),
            repeat(lambda: everything.order_by("-owner_id", "title").toggle(by)),
            repeat(lambda: everything.owned_by(bob.pk).toggle(by)),
            repeat(lambda: everything.owned_by(alice.pk).order_by("-pk").toggle(by)),
        ]
    )

    # Each task is toggled by three of the writers, and by its own owner's.
    versions = set(everything.values_list("version", flat=True))
    assert versions == {1 + 4 * rounds}


def test_transfers_in_both_directions_do_not_deadlock(alice: User, bob: User) -> None:
    keys = [make_task((alice, bob)[n % 2], f"Task {n}").pk for n in range(10)]
    tasks, by = Task.objects.filter(pk__in=keys), Actor(None, "command")

    def give(owner: User) -> Callable[[], None]:
        def run() -> None:
            for _ in range(10):
                tasks.edit(by, owner_id=owner.pk)

        return run

    at_once([give(alice), give(bob), give(alice), give(bob)])

    assert len(set(tasks.values_list("owner_id", flat=True))) == 1
    for key in keys:
        # One event in each of two feeds for every transfer.
        events = Event.objects.of_task(key).filter(verb="transferred")
        versions = list(events.order_by("version").values_list("version", flat=True))
        assert versions == sorted([*range(2, len(versions) // 2 + 2)] * 2)


def test_the_admins_form_and_the_api_do_not_deadlock(
    alice: User, staff: Client, on_postgresql: None
) -> None:
    task = make_task(alice)
    editor = Editor(staff, task)
    editor.type(title="Buy bread")

    with Threads() as threads:
        # As every write does: first the owner's place in the feed, then the row.
        with lock_feeds([alice.pk]):
            saving = threads.start(editor.save)
            until(lambda: waiting() > 0)
            Task.objects.owned_by(alice.pk).complete(Actor(alice.pk, "token"))
        saved = saving.result(PATIENCE)

    assert not saved, "its page was opened before the completion"
    assert editor.save()
    task.refresh_from_db()
    assert (task.title, task.completed, task.version) == ("Buy bread", True, 3)
