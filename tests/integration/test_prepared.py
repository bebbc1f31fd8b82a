"""Statements straight through libpq (taskproject/postgresql/direct.py)."""

import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject.accounts.models import User
from taskproject.postgresql import direct
from taskproject.sql import NO_GUARD, fetch
from tasks.models import Event, Task, feed, listing, lock_feeds
from tasks.models.criteria import Criteria
from tasks.models.due_dates import clock
from tests.conftest import BY, ApiClient, make_task
from tests.support.threads import PATIENCE, Threads, until, waiting

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's"),
]


@pytest.fixture(autouse=True)
def another_session_afterwards(db: None) -> Iterator[None]:
    yield
    connection.close()


def prepared() -> int:
    """How many statements of ours the session has prepared."""
    [(number,)] = fetch(
        "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE %s", ["tasks_%"]
    )
    return int(number)


VALUES: list[tuple[str, Any]] = [
    ("bigint", 2**62),
    ("integer", -1),
    ("text", 'ä 🌱 "\\ %s $1'),
    ("boolean", True),
    ("boolean", False),
    ("date", date(2026, 11, 24)),
    ("timestamptz", datetime(2026, 11, 24, 8, 30, 0, 123_456, UTC)),
    ("timestamptz", datetime(1900, 1, 1, tzinfo=UTC)),
    ("timestamptz", datetime(2999, 12, 31, 23, 59, 59, 999_999, UTC)),
    ("text", None),
    ("jsonb", '{"a": [1, null]}'),
]


@pytest.mark.parametrize("prepare", [True, False])
@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_a_value_comes_back_as_through_djangos_cursor(
    kind: str, value: Any, prepare: bool
) -> None:
    statement = f"SELECT %s::{kind}"

    [direct] = fetch(statement, [value], prepare=prepare)
    with CaptureQueriesContext(connection):  # watched, it goes through the cursor
        [watched] = fetch(statement, [value])

    assert direct == watched == (value,)


def test_a_statement_is_prepared_once_a_session(known: ApiClient) -> None:
    known.send("GET", "/api/tasks")
    number = prepared()

    for _ in range(3):
        known.send("GET", "/api/tasks")

    assert prepared() == number


def test_a_statement_that_is_not_kept_is_not_prepared(known: ApiClient) -> None:
    known.send("GET", "/api/tasks")
    number = prepared()

    assert known.send("GET", "/api/tasks?q=milk").status_code == 200

    assert prepared() == number


@pytest.mark.without_pooler("is about the statements of a session of the server")
def test_a_session_prepares_so_many_and_no_more(
    known: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "MAX_PREPARED", prepared() + 2)

    for limit in range(1, 6):
        assert known.send("GET", f"/api/tasks?limit={limit}").status_code == 200

    assert prepared() == direct.MAX_PREPARED


@pytest.mark.without_pooler("is about the statements of a session of the server")
def test_statements_that_a_pooler_has_lost_are_no_error(
    known: ApiClient, alice: User
) -> None:
    task = make_task(alice)
    path = f"/api/tasks/{task.pk}"
    known.send("GET", path)
    known.send("POST", f"{path}/toggle")
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")

    answers = [
        known.send("GET", path),
        known.send("POST", f"{path}/toggle"),
        known.send("GET", "/api/tasks"),
        known.send("POST", "/api/tasks", {"title": "New"}),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 201]
    assert answers[1].json()["version"] == 3
    assert Event.objects.of_task(task.pk).count() == 3
    assert Task.objects.count() == 2
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (0,), "this session prepares no more"


@pytest.mark.without_pooler("is about the statements of a session of the server")
def test_a_statement_that_another_client_has_prepared_here_is_used(
    known: ApiClient,
) -> None:
    known.send("GET", "/api/tasks")
    connection._statements = None  # type: ignore[attr-defined]  # as a new client's

    assert known.send("GET", "/api/tasks").status_code == 200


def test_an_error_is_djangos_and_leaves_the_session_working(alice: User) -> None:
    with pytest.raises(IntegrityError):
        fetch(
            "INSERT INTO tasks_tag (owner_id, name, key, version) "
            "VALUES (%s, %s, %s, 1) RETURNING id",
            [0, "a", "a"],
        )

    assert fetch("SELECT 1", []) == [(1,)]


def test_a_lost_connection_is_an_operational_error() -> None:
    fetch("SELECT 1", [])
    connection.connection.pgconn.finish()

    with pytest.raises(psycopg.OperationalError):
        connection._statements.fetch("SELECT 1", [], prepare=True)  # type: ignore[attr-defined]


