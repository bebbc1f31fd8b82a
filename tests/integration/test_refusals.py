"""The numbers of refused API requests of the last day, which the admin's first page shows."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from taskproject import refusals, server
from taskproject.accounts.models import User
from taskproject.models import RefusedRequests
from tests.support.admin import as_editor

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Other tests have had refused requests in this process."""
    refusals._counted.clear()


def test_it_counts_the_errors_of_the_api_by_status(client: Client, db: None) -> None:
    for path in ("/api/tasks", "/api/tasks", "/api/nothing", "/nothing", "/api"):
        client.get(path)

    refusals.store()

    assert refusals.by_status() == {401: 2, 404: 1}


def test_processes_add_up(db: None) -> None:
    for number in (1, 2):
        for _ in range(number):
            refusals.count(412)
        refusals.store()

    assert refusals.by_status() == {412: 3}
    assert RefusedRequests.objects.count() == 1


def test_it_keeps_a_day(db: None) -> None:
    for hours in (23, 25, 300):
        at = NOW - timedelta(hours=hours)
        RefusedRequests.objects.create(hour=at, status=409, number=1)
    assert refusals.by_status() == {409: 1}

    refusals.count(409)
    refusals.store()

    assert refusals.by_status() == {409: 2}
    assert RefusedRequests.objects.count() == 2


def test_what_could_not_be_stored_is_kept(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseError

    refusals.count(429)
    with monkeypatch.context() as patch, pytest.raises(DatabaseError):
        patch.setattr(refusals, "fetch", fail)
        refusals.store()
    refusals.count(429)
    refusals.store()

    assert refusals.by_status() == {429: 2}


def test_nothing_is_written_without_refusals(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        refusals.store()


def test_a_thread_of_each_worker_stores_them(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(refusals, "start", lambda: started.append("refusals"))

    server._gateway(lambda environ, start: [])

    assert started == ["refusals"]


def test_one_conflict_is_no_plural(staff: Client) -> None:
    RefusedRequests.objects.create(hour=NOW, status=409, number=1)

    board = staff.get("/admin/").context["board"]

    assert board.refusals == ["1 conflict (409, 412)"]


def test_the_first_page_shows_them_to_who_sees_all(staff: Client, alice: User) -> None:
    for status, number in ((409, 1), (412, 2), (401, 4), (599, 3)):
        RefusedRequests.objects.create(hour=NOW, status=status, number=number)

    board = staff.get("/admin/").context["board"]

    assert board.refused_text == "10"
    assert board.refusals == [
        "3 conflicts (409, 412)",
        "4 × 401 Unauthorized",
        "3 × 599",
    ]
    own = as_editor(alice, "view_task").get("/admin/")
    assert own.context["board"].refused is None
    assert "Refused API requests" not in own.content.decode()
