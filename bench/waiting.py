"""`make bench-waiting`: what it costs to tell others of changes. Streams of `manage.py push`, a
backlog of events to one webhook, and commits that send NOTIFY, which push does without.

Memory and processor time are counted by process, so that what else the machine does hardly
matters; milliseconds until a hint and commits a second need a quiet one.
"""

import asyncio
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psycopg

from bench import machine, postgres, processes
from bench.compare import run, say
from bench.contestants import manage
from bench.figures import listed, table
from bench.postgres import PostgreSQL
from tests.support.copies import free_port

USERS = 500
IDLE_SECONDS = 20.0
HINTS = 200
TOGETHER = 100  # streams that connect at once
WORK_SECONDS = 60.0
CONNECTIONS = (1, 8, 32)
NOTIFY_SECONDS = 5
NOTIFY_TURNS = 4

_OWNERS = """
from taskproject.accounts.models import ApiToken, User
from tasks.models import Actor, Task
tokens = []
for number in range({users}):
    user = User.objects.create_user(f"user{{number}}")
    Task.objects.add_all(Actor(user.pk, "command"), user.pk, [{{"title": "a"}}])
    tokens.append(ApiToken(user=user, name="bench", scopes="read").issue())
print(*tokens)
"""
_WEBHOOK = """
from tasks.models import Webhook
from tasks.models.webhooks import new_secret
from taskproject.accounts.models import User
owner = User.objects.get(username="user0").pk
Webhook.objects.create(owner_id=owner, url="http://127.0.0.1:{port}/", secret=new_secret(), cursor=0)
"""
_COLUMNS = "owner_id, task_id, actor_id, via, verb, version, at, changes"
#: Another event of an owner, as if the task had changed once more.
_EVENT = f"""INSERT INTO tasks_event ({_COLUMNS}) SELECT {_COLUMNS} FROM tasks_event
    WHERE owner_id = %s ORDER BY sequence LIMIT 1"""
_EVENTS = f"""INSERT INTO tasks_event ({_COLUMNS}) SELECT {_COLUMNS} FROM (
    SELECT * FROM tasks_event ORDER BY sequence LIMIT 1) one, generate_series(1, %s)"""
_READ = """SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables
    WHERE relname = 'tasks_event'"""
_SENT = "SELECT count(*) FROM tasks_webhookdelivery WHERE outcome = 'delivered'"
_COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"


class Bench:
    """A database with users and their tokens, and what has been found out."""

    def __init__(self, server: PostgreSQL, directory: Path, stack: ExitStack) -> None:
        self.server = server
        self._directory = directory
        self._stack = stack
        self.url = server.create_database("waiting")
        self._env = {"DATABASE_URL": self.url, "SECRET_KEY": secrets.token_urlsafe(50)}
        self.manage("migrate", "--verbosity", "0")
        code = _OWNERS.format(users=USERS)
        self.tokens = self.manage("shell", "--verbosity", "0", "-c", code).split()
        self._session = stack.enter_context(psycopg.connect(self.url, autocommit=True))
        self.owners = [
            key
            for (key,) in self.rows(
                "SELECT DISTINCT owner_id FROM tasks_event ORDER BY 1"
            )
        ]

    def manage(self, *args: str) -> str:
        return manage(self._env, *args)

    def rows(self, query: Any, *parameters: object) -> list[tuple[Any, ...]]:
        cursor = self._session.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []

    def number(self, query: str) -> int:
        return int(self.rows(query)[0][0])

    def start(self, *command: str, **settings: str) -> int:
        """Starts a command of manage.py; returns its process id."""
        env = {**os.environ, **self._env, **settings}
        log = self._directory / "commands.log"
        started = processes.start(
            [sys.executable, "manage.py", *command], machine.ROOT, env, log
        )
        self._stack.callback(processes.end, started)
        return started.pid

    def postgres_cpu(self) -> float:
        return (
            processes.cpu_seconds(self.server.pid) if self.server.pid else float("nan")
        )


def rss(pid: int) -> float:
    return processes.memory(pid).rss


# Streams


