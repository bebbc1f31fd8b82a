"""The tallies: whatever is done to tasks, they are what counting would give"""

import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone

from taskproject.accounts.models import User
from taskproject.problems import Problem
from taskproject.sql import SingleWrite, fetch
from tasks.models import Tag, Tally, Task, TaskList, lock_feeds
from tasks.models.tallies import TASK_COLUMNS
from tests.conftest import BY, ApiClient, make_task
from tests.support.batches import send
from tests.support.rows import make_list
from tests.support.tallies import assert_right, recounted, tallies

TAGS = ["home", "work", "Errand", "fun"]
DAYS = [date(1900, 1, 1), date(2026, 11, 24), date(2026, 11, 25)]


# One change at a time


def tally(owner: User, kind: str, key: int = 0) -> tuple[int, int]:
    return tallies().get((owner.pk, kind, key), (0, 0))


def test_a_task_counts_in_all_in_its_list_and_with_its_tags(alice: User) -> None:
    home = make_list(alice)
    make_task(alice, list_id=home.pk, tags=["a", "b"])
    make_task(alice, completed=True, tags=["a"])

    a, b = Tag.objects.in_order()
    assert tallies() == {
        (alice.pk, "all", 0): (1, 1),
        (alice.pk, "list", home.pk): (1, 0),
        (alice.pk, "list", 0): (0, 1),
        (alice.pk, "tag", a.pk): (1, 1),
        (alice.pk, "tag", b.pk): (1, 0),
    }


def test_what_is_in_the_trash_does_not_count(alice: User) -> None:
    task = make_task(alice, tags=["a"])
    tasks = Task.objects.filter(pk=task.pk)
    tasks.trash(BY)
    assert tallies() == {}

    tasks.restore(BY)
    assert tally(alice, "all") == (1, 0)
    tasks.trash(BY)
    tasks.remove(BY)

    assert tallies() == {}
    assert_right()


def test_a_transfer_counts_for_the_other_owner(alice: User, bob: User) -> None:
    home = make_list(alice)
    task = make_task(alice, list_id=home.pk, tags=["a"], completed=True)

    Task.objects.filter(pk=task.pk).edit(BY, owner_id=bob.pk)

    tag = Tag.objects.owned_by(bob.pk).get()
    assert tallies() == {
        (bob.pk, "all", 0): (0, 1),
        (bob.pk, "list", 0): (0, 1),
        (bob.pk, "tag", tag.pk): (0, 1),
    }


def test_a_change_past_the_verbs_counts_as_well(alice: User) -> None:
    home = make_list(alice)
    for number in range(3):
        make_task(alice, f"Task {number}", tags=["a"])

    Task.objects.update(completed=True, completed_at=timezone.now(), list=home)

    assert tally(alice, "list", home.pk) == (0, 3)
    assert tally(alice, "tag", Tag.objects.get().pk) == (0, 3)
    assert_right()


@pytest.mark.django_db(transaction=True)
def test_what_follows_a_counted_statement_in_a_transaction_counts_too(
    alice: User,
) -> None:
    first, second = make_task(alice), make_task(alice)

    with SingleWrite():  # in which PostgreSQL toggles the first by one statement
        Task.one(alice.pk, first.pk).toggle(BY)
        Task.objects.filter(pk=second.pk).toggle(BY)
        Task.objects.add_all(BY, alice.pk, [{"title": "Third"}])

    assert tally(alice, "all") == (1, 2)
    assert_right()


def test_a_tally_goes_with_its_user(alice: User, bob: User) -> None:
    for user in (alice, bob):
        make_task(user, tags=["a"], list_id=make_list(user).pk)

    alice.delete()

    assert set(Tally.objects.values_list("owner", flat=True)) == {bob.pk}
    assert_right()


def test_a_tally_goes_with_its_list_and_with_its_tag(alice: User) -> None:
    home = make_list(alice)
    kept = make_task(alice, tags=["a", "b"], list_id=home.pk)
    a = Tag.objects.get(name="a")

    with lock_feeds([alice.pk]):
        home.remove(BY)
        a.remove(BY)

    assert set(Tally.objects.values_list("kind", "key")) == {
        ("all", 0),
        ("list", 0),
        ("tag", Tag.objects.get(name="b").pk),
    }
    Task.objects.filter(pk=kept.pk).edit(BY, tags=[])
    Tag.objects.all().delete()
    assert not Tally.objects.filter(kind="tag").exists()
    assert_right()


@pytest.mark.django_db(transaction=True)
def test_a_migration_takes_away_the_tallies_of_what_is_gone(alice: User) -> None:
    migration = import_module("tasks.migrations.0015_tallies_go_with_their_subjects")
    home, _ = make_list(alice), make_task(alice, tags=["a"])
    make_task(alice, list_id=home.pk)
    with connection.schema_editor() as editor:
        migration.backwards(apps, editor)
    for kind in ("list", "tag"):
        Tally.objects.create(owner=alice, kind=kind, key=2**40, open=0, completed=0)
    counted = tallies()

    for _ in range(2):  # as after a run that failed half-way
        with connection.schema_editor(atomic=False) as editor:
            migration.forwards(apps, editor)

    assert not Tally.objects.filter(key=2**40).exists()
    assert tallies() == counted == recounted()
    Task.objects.all().edit(BY, list_id=None)
    TaskList.objects.all().delete()
    assert not Tally.objects.filter(kind="list").exclude(key=0).exists()


