"""Clients that work on tasks, remember what was acknowledged, and do not give up.

Every request of these tests is made by a `Client` and kept in a `Record`; what must hold
afterwards is in `Record.check` (what the clients saw) and `Record.audit` (what the
database holds).
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection, HTTPException
from itertools import pairwise
from threading import Event, Lock, Thread
from typing import Any, NamedTuple, Self, TypeVar
from uuid import uuid4

from tests.faults.databases import Database

HOST = "127.0.0.1"
BROKEN = 0  # the status of a request whose connection broke
PAUSE = 0.2  # seconds before a retry; harder than the Retry-After of 1
PATIENCE = 30.0  # seconds of retrying
AT_MOST = 5.0  # seconds until a failure is answered
MAX_ROUNDS = 2_000  # per client


T = TypeVar("T")


def until(condition: Callable[[], T], within: float = 20.0) -> T:
    """Waits for what must come true; returns it."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
    return value


class Reply(NamedTuple):
    """What came of one request."""

    method: str
    path: str
    status: int
    seconds: float
    headers: Message
    body: bytes
    # 1, then one more at every retry
    attempt: int

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def replayed(self) -> bool:
        return self.headers.get("Idempotency-Replayed") == "true"


class Known(NamedTuple):
    """What the service has acknowledged of a task."""

    id: int
    title: str
    description: str
    completed: bool
    version: int


@dataclass
class Record:
    """All that the clients of one test saw, and the verdict."""

    replies: list[Reply] = field(default_factory=list)
    tasks: dict[int, Known] = field(default_factory=dict)
    acknowledged: int = 0
    surprises: list[str] = field(default_factory=list)
    recovery: float | None = None
    lost: int | None = None
    doubled: int | None = None
    notes: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def acknowledge(self, known: Known) -> None:
        with self._lock:
            self.tasks[known.id] = known
            self.acknowledged += 1

    def failures(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.status >= 500]

    def broken(self) -> list[Reply]:
        return [reply for reply in self.replies if reply.status == BROKEN]

    def count(self, low: int, high: int | None = None) -> int:
        high = high or low + 1
        return sum(low <= reply.status < high for reply in self.replies)

    def slowest_failure(self) -> float:
        return max((reply.seconds for reply in self.failures()), default=0.0)

    def check(self, database: Database | None = None, *, broken: int = 0) -> None:
        """Every failure is a 503 problem with Retry-After within 5 seconds, and at most
        so many connections broke; and see `audit`."""
        if database is not None:
            self.audit(database)
        assert not self.surprises, self.surprises[:5]
        for reply in self.failures():
            assert reply.status == 503, (reply.status, reply.body)
            assert reply.headers["Content-Type"] == "application/problem+json"
            assert reply.json()["code"] == "unavailable"
            assert reply.headers["Retry-After"].isdigit()
        late = [reply for reply in self.failures() if reply.seconds > AT_MOST]
        assert not late, [
            f"{reply.method} {reply.path}: 503 after {reply.seconds:.2f} s"
            for reply in late
        ]
        assert len(self.broken()) <= broken, [
            (*reply[:4], reply.body) for reply in self.broken()
        ]

    def audit(self, database: Database) -> None:
        """Nothing acknowledged is missing, nothing is there twice or unasked for, and
        each task's events tell its whole life, once."""
        tasks = database.tasks()
        lives: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for task_id, version, verb in database.events():
            lives[task_id].append((version, verb))
        missing = [
            known for key, known in self.tasks.items() if tasks.get(key) != known[1:]
        ]
        titles = Counter(title for title, *_ in tasks.values())
        twice = [title for title, number in titles.items() if number > 1]
        unasked = [key for key in tasks if key not in self.tasks]
        keys = Counter(database.stored_keys())
        twice += [key for key, number in keys.items() if number > 1]
        for key, life in lives.items():
            versions = Counter(version for version, _ in life)
            twice += [f"{key} v{v}" for v, number in versions.items() if number > 1]
            twice += [f"{key} created"] * (
                sum(verb == "created" for _, verb in life) - 1
            )
        self.lost, self.doubled = len(missing), len(twice) + len(unasked)
        assert not missing, (missing[0], tasks.get(missing[0].id))
        assert not twice, twice
        assert not unasked, [tasks[key] for key in unasked]
        assert set(lives) >= set(tasks)
        for key, life in lives.items():
            assert life[0] == (1, "created"), (key, life)
            assert all(new == old + 1 for (old, _), (new, _) in pairwise(life)), life
            if key in tasks:
                assert life[-1][0] == tasks[key][3], (key, life, tasks[key])
            else:
                assert life[-1][1] == "deleted", (key, life)
        database.check_integrity()


class NeverAcknowledged(AssertionError):
    """A request was refused for as long as its client had patience."""


