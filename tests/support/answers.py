"""What the API answers: a task as JSON, and the problems that many operations share."""

from datetime import UTC, datetime
from typing import Any

from tasks.models import Task
from tests.support.problems import assert_problem

#: What a task has that was given nothing but a title.
PLAIN: dict[str, Any] = {
    "client_id": None,
    "description": "",
    "location": None,
    "list": None,
    "parent": None,
    "tags": [],
    "priority": "none",
    "due_date": None,
    "due_at": None,
    "due_timezone": None,
    "reminders": [],
    "recurrence": None,
    "recurrence_from": None,
    "recurrence_subtasks": None,
    "occurrence": None,
    "overdue": False,
    "open_subtasks": 0,
    "completed": False,
    "completed_at": None,
    "next_occurrence": None,
}


def rfc3339(moment: datetime | None) -> str | None:
    """As the API writes a moment: in UTC, to the microsecond."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def as_json(task: Task) -> dict[str, Any]:
    """The whole representation of the task as it is stored now."""
    task.refresh_from_db()
    return {
        "id": task.pk,
        "client_id": str(task.client_id) if task.client_id else None,
        "title": task.title,
        "description": task.description,
        "location": task.location,
        "list": task.list_id,
        "parent": task.parent_id,
        "tags": task.tags,
        "priority": ["none", "low", "medium", "high", "urgent"][task.priority],
        "due_date": task.due_date.isoformat() if task.due_date else None,
        "due_at": rfc3339(task.due_at),
        "due_timezone": task.due_timezone,
        "reminders": task.reminders or [],
        "recurrence": task.recurrence,
        "recurrence_from": task.recurrence_from,
        "recurrence_subtasks": task.recurrence_subtasks,
        "occurrence": task.occurrence,
        "overdue": _overdue_in_utc(task),
        "position": task.position,
        "open_subtasks": task.subtasks.filter(completed=False, deleted_at=None).count(),
        "completed": task.completed,
        "completed_at": rfc3339(task.completed_at),
        "next_occurrence": task.next_occurrence,
        "created_at": rfc3339(task.created_at),
        "updated_at": rfc3339(task.updated_at),
        "version": task.version,
    }


def _overdue_in_utc(task: Task) -> bool:
    now = datetime.now(UTC)
    passed = task.due_at is not None and task.due_at < now
    passed |= task.due_date is not None and task.due_date < now.date()
    return passed and not task.completed


def etag(task: Task) -> str:
    """The ETag of the task as it is stored now."""
    shown = as_json(task)
    derived = str(shown["open_subtasks"] or "") + "overdue" * shown["overdue"]
    return f'"{task.version}.4-{derived}"' if derived else f'"{task.version}.4"'


def assert_a_credential_is_needed(answer: Any, path: str) -> None:
    """The answer is the 401 of a request that came without a credential."""
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert_problem(
        answer,
        "unauthenticated",
        path,
        "Send Authorization: Bearer tk_..., a token from "
        "`manage.py create_token`, or sign in for a session.",
    )
