"""`make bench-growth`: what a request costs as an owner's tasks become more.

A server for each number of tasks, all running at once, asked in turn over one kept-alive
connection each: what else the machine does hits all alike. A further path is one more
line of PATHS.
"""

import json
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine, postgres, processes
from bench.compare import run, say
from bench.contestants import Server, Stage, Target, make_service, serving
from bench.figures import number, table
from bench.operations import HOST, PAGE

# Placeholders: {id}, a task in the middle; {cursor}, that of the 200th page, or of the
# last full page where there are fewer.
PATHS = [
    ("get", "/api/tasks/{id}"),
    ("first page", "/api/tasks"),
    ("200th page", "/api/tasks?cursor={cursor}"),
    ("filtered page", "/api/tasks?completed=false"),
    ("sorted page", "/api/tasks?sort=due&completed=false"),
    ("page with a tag", "/api/tasks?tag=urgent"),
    ("overdue page", "/api/tasks?overdue=true"),
    ("search, a common word", "/api/tasks?q=buy"),
    ("search, a rare word", "/api/tasks?q=zebra"),
    ("search, two words", "/api/tasks?q=passport+lisbon"),
    ("counts", "/api/tasks/counts"),
]
DEEP = 200  # pages
BLOCK = 25  # requests to one server before the next has its turn
SIZES = [1_000, 100_000, 1_000_000]
DATABASES = ["sqlite", "postgresql"]


@dataclass(frozen=True)
class Cost:
    """Of one request: `wait` is the median in milliseconds from sending it to its whole
    answer; `ratio` compares it with the smallest size; `cpu` is milliseconds of the
    service and, where it can be told, of PostgreSQL."""

    database: str
    path: str
    tasks: int
    requests: int
    wait: float
    ratio: float
    cpu: float


class Client:
    """One kept-alive connection to a server, which sends its requests."""

    def __init__(self, server: Server) -> None:
        self._headers = server.target.own_headers
        self._connection = HTTPConnection(HOST, server.port, timeout=60)
        self._connection.connect()

    def close(self) -> None:
        self._connection.close()

    def get(self, path: str) -> Any:
        return json.loads(self._answer(path))

    def time(self, path: str) -> float:
        """Milliseconds."""
        began = time.perf_counter()
        self._answer(path)
        return (time.perf_counter() - began) * 1e3

    def _answer(self, path: str) -> bytes:
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:300]!r}")
        return body


def places(target: Target, client: Client) -> dict[str, str]:
    """What the placeholders stand for."""
    pages = min(DEEP, len(target.ids) // PAGE)
    cursor = ""
    for _ in range(pages - 1):
        at = f"&cursor={cursor}" if cursor else ""
        cursor = client.get(f"/api/tasks?limit={PAGE}{at}")["next_cursor"]
    return {"id": str(target.ids[len(target.ids) // 2]), "cursor": cursor}


def measure(
    database: str,
    targets: Sequence[Target],
    paths: Sequence[tuple[str, str]],
    requests: int,
    postgres_pid: int | None,
) -> list[Cost]:
    costs = []
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(target)) for target in targets]
        clients = [stack.enter_context(closing(Client(each))) for each in servers]
        filled = [places(t, c) for t, c in zip(targets, clients, strict=True)]
        for name, path in paths:
            waits: defaultdict[int, list[float]] = defaultdict(list)
            spent: defaultdict[int, float] = defaultdict(float)
            for client, values in zip(clients, filled, strict=True):
                for _ in range(BLOCK):  # warm-up
                    client.time(path.format_map(values))
            for _ in range(0, requests, BLOCK):
                for at, server in enumerate(servers):
                    before = _cpu(server, postgres_pid)
                    for _ in range(BLOCK):
                        asked = path.format_map(filled[at])
                        waits[at].append(clients[at].time(asked))
                    spent[at] += _cpu(server, postgres_pid) - before
            base = median(waits[0])
            for at, target in enumerate(targets):
                wait, count = median(waits[at]), len(waits[at])
                cpu = spent[at] * 1e3 / count
                size = len(target.ids)
                costs.append(Cost(database, name, size, count, wait, wait / base, cpu))
            say(f"{database}: {name} done")
    return costs


def costs_table(costs: Sequence[Cost]) -> str:
    headings = ("path", "tasks", "median ms", "ratio", "CPU ms")
    rows = [
        (
            each.path,
            f"{each.tasks:,}",
            number(each.wait, 2),
            number(each.ratio, 2),
            number(each.cpu, 2),
        )
        for each in costs
    ]
    return table(headings, rows)


def parser() -> ArgumentParser:
    names = [name for name, _ in PATHS]
    parse = ArgumentParser("growth", description=__doc__)
    add = parse.add_argument
    add("--sizes", type=int, nargs="+", default=SIZES, metavar="N")
    add("--databases", nargs="+", choices=DATABASES, default=DATABASES)
    add("--paths", nargs="+", choices=names, default=names)
    add("--requests", type=int, default=500, help="of each path; default: 500")
    add("--json", type=Path, metavar="FILE", help="writes everything measured")
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if min(options.sizes) < 2 * PAGE:
        parser().error(f"--sizes: at least {2 * PAGE}")
    return run(_main, options)


def _main(options: Namespace) -> int:
    about = machine.describe()
    paths = [(name, path) for name, path in PATHS if name in options.paths]
    costs: list[Cost] = []
    for database in options.databases:
        # Each in a directory and a PostgreSQL of its own, gone before the next begins.
        with ExitStack() as stack:
            holder = tempfile.TemporaryDirectory(prefix="tasks-growth-")
            directory = Path(stack.enter_context(holder))
            server = (
                stack.enter_context(postgres.running())
                if database == "postgresql"
                else None
            )
            targets = [
                _seed(directory, server, size, stack) for size in sorted(options.sizes)
            ]
            pid = server.pid if server else None
            found = measure(database, targets, paths, options.requests, pid)
        print(f"\n### {database}\n\n{costs_table(found)}", flush=True)
        costs += found
    if options.json:
        document = {"machine": about, "costs": [asdict(each) for each in costs]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


def _seed(
    directory: Path,
    server: postgres.PostgreSQL | None,
    size: int,
    stack: ExitStack,
) -> Target:
    """The service with `size` tasks of one owner, on PostgreSQL if there is a server."""
    name = f"tasks-{size}"
    began = time.monotonic()
    stage = Stage(directory, stack, tasks=size, workers=1)
    if server is None:
        url = f"sqlite:///{directory}/{name}.sqlite3"
        target = make_service(name, name, url, stage)
    else:
        url = server.create_database(name)
        target = make_service(name, name, url, stage)
        postgres.settle(url)
    say(f"{size:,} tasks made ready in {time.monotonic() - began:.0f} s")
    return target


def _cpu(server: Server, postgres_pid: int | None) -> float:
    spent = processes.cpu_seconds(server.pid)
    return spent + (processes.cpu_seconds(postgres_pid) if postgres_pid else 0.0)


if __name__ == "__main__":
    sys.exit(main())
