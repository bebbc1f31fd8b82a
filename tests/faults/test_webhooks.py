"""Workers that are killed, frozen and cut off from PostgreSQL, which is restarted, at each step
of the delivery of a webhook."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any

import psutil
import pytest

from tests.faults.databases import Database
from tests.faults.load import Record, until
from tests.faults.postgres import PostgreSQL
from tests.faults.proxy import Proxy
from tests.support.receivers import Receiver, receiving, status
from tests.support.servers import ROOT, manage

#: Processes of a worker, each forked from one that has imported all of it.
LAUNCHER = """
import os, signal, sys
import django
django.setup()
from django.conf import settings
from taskproject import worker
settings.WORK_INTERVAL = 0.05
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in sys.stdin:
    process = os.fork()
    if not process:
        worker.run()
        os._exit(0)
    print(process, flush=True)
"""
EVENTS = 3
SEED = """
from taskproject.accounts.models import User
from tasks.models import Actor, Task, Webhook
from tasks.models.webhooks import new_secret
owner = User.objects.get(username="alice").pk
Task.objects.add_all(Actor(owner, "command"), owner, [{{"title": "a"}}] * {events})
for url in {urls}:
    Webhook.objects.create(owner_id=owner, url=url, secret=new_secret(), cursor=0, active=False)
