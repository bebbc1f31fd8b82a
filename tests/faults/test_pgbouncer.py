"""The service through PgBouncer in transaction mode, with two connections for everything,
which stands for Neon's pooler. Debian's PgBouncer 1.18 knows no prepared statements."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.faults.conftest import Start
from tests.faults.databases import Database
from tests.faults.load import Known, Record
from tests.faults.postgres import PostgreSQL, quiet_port

pytestmark = pytest.mark.skipif(
    shutil.which("pgbouncer") is None, reason="pgbouncer is not installed"
)
POOL = 2
CONFIGURATION = f"""
[databases]
* = host=127.0.0.1 port={{server}} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {{port}}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {POOL}
"""


@pytest.fixture
def pooled(
    postgresql: PostgreSQL, on_postgresql: Database, directory: Path
) -> Iterator[str]:
    """The URL of the database through the pooler."""
    port, file = quiet_port(), directory / "pgbouncer.ini"
    file.write_text(CONFIGURATION.format(server=postgresql.port, port=port))
    directory.chmod(0o755)
    process = subprocess.Popen(
        ["pgbouncer", "--quiet", file],
        # It refuses to be root.
        user="nobody" if os.getuid() == 0 else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    parts = urlsplit(on_postgresql.url)
    url = parts._replace(netloc=f"postgres@127.0.0.1:{port}").geturl()
    try:
        yield url
    finally:
        process.terminate()
        process.wait(10)


def test_two_connections_of_a_pooler_carry_the_load_of_all_threads(
    start: Start,
    postgresql: PostgreSQL,
    on_postgresql: Database,
    pooled: str,
    record: Record,
) -> None:
    service = start(on_postgresql, url=pooled, THREADS="4")

    with service.under_load(8) as load:
        load.proceed(200, within=30)
        with service.client() as client:
            assert client.send("GET", "/readyz").status == 200
            assert client.send("GET", "/api/tasks/export?format=jsonl").status == 200
            batch = {"operations": [{"op": "create", "body": {"title": "In a batch"}}]}
            reply = client.send("POST", "/api/tasks/batch", batch)
            task = reply.json()["results"][0]["task"]
            record.acknowledge(Known(*(task[name] for name in Known._fields)))
        opened = len(postgresql.backends(on_postgresql.name))

    assert opened <= POOL
    assert record.count(503) == 0
    assert '"status":500' not in service.output
    record.audit(on_postgresql)
    record.check()
