"""Every way to change a task, and the tasks that there are before the change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.core.management import call_command
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Event, Task
from tests.admin import LIST, open_form, page_of
from tests.conftest import ApiClient


@dataclass
class World:
    """Who can change what before a change."""

    alice: User
    bob: User
    carol: User
    api: ApiClient
    staff: Client
    # Of alice: an edited one (version 2), a completed one, and one that has been in the
    # trash for long (version 2).
    task: Task
    done: Task
    trashed: Task

    def newest(self) -> Task:
        """The task that was made last."""
        return Task.objects.newest_first()[0]


def form_of(world: World, **typed: str) -> dict[str, str]:
    """What a browser sends of the task's page, with something typed."""
    return open_form(world.staff, world.task).values | typed


def rows_of(*rows: tuple[Task, bool]) -> dict[str, str]:
    """What a browser sends of the list's page, with these boxes ticked or not."""
    sent = {
        "form-TOTAL_FORMS": str(len(rows)),
        "form-INITIAL_FORMS": str(len(rows)),
        "_save": "Save",
    }
    for number, (task, ticked) in enumerate(rows):
        sent[f"form-{number}-id"] = str(task.pk)
        sent[f"initial-form-{number}-completed"] = str(task.completed)
        if ticked:
            sent[f"form-{number}-completed"] = "on"
    return sent


def action(world: World, name: str, task: Task, **more: str) -> Any:
    """The answer to an action of the admin on the task, be it in the trash or not."""
    return world.staff.post(
        f"{LIST}?trash=all",
        {"action": name, "_selected_action": [str(task.pk)], **more},
    )


def first_edit(task: Task) -> int:
    """The sequence of the event of the task's only edit."""
    return Event.objects.of_task(task.pk).get(verb="edited").sequence


class Way(NamedTuple):
    """One way to make a change, and what its event tells."""

    do: Callable[[World], Any]
    verb: str
    via: str
    # None for a task that the change makes.
    subject: str | None
    changes: dict[str, list[Any]]


def by_api(
    method: str, subject: str, suffix: str = "", body: Any = None
) -> Callable[[World], Any]:
    """A request to be made later, about the task of this name."""
    return lambda world: world.api.send(
        method, f"/api/tasks/{getattr(world, subject).pk}{suffix}", body
    )


COMPLETED = {"completed": [False, True]}
REOPENED = {"completed": [True, False]}
RENAMED = {"title": ["Buy oat milk", "Buy bread"]}
WAYS = {
    "create": Way(
        lambda world: world.api.send("POST", "/api/tasks", {"title": "New"}),
        "created", "token", None, {"title": [None, "New"]},
    ),
    "put": Way(
        by_api("PUT", "task", body={"title": "Buy bread", "completed": True}),
        "edited", "token", "task", RENAMED | COMPLETED,
    ),
    "patch": Way(
        by_api("PATCH", "task", body={"title": "Buy bread"}),
        "edited", "token", "task", RENAMED,
    ),
    "patch completed": Way(
        by_api("PATCH", "task", body={"completed": True}),
        "completed", "token", "task", COMPLETED,
    ),
    "toggle": Way(
        by_api("POST", "task", "/toggle"), "completed", "token", "task", COMPLETED
    ),
    "toggle back": Way(
        by_api("POST", "done", "/toggle"), "reopened", "token", "done", REOPENED
    ),
    "complete": Way(
        by_api("POST", "task", "/complete"), "completed", "token", "task", COMPLETED
    ),
    "reopen": Way(
        by_api("POST", "done", "/reopen"), "reopened", "token", "done", REOPENED
    ),
    "delete": Way(by_api("DELETE", "task"), "trashed", "token", "task", {}),
    "restore": Way(
        by_api("POST", "trashed", "/restore"), "restored", "token", "trashed", {}
    ),
    "delete for good": Way(
        by_api("DELETE", "task", "?permanent=true"), "deleted", "token", "task", {}
    ),
    "delete for good out of the trash": Way(
        by_api("DELETE", "trashed", "?permanent=true"),
        "deleted", "token", "trashed", {},
    ),
    "admin adds": Way(
        lambda world: world.staff.post(
            f"{LIST}add/", {"owner": str(world.alice.pk), "title": "New"}
        ),
        "created", "admin", None, {"title": [None, "New"]},
    ),
    "admin form": Way(
        lambda world: world.staff.post(
            page_of(world.task), form_of(world, title="Buy bread")
        ),
        "edited", "admin", "task", RENAMED,
    ),
    "admin list editing": Way(
        lambda world: world.staff.post(
            f"{LIST}?q=oat", rows_of((world.task, True))
        ),
        "completed", "admin", "task", COMPLETED,
    ),
    "admin completes": Way(
        lambda world: action(world, "complete", world.task),
        "completed", "admin", "task", COMPLETED,
    ),
    "admin reopens": Way(
        lambda world: action(world, "reopen", world.done),
        "reopened", "admin", "done", REOPENED,
    ),
    "admin trashes": Way(
        lambda world: action(world, "trash", world.task),
        "trashed", "admin", "task", {},
    ),
    "admin restores": Way(
        lambda world: action(world, "restore", world.trashed),
        "restored", "admin", "trashed", {},
    ),
    "admin removes": Way(
        lambda world: action(world, "remove", world.task, newest="999999999"),
        "deleted", "admin", "task", {},
    ),
    "admin deletes": Way(
        lambda world: world.staff.post(
            f"{LIST}{world.task.pk}/delete/", {"post": "yes"}
        ),
        "trashed", "admin", "task", {},
    ),
    "admin restores a value": Way(
        lambda world: world.staff.post(
            f"{LIST}{world.task.pk}/timeline/{first_edit(world.task)}/title/"
        ),
        "edited", "admin", "task", {"title": ["Buy oat milk", "Buy milk"]},
    ),
    "seed_tasks": Way(
        lambda world: call_command("seed_tasks", 1, owner="alice", verbosity=0),
        "created", "command", None, {},
    ),
    "purge": Way(
        lambda world: call_command("purge", verbosity=0),
        "deleted", "command", "trashed", {},
    ),
}  # fmt: skip
