"""The admin actions on selected tasks. Each stores the selection as a bulk change and leads to
its page, which shows what it would do, and does it once it is confirmed (see `bulk.py`)."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from tasks.admin.bulk import BulkPages
from tasks.admin.exports import ExportPages
from tasks.admin.imports import ImportPages
from tasks.models import Task

Action = Callable[["TaskActions", HttpRequest, QuerySet[Task]], HttpResponse | None]


def _action(
    verb: str, description: str, permission: str, name: str = "", **values: object
) -> Action:
    """The action that begins a bulk change."""

    @admin.action(description=description, permissions=[permission])
    def act(
        tasks: "TaskActions", request: HttpRequest, queryset: QuerySet[Task]
    ) -> HttpResponse | None:
        return tasks.begin(request, verb, queryset, **values)

    act.__name__ = name or verb
    return act


def _prioritize(priority: Task.Priority) -> Action:
    return _action(
        "priority",
        f"Set the priority of the selected tasks to {priority.label}",
        "change",
        f"priority_{priority.label}",
        fields={"priority": priority.value},
        shown=priority.label,
    )


class TaskActions(BulkPages, ExportPages, ImportPages):
    """The actions of the list of tasks, its export and its import."""

    actions = (
        _action("complete", "Complete the selected tasks", "change"),
        _action("reopen", "Reopen the selected tasks", "change"),
        *map(_prioritize, Task.Priority),
        _action("due", "Set the due date of the selected tasks", "change"),
        _action("add_tags", "Add tags to the selected tasks", "change"),
        _action("remove_tags", "Remove tags from the selected tasks", "change"),
        "place",
        _action("take_out", "Take the selected tasks out of their lists", "change"),
        _action("assign", "Assign the selected tasks to a user", "assign"),
        _action("trash", "Move the selected tasks to the trash", "delete"),
        _action("restore", "Restore the selected tasks from the trash", "restore"),
        _action("remove", "Delete the selected tasks permanently", "remove"),
    )

    def get_actions(
        self, request: HttpRequest, *args: object, **kwargs: object
    ) -> dict[str, Any]:
        """The actions that apply to the listed tasks: to the trash, or to others."""
        actions = super().get_actions(request, *args, **kwargs)
        trash = request.GET.get("trash", "")
        if trash == "all" or request.method == "POST":
            return actions
        return {
            name: action
            for name, action in actions.items()
            if name == "remove" or (name == "restore") == (trash == "in")
        }

    @admin.action(
        description="Put the selected tasks into a list", permissions=["place"]
    )
    def place(
        self, request: HttpRequest, queryset: QuerySet[Task]
    ) -> HttpResponse | None:
        owners = queryset.order_by().values_list("owner_id", flat=True).distinct()
        if len(owners[:2]) == 2:
            self.message_user(
                request,
                "These tasks have several owners, who share no list. Nothing was "
                "changed: narrow the list to one owner first.",
                messages.ERROR,
            )
            return None
        return self.begin(request, "place", queryset)
