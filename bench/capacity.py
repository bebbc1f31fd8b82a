"""What docs/capacity.md works out from the measured costs: its tables, by arithmetic alone.

The page has a block for each table, between `<!-- NAME -->` and `<!-- end -->`. `MEASURED` are
the blocks that `bench.costs` writes; `filled` computes the others from them, and a test
compares the page with that."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bench.figures import table
from bench.machine import ROOT

PAGE = ROOT / "docs" / "capacity.md"
BLOCK = re.compile(r"(<!-- (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
CORES = (1, 8, 64)
#: Servers of PostgreSQL that share the users.
SERVERS = 16
POSTGRESQL_CORES = (8, 64, SERVERS * 64)
#: The part of the processors that is used: beyond it, requests wait for one another.
BUSY = 0.7
#: Of a hundred requests of an app; the others of the measured operations are rare.
MIX = {
    "empty poll of the feed": 50,
    "get": 20,
    "list of 50": 15,
    "create": 5,
    "patch": 5,
    "toggle": 4,
    "delete": 1,
}
WRITES = ("create", "patch", "toggle", "delete")
#: The operations whose number on one machine is shown.
SHOWN = ("get", "list of 50", "empty poll of the feed", "create", "patch")
#: Requests a minute of somebody who uses an app.
PACE = 6
EVENT_DAYS = 90
#: Memory of PostgreSQL's machine that holds tables and indexes.
GB_A_CORE = 4
#: Hours in which all is written that is written in a day.
BUSY_HOURS = 3
FSYNC = {"0.1 ms (NVMe with a protected cache)": 0.1, "1 ms (a cloud's disk)": 1.0}
FSYNC |= {"5 ms (a disk that is shared, or a synchronous replica)": 5.0}
#: Milliseconds of a round trip from the service to PostgreSQL in the same data centre.
ROUND_TRIP = 0.2


@dataclass(frozen=True)
class Cost:
    """Of one request: milliseconds of the processors, statements, and KB of WAL, without full
    page images and with those of requests after a checkpoint."""

    name: str
    service: float
    postgresql: float
    statements: float
    wal: float
    wal_after_checkpoint: float = 0.0

    @property
    def both(self) -> float:
        return self.service + self.postgresql


@dataclass(frozen=True)
class Reads:
    """Milliseconds of the processors that a list of 50 takes with so many replicas."""

    replicas: int
    service: float
    primary: float
    replica: float


@dataclass(frozen=True)
class Measured:
    """`stored`: bytes of a task and of an event, megabytes of a worker and of a session."""

    costs: dict[str, Cost]
    reads: dict[int, Reads]
    stored: dict[str, float]

    def mix(self) -> Cost:
        """What a request of the mix costs."""
        parts = [(self.costs[name], number / 100) for name, number in MIX.items()]
        return Cost(
            "the mix",
            sum(cost.service * part for cost, part in parts),
            sum(cost.postgresql * part for cost, part in parts),
            sum(cost.statements * part for cost, part in parts),
            sum(cost.wal * part for cost, part in parts),
            sum(cost.wal_after_checkpoint * part for cost, part in parts),
        )


# What was measured


def measured_tables(measured: Measured) -> dict[str, str]:
    operations = [
        (
            each.name,
            *(f"{value:.3f}" for value in (each.service, each.postgresql)),
            f"{each.statements:.0f}" if each.statements else "–",
            f"{each.wal:.1f}" if each.wal else "–",
            f"{each.wal_after_checkpoint:.0f}" if each.wal_after_checkpoint else "–",
        )
        for each in measured.costs.values()
    ]
    return {
        "operations": table(
            (
                *("operation", "service ms", "PostgreSQL ms", "statements"),
                *("WAL KB", "WAL KB after a checkpoint"),
            ),
            operations,
        ),
        "stored": table(
            ("one", "bytes or MB"),
            [
                ("task, with its tags and all indexes", _bytes(measured, "task")),
                ("event, with all indexes", _bytes(measured, "event")),
                ("worker of the service", f"{measured.stored['worker']:.0f} MB"),
                ("session of PostgreSQL", f"{measured.stored['session']:.1f} MB"),
            ],
        ),
        "replicas": reads_table(measured.reads.values()),
    }


def reads_table(reads: Iterable[Reads]) -> str:
    rows = [
        (
            str(each.replicas),
            *(f"{ms:.3f}" for ms in (each.service, each.primary, each.replica)),
        )
        for each in reads
    ]
    return table(("replicas", "service ms", "primary ms", "replicas ms"), rows)


def _bytes(measured: Measured, name: str) -> str:
    return f"{measured.stored[name]:,.0f} bytes"


def read(page: str) -> Measured:
    """What the page says was measured."""
    rows = {
        name: [
            [cell.strip() for cell in line[1:-1].split("|")]
            for line in body.splitlines()[2:]
        ]
        for _, name, body, _ in BLOCK.findall(page)
    }
    costs = {
        name: Cost(name, *map(_number, cells)) for name, *cells in rows["operations"]
    }
    reads = {
        int(replicas): Reads(int(replicas), *map(_number, cells))
        for replicas, *cells in rows["replicas"]
    }
    stored = {
        name.split()[0].strip(","): _number(cell) for name, cell in rows["stored"]
    }
    return Measured(costs, reads, stored)


def _number(cell: str) -> float:
    return 0.0 if cell == "–" else float(cell.split()[0].replace(",", ""))


# What follows from it


def about(value: float) -> str:
    """Two significant digits: more would be pretended."""
    return f"{float(f'{value:.2g}'):,.0f}" if value >= 10 else f"{value:.2g}"


def per_second(cores: int, milliseconds: float) -> float:
    return BUSY * cores * 1_000 / milliseconds


def worked_tables(measured: Measured) -> dict[str, str]:
    mix = measured.mix()
    return {
        "mix": _of_mix(measured, mix),
        "machines": _of_machines(measured, mix),
        "database": _of_database(measured, mix),
        "owner": _of_owner(measured),
        "reads": _of_reads(measured),
        "months": _of_months(measured, mix),
    }


def _of_mix(measured: Measured, mix: Cost) -> str:
    def sums(part: str) -> str:
        terms = (
            f"{n} × {getattr(measured.costs[it], part):.3g}" for it, n in MIX.items()
        )
        return f"({' + '.join(terms)}) ÷ 100"

    return table(
        ("a request of the mix", "", "sum"),
        [
            ("ms of the service", sums("service"), f"{mix.service:.3f}"),
            ("ms of PostgreSQL", sums("postgresql"), f"{mix.postgresql:.3f}"),
            ("KB of WAL", sums("wal"), f"{mix.wal:.2f}"),
        ],
    )


def _of_machines(measured: Measured, mix: Cost) -> str:
    rows = [
        (each.name, *(about(per_second(cores, each.both)) for cores in CORES))
        for each in (*(measured.costs[name] for name in SHOWN), mix)
    ]
    people = (about(per_second(cores, mix.both) * 60 / PACE) for cores in CORES)
    rows.append((f"people at {PACE} requests a minute of the mix", *people))
    return table(("requests a second", *map(_cores, CORES)), rows)


def _of_database(measured: Measured, mix: Cost) -> str:
    columns = []
    for cores in POSTGRESQL_CORES:
        requests = per_second(cores, mix.postgresql)
        writes = requests * _written_part()
        service = requests * mix.service / BUSY / 1_000
        sessions = service * 11
        columns.append(
            (
                about(requests),
                about(writes),
                about(requests * mix.wal / 1e3),
                about(service),
                about(sessions),
                about(sessions * measured.stored["session"] / 1e3),
                about(cores * GB_A_CORE * 1e3 / measured.stored["task"]),
                about(requests * 60 / PACE),
            )
        )
    what = (
        ("requests/s of the mix", "0.7 × 1,000 × cores ÷ PostgreSQL ms"),
        ("of which writes/s", f"× {_written_part():.2f}"),
        ("WAL, MB/s", "requests × WAL KB ÷ 1,000"),
        ("cores of the service", "requests × service ms ÷ 0.7 ÷ 1,000"),
        ("sessions", "11 (`THREADS` + 5) for each worker"),
        ("their memory, GB", "sessions × MB ÷ 1,000"),
        (f"million tasks in {GB_A_CORE} GB a core", "GB × 1,000 ÷ bytes of a task"),
        ("people", f"requests × 60 ÷ {PACE}"),
    )
    rows = [(*names, *cells) for names, *cells in zip(what, *columns, strict=True)]
    return table(
        ("PostgreSQL alone on", "", *map(_cores, CORES[1:]), f"{SERVERS} × 64 cores"),
        rows,
    )


def _of_owner(measured: Measured) -> str:
    patch = measured.costs["patch"].postgresql
    batch = next(it for name, it in measured.costs.items() if "batch" in name)
    rows = []
    for name, fsync in FSYNC.items():
        held = batch.postgresql + batch.statements * ROUND_TRIP + fsync
        rows.append((name, about(1_000 / (patch + fsync)), about(50_000 / held)))
    return table(
        ("writing WAL to the disk", "single writes/s", "in batches of 50"), rows
    )


def _of_reads(measured: Measured) -> str:
    cores = CORES[1]
    rows = []
    for each in measured.reads.values():
        primary = per_second(cores, each.primary)
        replicas = (
            per_second(cores, each.replica) * each.replicas if each.replica else 0
        )
        carried = min(primary, replicas) if each.replicas else primary
        needed = primary / per_second(cores, each.replica) if each.replica else 0
        rows.append(
            (
                str(each.replicas),
                about(primary),
                about(replicas) if replicas else "–",
                about(carried),
                about(needed) if needed else "–",
            )
        )
    return table(
        (
            "replicas",
            "the primary ends at",
            "the replicas end at",
            "lists/s",
            "replicas that it could feed",
        ),
        rows,
    )


def _of_months(measured: Measured, mix: Cost) -> str:
    rows = []
    for cores in CORES:
        writes = per_second(cores, mix.both) * _written_part()
        events = writes * BUSY_HOURS * 3_600
        size = events * measured.stored["event"] / 1e9
        rows.append(
            (
                _cores(cores),
                about(writes),
                about(events / 1e6),
                about(size),
                about(size * 30),
                about(size * EVENT_DAYS),
            )
        )
    return table(
        (
            "everything on",
            "writes/s",
            "million events a day",
            "GB a day",
            "GB a month",
            f"GB in {EVENT_DAYS} days",
        ),
        rows,
    )


def _written_part() -> float:
    return sum(MIX[name] for name in WRITES) / 100


def _cores(number: int) -> str:
    return "1 core" if number == 1 else f"{number} cores"


# The page


def filled(page: str) -> str:
    """The page with the tables that follow from those that were measured."""
    return _with_blocks(page, worked_tables(read(page)))


def written(page: str, measured: Measured) -> str:
    """The page with other measured costs, and what follows from them."""
    return filled(_with_blocks(page, measured_tables(measured)))


def _with_blocks(page: str, blocks: dict[str, str]) -> str:
    def block(found: re.Match[str]) -> str:
        begin, name, body, end = found.groups()
        return begin + (f"{blocks[name]}\n" if name in blocks else body) + end

    return BLOCK.sub(block, page)


def main() -> None:
    """`python -m bench.capacity` works the tables out anew."""
    PAGE.write_text(filled(PAGE.read_text()))


if __name__ == "__main__":
    main()
