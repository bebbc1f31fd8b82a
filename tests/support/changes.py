"""Every way to change a task, a list or a tag, and what there is before the change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest.mock import ANY

from django.core.management import call_command
from django.test import Client

from taskproject.accounts.models import User
from tasks.models import Event, Tag, Task, TaskList
from tests.conftest import BY, ApiClient
from tests.support.admin import LIST, LISTS, TAGS, act, open_form, page_of


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
    # Of alice as well: a list `Home` and a tag `errand`, which no task has.
    list: TaskList
    tag: Tag

    def row(self, subject: str) -> Task | TaskList | Tag:
        """The row of this name; `new task` and `new list` are those made last."""
        if subject == "new task":
            return Task.objects.newest_first()[0]
        if subject == "new list":
            return TaskList.objects.latest("pk")
        row: Task | TaskList | Tag = getattr(self, subject)
        return row


#: The field of an event that names a row of this kind.
SUBJECTS = {Task: "task_id", TaskList: "list_id", Tag: "tag_id"}


def form_of(world: World, subject: str = "task", **typed: str) -> dict[str, str]:
    """What a browser sends of the row's page, with something typed."""
    return open_form(world.staff, world.row(subject)).values | typed


def by_form(subject: str, **typed: str) -> Callable[[World], Any]:
    """A row's page, to be saved later with something typed."""
    return lambda world: world.staff.post(
        page_of(world.row(subject)), form_of(world, subject, **typed)
    )


def press(world: World, task: Task, verb: str, version: int) -> Any:
    """The answer to the button in the task's row, shown with this version."""
    return world.staff.post(f"{LIST}{task.pk}/{verb}/", {"version": version})


def action(world: World, name: str, *tasks: Task) -> Any:
    """The page after an action of the admin on tasks, be they in the trash or not."""
    return act(world.staff, name, *tasks, query="?trash=all")


def first_edit(task: Task) -> int:
    """The sequence of the event of the task's only edit."""
    return Event.objects.of_task(task.pk).get(verb="edited").sequence


class Way(NamedTuple):
    """One way to make a change, and what its event tells."""

    do: Callable[[World], Any]
    verb: str
    via: str
    # The row that changes: see `World.row`.
    subject: str
    changes: dict[str, list[Any]]
    # What is done before, so that one row changes and no other.
    first: Callable[[World], Any] = id


def by_api(
    method: str, subject: str, suffix: str = "", body: Any = None
) -> Callable[[World], Any]:
    """A request to be made later, about the row of this name."""

    def send(world: World) -> Any:
        row = world.row(subject)
        place = {Task: "tasks", TaskList: "lists", Tag: "tags"}[type(row)]
        return world.api.send(method, f"/api/{place}/{row.pk}{suffix}", body)

    return send


def seed(world: World) -> None:
    call_command("seed_tasks", 1, owner="alice", verbosity=0)


