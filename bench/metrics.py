"""`make bench-metrics`: what /metrics costs. This service with and without it, in turns.

Both serve one PostgreSQL at the same time, and one of them at a time is asked, for a few
seconds: first the one, then the other, then the other way round. So what else the machine
does hits both alike. Each ratio is of the two runs of one turn; the median counts.
"""

import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench import load, machine
from bench.compare import run, say
from bench.contestants import Server, Stage, serving
from bench.figures import listed, table
from bench.load import Run
from bench.operations import OPERATIONS, Operation

#: Turns /metrics on.
TOKEN = {"METRICS_TOKEN": "0123456789abcdef"}
USERS = 8
WORKERS = 2
#: With it and without it.
Pair = tuple[Run, Run]


def pairs(
    servers: tuple[Server, Server], operation: Operation, options: Namespace
) -> Iterator[Pair]:
    for turn in range(options.turns):
        runs = {}
        for server in servers if turn % 2 else reversed(servers):
            runs[server] = load.measure(
                server, operation, options.connections, options.seconds, turn, None
            )
        on, off = (runs[server] for server in servers)
        say(
            f"turn {turn + 1}  {operation.name:14} {on.per_second:7,.0f}/s with, "
            f"{off.per_second:7,.0f}/s without, {on.errors + off.errors} errors"
        )
        yield on, off


def row(operation: Operation, found: Sequence[Pair]) -> tuple[str, ...]:
    speed = sorted(on.per_second / off.per_second for on, off in found)
    cpu = [on.app_cpu / off.app_cpu for on, off in found if on.app_cpu and off.app_cpu]
    return (
        operation.name,
        f"{median(on.per_second for on, _ in found):,.0f}",
        f"{median(off.per_second for _, off in found):,.0f}",
        f"{median(speed):.3f}",
        f"{speed[0]:.3f}-{speed[-1]:.3f}",
        f"{median(cpu):.3f}",
    )


def parser() -> ArgumentParser:
    names = [operation.name for operation in OPERATIONS]
    parse = ArgumentParser("metrics", description=__doc__)
    add = parse.add_argument
    add("--turns", type=int, default=10, help="default: 10")
    add("--seconds", type=int, default=3, help="of each run; default: 3")
    add("--connections", type=int, default=64, help="default: 64")
    add("--tasks", type=int, default=32_000, help="default: 32,000")
    add(
        "--operations",
        nargs="+",
        choices=names,
        default=["get", "list of 50", "create"],
    )
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    return run(_main, parser().parse_args(arguments))


def _main(options: Namespace) -> int:
    machine.require_wrk()
    with ExitStack() as stack:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tasks-bench-")
        )
        stage = Stage(Path(directory), stack, options.tasks, WORKERS, USERS)
        off = stage.service
        on = replace(off, env={**off.env, **TOKEN}, log=stage.log("with-metrics"))
        servers = (stack.enter_context(serving(on)), stack.enter_context(serving(off)))
        chosen = [each for each in OPERATIONS if each.name in options.operations]
        for operation in chosen:
            for server in servers:
                load.send(server, operation, options.connections, 1)  # warm-up
        rows = [row(each, list(pairs(servers, each, options))) for each in chosen]
    print("\n" + listed(machine.describe()))
    heads = ("operation", "with /s", "without /s", "ratio", "least-most", "CPU ratio")
    print("\n" + table(heads, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
