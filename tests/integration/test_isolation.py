"""A database, or a role, whose transactions are serializable unless they say otherwise, or
whose dates have another style."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from taskproject.accounts.models import User
from taskproject.postgresql import base, direct
from taskproject.sql import fetch
from tests.conftest import ApiClient, make_task, make_token
from tests.support.copies import end_sessions
from tests.support.threads import Threads

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="PostgreSQL's"),
]


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def serializable(db: None) -> Iterator[None]:
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    option = f"ALTER DATABASE {name} {{}} default_transaction_isolation"
    execute(option.format("SET") + " = 'serializable'")
    connection.close()
    end_sessions(connection.settings_dict["NAME"])  # it is of new ones
    yield
    execute(option.format("RESET"))
    connection.close()
    end_sessions(connection.settings_dict["NAME"])


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions are a pooler's, which keep nothing that is set."""

    def inspect(session: Any) -> direct.Session:
        return direct.inspect(session)._replace(pooled=True)

    monkeypatch.setattr(base, "inspect", inspect)


@pytest.fixture(params=["direct", "pooled"])
def either(request: pytest.FixtureRequest, serializable: None) -> str:
    way = str(request.param)
    if way == "pooled":
        request.getfixturevalue("pooled")
    return way


@pytest.fixture
def changed_later(serializable: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sessions are a pooler's, whose default was another one at first."""

    def inspect(session: Any) -> direct.Session:
        return direct.inspect(session)._replace(pooled=True, isolated=True)

    monkeypatch.setattr(base, "inspect", inspect)


@pytest.mark.usefixtures("either")
def test_every_statement_of_ours_is_read_committed() -> None:
    asked = "SELECT current_setting('transaction_isolation')"

    outside = fetch(asked, [])
    with transaction.atomic():
        inside = fetch(asked, [])
        with connection.cursor() as cursor:
            cursor.execute(asked)
            composed = cursor.fetchall()

    assert outside == inside == composed == [("read committed",)]


def test_nothing_is_set_in_a_poolers_session(serializable: None, pooled: None) -> None:
    assert fetch("SHOW default_transaction_isolation", []) == [("serializable",)]


def test_the_log_says_once_what_to_set(
    serializable: None, pooled: None, caplog: pytest.LogCaptureFixture
) -> None:
    base._warn_of_isolation.cache_clear()
    for _ in range(2):
        fetch("SELECT 1", [])
        connection.close()

    [line] = [one for one in caplog.messages if "isolation" in one]
    assert "ALTER ROLE" in line


@pytest.mark.usefixtures("either")
def test_a_statement_that_fails_leaves_no_transaction_behind() -> None:
    with pytest.raises(Exception, match="division by zero"):
        fetch("SELECT 1 / %s::int", [0])

    assert fetch("SELECT 1", []) == [(1,)]
    assert not connection.in_atomic_block


@pytest.mark.usefixtures("either")
def test_writers_at_once_are_not_refused(alice: User) -> None:
    assert statuses_at_once(alice) <= {200, 201}


@pytest.mark.usefixtures("changed_later")
def test_nor_after_another_client_of_the_pooler_has_changed_the_level(
    alice: User,
) -> None:
    assert statuses_at_once(alice) <= {200, 201}


def test_dates_are_read_whatever_their_style(alice: User) -> None:
    """Of sessions whose default is one that psycopg refuses to read."""
    name = connection.ops.quote_name(connection.settings_dict["NAME"])
    api = ApiClient(make_token(alice))
    execute(f"ALTER DATABASE {name} SET DateStyle = 'German, DMY'")
    try:
        connection.close()
        end_sessions(connection.settings_dict["NAME"])
        created = api.send("POST", "/api/tasks", {"title": "Buy milk"})
        listed = [api.get(f"/api/{name}").status_code for name in ("tasks", "tokens")]
    finally:
        execute(f"ALTER DATABASE {name} RESET DateStyle")
        connection.close()
        end_sessions(connection.settings_dict["NAME"])

    assert created.status_code == 201
    assert listed == [200, 200]


def statuses_at_once(alice: User) -> set[int]:
    """Of six clients who write the same task, and others."""
    token, task = make_token(alice), make_task(alice)
    requests: list[tuple[str, str, Any]] = [
        ("POST", f"/api/tasks/{task.pk}/toggle", None),
        ("PATCH", f"/api/tasks/{task.pk}", {"priority": "high"}),
        ("PATCH", f"/api/tasks/{task.pk}", {"description": "x"}),
        ("POST", "/api/tasks", {"title": "New"}),
        ("POST", "/api/tasks", {"title": "Tagged", "tags": ["x"]}),
        ("GET", "/api/tasks", None),
    ]

    def work(number: int) -> set[int]:
        api = ApiClient(token)
        order = requests[number:] + requests[:number]
        return {api.send(*request).status_code for request in order * 3}

    with Threads() as threads:
        statuses = [threads.start(partial(work, number)) for number in range(6)]
        return {status for each in statuses for status in each.result()}
