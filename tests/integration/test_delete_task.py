"""DELETE /api/tasks/{id}"""

import pytest

from taskproject.accounts.models import User
from tests.conftest import ApiClient, make_task
from tests.support.answers import (
    as_json,
)


def test_it_takes_the_task_away(api: ApiClient, alice: User) -> None:
    task, other = make_task(alice), make_task(alice, "Stays")
    path = f"/api/tasks/{task.pk}"

    answer = api.send("DELETE", path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert api.send("GET", path).status_code in (404, 410)
    assert api.send("GET", "/api/tasks").json() == {
        "items": [as_json(other)],
        "next_cursor": None,
    }


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("PUT", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/toggle"),
        ("POST", "/complete"),
        ("POST", "/reopen"),
    ],
)
def test_a_deleted_task_takes_no_more_changes(
    api: ApiClient, alice: User, method: str, suffix: str
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"
    api.send("DELETE", path)

    body = {"title": "Back again"} if method in ("PUT", "PATCH") else None
    answer = api.send(method, path + suffix, body)

    assert answer.status_code in (404, 410)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert api.send("GET", "/api/tasks").json() == {"items": [], "next_cursor": None}


def test_a_completed_task_can_be_deleted(api: ApiClient, alice: User) -> None:
    path = f"/api/tasks/{make_task(alice, completed=True).pk}"

    assert api.send("DELETE", path).status_code == 204
    assert api.send("GET", "/api/tasks?completed=true").json()["items"] == []


def test_a_trailing_slash_loses_no_delete(api: ApiClient, alice: User) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"

    assert api.send("DELETE", f"{path}/").status_code == 204
    assert api.send("GET", path).status_code in (404, 410)
