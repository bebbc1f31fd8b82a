"""Batches as they are sent and answered, and all that one of them may change."""

import re
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from taskproject.models import StoredResponse
from tasks.models import Event, Label, Tag, Tally, Task, TaskList
from tests.conftest import ApiClient
from tests.support.problems import problem
from tests.support.rows import tables

PATH = "/api/tasks/batch"
MISSING = 2**40
# Members of tasks that are the same whenever they are compared.
_PLAIN = ["title", "list", "parent", "tags", "due_timezone", "completed", "version"]


def send(
    api: ApiClient, *operations: Any, atomic: bool | None = None, **headers: str
) -> Any:
    """The answer to a batch; without `atomic` that member is left out."""
    body: dict[str, Any] = {"operations": list(operations)}
    if atomic is not None:
        body["atomic"] = atomic
    return api.send("POST", PATH, body, headers=headers)


def results(answer: Any) -> list[dict[str, Any]]:
    """What became of each operation of a batch that was done."""
    assert answer.status_code == 200, answer.content
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body) == ["results"]
    listed: list[dict[str, Any]] = body["results"]
    return listed


def statuses(answer: Any) -> list[int]:
    return [result["status"] for result in results(answer)]


def plain(told: dict[str, Any]) -> Any:
    """What was told of an operation, without what differs from time to time."""
    if "problem" in told:
        refusal = told["problem"]
        current = refusal.get("current") or {}
        errors = [
            (re.sub(r"^/operations/\d+", "", error["pointer"]), error["detail"])
            for error in refusal.get("errors", ())
        ]
        return refusal["code"], errors, {name: current.get(name) for name in _PLAIN}
    return told["status"], {name: (told["task"] or {}).get(name) for name in _PLAIN}


def create(title: str, **members: Any) -> dict[str, Any]:
    return {"op": "create", "body": {"title": title, **members}}


def update(task_id: int, **members: Any) -> dict[str, Any]:
    return {"op": "update", "id": task_id, "body": members}


def op(name: str, task_id: int, **more: Any) -> dict[str, Any]:
    return {"op": name, "id": task_id, **more}


def everything() -> list[Any]:
    """All rows that a batch may write."""
    return tables(Task, Event, Tag, Label, Tally, TaskList, StoredResponse)


def statements(call: Callable[[], Any]) -> int:
    """How many statements the call sends to the database."""
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)


def not_found(instance: str, **more: Any) -> dict[str, Any]:
    return problem("not_found", instance, "You have no task with this id.", **more)


def invalid(instance: str, *errors: tuple[str, str, str], **more: Any) -> Any:
    """The problem of an input with these errors: pointer, code and detail of each."""
    return problem(
        "invalid",
        instance,
        "; ".join(f"{pointer}: {detail}" for pointer, _, detail in errors),
        errors=[
            {"in": "body", "pointer": pointer, "code": code, "detail": detail}
            for pointer, code, detail in errors
        ],
        **more,
    )