def test_what_is_rolled_back_counts_for_nothing(alice: User) -> None:
    make_task(alice)
    before = tallies()

    with pytest.raises(IntegrityError), transaction.atomic():
        make_task(alice)
        Task.objects.update(version=0)

    assert tallies() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="PostgreSQL keeps plans")
def test_a_bulk_change_costs_the_same_after_a_single_one(alice: User) -> None:
    """The triggers' plans are a session's: one that was made for a row is kept."""
    Task.objects.add_all(BY, alice.pk, [{"title": "x"}] * 3_000)
    [first, *_] = Task.objects.owned_by(alice.pk)

    def bulk(*, after_a_single_one: bool) -> float:
        connection.close()
        if after_a_single_one:
            Task.one(alice.pk, first.pk).toggle(BY)
        changed = Task.objects.owned_by(alice.pk)
        started = time.perf_counter()
        changed.update(deleted_at=timezone.now())
        changed.update(deleted_at=None)
        return time.perf_counter() - started

    fresh, later = (
        min(bulk(after_a_single_one=single) for _ in range(3))
        for single in (False, True)
    )
    assert later < 2.5 * fresh
    assert_right()


# Many changes, one after the other


class Sequence:
    """Changes drawn by chance, each of which any caller could make."""

    def __init__(self, seed: int, users: list[User], api: ApiClient) -> None:
        self.random = random.Random(seed)
        self.users, self.api = users, api
        self.steps: list[Callable[[], None]] = [
            self.add, self.add_all, self.add_all, self.edit, self.complete,
            self.toggle, self.retag, self.relist, self.trash, self.restore,
            self.remove, self.move, self.transfer, self.below, self.add_list,
            self.rename_tag, self.remove_tag, self.remove_list, self.update,
            self.batch, self.purge,
        ]  # fmt: skip

    def step(self) -> str:
        """Makes one; those that are refused change nothing."""
        step = self.random.choice(self.steps)
        try:
            with transaction.atomic():
                step()
        except Problem as problem:
            return f"{step.__name__}: {problem.detail}"
        return step.__name__

    def some(self, most: int = 4) -> Any:
        """A few tasks of one user."""
        keys = list(self.mine.values_list("pk", flat=True).order_by("pk"))
        chosen = self.random.sample(keys, min(len(keys), self.random.randint(1, most)))
        return Task.objects.filter(pk__in=chosen)

    @property
    def mine(self) -> Any:
        self.user = self.random.choice(self.users)
        return Task.objects.owned_by(self.user.pk)

    def one(self, model: Any) -> Any:
        """A list or a tag of the same user, or none."""
        rows = list(model.objects.owned_by(self.user.pk).order_by("pk"))
        return self.random.choice(rows) if rows else None

    def fields(self) -> dict[str, Any]:
        home = self.one(TaskList)
        return {
            "completed": self.random.random() < 0.4,
            "list_id": home and self.random.choice([None, home.pk]),
            "tags": self.random.sample(TAGS, self.random.randint(0, 3)),
            "due_date": self.random.choice([None, *DAYS]),
        }

    def add(self) -> None:
        self.user = self.random.choice(self.users)
        make_task(self.user, **self.fields())

    def add_all(self) -> None:
        self.user = self.random.choice(self.users)
        rows = [{"title": "New", **self.fields()} for _ in range(3)]
        Task.objects.add_all(BY, self.user.pk, rows)

    def edit(self) -> None:
        self.some().edit(BY, **self.fields())

    def complete(self) -> None:
        self.random.choice([self.some().complete, self.some().reopen])(BY)

    def toggle(self) -> None:
        self.some().toggle(BY)

    def retag(self) -> None:
        self.some().edit(BY, tags=self.fields()["tags"])

    def relist(self) -> None:
        self.some().edit(BY, list_id=self.fields()["list_id"])

    def trash(self) -> None:
        self.some(2).trash(BY)

    def restore(self) -> None:
        self.some(8).restore(BY)

    def remove(self) -> None:
        self.some(1).remove(BY)

    def move(self) -> None:
        for at in self.some(1):
            Task.objects.owned_by(at.owner_id).exclude(pk=at.pk).live().filter(
                pk__gt=at.pk
            ).move(BY, before=at.pk)

    def transfer(self) -> None:
        self.some(2).edit(BY, owner_id=self.random.choice(self.users).pk)

    def below(self) -> None:
        for parent in self.some(1):
            Task.objects.owned_by(parent.owner_id).exclude(pk=parent.pk).edit(
                BY, parent_id=parent.pk
            )

    def add_list(self) -> None:
        user = self.random.choice(self.users)
        make_list(user, f"List {self.random.randint(0, 3)}")

    def rename_tag(self) -> None:
        self.user = self.random.choice(self.users)
        if tag := self.one(Tag):
            with lock_feeds([self.user.pk]):
                tag.rename(BY, f"tag {self.random.randint(0, 9)}")

    def remove_tag(self) -> None:
        self.user = self.random.choice(self.users)
        if tag := self.one(Tag):
            with lock_feeds([self.user.pk]):
                tag.remove(BY)

    def remove_list(self) -> None:
        self.user = self.random.choice(self.users)
        if home := self.one(TaskList):
            with lock_feeds([self.user.pk]):
                home.remove(BY, tasks=self.random.random() < 0.5)

    def update(self) -> None:
        """Past the verbs."""
        completed = self.random.random() < 0.5
        at = timezone.now() if completed else None
        self.some().update(completed=completed, completed_at=at)

    def batch(self) -> None:
        keys = [task.pk for task in self.some(6)]
        verbs = self.random.choices(["complete", "toggle", "delete", "reopen"], k=6)
        operations: list[Any] = [
            {"op": verb, "id": key} for verb, key in zip(verbs, keys, strict=False)
        ]
        operations += [{"op": "create", "body": {"title": "New", "tags": ["home"]}}]
        assert send(self.api, *operations, atomic=False).status_code == 200

    def purge(self) -> None:
        Task.objects.trashed().update(deleted_at=timezone.now() - timedelta(days=31))
        call_command("purge", verbosity=0, stdout=StringIO())


