"""What the API tells of lists, tags and their events, what is stored, and a clock that stands
still."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from taskproject import timezones
from taskproject.accounts.models import User
from taskproject.input_errors import CODES
from taskproject.models import Job
from tasks.models import Actor, Tag, TaskList
from tests.conftest import ApiClient
from tests.support.answers import rfc3339
from tests.support.problems import assert_problem, problem

#: Moves of one of three rows named a, b and c beside another, and the order after it.
MOVES = [
    ("a", "after", "b", "bac"),
    ("a", "after", "c", "bca"),
    ("a", "before", "c", "bac"),
    ("c", "before", "a", "cab"),
    ("c", "before", "b", "acb"),
    ("c", "after", "a", "acb"),
    ("b", "before", "a", "bac"),
    ("b", "after", "c", "acb"),
]


def make_list(owner: User, name: str = "Shopping", **fields: Any) -> TaskList:
    by = Actor(owner.pk, "command")
    return TaskList.objects.add(by, owner_id=owner.pk, name=name, **fields)


def make_job(owner: User) -> Job:
    """One that has finished."""
    return Job.objects.create(
        verb="delete",
        subject="list",
        subject_id=2**61,
        owner_id=owner.pk,
        via="token",
        total=1,
        finished_at=timezone.now(),
    )


def list_json(row: TaskList) -> dict[str, Any]:
    """The whole representation of the list as it is stored now."""
    row.refresh_from_db()
    return {
        "id": row.pk,
        "name": row.name,
        "archived": row.archived,
        "position": row.position,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "version": row.version,
    }


def tag_json(name: str) -> dict[str, Any]:
    """The whole representation of the tag of exactly this name, as it is stored now."""
    row = Tag.objects.get(name=name)
    return {"id": row.pk, "name": row.name, "version": row.version}


def alone(api: ApiClient, *request: Any, **headers: Any) -> Any:
    """The answer to a request that may be refused in the midst of its transaction.

    In production that is the outermost one. In a test that runs in a transaction of its
    own, what was refused is to be rolled back alone.
    """
    with transaction.atomic():
        return api.send(*request, headers=headers)


def tables(*models: type[Model]) -> list[list[Any]]:
    """All rows of the tables of these models."""
    found = []
    with connection.cursor() as cursor:
        for model in models:
            table, key = model._meta.db_table, model._meta.pk.column
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY "{key}"')
            found.append(cursor.fetchall())
    return found


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in answer.json()["items"]]


def latest(api: ApiClient) -> str:
    """The cursor of this moment in the feed."""
    return str(api.send("GET", "/api/changes?after=latest").json()["next_cursor"])


def news(api: ApiClient, since: str) -> list[dict[str, Any]]:
    """The events since, whole but for what only the database knows."""
    items = api.send("GET", f"/api/changes?after={since}&limit=500").json()["items"]
    return [
        {name: item[name] for name in item if name not in ("sequence", "at", "request")}
        for item in items
    ]


def event(user: User, verb: str, version: int, **told: Any) -> dict[str, Any]:
    """An event of a change by a token of the user's: `changes` as (old, new). Its list or
    tag is as it is stored now."""
    changes = told.pop("changes", {})
    nothing = {"task_id": None, "list_id": None, "tag_id": None, "task": None}
    lists = TaskList.objects.filter(pk=told.get("list_id") or 0)
    tags = Tag.objects.filter(pk=told.get("tag_id") or 0)
    return {
        "verb": verb,
        "version": version,
        "actor": {"id": user.pk, "username": user.username},
        "via": "token",
        **nothing,
        "parents": [],
        "list": next(map(list_json, lists), None),
        "tag": next((tag_json(tag.name) for tag in tags), None),
        **told,
        "changes": {
            name: {"old": old, "new": new} for name, (old, new) in changes.items()
        },
    }


def missing_row(path: str, kind: str) -> dict[str, Any]:
    """The problem of a row that is not there or is somebody else's."""
    return problem("not_found", path, f"You have no {kind} with this id.")


def assert_name_taken(answer: Any, path: str, detail: str) -> None:
    assert_problem(answer, "name_taken", path, detail)


def assert_refused(
    answer: Any,
    path: str,
    pointer: str,
    code: str,
    detail: str | None,
    place: str = "body",
) -> None:
    """The answer is a 422 about this one member; None leaves the sentence open."""
    refusal = answer.json()
    assert answer.status_code == 422, refusal
    [error] = refusal["errors"]
    told = {name: error[name] for name in ("in", "pointer", "code", "detail")}
    assert told == {
        "in": place,
        "pointer": pointer,
        "code": code,
        "detail": detail or error["detail"],
    }
    assert error.keys() - told.keys() <= set(CODES[code])
    assert_problem(answer, "invalid", path, refusal["detail"], errors=[error])


class StillClock:
    """Stops the clock that dues are compared with, and that alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def at(self, moment: str) -> datetime:
        """Stops it at this moment, written as RFC 3339 has it."""
        now = datetime.fromisoformat(moment)
        self._monkeypatch.setattr(
            "tasks.models.due_dates.timezones",
            SimpleNamespace(now=lambda: now, zone=timezones.zone),
        )
        return now
