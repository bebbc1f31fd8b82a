"""PUT /api/tasks/{id}"""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from taskproject.accounts.models import User
from tests.conftest import YESTERDAY, ApiClient, make_old_task, make_task
from tests.support.answers import PLAIN, as_json, rfc3339
from tests.support.rows import alone, assert_refused, make_list


def test_it_replaces_the_task_and_answers_with_it(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, description="Oat")
    before = timezone.now()

    answer = api.send(
        "PUT",
        f"/api/tasks/{task.pk}",
        {"title": " Buy bread ", "description": "Rye", "completed": True},
    )

    task.refresh_from_db()
    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"2.3"'
    assert answer.json() == {
        **PLAIN,
        "id": task.pk,
        "title": "Buy bread",
        "description": "Rye",
        "completed": True,
        "completed_at": rfc3339(task.updated_at),
        "position": task.position,
        "created_at": rfc3339(YESTERDAY),
        "updated_at": rfc3339(task.updated_at),
        "version": 2,
    }
    assert answer.json() == as_json(task)
    assert task.owner == alice
    assert before <= task.updated_at <= timezone.now()


def test_what_is_left_out_goes_back_to_its_default(api: ApiClient, alice: User) -> None:
    task = make_task(alice, description="Oat", completed=True)

    answer = api.send("PUT", f"/api/tasks/{task.pk}", {"title": "Buy milk"})

    assert (answer.status_code, answer.json()) == (200, as_json(task))
    assert (task.description, task.completed, task.completed_at) == ("", False, None)
    assert task.version == 2


def test_the_same_again_changes_nothing(api: ApiClient, alice: User) -> None:
    task = make_old_task(alice, completed=True, description="Oat")
    before = as_json(task)

    answer = api.send(
        "PUT",
        f"/api/tasks/{task.pk}",
        {"title": "Buy milk", "description": "Oat", "completed": True},
    )

    assert answer.status_code == 200
    assert answer.headers["ETag"] == '"1.3"'
    assert answer.json() == before == as_json(task)


def test_what_get_gave_may_be_put_back(api: ApiClient, alice: User) -> None:
    parent, row = make_task(alice), make_list(alice)
    plain = make_task(alice)
    due = datetime(2020, 1, 1, 12, tzinfo=UTC)
    members: dict[str, Any] = {
        "list_id": row.pk,
        "client_id": uuid4(),
        "tags": ["home"],
        "priority": 3,
        "location": "Here",
    }
    full = make_task(alice, due_at=due, due_timezone="Asia/Tokyo", **members)
    done = make_task(alice, completed=True, due_date=date(2020, 1, 1))
    make_task(alice, parent_id=parent.pk)

    for task in (parent, plain, full, done):
        path = f"/api/tasks/{task.pk}"
        got = api.send("GET", path).json()
        assert api.send("PUT", path, got).json() == got
        edited = api.send("PUT", path, got | {"title": "New"}).json()
        assert edited == as_json(task)
        assert (edited["title"], edited["version"]) == ("New", 2)
        # Once more what is old now.
        stale = api.send("PUT", path, got)
        assert (stale.status_code, stale.json()["current"]) == (412, edited)
        for form in ("+00:00", "000Z"):
            times = {
                name: value and value[: 26 if form[0] == "+" else 23] + form
                for name, value in edited.items()
                if name in ("created_at", "updated_at", "completed_at")
            }
            assert api.send("PUT", path, edited | times).json() == edited


@pytest.mark.parametrize("versioned", [True, False])
def test_a_read_only_member_with_another_value_is_422_and_named(
    api: ApiClient, alice: User, versioned: bool
) -> None:
    task = make_task(alice)
    path = f"/api/tasks/{task.pk}"
    got = api.send("GET", path).json()
    if not versioned:
        del got["version"]
    moment = "2026-01-01T00:00:00Z"
    others = {
        "id": task.pk + 1,
        "client_id": "b3c9f6c2-4f4e-4d6c-9a51-0f1f6c1d2e3f",
        "position": "x",
        "completed_at": moment,
        "created_at": moment,
        "updated_at": moment,
    }

    for name, value in others.items():
        answer = alone(api, "PUT", path, got | {"title": "New", name: value})
        assert_refused(answer, path, f"/{name}", "read_only", None)
    answer = alone(api, "PUT", path, got | others)
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert sorted(pointers) == sorted(f"/{name}" for name in others)
    assert as_json(task)["version"] == 1


def test_what_changes_without_a_version_may_be_put_back(
    api: ApiClient, alice: User
) -> None:
    task = make_task(alice)
    path = f"/api/tasks/{task.pk}"
    got = api.send("GET", path).json()
    make_task(alice, parent_id=task.pk)

    answer = api.send("PUT", path, got | {"title": "New", "overdue": True})

    assert answer.status_code == 200
    assert answer.json() == got | {
        "title": "New",
        "open_subtasks": 1,
        "version": 2,
        "updated_at": answer.json()["updated_at"],
    }


def test_a_version_in_the_body_takes_no_further_statement(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    task = make_task(alice)
    path = f"/api/tasks/{task.pk}"
    api.send("GET", path)
    counts = []

    for body in ({"title": "One"}, {"title": "Two", "version": 2}):
        before = len(queries)
        assert api.send("PUT", path, body).status_code == 200
        counts.append(len(queries) - before)

    assert counts[0] == counts[1]
