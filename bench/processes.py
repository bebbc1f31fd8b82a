"""Processes that the bench starts, and what a tree of processes costs."""

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

STOPS_WITHIN = 10.0  # seconds


@dataclass(frozen=True)
class Memory:
    """Megabytes of all processes of a tree: `rss` counts what they share once for each,
    `pss` once."""

    rss: float
    pss: float


def start(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """In a session of its own: Ctrl-C reaches the bench, which then stops it."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Stops it with all it started: asked first, killed if it stays."""
    started = tree(process.pid)
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN)
    for left in started:
        with suppress(psutil.NoSuchProcess):
            # psutil knows a process by its start time too: never another one's id.
            left.kill()
    process.wait(STOPS_WITHIN)


def tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """User and system time that the tree has used since it began. A process that has
    ended counts through the one that waited for it, so none is lost or counted twice."""
    total = 0.0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system
            total += spent.children_user + spent.children_system
    return total


def memory(pid: int) -> Memory:
    rss = pss = 0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            used = process.memory_full_info()
            rss += used.rss
            pss += used.pss
    return Memory(rss / 1e6, pss / 1e6)


def resident(pid: int) -> dict[int, float]:
    """Megabytes of RSS of each process of the tree, by process id."""
    found = {}
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            found[process.pid] = process.memory_info().rss / 1e6
    return found
