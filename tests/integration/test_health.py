"""GET /livez and GET /readyz"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pytest
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from taskproject import health
from tests.conftest import ApiClient
from tests.support.problems import assert_problem

paths = pytest.mark.parametrize("path", ["/livez", "/readyz"])


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Iterator[health.Probe]:
    """A probe as a process has it that has just started."""
    probe = health.Probe()
    monkeypatch.setattr(health, "probe", probe)
    yield probe
    # Its thread's connection would keep PostgreSQL from dropping the test database.
    probe._thread.submit(connections.close_all).result()
    probe._thread.shutdown()


def test_livez_answers_without_the_database() -> None:
    # Without the fixture db, pytest-django fails every query.
    answer = Client().get("/livez")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_answers_when_the_database_does(probe: health.Probe) -> None:
    for _ in range(2):
        answer = Client().get("/readyz")

        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json() == {"status": "ok"}


@contextmanager
def a_migration_missing() -> Iterator[None]:
    recorder = MigrationRecorder(connection)
    [(_, newest)] = MigrationLoader(connection).graph.leaf_nodes("tasks")
    recorder.record_unapplied("tasks", newest)
    try:
        yield
    finally:
        recorder.record_applied("tasks", newest)


@pytest.mark.django_db(transaction=True)
def test_readyz_is_503_while_a_migration_is_missing(probe: health.Probe) -> None:
    with a_migration_missing():
        answer = Client().get("/readyz")

    assert answer.headers["Retry-After"] == "1"
    assert_problem(
        answer,
        "unavailable",
        "/readyz",
        "The database lacks migrations: run `manage.py migrate`.",
    )
    assert Client().get("/readyz").json() == {"status": "ok"}


@pytest.mark.django_db(transaction=True)
def test_requests_are_503_while_a_migration_is_missing(
    probe: health.Probe, api: ApiClient, staff: Client
) -> None:
    """They could be handled, but what they write would be of another release's schema."""
    staff.raise_request_exception = False
    with a_migration_missing():
        answers = [api.get("/api/tasks"), staff.get("/admin/")]
        created = api.send("POST", "/api/tasks", {"title": "Too early"})

    assert_problem(created, "unavailable", "/api/tasks", health.UNMIGRATED)
    assert [answer.status_code for answer in answers] == [503, 503]
    assert health.UNMIGRATED in answers[1].content.decode()
    assert api.get("/api/tasks").json()["items"] == []
    assert staff.get("/admin/").status_code == 200


@pytest.mark.django_db
def test_readyz_is_503_while_the_database_is_away(
    probe: health.Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        # What new connections go to, such as the one that the probe's thread opens.
        away.setitem(connections.settings["default"], "NAME", "/nowhere/at/all")
        answer = Client().get("/readyz")

    assert answer.headers["Retry-After"] == "1"
    assert_problem(answer, "unavailable", "/readyz", "The database cannot be reached.")
    assert Client().get("/readyz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_is_503_while_the_database_is_silent(
    probe: health.Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.01)
    spoke = Event()
    probe._thread.submit(spoke.wait)
    try:
        answers = [Client().get("/readyz") for _ in range(2)]
    finally:
        spoke.set()

    for answer in answers:
        assert answer.headers["Retry-After"] == "1"
        assert_problem(
            answer,
            "unavailable",
            "/readyz",
            "The database did not answer within 2 seconds.",
        )
    monkeypatch.setattr(health, "PATIENCE", 2.0)
    assert Client().get("/readyz").json() == {"status": "ok"}


def test_the_database_has_two_seconds() -> None:
    assert health.PATIENCE == 2.0


@paths
@pytest.mark.django_db
def test_head_answers_the_headers_alone(probe: health.Probe, path: str) -> None:
    answer = Client().head(path)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"] == "application/json"


@paths
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_another_method_is_refused(path: str, method: str) -> None:
    answer = Client().generic(method, path)

    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert_problem(
        answer,
        "method_not_allowed",
        path,
        "Use one of the methods in the Allow header.",
    )
