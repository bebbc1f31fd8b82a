"""The six operations that are measured: their requests, and what a right answer is."""

import json
import random
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

HOST = "127.0.0.1"
PAGE = 50
MEMBERS = {
    "id",
    "title",
    "description",
    "completed",
    "completed_at",
    "created_at",
    "updated_at",
    "version",
}


@dataclass(frozen=True)
class Operation:
    """`{id}` and `{serial}` in path and body are filled anew for every request: the id
    of a task, and nine digits that do not repeat."""

    name: str
    method: str
    path: str
    body: str = ""
    status: int = 200

    def template(self, port: int, headers: Mapping[str, str]) -> str:
        """The whole request, as it goes over the wire."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {HOST}:{port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append("Accept: application/json")
        if self.method != "GET":
            length = len(self.body.replace("{serial}", "0" * 9).encode())
            lines.append(f"Content-Length: {length}")
        if self.body:
            lines.append("Content-Type: application/json")
        return "\r\n".join([*lines, "", self.body])


GET = Operation("get", "GET", "/api/tasks/{id}")
LIST = Operation("list of 50", "GET", "/api/tasks")
FILTERED = Operation("filtered list", "GET", "/api/tasks?completed=false")
CREATE = Operation(
    "create",
    "POST",
    "/api/tasks",
    '{"title": "Buy oat milk {serial}", "description": "The barista kind."}',
    201,
)
PATCH = Operation(
    "patch", "PATCH", "/api/tasks/{id}", '{"title": "Buy oat milk {serial}"}'
)
TOGGLE = Operation("toggle", "POST", "/api/tasks/{id}/toggle")
OPERATIONS = (GET, LIST, FILTERED, CREATE, PATCH, TOGGLE)


class Wrong(Exception):
    """An answer that is not what the operation promises: measuring it would be vain."""


def ask(
    port: int,
    headers: Mapping[str, str],
    operation: Operation,
    task_id: int,
    timeout: float = 10.0,
    serial: int = 123_456_789,
) -> Any:
    """One request on a new connection; the JSON of its answer. `Wrong` for another
    status, OSError where none came within `timeout` seconds."""
    path = operation.path.replace("{id}", str(task_id))
    body = operation.body.replace("{serial}", str(serial))
    given = {**headers, "Accept": "application/json"}
    if body:
        given["Content-Type"] = "application/json"
    with closing(HTTPConnection(HOST, port, timeout=timeout)) as connection:
        connection.request(operation.method, path, body or None, given)
        answer = connection.getresponse()
        content = answer.read()
    if answer.status != operation.status:
        raise Wrong(f"{operation.method} {path}: {answer.status} {content[:300]!r}")
    return json.loads(content)


def check(port: int, headers: Mapping[str, str], ids: range) -> None:
    """Asks each operation once; `Wrong` unless all answers are right."""
    task_id = ids[len(ids) // 2]
    before = ask(port, headers, GET, task_id)
    _expect(before.keys() >= MEMBERS and before["id"] == task_id, GET, before)
    for operation in (LIST, FILTERED):
        items = ask(port, headers, operation, task_id)["items"]
        keys = [item["id"] for item in items]
        newest_first = keys == sorted(keys, reverse=True)
        _expect(len(items) == PAGE and newest_first, operation, keys)
        _expect(all(item.keys() >= MEMBERS for item in items), operation, items)
        if operation is FILTERED:
            done = any(item["completed"] for item in items)
            _expect(not done, operation, items)
    made = ask(port, headers, CREATE, task_id)
    _expect(made.keys() >= MEMBERS and made["id"] not in ids, CREATE, made)
    # Another one at each check: the same title again would be no change.
    serial = random.randrange(100_000_000, 1_000_000_000)
    patched = ask(port, headers, PATCH, task_id, serial=serial)
    _expect(patched["title"] == f"Buy oat milk {serial}", PATCH, patched)
    toggled = ask(port, headers, TOGGLE, task_id)
    flipped = toggled["completed"] is not before["completed"]
    timed = (toggled["completed_at"] is not None) is toggled["completed"]
    _expect(flipped and timed, TOGGLE, toggled)
    _expect(toggled["version"] == before["version"] + 2, TOGGLE, toggled)


def _expect(right: bool, operation: Operation, answer: Any) -> None:
    if not right:
        raise Wrong(f"{operation.name}: {str(answer)[:500]}")