@pytest.mark.parametrize("seed", range(6))
def test_after_any_changes_the_tallies_are_right(
    alice: User, bob: User, api: ApiClient, seed: int
) -> None:
    sequence = Sequence(seed, [alice, bob], api)
    done: list[str] = []

    for _ in range(60):
        done.append(sequence.step())
        assert_right(done)

    bob.delete()
    assert_right("bob went")


# The migration


@pytest.mark.django_db(transaction=True)
def test_the_migrations_count_what_there_is(alice: User, bob: User) -> None:
    migrations = [
        import_module(f"tasks.migrations.{name}")
        for name in (
            *("0006_tally", "0012_tally_of_dues", "0019_counted_statements"),
            "0047_counted_by_statement",
        )
    ]
    home = make_list(alice)
    for number in range(4):
        make_task(alice, completed=number > 2, list_id=home.pk, tags=["a", "b"])
    make_task(alice, tags=["b"], due_date=DAYS[0])
    trashed = make_task(bob, tags=["a"], due_date=DAYS[1])
    make_task(bob, completed=True, due_date=DAYS[1])
    make_task(bob, due_at=datetime(2026, 11, 24, 23, 59, 59, 999_999, UTC))
    Task.objects.filter(pk=trashed.pk).trash(BY)
    counted = recounted()
    for migration in reversed(migrations):
        with connection.schema_editor() as editor:
            migration.backwards(apps, editor)
    Tally.objects.all().delete()

    for migration in migrations:
        with connection.schema_editor() as editor:
            migration.forwards(apps, editor)

    assert tallies() == counted == recounted()
    Task.objects.all().toggle(BY)
    for task in Task.objects.live():
        Task.one(task.owner_id, task.pk).toggle(BY)
    assert_right("the triggers are there again")


@pytest.mark.django_db
@pytest.mark.skipif(settings.ON_POSTGRESQL, reason="its triggers compare whole rows")
def test_a_change_of_each_column_that_counts_runs_the_triggers() -> None:
    for name in ("tasks_tally_enter", "tasks_tally_leave"):
        [(sql,)] = fetch("SELECT sql FROM sqlite_master WHERE name = %s", [name])
        columns = sql.partition(" UPDATE OF ")[2].partition(" ON ")[0]
        assert {*columns.split(", ")} == TASK_COLUMNS


@pytest.mark.skipif(not settings.ON_POSTGRESQL, reason="SQLite counts by triggers only")
@pytest.mark.django_db(transaction=True)
def test_a_write_that_would_count_twice_without_its_migration_fails(
    alice: User,
) -> None:
    migrations = [
        import_module(f"tasks.migrations.{name}")
        for name in ("0019_counted_statements", "0047_counted_by_statement")
    ]
    task = make_task(alice)
    with connection.schema_editor() as editor:
        migrations[0].backwards(apps, editor)
    try:
        with pytest.raises(ProgrammingError, match="tasks_counted"):
            Task.one(alice.pk, task.pk).toggle(BY)
    finally:
        for migration in migrations:
            with connection.schema_editor() as editor:
                migration.forwards(apps, editor)
    assert_right()


@pytest.mark.django_db(transaction=True)
def test_without_the_tallies_of_days_the_others_are_right(alice: User) -> None:
    migration = import_module("tasks.migrations.0012_tally_of_dues")
    task = make_task(alice, due_date=DAYS[0], tags=["a"])
    with connection.schema_editor() as editor:
        migration.backwards(apps, editor)

    with transaction.atomic():  # what one statement writes is counted by itself
        make_task(alice, due_date=DAYS[0])
        Task.one(alice.pk, task.pk).toggle(BY)
    others = {key: pair for key, pair in recounted().items() if key[1] != "due"}
    assert tallies() == others

    with connection.schema_editor() as editor:
        migration.forwards(apps, editor)
    assert_right()
