"""`make bench-costs`: what each operation costs the processors, the WAL and the disk, and what
replicas take from the primary. `--write` puts it into docs/capacity.md, with what follows.

A PostgreSQL of its own and `manage.py serve`, as in production; eight users send requests,
each over a kept-alive connection. Processor time is counted by process, so that what else the
machine does, and the client itself, hardly matter. Full page images are off for the usual
figure of WAL; the other one is of the same number of requests after a checkpoint, with them.
"""

import json
import resource
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import NoReturn

import psutil
from tqdm import tqdm

from bench import capacity, machine, processes
from bench.capacity import Cost, Measured, Reads
from bench.compare import run
from bench.contestants import Server, Stage, make_service, manage, serving
from bench.figures import listed
from bench.postgres import settle
from bench.requests import DELETED, OPERATIONS, Client, Operation, new_task
from tests.faults.postgres import PostgreSQL

DATABASE = "costs"
USERS = 8
WORKERS = 2
REPLICAS = 2
# No checkpoint but ours, and for the replicas, which are started last, all of the WAL.
SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "64GB",
    "checkpoint_timeout": "1d",
    "wal_keep_size": "64GB",
}
CATCHES_UP_WITHIN = 1_200.0  # seconds
#: What the storage of a task and of an event consists of, by the beginnings of the names.
STORED = {"task": ("tasks_task", "tasks_label"), "event": ("tasks_event",)}