class Stream(asyncio.Protocol):
    """A client that notes when hints come."""

    def __init__(self, token: str, hinted: dict[str, float]) -> None:
        self.token, self._hinted = token, hinted
        self.began = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        head = f"GET /api/changes/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        if b"id: " in data and self.began.done():
            self._hinted.setdefault(self.token, time.perf_counter())
        elif b"id: " in data:
            self.began.set_result(None)


class Cost(NamedTuple):
    """A second, while nothing changes."""

    push: float  # seconds of CPU
    postgres: float
    transactions: float

    def __str__(self) -> str:
        return (
            f"{self.push * 1e3:.0f} ms of CPU, PostgreSQL {self.postgres * 1e3:.0f}, "
            f"{self.transactions:.0f} transactions"
        )


async def cost(bench: Bench, pid: int) -> Cost:
    def now() -> tuple[float, ...]:
        counted = (processes.cpu_seconds(pid), bench.postgres_cpu())
        return (*counted, bench.number(_COMMITS), time.monotonic())

    before = now()
    await asyncio.sleep(IDLE_SECONDS)
    *spent, passed = (after - old for old, after in zip(before, now(), strict=True))
    return Cost(*(one / passed for one in spent))


async def streams(bench: Bench, count: int) -> list[tuple[str, str]]:
    port = free_port()
    pid = bench.start("push", f"--port={port}", PUSH_STREAMS=str(count + 100))
    loop = asyncio.get_running_loop()
    hinted: dict[str, float] = {}
    clients: list[Stream] = []

    async def connect(number: int) -> None:
        for _ in range(600):
            with suppress(ConnectionRefusedError):
                make = partial(Stream, bench.tokens[number % USERS], hinted)
                _, client = await loop.create_connection(make, "127.0.0.1", port)
                await asyncio.wait_for(client.began, 60)
                clients.append(client)
                return
            await asyncio.sleep(0.1)

    await connect(0)
    alone, polls = rss(pid), await cost(bench, pid)
    for first in range(1, count, TOGETHER):
        await asyncio.gather(*map(connect, range(first, min(first + TOGETHER, count))))
    idle = await cost(bench, pid)

    waits = []
    for _ in range(HINTS):
        owner = random.choice(bench.owners[:count])
        hinted.clear()
        bench.rows(_EVENT, owner)
        committed = time.perf_counter()
        while not hinted:
            await asyncio.sleep(0.001)
        waits.append((next(iter(hinted.values())) - committed) * 1_000)
        await asyncio.sleep(random.uniform(0.0, 0.3))
    waits.sort()
    return [
        ("streams", f"{len(clients):,}"),
        ("MB with one stream, with all", f"{alone:.0f}, {rss(pid):.0f}"),
        ("with one, a second", str(polls)),
        ("with all", str(idle)),
        (
            "ms from commit to hint: p50, p99, most",
            f"{median(waits):.0f}, {waits[-HINTS // 100]:.0f}, {waits[-1]:.0f}",
        ),
    ]


# A backlog


async def _accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        await reader.readexactly(int(length))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


async def backlog(bench: Bench, events: int) -> list[tuple[str, str]]:
    receiver = await asyncio.start_server(_accept, "127.0.0.1", 0)
    port = receiver.sockets[0].getsockname()[1]
    bench.rows(_EVENTS, events)
    postgres.settle(bench.url)
    code = _WEBHOOK.format(port=port)
    bench.manage("shell", "--verbosity", "0", "-c", code)
    pid = bench.start("work", WEBHOOK_ALLOWED_HOSTS="127.0.0.1")
    while not (begun := bench.number(_SENT)):
        await asyncio.sleep(0.1)
    cpu, database, read = (
        processes.cpu_seconds(pid),
        bench.postgres_cpu(),
        bench.number(_READ),
    )
    began, sizes = time.monotonic(), [rss(pid)]
    while time.monotonic() - began < WORK_SECONDS:
        await asyncio.sleep(1)
        sizes.append(rss(pid))
    await asyncio.sleep(1)  # until PostgreSQL has added up what was read
    sent = bench.number(_SENT) - begun
    read = bench.number(_READ) - read
    receiver.close()
    return [
        ("events that wait", f"{events:,}"),
        ("events sent", f"{sent:,}"),
        (
            "MB at the first, after half, at the last, most",
            f"{sizes[0]:.0f}, {sizes[len(sizes) // 2]:.0f}, {sizes[-1]:.0f}, {max(sizes):.0f}",
        ),
        ("rows of events read for each sent", f"{read / sent:.1f}"),
        (
            "ms of CPU for each sent, worker",
            f"{(processes.cpu_seconds(pid) - cpu) / sent * 1_000:.1f}",
        ),
        (
            "the same, PostgreSQL",
            f"{(bench.postgres_cpu() - database) / sent * 1_000:.1f}",
        ),
    ]


