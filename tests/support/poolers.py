"""PgBouncer in transaction mode, with two connections for everything: it stands for Neon's
pooler, which is PgBouncer too."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

import psycopg

from tests.support.copies import free_port

POOL = 2  # connections to each database
CONFIGURATION = """
[databases]
* = host={host} port={server} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 500
"""
#: The first version that knows statements that clients prepare.
PREPARES = (1, 21)
STARTS_WITHIN = 10.0  # seconds


def missing(prepared: int = 0) -> str:
    """What a run lacks in which PgBouncer keeps this number of prepared statements; empty if
    nothing."""
    found = _version()
    if found is None:
        return "pgbouncer is not installed"
    if prepared and found < PREPARES:
        return f"pgbouncer {_dotted(found)} knows no prepared statements, {_dotted(PREPARES)} does"
    return ""


@contextmanager
def pooler(server_url: str, prepared: int = 0) -> Iterator[str]:
    """The URL of a database of a PostgreSQL through PgBouncer; others have other names."""
    parts = urlsplit(server_url)
    options = parse_qs(parts.query)
    host = options.get("host", [parts.hostname or "127.0.0.1"])[0]
    port = free_port()
    text = CONFIGURATION.format(
        host=host,
        server=parts.port or 5432,
        user=parts.username or "postgres",
        port=port,
        pool=POOL,
    )
    version = _version()
    if version and version >= PREPARES:
        text += f"max_prepared_statements = {prepared}\n"
    with TemporaryDirectory(prefix="tasks-pooler-") as directory:
        file = Path(directory) / "pgbouncer.ini"
        file.write_text(text)
        Path(directory).chmod(0o755)
        process = subprocess.Popen(
            ["pgbouncer", "--quiet", file],
            user=_user(host),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        url = parts._replace(netloc=f"postgres@127.0.0.1:{port}", query="").geturl()
        try:
            _wait_for(url)
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _user(host: str) -> str | None:
    """PgBouncer refuses to be root; the directory of a socket may be its owner's only."""
    if os.getuid() != 0:
        return None
    return Path(host).owner() if host.startswith("/") else "nobody"


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _version() -> tuple[int, ...] | None:
    if shutil.which("pgbouncer") is None:
        return None
    output = subprocess.check_output(["pgbouncer", "--version"], text=True)
    found = re.search(r"(\d+)\.(\d+)", output)
    return tuple(map(int, found.groups())) if found else (0,)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