class Bench:
    """A service with its PostgreSQL, and what has been measured."""

    def __init__(
        self,
        options: Namespace,
        directory: Path,
        stack: ExitStack,
        bar: "tqdm[NoReturn]",
    ) -> None:
        self._options = options
        self._stack = stack
        self._bar = bar
        self.primary = PostgreSQL(directory / "primary")
        stack.callback(self.primary.stop)
        self.primary.start()
        for name, value in SETTINGS.items():
            self.primary.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.primary.stop()
        self.primary.start()
        self.primary.execute(f"CREATE DATABASE {DATABASE}")
        # Copied while there is nothing in it yet.
        self._replicas = [
            self.primary.replica(directory / f"replica-{number}")
            for number in range(REPLICAS)
        ]
        url = self.primary.url(DATABASE)
        stage = Stage(directory, stack, options.tasks, WORKERS, USERS)
        self._say("seed")
        target = make_service("costs", "this service", url, stage)
        # On a machine that is busy with something else no request is to fail.
        self.target = replace(target, env={**target.env, "DATABASE_TIMEOUT": "25"})
        settle(url)
        self._directory = directory

    def measure(self) -> Measured:
        stored = self._stored()
        with serving(self.target) as server:
            clients = self._clients(server)
            costs = [self._cost(server, clients, each) for each in OPERATIONS]
            worker, session = self._memory(server)
        costs.append(self._import())
        reads = self.replicated()
        return Measured(
            {each.name: each for each in costs},
            {each.replicas: each for each in reads},
            {**stored, "worker": worker, "session": session},
        )

    def _cost(
        self, server: Server, clients: Sequence[Client], operation: Operation
    ) -> Cost:
        """The medians over the rounds."""
        self._say(operation.name)
        number = max(1, self._options.requests // operation.weight // USERS)
        self._round(server, clients, operation, max(1, number // 4))  # warm-up
        rounds = [
            self._round(server, clients, operation, number)
            for _ in range(self._options.rounds)
        ]
        after_checkpoint = 0.0
        if operation.writes:
            self._full_page_images(True)
            self.primary.execute("CHECKPOINT")
            after_checkpoint = self._round(server, clients, operation, number).wal
            self._full_page_images(False)
        cost = Cost(
            operation.name,
            median(each.service for each in rounds),
            median(each.postgresql for each in rounds),
            median(each.statements for each in rounds),
            median(each.wal for each in rounds) if operation.writes else 0.0,
            after_checkpoint,
        )
        self._bar.write(str(cost), file=sys.stderr)
        return cost

    def _round(
        self,
        server: Server,
        clients: Sequence[Client],
        operation: Operation,
        number: int,
    ) -> Cost:
        """`number` requests of each client: what one of them costs."""
        with ThreadPoolExecutor(len(clients)) as threads:
            paths = list(
                threads.map(lambda client: operation.paths(client, number), clients)
            )
            seen = self.target.log.stat().st_size
            wal = self._written()
            service = processes.cpu_seconds(server.pid)
            postgresql = processes.cpu_seconds(self.primary.pid)
            for done in [
                threads.submit(operation.send, *each)
                for each in zip(clients, paths, strict=True)
            ]:
                done.result()
            service = processes.cpu_seconds(server.pid) - service
            postgresql = processes.cpu_seconds(self.primary.pid) - postgresql
        wal = self._written() - wal
        self._bar.update()
        sent = number * len(clients)
        return Cost(
            operation.name,
            service * 1e3 / sent,
            postgresql * 1e3 / sent,
            self._round_trips(seen, sent),
            wal / sent / 1e3,
        )

    def _round_trips(self, seen: int, sent: int) -> float:
        """The mean of those in the log after so many bytes."""
        deadline = time.monotonic() + 10
        while True:
            with self.target.log.open("rb") as log:
                log.seek(seen)
                lines = [json.loads(line) for line in log if line[:1] == b"{"]
            trips = [line["round_trips"] for line in lines if "round_trips" in line]
            if len(trips) >= sent or time.monotonic() > deadline:
                return fmean(trips)
            time.sleep(0.1)  # a thread writes the log

    def _import(self) -> Cost:
        """One row, of a file of as many as there are requests of other operations."""
        self._say("import")
        file = self._directory / "import.jsonl"
        spent = []
        for number in (1, self._options.requests):
            file.write_text(_import_file(number))
            wal, postgresql = self._written(), processes.cpu_seconds(self.primary.pid)
            service = _children()
            command = (
                "import_tasks",
                str(file),
                "--owner",
                "user1",
                "--verbosity",
                "0",
            )
            manage(self.target.env, *command)
            spent.append(
                (
                    _children() - service,
                    processes.cpu_seconds(self.primary.pid) - postgresql,
                    self._written() - wal,
                )
            )
            self._bar.update()
        # Without what a file of one row takes: the command's start, mostly.
        rows_only = [(after - before) for before, after in zip(*spent, strict=True)]
        service, postgresql, wal = (each / self._options.requests for each in rows_only)
        return Cost("import of a row", service * 1e3, postgresql * 1e3, 0, wal / 1e3)

    def replicated(self) -> list[Reads]:
        """Lists of 50 with none, one and two replicas, which are started for that."""
        found = []
        listing = next(each for each in OPERATIONS if each.name == "list of 50")
        number = max(1, self._options.requests // USERS)
        for replicas in range(REPLICAS + 1):
            self._say(f"{replicas} replicas")
            if replicas:
                self._start(self._replicas[replicas - 1])
            running = self._replicas[:replicas]
            target = self.target
            if running:
                url = replica_url(running)
                target = replace(
                    target, env={**target.env, "DATABASE_REPLICA_URL": url}
                )
            with serving(target) as server:
                clients = self._clients(server)
                self._round(server, clients, listing, max(1, number // 4))
                rounds = []
                for _ in range(self._options.rounds):
                    before = _spent(running)
                    cost = self._round(server, clients, listing, number)
                    replica = (_spent(running) - before) * 1e3 / number / USERS
                    rounds.append(
                        Reads(replicas, cost.service, cost.postgresql, replica)
                    )
            found.append(
                Reads(
                    replicas,
                    median(each.service for each in rounds),
                    median(each.primary for each in rounds),
                    median(each.replica for each in rounds),
                )
            )
        return found

    def _start(self, replica: PostgreSQL) -> None:
        """Starts the replica, and waits until it has all that the primary has."""
        self._stack.callback(replica.stop)
        replica.start()
        deadline = time.monotonic() + CATCHES_UP_WITHIN
        [(written,)] = self.primary.execute("SELECT pg_current_wal_lsn()::text")
        behind = f"SELECT pg_wal_lsn_diff('{written}', pg_last_wal_replay_lsn()) > 0"
        while replica.execute(behind) == [(True,)]:
            if time.monotonic() > deadline:
                raise RuntimeError("A replica does not catch up.")
            time.sleep(1)

    def _clients(self, server: Server) -> list[Client]:
        ids, tokens = self.target.ids, self.target.tokens
        each = len(ids) // len(tokens)
        return [
            self._stack.enter_context(
                closing(Client(server.port, token, ids[at * each : (at + 1) * each]))
            )
            for at, token in enumerate(tokens)
        ]

    def _written(self) -> int:
        """Bytes of WAL since the server was made."""
        [(written,)] = self.primary.execute(
            "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
        )
        return int(written)

    def _full_page_images(self, on: bool) -> None:
        value = "on" if on else "off"
        self.primary.execute(f"ALTER SYSTEM SET full_page_writes = {value}")
        self.primary.execute("SELECT pg_reload_conf()")
        while self.primary.execute("SHOW full_page_writes") != [(value,)]:
            time.sleep(0.05)

    def _stored(self) -> dict[str, float]:
        """Bytes of one task and of one event, with indexes."""
        found = {}
        for name, prefixes in STORED.items():
            parts = [
                self.primary.execute(
                    "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class "
                    f"WHERE relname ~ '^{prefix}(_p.*)?$' AND relkind = 'r'",
                    DATABASE,
                )[0][0]
                for prefix in prefixes
            ]
            [(rows,)] = self.primary.execute(
                f"SELECT count(*) FROM {prefixes[0]}", DATABASE
            )
            found[name] = sum(parts) / rows
        return found

    def _memory(self, server: Server) -> tuple[float, float]:
        """Megabytes that a worker, and a session of PostgreSQL, has for itself."""
        workers = psutil.Process(server.pid).children()
        sessions = [
            each
            for each in psutil.Process(self.primary.pid).children()
            if DATABASE in " ".join(each.cmdline())
        ]
        return _own(workers), _own(sessions)

    def _say(self, what: str) -> None:
        self._bar.set_description(what)


def replica_url(replicas: Sequence[PostgreSQL]) -> str:
    first = replicas[0]
    if len(replicas) == 1:
        return first.url(DATABASE)
    hosts = ",".join("127.0.0.1" for _ in replicas)
    ports = ",".join(str(each.port) for each in replicas)
    return (
        f"postgresql://postgres@/{DATABASE}?host={hosts}&port={ports}"
        "&load_balance_hosts=random"
    )


def _import_file(rows: int) -> str:
    """So many new tasks, as jsonl."""
    lines = [
        {"kind": "header", "format": "tasks", "version": 2},
        *(
            {"kind": "task", "external_id": f"import-{rows}-{row}", **new_task()}
            for row in range(rows)
        ),
        {"kind": "end", "records": rows},
    ]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _spent(servers: Sequence[PostgreSQL]) -> float:
    return sum(processes.cpu_seconds(each.pid) for each in servers)


def _own(of: Sequence[psutil.Process]) -> float:
    return median(each.memory_full_info().uss for each in of) / 1e6


def _children() -> float:
    """Seconds of the processors that ended children have used."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def parser() -> ArgumentParser:
    parse = ArgumentParser("costs", description=__doc__)
    add = parse.add_argument
    add("--tasks", type=int, default=100_000, help="default: 100,000")
    add("--requests", type=int, default=2_000, help="of each round; default: 2,000")
    add("--rounds", type=int, default=3, help="default: 3")
    what = parse.add_mutually_exclusive_group().add_argument
    what("--replicas", action="store_true", help="only lists, with none, one and two")
    what("--write", action="store_true", help="into docs/capacity.md")
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.tasks < options.requests * (options.rounds + 2) * DELETED:
        parser().error("--tasks: too few for the deletions of --requests and --rounds")
    return run(_main, options)


def _main(options: Namespace) -> int:
    steps = (REPLICAS + 1) * (options.rounds + 1)
    if not options.replicas:
        steps += len(OPERATIONS) * (options.rounds + 1) + 2
        steps += sum(each.writes for each in OPERATIONS)
    with ExitStack() as stack:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tasks-costs-")
        )
        bar = stack.enter_context(tqdm(total=steps, file=sys.stderr))
        bench = Bench(options, Path(directory), stack, bar)
        if options.replicas:
            print(capacity.reads_table(bench.replicated()))
            return 0
        measured = bench.measure()
    print(listed(machine.describe()))
    print("\n\n".join(capacity.measured_tables(measured).values()))
    if options.write:
        page = capacity.PAGE.read_text()
        capacity.PAGE.write_text(capacity.written(page, measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
