"""One run: wrk against one operation of a server, and what it cost."""

import json
import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.contestants import Server
from bench.operations import HOST, Operation

SCRIPT = Path(__file__).with_name("load.lua")
GIVES_UP_AFTER = 10  # seconds without an answer; wrk counts it as an error
SETTLES_WITHIN = 15.0  # seconds


@dataclass(frozen=True)
class Run:
    """What one run measured. Figures that cannot be had are None."""

    contestant: str
    title: str
    operation: str
    connections: int
    round: int
    seconds: float
    requests: int  # with the status that the operation promises
    per_second: float
    # Milliseconds; wrk also counts what a client that waited could not send meanwhile.
    p50: float | None
    p99: float | None
    errors: int  # other statuses, broken connections, and answers after 10 s
    unanswered: int  # connections that had no answer at all, at least
    app_cpu: float | None  # milliseconds a request, user and system
    postgres_cpu: float | None
    rss: float | None  # megabytes
    pss: float | None
    stuck: bool = False  # it answered nobody any more afterwards


def measure(
    server: Server,
    operation: Operation,
    connections: int,
    seconds: int,
    round_: int,
    postgres_pid: int | None,
) -> Run:
    """Sends for `seconds`; then waits until the server has worked off what it had."""
    target = server.target
    if not target.on_postgres:
        postgres_pid = None
    app_before = processes.cpu_seconds(server.pid)
    postgres_before = _cpu(postgres_pid)
    sent = send(server, operation, connections, seconds)
    app = processes.cpu_seconds(server.pid) - app_before
    postgres = _cpu(postgres_pid) - postgres_before
    used = processes.memory(server.pid)
    settle(server.pid)
    all_answered = sent["requests"]
    good = all_answered - sent["refused"]
    lasted = sent["microseconds"] / 1e6
    return Run(
        target.name,
        target.title,
        operation.name,
        connections,
        round_,
        lasted,
        good,
        good / lasted,
        sent["p50"] / 1e3 if all_answered else None,
        sent["p99"] / 1e3 if all_answered else None,
        sum(sent[kind] for kind in ("refused", "connect", "read", "write", "timeout")),
        max(0, connections - all_answered),
        app * 1e3 / all_answered if all_answered else None,
        postgres * 1e3 / all_answered if all_answered and postgres_pid else None,
        used.rss,
        used.pss,
    )


def send(
    server: Server, operation: Operation, connections: int, seconds: int
) -> dict[str, int]:
    """Lets wrk send this one operation; returns its own counts."""
    target = server.target
    template = target.log.with_suffix(".request")
    template.write_text(operation.template(server.port, target.headers), newline="")
    first, last = target.ids[0], target.ids[-1]
    wrk = subprocess.Popen(
        [
            *("wrk", "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds}s", "--timeout", f"{GIVES_UP_AFTER}s"),
            *("--script", str(SCRIPT), f"http://{HOST}:{server.port}/", "--"),
            *(str(template), str(first), str(last), str(random.randrange(2**31))),
            *target.tokens,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = wrk.communicate(timeout=seconds + 60)
    finally:
        if wrk.poll() is None:
            wrk.kill()
            wrk.wait()
    last_line = output.strip().splitlines()[-1:]
    if wrk.returncode or not last_line or not last_line[0].startswith("{"):
        raise RuntimeError(f"wrk failed:\n{output}")
    counts: dict[str, int] = json.loads(last_line[0])
    return counts


def settle(pid: int) -> None:
    """Waits until the tree is idle: requests whose clients are gone are still served."""
    deadline = time.monotonic() + SETTLES_WITHIN
    spent = processes.cpu_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.25)
        before, spent = spent, processes.cpu_seconds(pid)
        if spent - before <= 0.02:
            return


def _cpu(pid: int | None) -> float:
    return processes.cpu_seconds(pid) if pid else 0.0
