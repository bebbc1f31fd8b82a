"""The clients of a load: each creates, reads and changes tasks of its own, and all of them
toggle one that they share. What the service has acknowledged is kept, for `verification.py`."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple
from uuid import uuid4

import orjson

from taskproject import __version__
from tasks.loadtest.connections import Connection, NoResponse, Response, Target
from tasks.loadtest.figures import Figures

#: Seconds before a request without a response is sent again, and at least between two refusals.
PAUSE = 0.2
#: Seconds that a request is tried again: in the load, after its end.
PATIENCE = 30.0
#: A write in so many is sent again after its response, as by a client that has lost it.
REPEATED = 10
#: An idle connection is closed before longer waits, because the server may do so meanwhile.
LONGEST_IDLE = 1.0  # seconds


class Unexpected(Exception):
    """A request failed. The message says how."""

    def __init__(self, message: str, response: Response | None = None) -> None:
        super().__init__(message)
        self.response = response


class Unacknowledged(Unexpected):
    """A request had no response, or was refused, until its client gave up."""


class Bounds(NamedTuple):
    """When a load ends: with the first of these."""

    seconds: float
    requests: int
    #: Those that send requests at the same time.
    connections: int


@dataclass
class LoadTask:
    """A task that a client has asked for, and what was acknowledged of it."""

    title: str
    id: int | None = None
    version: int = 0
    description: str = ""
    completed: bool = False
    #: Whether the last change may or may not have been done.
    in_doubt: bool = False


class Write(NamedTuple):
    """An acknowledged write: what its response said."""

    task_id: int
    version: int


@dataclass
class Account:
    """A user of the service, and what this load wrote for them, in a list of its own."""

    token: str
    list_id: int = 0
    list_name: str = ""
    #: Of the feed before the list was created.
    cursor: str = ""
    shared: LoadTask = field(default_factory=lambda: LoadTask(""))
    toggles_in_doubt: int = 0
    made: list[LoadTask] = field(default_factory=list)
    #: By their Idempotency-Keys.
    writes: dict[str, Write] = field(default_factory=dict)
    keys_in_doubt: set[str] = field(default_factory=set)


class Client:
    """One connection, with the token of one account, that retries."""

    def __init__(self, target: Target, account: Account, figures: Figures) -> None:
        self._connection = Connection(target)
        self.account = account
        self.figures = figures
        #: Called after each response as expected, with its operation and seconds.
        self.measured: Callable[[str, float], None] = lambda operation, seconds: None

    def close(self) -> None:
        self._connection.close()

    def gives_up(self, began: float) -> float:
        """When a request that began then, by `time.monotonic`, is not sent again."""
        return began + PATIENCE

    async def request(
        self,
        operation: str,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        key: str = "",
        version: int | None = None,
        expected: int = 200,
    ) -> Response:
        """The response. What was refused for the moment, or got no response, is sent again with
        the same key. A `version` is that of If-Match; 0: any. Raises Unexpected."""
        headers = {
            "Authorization": f"Bearer {self.account.token}",
            "User-Agent": f"tasks-loadtest/{__version__}",
        }
        if key:
            headers["Idempotency-Key"] = key
        if version is not None:
            headers["If-Match"] = f'"{version}"' if version else "*"
        content = None if body is None else orjson.dumps(body)
        began = time.monotonic()
        while True:
            started = time.perf_counter()
            try:
                response = await self._connection.send(method, path, headers, content)
            except NoResponse as broken:
                self.figures.errors[f"{operation}: {broken}"] += 1
                await self._wait(began, PAUSE, str(broken))
                continue
            seconds = time.perf_counter() - started
            if response.status == expected:
                self.measured(operation, seconds)
                return response
            code = str(response.json().get("code", ""))
            if response.status in (429, 503) or code == "in_progress":
                self.figures.refused[f"{response.status} {code}".strip()] += 1
                await self._wait(
                    began, _retry_after(response), f"{response.status} {code}"
                )
                continue
            raise Unexpected(f"{response.status} {code}".strip(), response)

    async def _wait(self, began: float, seconds: float, reason: str) -> None:
        """Raises Unacknowledged as soon as there is no time left for it."""
        if seconds > LONGEST_IDLE:
            self._connection.close()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if until > self.gives_up(began):
                raise Unacknowledged(reason)
            await asyncio.sleep(min(left, LONGEST_IDLE))


class Worker(Client):
    """A client of the load."""

    def __init__(
        self, number: int, target: Target, account: Account, load: "Load"
    ) -> None:
        super().__init__(target, account, load.figures)
        self._number = number
        self._load = load
        self._writes = 0
        self.measured = load.measured

    def gives_up(self, began: float) -> float:
        return self._load.ends + PATIENCE

    async def work(self) -> None:
        """Until the load ends."""
        for turn in count(1):
            if not self._load.goes_on:
                break
            made = LoadTask(f"{self.account.list_name}, {self._number}-{turn}")
            self.account.made.append(made)
            try:
                for step in (
                    self._create, self._get, self._patch, self._list, self._toggle_shared,
                    self._get, self._complete, self._list, self._toggle, self._get,
                ):  # fmt: skip
                    if not self._load.goes_on:
                        break
                    await step(made)
            except Unexpected as error:
                # The task is left as it is.
                if not isinstance(error, Unacknowledged):
                    self.figures.errors[str(error)] += 1
        self.close()

    async def _create(self, made: LoadTask) -> None:
        body = {"title": made.title, "list": self.account.list_id}
        await self._write(made, "create", "POST", "/api/tasks", body, expected=201)

    async def _patch(self, made: LoadTask) -> None:
        body = {"description": f"Changed at version {made.version}."}
        await self._write(
            made, "patch", "PATCH", f"/api/tasks/{made.id}", body, made.version
        )
        made.description = body["description"]

    async def _complete(self, made: LoadTask) -> None:
        path = f"/api/tasks/{made.id}/complete"
        await self._write(made, "complete", "POST", path, version=made.version)

    async def _toggle(self, made: LoadTask) -> None:
        path = f"/api/tasks/{made.id}/toggle"
        await self._write(made, "toggle", "POST", path, version=made.version)

    async def _toggle_shared(self, made: LoadTask) -> None:
        """Others do so at the same time: each toggle must have a version of its own."""
        path = f"/api/tasks/{self.account.shared.id}/toggle"
        toggle = LoadTask("", id=self.account.shared.id)
        try:
            await self._write(toggle, "toggle", "POST", path, version=0, shared=True)
        except Unexpected:
            self.account.toggles_in_doubt += toggle.in_doubt
            raise

    async def _get(self, made: LoadTask) -> None:
        path = f"/api/tasks/{made.id}"
        read = (await self.request("get", "GET", path)).json()
        if read.get("version") != made.version:
            self.figures.add_fault(
                "stale",
                made.id,
                f"task {made.id} was read at version {read.get('version')} after version "
                f"{made.version} was acknowledged",
            )

    async def _list(self, made: LoadTask) -> None:
        path = f"/api/tasks?list={self.account.list_id}&limit=20"
        await self.request("list", "GET", path)

    async def _write(
        self,
        made: LoadTask,
        operation: str,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        version: int | None = None,
        *,
        expected: int = 200,
        shared: bool = False,
    ) -> None:
        """A write with a key of its own, and what its response says in `made`."""
        key = str(uuid4())
        self._writes += 1
        try:
            response = await self.request(
                operation,
                method,
                path,
                body,
                key=key,
                version=version,
                expected=expected,
            )
        except Unexpected:
            # An error of the server, too, may come after the change.
            made.in_doubt = True
            self.account.keys_in_doubt.add(key)
            self.figures.in_doubt += 1
            raise
        told = _write_in(response)
        self.account.writes[key] = told
        self.figures.acknowledged += 1
        if not shared and told.version != made.version + 1:
            self.figures.add_fault(
                "duplicated" if told.version > made.version + 1 else "lost",
                told.task_id,
                f"{operation} of task {told.task_id} made version {told.version} of "
                f"{made.version}",
            )
        made.id, made.version = told
        made.completed = response.json().get("completed") is True
        if self._writes % REPEATED == 0 and self._load.goes_on:
            again = await self.request(
                "repeat",
                method,
                path,
                body,
                key=key,
                version=version,
                expected=expected,
            )
            self._compare(operation, told, again)

    def _compare(self, operation: str, told: Write, response: Response) -> None:
        """The response to a repeated key is that to the first request."""
        self.figures.repeated += 1
        again = _write_in(response)
        if again != told:
            self.figures.add_fault(
                "duplicated",
                told.task_id,
                f"{operation} of task {told.task_id} was repeated with its key, and has "
                f"another response: version {again.version}",
            )


class Load:
    """All clients, until the bounds are reached or `stop` is called."""

    def __init__(self, bounds: Bounds, figures: Figures) -> None:
        self.figures = figures
        self.bounds = bounds
        self._left = bounds.requests
        self._began = time.monotonic()
        self.ends = self._began + bounds.seconds

    @property
    def goes_on(self) -> bool:
        return self._left > 0 and time.monotonic() < self.ends

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def stop(self) -> None:
        self.ends = min(self.ends, time.monotonic())

    def measured(self, operation: str, seconds: float) -> None:
        self._left -= 1
        self.figures.seconds[operation].append(seconds)
        self.figures.by_second[int(self.elapsed)] += 1

    async def run(self, target: Target, accounts: list[Account]) -> None:
        workers = [
            Worker(number, target, accounts[number % len(accounts)], self)
            for number in range(self.bounds.connections)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker.work())
        finally:
            self.figures.duration = self.elapsed


def _write_in(response: Response) -> Write:
    body = response.json()
    task_id, version = body.get("id"), body.get("version")
    if not isinstance(task_id, int) or not isinstance(version, int):
        raise Unexpected("a response without the task", response)
    return Write(task_id, version)


def _retry_after(response: Response) -> float:
    """Seconds, as the response says; HTTP also allows a date, which counts as none."""
    told = response.headers.get("retry-after", "")
    return max(PAUSE, float(told)) if told.isdecimal() else 1.0
