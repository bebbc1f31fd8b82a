"""`make bench-recovery`: how soon the service is as fast as before a crowd.

One caller reads tasks over some connections all the while. Then another one sends
thousands of requests at once, each on a connection of its own; the first goes on until all
of them are answered, and for five seconds more. What is printed are the first caller's
requests per second, and what the other one's were answered with.
"""

import socket
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import mean

from bench import load, machine
from bench.compare import run, say
from bench.contestants import Server, Stage, serving
from bench.figures import listed, table
from bench.operations import GET, HOST

WORKERS = 2
TASKS = 20_000
SECONDS = 5  # before the crowd, and after it
PATIENCE = 30.0  # seconds for each answer to the crowd
HEADS = ("before /s", "beside /s", "first second", "five seconds /s", "refused")


def connected(stack: ExitStack, port: int, size: int) -> list[socket.socket]:
    """Connections that have sent nothing yet."""
    return [
        stack.enter_context(socket.create_connection((HOST, port), PATIENCE))
        for _ in range(size)
    ]


def send_at_once(
    connections: Sequence[socket.socket], request: bytes
) -> tuple[Counter[str], float]:
    """How many were answered with which status, and the seconds until all were."""
    began = time.monotonic()
    for connection in connections:
        connection.sendall(request)
    answers = Counter(map(_status, connections))
    return answers, time.monotonic() - began


def _status(connection: socket.socket) -> str:
    """The status of the answer; "none" where the connection was closed, or nothing came."""
    try:
        return connection.recv(4_096)[9:12].decode() or "none"
    except OSError:
        return "none"


def row(server: Server, crowd: bytes, options: Namespace) -> tuple[str, ...]:
    refused = 0

    def second() -> float:
        nonlocal refused
        sent = load.send(server, GET, options.connections, 1)
        refused += sent["refused"]
        return (sent["requests"] - sent["refused"]) * 1e6 / sent["microseconds"]

    before = [second() for _ in range(SECONDS)]
    with ExitStack() as stack:
        connections = connected(stack, server.port, options.crowd)
        sending = stack.enter_context(ThreadPoolExecutor(1)).submit(
            send_at_once, connections, crowd
        )
        beside = []
        while not sending.done():
            beside.append(second())
        answers, seconds = sending.result()
    after = [second() for _ in range(SECONDS)]
    say(f"{options.crowd:,} answered in {seconds:.1f} s: {dict(answers)}")
    figures = (mean(before), mean(beside), after[0], mean(after), refused)
    return tuple(f"{figure:,.0f}" for figure in figures)


def parser() -> ArgumentParser:
    parse = ArgumentParser("recovery", description=__doc__)
    add = parse.add_argument
    add("--rounds", type=int, default=3, help="default: 3")
    add("--crowd", type=int, default=3_000, help="requests at once; default: 3,000")
    add("--connections", type=int, default=64, help="of the first caller; default: 64")
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    return run(_main, parser().parse_args(arguments))


def _main(options: Namespace) -> int:
    machine.require_wrk()
    machine.allow_connections(options.crowd)
    with ExitStack() as stack:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="tasks-bench-")
        )
        both = Stage(Path(directory), stack, TASKS, WORKERS, users=2).service
        first = replace(both, ids=both.own, tokens=both.tokens[:1])
        server = stack.enter_context(serving(first))
        headers = {"Authorization": f"Bearer {both.tokens[1]}"}
        request = GET.template(server.port, headers).replace("{id}", str(both.ids[-1]))
        rows = [row(server, request.encode(), options) for _ in range(options.rounds)]
    print("\n" + listed(machine.describe()))
    print("\n" + table(HEADS, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
