"""The floor: the statements of the operations through pgbench, without any server.

Nothing that answers over HTTP and asks this PostgreSQL can cost less.
"""

import os
import resource
import subprocess
import tempfile
from itertools import chain
from pathlib import Path

from bench import machine, processes
from bench.contestants import COLUMNS, Target
from bench.load import Run
from bench.operations import CREATE, FILTERED, GET, LIST, PATCH, TOGGLE, Operation

MODES = ("prepared", "simple")
STATEMENTS = {
    GET: f"SELECT {COLUMNS} FROM task WHERE id = :id AND owner = :owner;",
    LIST: f"SELECT {COLUMNS} FROM task WHERE owner = :owner ORDER BY id DESC LIMIT 50;",
    FILTERED: f"SELECT {COLUMNS} FROM task WHERE owner = :owner AND NOT completed "
    "ORDER BY id DESC LIMIT 50;",
    CREATE: "INSERT INTO task (title, description, owner) VALUES "
    "('Buy oat milk ' || :serial, 'The barista kind.', :owner) "
    f"RETURNING {COLUMNS};",
    PATCH: "UPDATE task SET title = 'Buy oat milk ' || :serial, updated_at = now(), "
    f"version = version + 1 WHERE id = :id AND owner = :owner RETURNING {COLUMNS};",
    TOGGLE: "UPDATE task SET completed = NOT completed, completed_at = CASE WHEN "
    "completed THEN NULL ELSE now() END, updated_at = now(), version = version + 1 "
    f"WHERE id = :id AND owner = :owner RETURNING {COLUMNS};",
}


def measure(
    target: Target,
    operation: Operation,
    mode: str,
    connections: int,
    seconds: int,
    round_: int,
    postgres_pid: int | None,
) -> Run:
    """As `load.measure`; what it says of the application is pgbench's own share."""
    with tempfile.TemporaryDirectory(prefix="tasks-pgbench-") as name:
        directory = Path(name)
        script = directory / "script"
        script.write_text(
            f"\\set id random({target.ids[0]}, {target.ids[-1]})\n"
            "\\set serial random(100000000, 999999999)\n"
            f"{STATEMENTS[operation]}\n"
        )
        before = processes.cpu_seconds(postgres_pid) if postgres_pid else 0.0
        own_before = _children_cpu()
        _pgbench(target, script, mode, connections, seconds)
        own = _children_cpu() - own_before
        spent = processes.cpu_seconds(postgres_pid) - before if postgres_pid else 0.0
        logs = (path.open() for path in directory.glob("latency.*"))
        # A transaction a line; its third word is microseconds.
        waits = sorted(int(line.split()[2]) for line in chain.from_iterable(logs))
    count = len(waits)
    return Run(
        f"pgbench-{mode}",
        f"pgbench, {mode}",
        operation.name,
        connections,
        round_,
        float(seconds),
        count,
        count / seconds,
        waits[count // 2] / 1e3 if count else None,
        waits[count * 99 // 100] / 1e3 if count else None,
        0,
        0,
        own * 1e3 / count if count else None,
        spent * 1e3 / count if count and postgres_pid else None,
        None,
        None,
    )


def _pgbench(
    target: Target, script: Path, mode: str, connections: int, seconds: int
) -> None:
    process = subprocess.Popen(
        [
            *(str(machine.pgbench()), "--no-vacuum", "--file", str(script)),
            *("--protocol", mode, "--client", str(connections), "--jobs", "1"),
            *("--time", str(seconds), "--define", f"owner={target.owner}"),
            *("--log", "--log-prefix", str(script.with_name("latency"))),
            target.database_url,
        ],
        env=os.environ | {"PGOPTIONS": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds + 60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise RuntimeError(f"pgbench failed:\n{output}")


def _children_cpu() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime
