"""Verbs about more tasks than a statement takes parameters."""

import sqlite3
from collections.abc import Iterator

import pytest
from django.db import connection

from taskproject import sql
from taskproject.accounts.models import User
from tasks.models import Event, Label, Tag, Tally, Task, lock_feeds, tags
from tests.conftest import BY, make_task

MAX_PARAMETERS = 1_000
MANY = 1_100


@pytest.fixture(autouse=True)
def on_a_small_scale(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SQLite takes 1,000 parameters instead of 32,766, and what is portioned is so by
    a thirtieth."""
    for module, name in ((sql, "BATCH_ROWS"), (tags, "LABELLED")):
        monkeypatch.setattr(module, name, getattr(module, name) // 30)
    if connection.vendor != "sqlite":
        yield
        return
    monkeypatch.setattr(connection.features, "max_query_params", MAX_PARAMETERS)
    connection.ensure_connection()
    kind = sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER
    before = connection.connection.setlimit(kind, MAX_PARAMETERS)
    yield
    connection.connection.setlimit(kind, before)


def test_a_tag_of_many_tasks_is_put_on_renamed_and_taken_off(alice: User) -> None:
    mine = Task.objects.owned_by(alice.pk)
    Task.objects.add_all(BY, alice.pk, [{"title": "x", "tags": ["a"]}] * MANY)
    mine.edit(BY, tags=["home", "work"])
    home, work = Tag.objects.get(name="home"), Tag.objects.get(name="work")
    with lock_feeds([alice.pk]):
        home.rename(BY, "Casa")

    assert {tuple(task.tags) for task in mine.all()} == {("Casa", "work")}
    for tag in (home, work):
        assert Label.objects.filter(tag=tag).count() == MANY
        assert Tally.objects.get(kind="tag", key=tag.pk).open == MANY

    key = home.pk
    with lock_feeds([alice.pk]):
        home.remove(BY)

    assert {tuple(task.tags) for task in mine.all()} == {("work",)}
    assert set(Label.objects.values_list("tag_id", flat=True)) == {work.pk}
    assert not Tally.objects.filter(kind="tag", key=key).exists()
    assert Tally.objects.get(kind="tag", key=work.pk).open == MANY


def test_many_tasks_with_subtasks_are_removed(alice: User) -> None:
    parents = Task.objects.add_all(BY, alice.pk, [{"title": "x"}] * MANY)
    below = make_task(alice, "Below", parent_id=parents[-1].pk)

    outcome = Task.objects.filter(title="x").remove(BY)

    assert len(outcome.changed) == MANY
    assert Task.objects.get() == below
    below.refresh_from_db()
    assert below.parent_id is None
    assert Event.objects.filter(verb="deleted").count() == MANY
