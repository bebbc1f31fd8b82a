"""Three instances of the service on one PostgreSQL, behind nginx with deploy/nginx.conf."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.faults.conftest import Service, Start
from tests.faults.databases import Database
from tests.faults.load import Client, Record, loaded
from tests.faults.test_migrate import migrating
from tests.faults.test_postgresql import next_version
from tests.faults.test_proxies import running

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="nginx is not installed"
)
INSTANCES = 3
CLIENTS = 3


class Instances:
    """The instances, and the port of nginx in front of them."""

    def __init__(self, start: Start, database: Database) -> None:
        self._start = start
        self.database = database
        self.all = [start(database, WORKERS="1") for _ in range(INSTANCES)]

    def clients(self) -> list[Client]:
        """Of each instance by itself."""
        return [instance.client() for instance in self.all]

    def replace(self, **env: str) -> None:
        """Stops one after the other, and starts it again in this environment. The last one
        is away meanwhile: of two, one is stopped as soon as the other is back."""
        away = self.all.pop()
        self._stop(away)
        for number, instance in enumerate(self.all):
            self._stop(instance)
            self.all[number] = self._start_again(instance, env)
        self.all.append(self._start_again(away, env))

    def _stop(self, instance: Service) -> None:
        instance.process.terminate()
        assert instance.process.wait(30) == 0

    def _start_again(self, instance: Service, env: dict[str, str]) -> Service:
        port = str(instance.port)
        again = self._start(self.database, WORKERS="1", PORT=port, **env)
        assert again.port == instance.port
        with again.client() as client:
            assert client.send("GET", "/readyz").status == 200
        return again


@pytest.fixture
def instances(start: Start, on_postgresql: Database) -> Instances:
    return Instances(start, on_postgresql)


@pytest.fixture
def port(instances: Instances) -> Iterator[int]:
    with running("nginx", *(instance.port for instance in instances.all)) as port:
        yield port


def test_a_rolling_deploy_with_a_migration_fails_no_request(
    instances: Instances, port: int, record: Record, tmp_path: Path
) -> None:
    """Two hosts migrate at once, while all instances are of the version that does not
    know the migration. Then one instance after the other is replaced."""
    database, environment = instances.database, next_version(tmp_path)
    outputs = [tmp_path / "one", tmp_path / "another"]

    def client() -> Client:
        return Client(port, database.token, record)

    assert_shared(*instances.clients())
    with loaded(client, record, CLIENTS) as load:
        both = [migrating(database.url, it, **environment) for it in outputs]
        assert [migrate.wait(60) for migrate in both] == [0, 0]
        load.proceed()
        instances.replace(**environment)
        load.proceed()

    assert sum("9999_note... OK" in it.read_text() for it in outputs) == 1
    record.notes.append(f"slowest {max(it.seconds for it in record.replies):.2f} s")
    assert record.count(503) == 0
    record.check(database)


def assert_shared(one: Client, two: Client, three: Client) -> None:
    """What one instance does the others know at once: keys, tokens, the feed, and the
    counts of failed sign-ins."""
    key = str(uuid4())
    first = one.send("POST", "/api/tasks", {"title": "Once"}, key=key)
    second = two.send("POST", "/api/tasks", {"title": "Once"}, key=key)
    assert (first.status, second.status) == (201, 201)
    assert (second.replayed, second.body) == (True, first.body)

    one.acknowledge(first, 201, title="Once")
    feed = three.send("GET", "/api/changes").json()["items"]
    assert [event["task_id"] for event in feed] == [first.json()["id"]]

    made = one.send("POST", "/api/tokens", {"name": "Laptop"}).json()
    bearer = {"Authorization": f"Bearer {made['secret']}"}
    for each in (two, three):
        assert each.send("GET", "/api/tasks", headers=bearer).status == 200
    assert two.send("DELETE", f"/api/tokens/{made['id']}").status == 204
    for each in (one, three):
        assert each.send("GET", "/api/tasks", headers=bearer).status == 401

    wrong = {"username": "alice", "password": "not this one"}
    path = "/api/auth/app/v1/auth/login"
    statuses = [
        (one, two, three)[turn % 3].send("POST", path, wrong).status
        for turn in range(12)
    ]
    assert statuses == [400] * 10 + [429] * 2
