"""Completing and reopening a task from its row in the list."""

from typing import NamedTuple

from django.contrib import messages

from tasks.admin.timeline import timeline
from tasks.forms.fields import moment_text
from tasks.models import Actor, Event, Task
from tasks.models.statements import UNREAD


class Result(NamedTuple):
    """A message for the user, with its level, and the task as it is now."""

    level: int
    message: str
    task: Task


def complete(task: Task, version: int, completed: bool, by: Actor) -> Result:
    """Completes or reopens the task, if it has still the version that the user saw."""
    tasks, what = Task.objects.filter(pk=task.pk), "completed" if completed else "open"
    verb = tasks.complete if completed else tasks.reopen
    outcome = verb(by, {version})
    now = tasks.defer(*UNREAD).select_related("owner").first()
    if now is None:
        return Result(messages.ERROR, f"Somebody deleted “{task}” meanwhile.", task)
    if outcome.changed:
        done = "Completed" if completed else "Reopened"
        told = f"{done} “{now}”.{_next_of(now) if completed else ''}"
        return Result(messages.SUCCESS, told, now)
    if now.deleted_at is not None:
        told = f"“{now}” is in the trash: nothing was changed. Restore it first."
        return Result(messages.WARNING, told, now)
    if now.completed == completed:
        return Result(messages.INFO, f"“{now}” is {what} already.", now)
    told = (
        f"Nothing was changed, because “{now}” changed after this list was shown: "
        f"{_changes(now, version)}. If you still want to, press again."
    )
    return Result(messages.WARNING, told, now)


def _next_of(task: Task) -> str:
    """When the next occurrence of a series is due."""
    row = Task.objects.filter(pk=task.next_occurrence or 0).first()
    if row is None:
        return ""
    due = row.due_date or moment_text(row.due_at, row.due_timezone)
    return f" The next occurrence is due {due}."


def _changes(task: Task, version: int) -> str:
    """Who changed which fields after this version."""
    events = Event.objects.of_task(task.pk).changes_only().filter(version__gt=version)
    told = []
    for event in timeline(events):
        changes = event["changes"]
        assert isinstance(changes, list)
        names = ", ".join(str(change["name"]) for change in changes)
        told.append(f"{event['who']} changed {names or 'it'}")
    return "; ".join(dict.fromkeys(reversed(told))) or "somebody changed it"