"""
FAULTS = {
    # The worker has the lease in the database, and has not been told.
    "claimed": ("kill", "freeze", "cut"),
    "connecting": ("kill", "freeze", "cut"),
    "sent": ("kill", "freeze", "cut", "restart"),
    # The response has been read, and is not stored.
    "answered": ("kill", "freeze", "cut"),
    # It is stored, and the worker has not been told.
    "recorded": ("kill", "freeze", "cut"),
}
LIMIT = "SET idle_in_transaction_session_timeout"
WAITS = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
DONE = """SELECT 1 FROM tasks_webhook WHERE id = {} AND leased_until IS NULL
    AND cursor = (SELECT max(sequence) FROM tasks_event)"""
LEASE_ENDS = """UPDATE tasks_webhook SET leased_until = now() WHERE id = {}
    AND leased_until IS NOT NULL RETURNING 1"""


@dataclass
class Delivery:
    """What a fault at a step does to a webhook of its own."""

    fault: str
    step: str
    receiver: Receiver
    #: Until then the lease of the worker holds that had the fault.
    after_lease: bool = False
    seconds: float = 0.0

    @property
    def path(self) -> str:
        return f"/{self.fault}/{self.step}"

    @property
    def events(self) -> list[int]:
        return [one.event for one in self.receiver.received if one.path == self.path]

    @property
    def doubled(self) -> int:
        return len(self.events) - len({*self.events})

    def check(self, sequences: list[int]) -> str:
        """What came of it: none is lost, the first of each came in order, and others had the id
        of the first."""
        first = [*dict.fromkeys(self.events)]
        assert first == sequences, (self.path, self.events)
        mine = [one for one in self.receiver.received if one.path == self.path]
        assert len({one.id for one in mine}) == len(first)
        # One request was in progress.
        assert self.doubled <= (self.step in ("connecting", "sent", "answered")), (
            self.path
        )
        again = "after the lease and" if self.after_lease else "after"
        return (
            f"{self.fault:8} {self.step:11} {len(first)} received, 0 lost, {self.doubled} doubled, "
            f"0 out of order, again {again} {self.seconds:.2f} s"
        )


@pytest.fixture
def start(on_postgresql: Database, proxy: Proxy) -> Iterator[Callable[[], int]]:
    """Starts a worker that reaches its database by `proxy`; returns its process id."""
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/{on_postgresql.name}"
    env = {
        **os.environ,
        "DATABASE_URL": url,
        "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_SETTINGS_MODULE": "taskproject.settings",
    }
    started: list[int] = []
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCHER],
        cwd=ROOT,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as launcher:
        asked, told = launcher.stdin, launcher.stdout
        assert asked is not None and told is not None

        def start() -> int:
            asked.write(b"\n")
            asked.flush()
            started.append(int(told.readline()))
            return started[-1]

        try:
            yield start
        finally:
            for process in started:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            launcher.kill()


@contextmanager
def reaching(
    delivery: Delivery, key: int, victim: int, database: Database, proxy: Proxy
) -> Iterator[None]:
    """Has the only worker that runs come to the step, where it stays until the end."""
    reached, release = Event(), Event()
    receiver, step = delivery.receiver, delivery.step
    accepts = status(204)
    with ExitStack() as stack:

        def lock() -> None:
            session = stack.enter_context(database.session())
            session.execute(f"{LIMIT} = 0")
            session.execute("BEGIN")
            session.execute(f"SELECT 1 FROM tasks_webhook WHERE id = {key} FOR UPDATE")

        def answer(handler: Any) -> None:
            if not reached.is_set():
                reached.set()
                if step == "sent":
                    release.wait(20)
                elif step == "answered":
                    lock()
                elif step == "recorded":
                    proxy.lose(b"COMMIT")
            accepts(handler)

        receiver.of_paths[delivery.path] = answer
        if step == "claimed":
            proxy.lose(b"COMMIT")
        database.rows(
            f"UPDATE tasks_webhook SET active = true WHERE id = {key} RETURNING 1"
        )
        if step == "connecting":
            until(lambda: _connects(victim))
        elif step in ("claimed", "recorded"):
            until(proxy.lost.is_set)
        else:
            until(reached.is_set)
        if step == "answered":
            until(lambda: database.rows(WAITS))
        yield
        reached.set()
        release.set()
        receiver.accepting.set()


def _connects(process: int) -> bool:
    return any(
        one.status == psutil.CONN_SYN_SENT
        for one in psutil.Process(process).net_connections("tcp")
    )


def test_no_fault_loses_an_event_or_changes_their_order(
    on_postgresql: Database,
    postgresql: PostgreSQL,
    proxy: Proxy,
    start: Callable[[], int],
    record: Record,
) -> None:
    database = on_postgresql
    with ExitStack() as stack:
        usual = stack.enter_context(receiving())
        deliveries = [
            Delivery(
                fault,
                step,
                stack.enter_context(receiving(full=True))
                if step == "connecting"
                else usual,
            )
            for step, faults in FAULTS.items()
            for fault in faults
        ]
        urls = [one.receiver.url(one.path) for one in deliveries]
        code = SEED.format(events=EVENTS, urls=urls)
        manage(database.url, "shell", "--verbosity", "0", "-c", code)
        # What `docs/operations.md` gives the role, and shorter: of a frozen worker.
        postgresql.execute(f"ALTER DATABASE {database.name} {LIMIT} = '300ms'")
        keys = [
            key for (key,) in database.rows("SELECT id FROM tasks_webhook ORDER BY id")
        ]
        rescuer = start()

        for delivery, key in zip(deliveries, keys, strict=True):
            os.kill(rescuer, signal.SIGSTOP)
            victim = start()
            with reaching(delivery, key, victim, database, proxy):
                happen(delivery.fault, victim, postgresql, proxy)
                begun = time.monotonic()
            told = delivery.fault in ("cut", "restart")
            delivery.after_lease = not told or delivery.step in ("claimed", "recorded")
            if delivery.after_lease:
                database.rows(LEASE_ENDS.format(key))
            if not told:
                os.kill(rescuer, signal.SIGCONT)
            until(partial(database.rows, DONE.format(key)))
            delivery.seconds = time.monotonic() - begun
            end(victim)
            os.kill(rescuer, signal.SIGCONT)
            proxy.cut()

        sequences = [
            key
            for (key,) in database.rows("SELECT sequence FROM tasks_event ORDER BY 1")
        ]
        record.notes += [one.check(sequences) for one in deliveries]
        record.lost, record.doubled = 0, sum(one.doubled for one in deliveries)


def happen(fault: str, victim: int, postgresql: PostgreSQL, proxy: Proxy) -> None:
    if fault == "kill":
        os.kill(victim, signal.SIGKILL)
    elif fault == "freeze":
        os.kill(victim, signal.SIGSTOP)
    elif fault == "cut":
        proxy.cut()
    else:
        postgresql.stop()
        postgresql.start()


def end(process: int) -> None:
    """Thaws the worker, and stops it."""
    for number in (signal.SIGCONT, signal.SIGTERM):
        with suppress(ProcessLookupError):
            os.kill(process, number)
    until(lambda: not psutil.pid_exists(process))