# NOTIFY


def notify(bench: Bench, directory: Path) -> list[tuple[str, ...]]:
    """One event committed again and again, with NOTIFY and without it in turns; one session
    listens."""
    bench.rows("CREATE TABLE written (owner_id bigint, note text)")
    scripts = {}
    for name, more in (
        ("without", ""),
        ("with", "SELECT pg_notify('hints', :owner::text);"),
    ):
        scripts[name] = directory / f"{name}.sql"
        scripts[name].write_text(
            "\\set owner random(1, 500)\nBEGIN;\n"
            f"INSERT INTO written VALUES (:owner, 'a note of some length');\n{more}\nCOMMIT;\n"
        )
    bench.rows("LISTEN hints")
    found: list[tuple[str, ...]] = []
    for connections in CONNECTIONS:
        ratios, speeds, cpus = [], [], []
        for _ in range(NOTIFY_TURNS):
            speed, cpu = {}, {}
            for name, script in scripts.items():
                before = bench.postgres_cpu()
                command = [
                    str(machine.pgbench()), "--no-vacuum", f"--time={NOTIFY_SECONDS}",
                    f"--client={connections}", f"--file={script}", bench.url,
                ]  # fmt: skip
                told = subprocess.run(
                    command, capture_output=True, text=True, check=True
                )
                [line] = [
                    one for one in told.stdout.splitlines() if one.startswith("tps")
                ]
                speed[name] = float(line.split()[2])
                cpu[name] = (bench.postgres_cpu() - before) / (
                    speed[name] * NOTIFY_SECONDS
                )
            ratios.append(speed["with"] / speed["without"])
            speeds.append((speed["without"], speed["with"]))
            cpus.append((cpu["without"] * 1e6, cpu["with"] * 1e6))
        found.append(
            (
                str(connections),
                f"{median(one for one, _ in speeds):,.0f}",
                f"{median(one for _, one in speeds):,.0f}",
                f"{median(ratios):.2f}",
                f"{median(one for one, _ in cpus):.0f}",
                f"{median(one for _, one in cpus):.0f}",
            )
        )
    return found


def parser() -> ArgumentParser:
    parse = ArgumentParser("waiting", description=__doc__)
    add = parse.add_argument
    names = ("streams", "backlog", "notify")
    add("--only", nargs="+", choices=names, default=names)
    add("--streams", type=int, default=5_000, help="default: 5,000")
    add("--events", type=int, default=1_000_000, help="default: 1,000,000")
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    return run(_main, parser().parse_args(arguments))


def _main(options: Namespace) -> int:
    machine.allow_connections(options.streams)
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="tasks-bench-"))
        )
        bench = Bench(stack.enter_context(postgres.running()), directory, stack)
        print(listed(machine.describe()))
        if "streams" in options.only:
            say("streams")
            rows = asyncio.run(streams(bench, options.streams))
            print("\n" + table(("streams", ""), rows), flush=True)
        if "notify" in options.only:
            say("NOTIFY")
            heads = (
                "connections",
                "commits/s without",
                "with",
                "ratio",
                "µs of CPU without",
                "with",
            )
            print("\n" + table(heads, notify(bench, directory)), flush=True)
        if "backlog" in options.only:
            say("backlog")
            rows = asyncio.run(backlog(bench, options.events))
            print("\n" + table(("backlog", ""), rows), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
