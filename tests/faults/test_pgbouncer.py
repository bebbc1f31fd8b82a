"""The service under load through PgBouncer. `make test-pgbouncer` has the suite go through it."""

from collections.abc import Iterator

import pytest

from tests.faults.conftest import Start
from tests.faults.databases import Database
from tests.faults.load import Known, Record
from tests.faults.postgres import PostgreSQL
from tests.support.poolers import POOL, missing, pooler

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture
def pooled(on_postgresql: Database) -> Iterator[str]:
    """The URL of the database through the pooler."""
    with pooler(on_postgresql.url) as url:
        yield url


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
    record.check(on_postgresql)
