"""`tz=` on every operation that answers with a task: `overdue` has one meaning."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from taskproject.accounts.models import User
from tasks.models import Task
from tests.conftest import BY, ApiClient, make_task
from tests.support.rows import StillClock

# On the 24th in UTC it is the 25th on Kiritimati, and still the 23rd nowhere else.
NOW = "2026-11-24T12:00:00Z"
DUE = "2026-11-24"
AHEAD = "tz=Pacific/Kiritimati"

Ask = Callable[[ApiClient, int, int, str], Any]


def send(method: str, suffix: str, body: Any = None, **headers: str) -> Ask:
    def ask(api: ApiClient, key: int, other: int, query: str) -> Any:
        path = f"/api/tasks{suffix.format(key=key)}"
        if isinstance(body, dict) and "after" in body:
            return api.send(method, f"{path}?{query}", {"after": other})
        return api.send(method, f"{path}?{query}", body, headers=headers)

    return ask


def batch(api: ApiClient, key: int, other: int, query: str) -> Any:
    body = {"operations": [{"op": "update", "id": key, "body": {"title": "New"}}]}
    return api.send("POST", f"/api/tasks/batch?{query}", body)


def stale_batch(api: ApiClient, key: int, other: int, query: str) -> Any:
    operation = {"op": "update", "id": key, "version": 99, "body": {"title": "New"}}
    body = {"operations": [operation], "atomic": False}
    return api.send("POST", f"/api/tasks/batch?{query}", body)


def trash(api: ApiClient, key: int, other: int, query: str) -> Any:
    api.send("DELETE", f"/api/tasks/{key}")
    return api.send("GET", f"/api/tasks/trash?{query}")


def restore(api: ApiClient, key: int, other: int, query: str) -> Any:
    api.send("DELETE", f"/api/tasks/{key}")
    return api.send("POST", f"/api/tasks/{key}/restore?{query}")


def changes(api: ApiClient, key: int, other: int, query: str) -> Any:
    return api.send("GET", f"/api/changes?{query}")


NEW = {"title": "New", "due_date": DUE}
STALE = {"If-Match": '"99"'}
ANSWERS: dict[str, Ask] = {
    "get": send("GET", "/{key}"),
    "list": send("GET", ""),
    "create": send("POST", "", NEW),
    "put": send("PUT", "/{key}", NEW),
    "patch": send("PATCH", "/{key}", {"title": "New"}),
    "patch of nothing": send("PATCH", "/{key}", {}),
    "complete, which it is not": send("POST", "/{key}/reopen"),
    "move": send("POST", "/{key}/move", {"after": 0}),
    "restore": restore,
    "trash": trash,
    "batch": batch,
    "changes": changes,
    "a stale patch": send("PATCH", "/{key}", {"title": "New"}, **STALE),
    "a stale put": send("PUT", "/{key}", NEW, **STALE),
    "a stale toggle": send("POST", "/{key}/toggle", **STALE),
    "a stale removal": send("DELETE", "/{key}", **STALE),
    "a stale removal for good": send("DELETE", "/{key}", **STALE),
    "a stale batch": stale_batch,
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    return StillClock(monkeypatch)


def shown(value: Any) -> list[bool]:
    """What every task in an answer that is due says of `overdue`."""
    if isinstance(value, list):
        return [one for item in value for one in shown(item)]
    if not isinstance(value, dict):
        return []
    if "overdue" in value and value["due_date"]:
        return [value["overdue"]]
    return shown([*value.values()])


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(("query", "overdue"), [("", False), (AHEAD, True)])
def test_overdue_is_told_in_the_zone_that_is_asked_for(
    api: ApiClient, alice: User, clock: StillClock, name: str, query: str, overdue: bool
) -> None:
    clock.at(NOW)
    task, other = (
        make_task(alice, due_date=date(2026, 11, 24)),
        make_task(alice, "Another"),
    )
    # Once by a token that is new here, and once by one that is known.
    for _ in range(2):
        answer = ANSWERS[name](api, task.pk, other.pk, query)

        found = shown(answer.json())
        assert found and set(found) == {overdue}, answer.content


@pytest.mark.parametrize("name", ["get", "patch", "create", "restore"])
def test_the_etag_says_the_same_as_the_body(
    api: ApiClient, alice: User, clock: StillClock, name: str
) -> None:
    clock.at(NOW)
    task, other = (
        make_task(alice, due_date=date(2026, 11, 24)),
        make_task(alice, "Another"),
    )

    answer = ANSWERS[name](api, task.pk, other.pk, AHEAD)

    assert answer.json()["overdue"] is True
    assert answer.headers["ETag"].endswith('-overdue"')


@pytest.mark.either_database
@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_an_unknown_zone_is_refused_and_changes_nothing(
    api: ApiClient, alice: User, name: str
) -> None:
    task, other = make_task(alice), make_task(alice, "Another")
    if name in ("restore", "trash"):
        Task.objects.filter(pk=task.pk).trash(BY)
    before = list(Task.objects.order_by("pk").values())

    answer = ANSWERS[name](api, task.pk, other.pk, "tz=Atlantis/Poseidonis")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].endswith("/tz")
    if name not in ("restore", "trash"):
        assert list(Task.objects.order_by("pk").values()) == before
