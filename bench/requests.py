"""The requests whose costs `bench.costs` measures, and the clients that send them."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from typing import Any

from bench.operations import HOST, PAGE, Wrong

BATCH = 50  # operations of a batch
MOST = 50  # of those that make tasks ready
DELETED = 5  # One of so many tasks is for the deletions.
_serials = count(random.randrange(100_000_000))


class Client:
    """A user with a kept-alive connection; one thread at a time may use it."""

    def __init__(self, port: int, token: str, tasks: Sequence[int]) -> None:
        self._token = token
        self._connection = HTTPConnection(HOST, port, timeout=30)
        least = len(tasks) // DELETED
        self._tasks = tasks[least:]
        self._to_delete = iter(random.sample(tasks[:least], least))

    def close(self) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of the response. Raises `Wrong` unless it is a 2xx."""
        headers = {"Authorization": f"Bearer {self._token}"}
        content = None
        if body is not None:
            content = json.dumps(body)
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status // 100 != 2:
            raise Wrong(f"{method} {path}: {response.status} {answer[:300]!r}")
        return json.loads(answer) if answer else None

    def any_task(self) -> str:
        return f"/api/tasks/{random.choice(self._tasks)}"

    def tasks_to_delete(self, number: int) -> list[str]:
        return [f"/api/tasks/{next(self._to_delete)}" for _ in range(number)]

    def series(self, number: int) -> list[str]:
        """The paths of new tasks that recur."""
        rule = {"due_date": "2026-12-01", "recurrence": "FREQ=WEEKLY"}
        made: list[str] = []
        while len(made) < number:
            some = min(MOST, number - len(made))
            answer = self.send("POST", "/api/tasks/batch", new_tasks(some, **rule))
            made += [f"/api/tasks/{it['task']['id']}" for it in answer["results"]]
        return made

    def end_of_feed(self) -> str:
        cursor = self.send("GET", "/api/changes?after=latest")["next_cursor"]
        return f"/api/changes?after={cursor}"


def new_task(**members: str) -> dict[str, str]:
    title = f"Buy oat milk {next(_serials)}"
    return {"title": title, "description": "The barista kind.", **members}


def new_tasks(number: int, **members: str) -> dict[str, object]:
    """The body of a batch."""
    bodies = [new_task(**members) for _ in range(number)]
    return {"operations": [{"op": "create", "body": body} for body in bodies]}


@dataclass(frozen=True)
class Operation:
    """`paths` makes ready what so many requests need, and returns the path of each."""

    name: str
    method: str
    paths: Callable[[Client, int], list[str]]
    body: Callable[[], object] = lambda: None
    #: One of so many requests is sent, because each does the work of as many.
    weight: int = 1

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    def send(self, client: Client, paths: Sequence[str]) -> None:
        for path in paths:
            client.send(self.method, path, self.body())


def _always(path: str) -> Callable[[Client, int], list[str]]:
    return lambda client, number: [path] * number


def _any_task(suffix: str = "") -> Callable[[Client, int], list[str]]:
    return lambda client, number: [client.any_task() + suffix for _ in range(number)]


OPERATIONS = (
    Operation("get", "GET", _any_task()),
    Operation("list of 50", "GET", _always(f"/api/tasks?limit={PAGE}")),
    Operation(
        "empty poll of the feed",
        "GET",
        lambda client, number: [client.end_of_feed()] * number,
    ),
    Operation("create", "POST", _always("/api/tasks"), new_task),
    Operation(
        "patch",
        "PATCH",
        _any_task(),
        lambda: {"title": f"Buy oat milk {next(_serials)}"},
    ),
    Operation("toggle", "POST", _any_task("/toggle")),
    Operation(
        "complete, with a next occurrence",
        "POST",
        lambda client, number: [f"{path}/complete" for path in client.series(number)],
    ),
    Operation("delete", "DELETE", Client.tasks_to_delete),
    Operation(
        f"batch that creates {BATCH}",
        "POST",
        _always("/api/tasks/batch"),
        lambda: new_tasks(BATCH),
        weight=BATCH,
    ),
)
