"""How long a request waits for PostgreSQL, and when it does not even try."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections, transaction

from taskproject import deadlines
from taskproject.accounts.models import User
from taskproject.deadlines import (
    CircuitBreaker,
    Deadline,
    current_deadline,
    deadline,
    shorter_deadline,
)
from taskproject.postgresql.connection import Connection

SLOW = "SELECT pg_sleep(20)"
SOON = 5.0  # seconds: well before SLOW is over

on_postgresql = pytest.mark.skipif(
    "sqlite" in settings.DATABASES["default"]["ENGINE"],
    reason="PostgreSQL only: SQLite has its own busy timeout and no network",
)
on_sqlite = pytest.mark.skipif(
    "sqlite" not in settings.DATABASES["default"]["ENGINE"],
    reason="SQLite only: PostgreSQL has a deadline",
)
real = pytest.mark.django_db(transaction=True)


def run(sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()


# The deadline


@on_postgresql
@real
def test_a_statement_that_is_too_slow_is_cancelled() -> None:
    started = time.monotonic()

    with pytest.raises(OperationalError), deadline(0.3):
        run(SLOW)

    assert 0.3 <= time.monotonic() - started < SOON


@on_postgresql
@real
def test_another_connection_works_afterwards() -> None:
    """A cancellation that comes late must not meet the next request's statement."""
    run("SELECT 1")
    interrupted = connection.connection

    with pytest.raises(OperationalError), deadline(0.3):
        run(SLOW)

    assert interrupted is not None and interrupted.closed
    assert run("SELECT 1") == (1,)
    with deadline(SOON):
        assert run("SELECT 2") == (2,)


@on_postgresql
@real
def test_a_transaction_that_is_too_slow_leaves_nothing() -> None:
    with pytest.raises(OperationalError), deadline(0.3), transaction.atomic():
        User.objects.create(username="alice")
        run(SLOW)

    assert not User.objects.exists()


@on_postgresql
@real
def test_a_transaction_without_time_left_is_not_committed() -> None:
    def write_late(mine: Deadline | None) -> None:
        with transaction.atomic():
            User.objects.create(username="alice")
            assert mine is not None
            mine.expires = 0

    with deadline(SOON) as mine, pytest.raises(OperationalError, match="no time left"):
        write_late(mine)

    assert not User.objects.exists()


