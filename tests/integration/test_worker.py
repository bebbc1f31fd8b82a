"""`manage.py work`: what is done when it is due, and what happens when that fails."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
from django.db import InterfaceError, OperationalError

from taskproject import worker
from tests.support.commands import run
from tests.support.copies import copy_of, free_port
from tests.support.servers import Server, live_server

REPLACED_WITHIN = 15.0  # seconds: Python has to start


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, worker.Work]]:
    """The kinds of work, of which there are none but those that the test adds."""
    kinds: dict[str, worker.Work] = {}
    monkeypatch.setattr(worker, "_kinds", kinds)
    handlers = [(number, signal.getsignal(number)) for number in worker.STOPS]
    yield kinds
    for number, handler in handlers:
        signal.signal(number, handler)


@pytest.mark.django_db
def test_once_does_all_that_is_due_and_ends(kinds: dict[str, worker.Work]) -> None:
    """Also what one kind makes due for another that had its turn before."""
    mails, reminders = [0.0], [0.0, 0.0]
    done: list[str] = []

    def mail() -> float:
        if not mails or reminders:
            return 60.0
        done.append("mail")
        return mails.pop()

    def remind() -> float:
        if not reminders:
            return 60.0
        done.append("reminder")
        return reminders.pop()

    kinds |= {"mails": mail, "reminders": remind}

    run("work", "--once")

    assert done == ["reminder", "reminder", "mail"]


@pytest.mark.django_db
def test_once_stops_as_a_worker_does(
    kinds: dict[str, worker.Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    told: list[str] = []

    def after() -> float:
        told.append("begun")
        return 60.0

    on_stop = {"sends": lambda: told.append("finished")}
    monkeypatch.setattr(worker, "_on_stop", on_stop)

    def send() -> float:
        begun.set()
        with worker.unbroken("sends"):
            while not worker.is_stopping("sends"):
                time.sleep(0.01)
            told.append("recorded")
        return 0.0

    kinds |= {"sends": send, "after": after}
    _stop_after(begun)

    run("work", "--once")

    assert told == ["recorded", "finished"]


@pytest.mark.django_db
def test_once_fails_without_a_database_after_every_kind_had_its_turn(
    kinds: dict[str, worker.Work],
) -> None:
    pauses = [1.0]

    def away() -> float:
        raise OperationalError("connection refused")

    kinds |= {"away": away, "after": lambda: pauses.pop(0)}

    with pytest.raises(OperationalError, match="connection refused"):
        run("work", "--once")

    assert not pauses


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("error", "level"),
    [
        (OperationalError("away"), "WARNING"),
        (InterfaceError("closed"), "WARNING"),
        (ValueError("a bug"), "ERROR"),
    ],
)
def test_a_kind_that_fails_goes_on_and_stops_no_other(
    kinds: dict[str, worker.Work],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    level: str,
) -> None:
    monkeypatch.setattr(worker, "FIRST_RETRY", 0.01)
    failures, done, other = [error, error], threading.Event(), threading.Event()

    def failing() -> float:
        if failures:
            raise failures.pop()
        done.set()
        return 60.0

    def well() -> float:
        other.set()
        return 60.0

    kinds |= {"failing": failing, "well": well}
    _run_until(done, other)

    assert [record.levelname for record in caplog.records] == [level, level]
    assert bool(caplog.records[0].exc_info) == (level == "ERROR")


@pytest.mark.django_db(transaction=True)
def test_a_kind_is_called_when_it_said_when_it_is_woken_and_not_in_between(
    kinds: dict[str, worker.Work],
) -> None:
    calls: list[float] = []
    soon, woken = threading.Event(), threading.Event()

    def work() -> float:
        calls.append(time.monotonic())
        if len(calls) == 1:
            return 0.1
        (soon if len(calls) == 2 else woken).set()
        if len(calls) == 2:
            threading.Timer(0.1, worker.wake, ["work"]).start()
        return 60.0

    kinds["work"] = work
    _run_until(soon, woken)

    assert len(calls) == 3
    assert calls[1] - calls[0] >= 0.1
    worker.wake("work")  # No worker runs in this process: nothing happens.


@pytest.mark.either_database
def test_serve_runs_push_and_a_worker_replaces_it_and_stops_them(migrated: str) -> None:
    push = free_port()
    with (
        copy_of(migrated) as database_url,
        live_server(
            database_url,
            WORKERS="1",
            SERVE_WORK="on",
            PUSH_PORT=str(push),
            LOG_LEVEL="INFO",
        ) as server,
    ):
        killed = _worker(server, 1)
        killed.kill()
        second = _worker(server, 2)
        assert f'"push started","port":{push}' in server.output
        server.terminate()

        assert server.exit_code() == 0
        assert not second.is_running()
        assert server.output.count('"worker stopped","unfinished":[]') == 1
        assert '"push stopped"' in server.output
        assert '"a process has ended and will be replaced"' in server.output


def _worker(server: Server, number: int) -> psutil.Process:
    """The process of the worker that was started as this one, once it works."""
    give_up = time.monotonic() + REPLACED_WITHIN
    while server.output.count('"worker started"') < number:
        assert time.monotonic() < give_up, server.output
        time.sleep(0.02)
    [found] = [
        child
        for child in psutil.Process(server.process.pid).children()
        if child.status() != psutil.STATUS_ZOMBIE and "work" in child.cmdline()
    ]
    return found


def _run_until(*events: threading.Event) -> None:
    """Runs a worker until all of these happened; it is stopped by SIGTERM."""
    _stop_after(*events)
    worker.run()
    assert all(event.is_set() for event in events)


def _stop_after(*events: threading.Event) -> None:
    """Sends SIGTERM to this process when all of these have happened."""

    def stop() -> None:
        for event in events:
            event.wait(10)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