COMPLETED = {"completed": [False, True]}
TAGGED = {"tags": [[], ["errand"]]}
REOPENED = {"completed": [True, False]}
RENAMED = {"title": ["Buy oat milk", "Buy bread"]}
WAYS = {
    "create": Way(
        lambda world: world.api.send("POST", "/api/tasks", {"title": "New"}),
        "created", "token", "new task", {"title": [None, "New"]},
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
    "patch the list": Way(
        lambda world: world.api.send(
            "PATCH", f"/api/tasks/{world.task.pk}", {"list": world.list.pk}
        ),
        "moved", "token", "task", {"list_id": [None, ANY], "position": [ANY, ANY]},
    ),
    "patch the tags": Way(
        by_api("PATCH", "task", body={"tags": ["Errand"]}),
        "edited", "token", "task", TAGGED,
    ),
    "patch priority and due": Way(
        by_api(
            "PATCH", "task", body={"priority": "high", "due_at": "2026-12-31T17:00:00Z"}
        ),
        "edited", "token", "task",
        {
            "priority": ["none", "high"],
            "due_at": [None, "2026-12-31T17:00:00Z"],
            "due_timezone": [None, "UTC"],
        },
    ),
    "move": Way(
        lambda world: world.api.send(
            "POST", f"/api/tasks/{world.task.pk}/move", {"after": world.done.pk}
        ),
        "moved", "token", "task", {"position": [ANY, ANY]},
    ),
    "make a list": Way(
        lambda world: world.api.send("POST", "/api/lists", {"name": "Work"}),
        "created", "token", "new list", {"name": [None, "Work"]},
    ),
    "rename a list": Way(
        by_api("PATCH", "list", body={"name": "House"}),
        "edited", "token", "list", {"name": ["Home", "House"]},
    ),
    "move a list": Way(
        lambda world: world.api.send(
            "POST",
            f"/api/lists/{world.list.pk}/move",
            {"after": world.row("new list").pk},
        ),
        "moved", "token", "list", {"position": [ANY, ANY]},
        first=lambda world: TaskList.objects.add(
            BY, owner_id=world.alice.pk, name="Work"
        ),
    ),
    "delete a list": Way(by_api("DELETE", "list"), "deleted", "token", "list", {}),
    "rename a tag": Way(
        by_api("PATCH", "tag", body={"name": "errands"}),
        "edited", "token", "tag", {"name": ["errand", "errands"]},
    ),
    "delete a tag": Way(by_api("DELETE", "tag"), "deleted", "token", "tag", {}),
    "admin adds": Way(
        lambda world: world.staff.post(
            f"{LIST}add/", {"owner": str(world.alice.pk), "title": "New"}
        ),
        "created", "admin", "new task", {"title": [None, "New"]},
    ),
    "admin form": Way(
        lambda world: world.staff.post(
            page_of(world.task), form_of(world, title="Buy bread")
        ),
        "edited", "admin", "task", RENAMED,
    ),
    "admin chooses the list": Way(
        lambda world: world.staff.post(
            page_of(world.task), form_of(world, list=str(world.list.pk))
        ),
        "moved", "admin", "task", {"list_id": [None, ANY], "position": [ANY, ANY]},
    ),
    "admin tags": Way(
        by_form("task", tag_names="Errand"), "edited", "admin", "task", TAGGED
    ),
    "admin prioritises": Way(
        by_form("task", priority="3"),
        "edited", "admin", "task", {"priority": ["none", "high"]},
    ),
    "admin makes a list": Way(
        lambda world: world.staff.post(
            f"{LISTS}add/", {"owner": str(world.alice.pk), "name": "Work"}
        ),
        "created", "admin", "new list", {"name": [None, "Work"]},
    ),
    "admin renames a list": Way(
        by_form("list", name="House"),
        "edited", "admin", "list", {"name": ["Home", "House"]},
    ),
    "admin archives a list": Way(
        by_form("list", archived="on"),
        "edited", "admin", "list", {"archived": [False, True]},
    ),
    "admin deletes a list": Way(
        lambda world: world.staff.post(
            f"{LISTS}{world.list.pk}/delete/", {"post": "yes", "tasks": "keep"}
        ),
        "deleted", "admin", "list", {},
    ),
    "admin deletes lists": Way(
        lambda world: world.staff.post(
            LISTS,
            {"action": "remove", "_selected_action": world.list.pk, "tasks": "keep"},
        ),
        "deleted", "admin", "list", {},
    ),
    "admin renames a tag": Way(
        by_form("tag", name="errands"),
        "edited", "admin", "tag", {"name": ["errand", "errands"]},
    ),
    "admin deletes a tag": Way(
        lambda world: world.staff.post(
            f"{TAGS}{world.tag.pk}/delete/", {"post": "yes"}
        ),
        "deleted", "admin", "tag", {},
    ),
    "admin deletes tags": Way(
        lambda world: world.staff.post(
            TAGS, {"action": "remove", "_selected_action": world.tag.pk, "post": "yes"}
        ),
        "deleted", "admin", "tag", {},
    ),
    "admin completes in the list": Way(
        lambda world: press(world, world.task, "complete", 2),
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
        lambda world: action(world, "remove", world.task),
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
        # The first time makes the lists as well.
        seed, "created", "command", "new task", {}, first=seed,
    ),
    "purge": Way(
        lambda world: call_command("purge", verbosity=0),
        "deleted", "command", "trashed", {},
    ),
}  # fmt: skip
