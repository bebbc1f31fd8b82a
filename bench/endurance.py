"""What a server does with thousands of idle clients, and over many requests."""

import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from statistics import median

from bench import machine, processes
from bench.contestants import Server, Target, serving
from bench.figures import number, table
from bench.load import send
from bench.operations import GET, HOST, OPERATIONS, Operation, ask

TOGETHER = 100  # clients that connect at once
FRESH = 20  # new clients, one after another
CHUNK = 10  # seconds of one operation
SLOWEST = 50.0  # requests a second, below which a soak ends unfinished
SOAK_CONNECTIONS = 64


@dataclass(frozen=True)
class Idle:
    """New clients beside idle ones: milliseconds from connecting to the whole answer."""

    contestant: str
    title: str
    clients: int
    connecting: float  # seconds until all had had an answer and fell idle
    left: int  # that the server still holds afterwards
    p50: float
    worst: float
    rss: float  # megabytes


def idle(target: Target, counts: Sequence[int]) -> list[Idle]:
    """For each count: that many clients, each of which was answered once and keeps its
    connection, and then new ones."""
    machine.allow_connections(max(counts))
    found = []
    for count in counts:
        with serving(target) as server:
            began = time.monotonic()
            with _idle_clients(server, count) as clients:
                connecting = time.monotonic() - began
                waits = [_fresh(server) for _ in range(FRESH)]
                left = count - _closed(clients)
                rss = processes.memory(server.pid).rss
        found.append(
            Idle(
                target.name,
                target.title,
                count,
                connecting,
                left,
                median(waits),
                max(waits),
                rss,
            )
        )
    return found


def idle_table(found: Sequence[Idle]) -> str:
    headings = (
        "a new client beside",
        "idle clients",
        "connected in s",
        "still connected",
        "p50 ms",
        "worst ms",
        "RSS MB",
    )
    return table(
        headings,
        [
            (
                each.title,
                f"{each.clients:,}",
                number(each.connecting),
                f"{each.left:,}",
                number(each.p50),
                number(each.worst),
                number(each.rss, 0),
            )
            for each in found
        ],
    )


@contextmanager
def _idle_clients(server: Server, count: int) -> Iterator[list[socket.socket]]:
    request = _request(server, GET)
    clients: list[socket.socket] = []
    with ExitStack() as stack:
        while len(clients) < count:
            # Many at once, so that the first has not been idle for long at the end.
            new = [
                stack.enter_context(socket.create_connection((HOST, server.port), 30))
                for _ in range(min(TOGETHER, count - len(clients)))
            ]
            for client in new:
                client.sendall(request)
            for client in new:
                if b" 200 " not in client.recv(65_536)[:20]:
                    raise RuntimeError("an idle client was refused")
            clients += new
        yield clients


def _request(server: Server, operation: Operation) -> bytes:
    target = server.target
    template = operation.template(server.port, target.own_headers)
    return template.replace("{id}", str(target.ids[0])).encode()


def _fresh(server: Server) -> float:
    began = time.perf_counter()
    ask(server.port, server.target.own_headers, GET, server.target.own[-1], 60)
    return (time.perf_counter() - began) * 1e3


def _closed(clients: Sequence[socket.socket]) -> int:
    """How many connections the server has ended."""
    poll = select.poll()
    for client in clients:
        client.setblocking(False)
        poll.register(client, select.POLLIN | select.POLLRDHUP)
    ended = select.POLLRDHUP | select.POLLHUP | select.POLLERR
    return sum(1 for _, event in poll.poll(0) if event & ended)


@dataclass(frozen=True)
class Soak:
    """RSS in megabytes of each process, by its id, when so many requests were done."""

    requests: int
    resident: dict[int, float]


def soak(target: Target, count: int) -> list[Soak]:
    """All operations in turn until `count` requests were answered. The first entry is
    after a warm-up of a twentieth: before it, caches are still filling."""
    steps: list[Soak] = []
    with serving(target) as server:
        done = 0
        marks = [count // 20, *(count * step // 4 for step in (1, 2, 3, 4))]
        deadline = time.monotonic() + count / SLOWEST + 60
        turn = 0
        while marks and time.monotonic() < deadline:
            operation = OPERATIONS[turn % len(OPERATIONS)]
            sent = send(server, operation, SOAK_CONNECTIONS, _seconds(count))
            if sent["refused"]:
                raise RuntimeError(f"{operation.name}: {sent['refused']} errors")
            done += sent["requests"]
            turn += 1
            if done >= marks[0]:
                steps.append(Soak(done, processes.resident(server.pid)))
                marks = [mark for mark in marks if mark > done]
    return steps


def _seconds(count: int) -> int:
    """Shorter for a short soak, so that it has all operations in it too."""
    return max(1, min(CHUNK, count // 20_000))


def soak_table(steps: Sequence[Soak]) -> str:
    pids = sorted({pid for step in steps for pid in step.resident})
    headings = ("requests", *(f"RSS MB of process {pid}" for pid in pids))
    rows = [
        (
            f"{step.requests:,}",
            *(number(step.resident.get(pid)) for pid in pids),
        )
        for step in steps
    ]
    return table(headings, rows)


def documents(found: Sequence[Idle] | Sequence[Soak]) -> list[dict[str, object]]:
    return [asdict(each) for each in found]
