"""Threads that race: each has a connection to the database of its own."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

from django.db import connection, connections

from tests.conftest import ApiClient

PATIENCE = 30  # seconds before a test that hangs fails


class Threads(ThreadPoolExecutor):
    """Threads whose connections to the database end with each call."""

    def start(self, call: Callable[[], Any]) -> Future[Any]:
        """The call, begun in a thread of its own."""

        def run() -> Any:
            try:
                return call()
            finally:
                connections.close_all()

        return self.submit(run)

    def call(self, call: Callable[[], Any]) -> Any:
        """What the call returns in a thread of its own."""
        return self.start(call).result(PATIENCE)


def until(condition: Callable[[], bool]) -> None:
    """Waits for the condition, which must come true."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.005)


def waiting() -> int:
    """How many locks of this database somebody waits for."""
    with connection.cursor() as cursor:
        # What a transaction has seen of pg_stat_activity is all that it sees, else.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid "
            "FROM pg_stat_activity WHERE datname = current_database())"
        )
        (count,) = cursor.fetchone()
        return int(count)


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """What the calls return; each has a thread, and all start at the same moment."""
    start = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(PATIENCE)
        return call()

    with Threads(len(calls)) as threads:
        running = [threads.start(partial(run, call)) for call in calls]
        return [one.result() for one in running]


def request(token: str, *args: Any, **headers: str) -> Callable[[], Any]:
    """A request to be made later, in another thread."""
    return lambda: ApiClient(token).send(*args, headers=headers)
