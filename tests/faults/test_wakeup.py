"""A PostgreSQL that was suspended and wakes up, as Neon's do: connections are accepted, and
answered seconds later."""

import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from uuid import uuid4

from tests.faults.conftest import Service, Start
from tests.faults.databases import Database
from tests.faults.load import AT_MOST, Record, Reply, until
from tests.faults.proxy import Proxy
from tests.faults.test_postgresql import burst


def test_all_threads_but_one_wait_for_a_database_that_wakes_up(
    start: Start, on_postgresql: Database, proxy: Proxy, record: Record
) -> None:
    service = start(
        on_postgresql, url=proxied(on_postgresql, proxy), THREADS="6", WORKERS="1"
    )
    until(lambda: burst(service) and proxy.accepted >= 6)

    for seconds in (2.0, AT_MOST + 1.0):
        wake_up(service, proxy, seconds)
    record.check(on_postgresql)


def test_a_database_that_does_not_wake_up_is_given_up_after_the_connect_timeout(
    start: Start, on_postgresql: Database, proxy: Proxy, record: Record
) -> None:
    url = proxied(on_postgresql, proxy)
    service = start(on_postgresql, url=url, DATABASE_CONNECT_TIMEOUT="2", WORKERS="1")
    until(lambda: burst(service) and proxy.accepted >= 2)

    proxy.freeze()
    proxy.cut()
    with service.client() as client:
        first = client.send("GET", "/api/tasks")
        later = [client.send("GET", "/api/tasks") for _ in range(3)]
        proxy.thaw()
        client.insist("GET", "/api/tasks")

    assert (first.status, [reply.status for reply in later]) == (503, [503] * 3)
    assert 1.9 < first.seconds < AT_MOST
    assert min(reply.seconds for reply in later) < 1.0  # it is known to be silent
    record.check()


def wake_up(service: Service, proxy: Proxy, seconds: float) -> None:
    """The database has closed its connections, accepts new ones, and is silent while it wakes
    up: five of eight callers wait for it, three are refused, and health is told."""
    proxy.freeze()
    asleep = time.monotonic()
    proxy.cut()
    asked = proxy.accepted
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(create_or_list, service, number) for number in range(5)]
        until(lambda: proxy.accepted == asked + 5)
        with service.client() as client:
            refused = [client.send("GET", "/api/tasks") for _ in range(3)]
            health = [
                client.send("GET", "/livez"),
                client.send("GET", "/api/nothing"),
                client.send("POST", "/api/tasks/1"),
                client.send("GET", "/readyz"),
            ]
        time.sleep(max(0.0, asleep + seconds - time.monotonic()))
        proxy.thaw()
        answers = [reply.result(timeout=20) for reply in waiting]

    assert [reply.status for reply in answers] == [201, 200, 201, 200, 201]
    assert [reply.status for reply in refused] == [503] * 3
    assert [reply.status for reply in health] == [200, 404, 405, 503]
    assert max(reply.seconds for reply in [*refused, *health[:3]]) < 1.5
    assert proxy.accepted == asked + 6  # the last one was /readyz
    assert {reply.status for reply in burst(service)} == {200}


def proxied(database: Database, proxy: Proxy) -> str:
    """The database through the proxy."""
    parts = urlsplit(database.url)
    return parts._replace(netloc=f"postgres@127.0.0.1:{proxy.port}").geturl()


def create_or_list(service: Service, number: int) -> Reply:
    """One request: a write of an even number, else a read."""
    with service.client() as client:
        if number % 2:
            return client.send("GET", "/api/tasks")
        body = {"title": f"Waiting {number} {uuid4()}"}
        reply = client.send("POST", "/api/tasks", body, key=str(uuid4()))
        client.acknowledge(reply, 201)
        return reply