@on_postgresql
@real
def test_what_ends_before_it_is_cancelled_has_its_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Above all a COMMIT, which would be repeated otherwise."""
    run("SELECT 1")
    used = connection.connection
    monkeypatch.setattr(Connection, "cancel_safe", lambda *_, **__: None)

    with deadline(0.2):
        assert run("SELECT 1 FROM pg_sleep(0.3)") == (1,)

    assert used is not None and used.closed
    assert run("SELECT 2") == (2,)


@on_postgresql
@real
def test_what_is_done_in_time_is_left_alone() -> None:
    with deadline(SOON):
        run("SELECT 1")
        before = connection.connection

    assert run("SELECT 2") == (2,)
    assert connection.connection is before


@on_postgresql
@real
def test_every_statement_counts_towards_the_same_time() -> None:
    started = time.monotonic()

    with pytest.raises(OperationalError), deadline(0.5):
        while time.monotonic() - started < SOON:
            run("SELECT pg_sleep(0.1)")

    assert time.monotonic() - started < SOON


@on_postgresql
@real
def test_only_the_thread_whose_time_is_up_is_interrupted() -> None:
    start = Barrier(2)

    def slow() -> str:
        start.wait(SOON)
        try:
            with deadline(0.3):
                run(SLOW)
        except OperationalError:
            return "interrupted"
        finally:
            connections.close_all()
        return "finished"

    def patient() -> str:
        start.wait(SOON)
        try:
            with deadline(20):
                run("SELECT pg_sleep(1)")
        finally:
            connections.close_all()
        return "finished"

    calls: list[Callable[[], str]] = [slow, patient]
    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(lambda call: call(), calls))

    assert results == ["interrupted", "finished"]


@on_postgresql
@real
def test_without_time_left_no_connection_is_made() -> None:
    connection.close()

    with deadline(0), pytest.raises(OperationalError, match="no time left"):
        run("SELECT 1")

    assert run("SELECT 1") == (1,)


@on_postgresql
@real
def test_the_remaining_time_is_known_inside_and_only_there() -> None:
    assert current_deadline() is None
    with deadline(SOON) as own:
        assert current_deadline() is own
        assert own is not None
        first = own.remaining()
        second = own.remaining()
    assert current_deadline() is None

    assert SOON >= first >= second > 0


@on_postgresql
@real
def test_an_error_inside_ends_the_deadline_too() -> None:
    with pytest.raises(ZeroDivisionError), deadline(SOON):
        raise ZeroDivisionError

    assert current_deadline() is None


def test_waiting_for_another_server_takes_none_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Deadline(2.0, includes_connecting=False) as own:
        with shorter_deadline(0.5, CircuitBreaker()):
            now += 2.1  # to connect
        assert current_deadline() is own
        assert own.remaining() == pytest.approx(2.0)


@on_sqlite
@real
def test_on_sqlite_there_is_no_deadline() -> None:
    with deadline(0):
        assert current_deadline() is None
        assert run("SELECT 1") == (1,)


# The breaker


def test_a_breaker_lets_everybody_connect_at_first() -> None:
    breaker = CircuitBreaker()

    assert [breaker.refuses() for _ in range(3)] == [False, False, False]


def test_after_a_timeout_it_refuses_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadlines, "PAUSE", 3600.0)
    breaker = CircuitBreaker()

    breaker.record_timeout()

    assert [breaker.refuses() for _ in range(3)] == [True, True, True]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> CircuitBreaker:
    """A breaker whose pause after a timeout is over at once."""
    monkeypatch.setattr(deadlines, "PAUSE", 0.0)
    breaker = CircuitBreaker()
    breaker.record_timeout()
    return breaker


def test_after_the_pause_one_may_try_while_the_others_are_refused(
    silent: CircuitBreaker,
) -> None:
    assert [silent.refuses() for _ in range(3)] == [False, True, True]


def test_another_timeout_begins_another_pause(
    silent: CircuitBreaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not silent.refuses()
    monkeypatch.setattr(deadlines, "PAUSE", 3600.0)

    silent.record_timeout()

    assert silent.refuses()


def test_after_another_timeout_somebody_else_may_try(silent: CircuitBreaker) -> None:
    assert not silent.refuses()

    silent.record_timeout()

    assert [silent.refuses(), silent.refuses()] == [False, True]


def test_after_a_success_everybody_may_connect_again(silent: CircuitBreaker) -> None:
    assert not silent.refuses()

    silent.record_success()

    assert [silent.refuses() for _ in range(3)] == [False, False, False]


def test_of_many_at_once_only_one_may_try(silent: CircuitBreaker) -> None:
    start = Barrier(16)

    def ask() -> bool:
        start.wait(SOON)
        return silent.refuses()

    with ThreadPoolExecutor(16) as threads:
        asked = [threads.submit(ask) for _ in range(16)]

    assert sorted(call.result() for call in asked) == [False, *[True] * 15]


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """Of a process with three."""
    monkeypatch.setattr(settings, "THREADS", 3)
    with ThreadPoolExecutor(4) as pool:
        yield pool


def occupy(breaker: CircuitBreaker, threads: ThreadPoolExecutor) -> Event:
    """Connects in two threads until the event is set."""
    begun, finish = Barrier(3), Event()

    def connect() -> None:
        assert not breaker.refuses()
        begun.wait(SOON)
        finish.wait(SOON)
        breaker.record_success()

    for _ in range(2):
        threads.submit(connect)
    begun.wait(SOON)
    return finish


def test_all_threads_but_one_may_wait_for_a_server_that_is_slow_to_answer(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "GRACE", 0.0)
    breaker = CircuitBreaker()
    finish = occupy(breaker, threads)

    assert [breaker.refuses() for _ in range(3)] == [True, True, True]
    finish.set()


def test_the_last_thread_waits_for_its_turn_while_connecting_is_quick(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "GRACE", 3600.0)
    breaker = CircuitBreaker()
    finish = occupy(breaker, threads)

    third = threads.submit(breaker.refuses)
    finish.set()

    assert third.result(SOON) is False


def test_a_process_with_one_thread_may_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "THREADS", 1)

    assert not CircuitBreaker().refuses()


@on_postgresql
@real
def test_connecting_takes_none_of_the_requests_time() -> None:
    connection.close()

    with Deadline(SOON, includes_connecting=False) as own:
        with own.paused():
            time.sleep(0.5)
        assert own.remaining() > SOON - 0.5
        assert run("SELECT 1") == (1,)
