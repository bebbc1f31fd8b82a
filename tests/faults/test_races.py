"""Many at once on the same thing: a live service, real connections, both databases."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier, Event
from uuid import uuid4

from tests.faults.conftest import Service
from tests.faults.load import Client, Known, Record, Reply, known, under_way

# What one racer does, given its client and its number.
Act = Callable[[Client, int], Reply]
FEED = "SELECT sequence FROM tasks_event ORDER BY sequence"


def test_of_a_hundred_with_the_same_version_exactly_one_wins_each_round(
    service: Service, record: Record
) -> None:
    with service.client() as client:
        task = client.create("Round 0")

    with racers(service, 100) as race:
        for turn in range(1, 6):
            replies = race(patch_at(task))
            winners = [reply for reply in replies if reply.status == 200]
            losers = [reply for reply in replies if reply.status == 412]
            assert (len(winners), len(losers)) == (1, 99)
            task = known(winners[0])
            assert task.version == turn + 1
            assert {reply.json()["current"]["title"] for reply in losers} == {
                task.title
            }
            record.acknowledge(task)

    record.check(service.database)


def test_fifty_requests_with_one_key_make_one_task(
    service: Service, record: Record
) -> None:
    key, body = str(uuid4()), {"title": "Only once"}

    with racers(service, 50) as race:
        replies = race(
            lambda client, _: client.send("POST", "/api/tasks", body, key=key)
        )
        assert {reply.status for reply in replies} <= {201, 409}
        assert all(under_way(reply) for reply in replies if reply.status == 409)
        assert all(
            "Retry-After" in reply.headers for reply in replies if under_way(reply)
        )
        created = [reply for reply in replies if reply.status == 201]
        assert sum(not reply.replayed for reply in created) == 1

        before = record.count(409)
        again = race(
            lambda client, _: client.insist("POST", "/api/tasks", body, key=key)
        )
        assert {(reply.status, reply.replayed) for reply in again} == {(201, True)}
        assert {reply.body for reply in created + again} == {created[0].body}
        told = record.count(409) - before
        record.notes.append(f"{told} x 409 to 50 replays of the finished request")
    with service.client() as client:
        client.acknowledge(created[0], 201, **body, version=1)

    record.check(service.database)


def test_fifty_toggles_at_once_each_see_their_own(
    service: Service, record: Record
) -> None:
    with service.client() as client:
        task = client.create("Toggled")

    with racers(service, 50) as race:
        path = f"/api/tasks/{task.id}/toggle"
        replies = race(lambda client, _: client.send("POST", path))
    seen = sorted((known(reply) for reply in replies), key=lambda task: task.version)

    # Each answer is a state that was: version 2 completed, 3 open, 4 completed, ...
    assert [task.version for task in seen] == list(range(2, 52))
    assert all(task.completed == (task.version % 2 == 0) for task in seen)
    record.acknowledge(seen[-1])
    assert not seen[-1].completed
    record.check(service.database)


def test_a_deleted_task_is_never_brought_back_by_a_change_at_the_same_time(
    service: Service, record: Record
) -> None:

    with racers(service, 8) as race:
        for turn in range(20):
            with service.client() as client:
                task = client.create(f"Round {turn}")
            permanent = turn % 2 == 1
            path = f"/api/tasks/{task.id}"
            delete = f"{path}?permanent=true" if permanent else path
            replies = race(delete_or_patch(path, delete))
            deletes = [reply.status for reply in replies if reply.method == "DELETE"]
            patches = [reply for reply in replies if reply.method == "PATCH"]
            gone = 404 if permanent else 410
            assert sorted(deletes) == [204, gone]
            assert {reply.status for reply in patches} <= {200, gone}
            with service.client() as client:
                assert client.send("GET", path).status == gone
            changed = [known(reply) for reply in patches if reply.status == 200]
            last = max([task, *changed], key=lambda task: task.version)
            del record.tasks[task.id]
            if not permanent:
                # Going to the trash is one version more.
                record.acknowledge(last._replace(version=last.version + 1))

    record.check(service.database)
    verbs = {verb for _, _, verb in service.database.events()}
    assert {"created", "edited", "trashed", "deleted"} <= verbs


def test_a_reader_of_the_feed_sees_every_change_exactly_once_and_in_order(
    service: Service, record: Record
) -> None:
    written = Event()

    def follow(limit: int) -> list[int]:
        """What a poller that remembers its cursor sees until all is quiet."""
        seen: list[int] = []
        path = f"/api/changes?limit={limit}"
        with service.client() as client:
            while True:
                last_time = written.is_set()
                page = client.insist("GET", path).json()
                seen += [item["sequence"] for item in page["items"]]
                path = f"/api/changes?limit={limit}&after={page['next_cursor']}"
                if last_time and not page["items"]:
                    return seen

    with ThreadPoolExecutor(3) as pool:
        followers = [pool.submit(follow, limit) for limit in (1, 7, 100)]
        try:
            with service.under_load(6) as load:
                load.proceed(150, within=60)
        finally:
            written.set()
        stored = [sequence for (sequence,) in service.database.rows(FEED)]
        for follower in followers:
            assert follower.result() == stored

    record.check(service.database)


def patch_at(task: Known) -> Act:
    def act(client: Client, number: int) -> Reply:
        body = {"title": f"Round {task.version} by {number}"}
        tag = {"If-Match": f'"{task.version}"'}
        return client.send("PATCH", f"/api/tasks/{task.id}", body, headers=tag)

    return act


def delete_or_patch(path: str, delete: str) -> Act:
    """Two of eight delete, six change."""

    def act(client: Client, number: int) -> Reply:
        if number % 4 == 0:
            return client.send("DELETE", delete)
        return client.send("PATCH", path, {"description": f"By {number}"})

    return act


@contextmanager
def racers(service: Service, number: int) -> Iterator[Callable[[Act], list[Reply]]]:
    """So many clients, all connected, that do the same thing at the same time."""
    with ExitStack() as stack:
        clients = [stack.enter_context(service.client()) for _ in range(number)]
        pool = stack.enter_context(ThreadPoolExecutor(number))

        def race(act: Act) -> list[Reply]:
            barrier = Barrier(number)

            def run(place: int) -> Reply:
                barrier.wait(30)
                return act(clients[place], place)

            return list(pool.map(run, range(number)))

        yield race