def test_within_a_transaction_it_belongs_to_it(alice: User) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        fetch("UPDATE accounts_user SET first_name = %s RETURNING 1", ["changed"])
        raise ZeroDivisionError

    alice.refresh_from_db()
    assert alice.first_name == ""


def test_a_write_that_waits_for_its_turn_is_as_late_as_the_turn(
    known: ApiClient, alice: User
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}/toggle"

    with Threads(1) as threads:
        with lock_feeds([alice.pk]):
            answering = threads.start(lambda: known.send("POST", path))
            until(lambda: waiting() > 0)
            released = timezone.now()
        answer = answering.result(PATIENCE)

    assert answer.status_code == 200
    changed = datetime.fromisoformat(answer.json()["updated_at"])
    assert changed > released
    assert answer.json()["completed_at"] == answer.json()["updated_at"]
    last = Event.objects.in_order().last()
    assert last is not None
    assert last.at == changed


def test_a_writer_who_was_overtaken_changes_what_is_there_then(
    known: ApiClient, alice: User
) -> None:
    task = make_task(alice)
    path = f"/api/tasks/{task.pk}/toggle"

    with Threads(1) as threads:
        with lock_feeds([alice.pk]):
            answering = threads.start(lambda: known.send("POST", path))
            until(lambda: waiting() > 0)
            Task.objects.filter(pk=task.pk).edit(BY, title="Other")
        answer = answering.result(PATIENCE)

    assert answer.status_code == 200
    told = answer.json()
    assert (told["title"], told["completed"], told["version"]) == ("Other", True, 3)
    verbs = [event.verb for event in Event.objects.of_task(task.pk).in_order()]
    assert verbs == ["created", "edited", "completed"]


def test_a_writer_with_if_match_who_was_overtaken_is_refused(
    known: ApiClient, alice: User
) -> None:
    task = make_task(alice)
    path, headers = f"/api/tasks/{task.pk}", {"If-Match": '"1"'}

    with Threads(1) as threads:
        with lock_feeds([alice.pk]):
            answering = threads.start(
                lambda: known.send("PATCH", path, {"title": "Mine"}, headers=headers)
            )
            until(lambda: waiting() > 0)
            Task.objects.filter(pk=task.pk).edit(BY, title="Other")
        answer = answering.result(PATIENCE)

    assert answer.status_code == 412
    assert answer.json()["current"]["title"] == "Other"


@pytest.mark.parametrize("completed", [None, False])
def test_old_tasks_are_found_by_their_owner_however_many_newer_ones_others_have(
    alice: User, bob: User, completed: bool | None
) -> None:
    for owner in (alice, bob):
        make_task(owner)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO tasks_task (owner_id, title, description, completed, "
                "created_at, updated_at, version) SELECT %s, 'Task', '', false, now(), "
                "now(), 1 FROM generate_series(1, 10000)",
                [owner.pk],
            )
            cursor.execute(
                "INSERT INTO tasks_event (owner_id, task_id, via, verb, version, at, "
                "changes) SELECT %s, 1, 'test', 'edited', 1, now(), '{}' "
                "FROM generate_series(1, 10000)",
                [owner.pk],
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tasks_task, tasks_event")
    with CaptureQueriesContext(connection) as queries:
        asked = Criteria(completed=completed)
        listing.page(alice.pk, asked, "-created", 51, None, clock("UTC"))

    [query] = queries
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {query['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "_pkey" not in plan
    assert "event_feed" in plan


def test_a_page_of_the_feed_finds_actors_without_a_join(alice: User) -> None:
    """For a join, PostgreSQL's Memoize makes room for as many actors as there are, whatever
    LIMIT says."""
    with CaptureQueriesContext(connection) as queries:
        feed.page(alice.pk, 0, 50, NO_GUARD)

    [query] = queries
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {query['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "accounts_user" in plan
    assert plan.count("Join") == 1  # that of the page with the state of the feed


def test_a_process_with_many_sockets_still_looks_after_its_connection() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    with ExitStack() as others:
        others.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        others.callback(connection.close)
        connection.close()
        for _ in range(1_024):
            others.enter_context(Path(os.devnull).open())

        for _ in range(3):
            connection.close_if_unusable_or_obsolete()
            assert fetch("SELECT 1", []) == [(1,)]

        session = connection.connection
        assert session is not None and session.fileno() >= 1_024