class Client:
    """One keep-alive connection, with alice's token."""

    def __init__(self, port: int, token: str, record: Record) -> None:
        self._connection = HTTPConnection(HOST, port, timeout=PATIENCE)
        self._token = token
        self._record = record

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = "",
        attempt: int = 1,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request, whatever comes of it."""
        given = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            given["Content-Type"] = "application/json"
        if key:
            given["Idempotency-Key"] = key
        status, answered, text = BROKEN, Message(), b""
        started = time.monotonic()
        try:
            self._connection.request(method, path, content, given)
            response = self._connection.getresponse()
            text = response.read()
            status, answered = response.status, response.headers
        except (OSError, HTTPException) as error:
            # The next request connects anew.
            self._connection.close()
            text = repr(error).encode()
        seconds = time.monotonic() - started
        reply = Reply(method, path, status, seconds, answered, text, attempt)
        self._record.replies.append(reply)
        return reply

    def insist(
        self, method: str, path: str, body: Any = None, *, key: str = ""
    ) -> Reply:
        """Retries with the same key until the request is neither broken, nor refused
        with 503, nor still under way; returns the answer."""
        deadline = time.monotonic() + PATIENCE
        attempt = 0
        while True:
            attempt += 1
            reply = self.send(method, path, body, key=key, attempt=attempt)
            if reply.status not in (BROKEN, 503) and not under_way(reply):
                return reply
            if time.monotonic() > deadline:
                raise NeverAcknowledged(f"{method} {path}: {reply.body!r}")
            if reply.status != BROKEN or attempt > 1:
                time.sleep(PAUSE)

    def create(self, title: str) -> Known:
        """Creates a task with a key of its own, insisting."""
        key = str(uuid4())
        reply = self.insist("POST", "/api/tasks", {"title": title}, key=key)
        return self.acknowledge(reply, 201, title=title, version=1)

    def patch(self, task: Known, **fields: Any) -> Known:
        """Changes a task that nobody else changes, insisting: to repeat it is safe."""
        reply = self.insist("PATCH", f"/api/tasks/{task.id}", fields)
        return self.acknowledge(reply, 200, **fields, version=task.version + 1)

    def toggle(self, task: Known) -> Known:
        key = str(uuid4())
        reply = self.insist("POST", f"/api/tasks/{task.id}/toggle", key=key)
        return self.acknowledge(
            reply, 200, completed=not task.completed, version=task.version + 1
        )

    def read(self, task: Known) -> None:
        reply = self.insist("GET", f"/api/tasks/{task.id}")
        if reply.status != 200 or known(reply) != task:
            self._record.surprises.append(f"read {reply.body!r} instead of {task}")

    def acknowledge(self, reply: Reply, status: int, **expected: Any) -> Known:
        """Remembers the task in an answer, which must be as expected."""
        assert reply.status == status, (reply.status, reply.body)
        task = known(reply)
        actual = {name: getattr(task, name) for name in expected}
        assert actual == expected, (actual, expected)
        self._record.acknowledge(task)
        return task


def known(reply: Reply) -> Known:
    body = reply.json()
    return Known(*(body[name] for name in Known._fields))


def under_way(reply: Reply) -> bool:
    return reply.status == 409 and reply.json()["code"] == "in_progress"


class Load:
    """Clients that create, change, toggle and read tasks, each its own, until told to
    stop."""

    def __init__(
        self, connect: Callable[[], Client], record: Record, name: str
    ) -> None:
        self._connect = connect
        self._record = record
        self._name = name
        self._stopping = Event()
        self._threads: list[Thread] = []

    def start(self, clients: int) -> None:
        for number in range(clients):
            thread = Thread(target=self._work, args=[number], daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Lets every client finish the round it is in."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)
            assert not thread.is_alive(), "a client is stuck"

    def proceed(self, writes: int = 40, within: float = 15.0) -> float:
        """Waits until so many more writes are acknowledged; returns the seconds."""
        started = time.monotonic()
        enough = self._record.acknowledged + writes
        while self._record.acknowledged < enough:
            assert not self._record.surprises, self._record.surprises
            assert time.monotonic() - started < within, (
                f"{enough - self._record.acknowledged} of {writes} writes are missing "
                f"after {within} s"
            )
            time.sleep(0.02)
        return time.monotonic() - started

    def recover(self, within: float = 15.0) -> None:
        """Waits until the service works again, and notes how long that took."""
        self._record.recovery = self.proceed(1, within)
        self.proceed(40, within)

    def _work(self, number: int) -> None:
        try:
            with self._connect() as client:
                for turn in range(MAX_ROUNDS):
                    if self._stopping.is_set():
                        return
                    task = client.create(f"{self._name} {number}-{turn}")
                    task = client.patch(task, description=f"Round {turn}")
                    task = client.toggle(task)
                    client.read(task)
                    # Else what breaks and recovers waits for the processors.
                    time.sleep(0.05)
        except (AssertionError, LookupError, ValueError) as error:
            self._record.surprises.append(repr(error))


@contextmanager
def loaded(
    connect: Callable[[], Client], record: Record, clients: int = 8
) -> Iterator[Load]:
    """A service under load, which is working when the block begins."""
    load = Load(connect, record, uuid4().hex[:6])
    load.start(clients)
    try:
        load.proceed()
        yield load
    finally:
        load.stop()
