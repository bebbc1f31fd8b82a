"""A load test from its beginning to its end: prepare, load, verify, remove."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple
from uuid import uuid4

from taskproject.backups import Progress
from tasks.loadtest.connections import Response, Target, resolve
from tasks.loadtest.figures import Figures
from tasks.loadtest.load import Account, Bounds, Client, Load, LoadTask, Unexpected
from tasks.loadtest.verification import Event, Follower, check, read_back, wait

#: Seconds between two updates of the progress bar.
TICK = 0.2
#: A progress bar with this title.
Bar = Callable[[str], AbstractContextManager[Progress]]


class Refused(Exception):
    """The test cannot be made. The message says what to do."""


class Options(NamedTuple):
    url: str
    tokens: list[str]
    bounds: Bounds
    #: Whether services of other hosts may be loaded.
    anywhere: bool = False
    #: Whether what was made stays.
    keep: bool = False


@dataclass
class Result:
    options: Options
    figures: Figures = field(default_factory=Figures)
    #: That of the service.
    version: str = ""
    #: Whether everything could be read back.
    read: bool = False
    interrupted: bool = False
    #: The names of the lists that were not removed.
    left: list[str] = field(default_factory=list)

    def ok(self, max_errors: int) -> bool:
        figures = self.figures
        return (
            self.read
            and not figures.faults
            and figures.errors.total() <= max_errors
            and figures.acknowledged > 0
        )


async def run(result: Result, bar: Bar) -> None:
    """Raises Refused or UnusableURL before anything is written, and Refused if the service
    refuses the first writes. `result` has at any time what is known."""
    options, figures = result.options, result.figures
    target = await resolve(options.url, anywhere=options.anywhere)
    if not options.tokens:
        raise Refused(
            "Give a token with --token or in LOADTEST_TOKEN; manage.py create_token makes one."
        )
    accounts = [Account(token) for token in options.tokens]
    clients = [Client(target, account, figures) for account in accounts]
    for client in clients:
        await _prepare(client, result)
    load = Load(options.bounds, figures)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # The second signal ends the command.
        loop.remove_signal_handler(signal.SIGINT)
        result.interrupted = True
        load.stop()

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        with bar("Load, in seconds") as progress:
            events = await _load(load, target, accounts, progress)
        with bar("Reading back") as progress:
            progress(0, len(accounts))
            for done, client in enumerate(clients):
                rows = await read_back(client)
                check(client.account, rows, events[done], figures)
                progress(done + 1, len(accounts))
        result.read = True
    except* Unexpected as errors:
        figures.errors.update(f"reading back: {error}" for error in errors.exceptions)
    if result.read and not options.keep:
        with bar("Removing") as progress:
            await _remove(result, target, clients, progress)
    loop.remove_signal_handler(signal.SIGINT)
    for client in clients:
        client.close()


async def _prepare(client: Client, result: Result) -> None:
    """A list of its own for the account, and the task that all clients toggle."""
    account, name = client.account, f"Load test {uuid4().hex[:8]}"
    try:
        me = await client.request("me", "GET", "/api/me")
        result.version = me.headers.get("api-version", "")
        if not result.version:
            raise Refused("No task service answers there: /api/me has no API-Version.")
        latest = await client.request("changes", "GET", "/api/changes?after=latest")
        made = await client.request(
            "list", "POST", "/api/lists", {"name": name}, key=str(uuid4()), expected=201
        )
        account.list_name, account.list_id = name, _id(made)
        result.left.append(name)
        account.cursor = str(latest.json()["next_cursor"])
        title = f"{name}, shared"
        task = await client.request(
            *("create", "POST", "/api/tasks"),
            {"title": title, "list": account.list_id},
            key=str(uuid4()),
            expected=201,
        )
        account.shared = LoadTask(title, id=_id(task), version=1)
        client.close()  # A server may close what is idle while the load runs.
    except Unexpected as error:
        raise Refused(_reason(error)) from None


def _reason(error: Unexpected) -> str:
    """Why the service refused a first request, in its own words."""
    if error.response is None:
        return f"The service does not answer: {error}."
    moved = error.response.headers.get("location")
    if moved and 300 <= error.response.status < 400:
        return f"The service redirects to {moved}: give the URL that it redirects to."
    detail = error.response.json().get("detail", "")
    return f"The service refuses the token or the first write ({error}): {detail}"


def _id(response: Response) -> int:
    value = response.json().get("id")
    if not isinstance(value, int):
        raise Unexpected("a response without an id", response)
    return value


async def _load(
    load: Load, target: Target, accounts: list[Account], progress: Progress
) -> list[list[Event]]:
    """The events of each account."""
    ended = asyncio.Event()
    followers = [Follower(target, account, load.figures) for account in accounts]
    for follower in followers:
        follower.measured = load.measured
    async with asyncio.TaskGroup() as group:
        following = [group.create_task(one.follow(ended)) for one in followers]
        group.create_task(_show(load, ended, progress))
        try:
            await load.run(target, accounts)
        finally:
            ended.set()
    for follower in followers:
        follower.close()
    progress(round(load.elapsed), round(load.elapsed))
    return [task.result() for task in following]


async def _show(load: Load, ended: asyncio.Event, progress: Progress) -> None:
    total = round(load.bounds.seconds)
    while not ended.is_set():
        progress(min(int(load.elapsed), total), total)
        await wait(ended, TICK)


async def _remove(
    result: Result, target: Target, clients: list[Client], progress: Progress
) -> None:
    """Deletes the tasks for good, then the lists. What fails is left."""
    connections = result.options.bounds.connections
    for client in clients:
        account = client.account
        helpers = [Client(target, account, result.figures) for _ in range(connections)]
        try:
            await _remove_list(client, helpers, progress)
            result.left.remove(account.list_name)
        except* Unexpected as errors:
            result.figures.errors.update(
                f"removing: {error}" for error in errors.exceptions
            )
        finally:
            for helper in helpers:
                helper.close()


async def _remove_list(
    client: Client, helpers: list[Client], progress: Progress
) -> None:
    rows = await read_back(client)
    todo, done = iter(rows), count(1)

    async def delete(helper: Client) -> None:
        for row in todo:
            await helper.request(
                *("remove", "DELETE", f"/api/tasks/{row.id}?permanent=true"),
                key=str(uuid4()),
                version=row.version,
                expected=204,
            )
            progress(next(done), len(rows))

    async with asyncio.TaskGroup() as group:
        for helper in helpers:
            group.create_task(delete(helper))
    await client.request(
        *("remove", "DELETE", f"/api/lists/{client.account.list_id}?tasks=delete"),
        key=str(uuid4()),
        version=1,
        expected=204,
    )
