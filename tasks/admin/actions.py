"""The admin actions on selected tasks, by the methods of the model, chunk by chunk."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse

from taskproject.accounts.models import User
from taskproject.problems import Invalid
from tasks.admin.choices import KEY, OwnedAutocomplete
from tasks.admin.versioned import VersionedAdmin, actor, reason
from tasks.models import Outcome, Task, TaskList, TaskQuerySet

CHUNK = 500
#: Tasks whose titles a confirmation page shows.
SHOWN = 20


def _prioritize(
    priority: Task.Priority,
) -> Callable[["TaskActions", HttpRequest, QuerySet[Task]], None]:
    """The action that sets this priority."""

    @admin.action(
        description=f"Set the priority of the selected tasks to {priority.label}",
        permissions=["change"],
    )
    def act(
        tasks: "TaskActions", request: HttpRequest, queryset: QuerySet[Task]
    ) -> None:
        verb = partial(TaskQuerySet.edit, priority=priority.value)
        tasks._all(request, queryset, verb, f"Priority {priority.label}:")

    act.__name__ = f"priority_{priority.label}"
    return act


class PlaceForm(forms.Form):
    """The choice of the list for the selected tasks of one owner."""

    def __init__(self, owner: User, site: AdminSite, data: QueryDict | None) -> None:
        super().__init__(data, auto_id="place_%s")
        widget = OwnedAutocomplete(
            Task._meta.get_field("list"), site, {"style": "width: 20em"}
        )
        widget.owner_id = owner.pk
        self.fields["list"] = forms.ModelChoiceField(
            TaskList.objects.owned_by(owner.pk),
            widget=widget,
            error_messages={"invalid_choice": f"{owner} has no such list."},
        )


class TaskActions(VersionedAdmin):
    """The actions of the list of tasks."""

    actions = (
        "complete",
        "reopen",
        *map(_prioritize, Task.Priority),
        "place",
        "take_out",
        "trash",
        "restore",
        "remove",
    )

    def has_place_permission(self, request: HttpRequest) -> bool:
        """Choosing a list requires the permission to view the owner's lists."""
        return self.has_change_permission(request) and request.user.has_perm(
            "tasks.view_tasklist"
        )

    def has_restore_permission(self, request: HttpRequest) -> bool:
        """Users who may move tasks to the trash may restore them."""
        return request.user.has_perm("tasks.delete_task")

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

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.remove_task")

    @admin.action(description="Complete the selected tasks", permissions=["change"])
    def complete(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._all(request, queryset, TaskQuerySet.complete, "Completed")

    @admin.action(description="Reopen the selected tasks", permissions=["change"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._all(request, queryset, TaskQuerySet.reopen, "Reopened")

    @admin.action(
        description="Put the selected tasks into a list", permissions=["place"]
    )
    def place(
        self, request: HttpRequest, queryset: QuerySet[Task]
    ) -> HttpResponse | None:
        keys = self.selected(request, queryset)
        if not keys:
            return None
        owners = Task.objects.filter(pk__in=keys).order_by().values("owner")
        found = User.objects.filter(pk__in=owners).order_by("pk")[:2]
        if len(found) != 1:
            self.message_user(
                request,
                "These tasks have several owners, who share no list. Nothing was "
                "changed: narrow the list to one owner first.",
                messages.ERROR,
            )
            return None
        owner, sent = found[0], _confirmed(request)
        form = PlaceForm(owner, self.admin_site, request.POST if sent else None)
        if sent is None or not form.is_valid():
            media = self.media + form.media
            title, page = "Into which list?", "admin/tasks/task/place.html"
            return self._ask(
                request, keys, "place", title, page, form=form, media=media
            )
        row = form.cleaned_data["list"]
        verb = partial(TaskQuerySet.edit, list_id=row.pk)
        tasks = queryset.filter(pk__lte=sent)
        self._all(request, tasks, verb, f"Put into {row}:", owner)
        return None

    @admin.action(
        description="Take the selected tasks out of their lists", permissions=["change"]
    )
    def take_out(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        verb = partial(TaskQuerySet.edit, list_id=None)
        self._all(request, queryset, verb, "Taken out of their lists:")

    @admin.action(
        description="Move the selected tasks to the trash", permissions=["delete"]
    )
    def trash(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._all(request, queryset, TaskQuerySet.trash, "Moved to the trash:")

    @admin.action(
        description="Restore the selected tasks from the trash", permissions=["restore"]
    )
    def restore(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._all(request, queryset, TaskQuerySet.restore, "Restored")

    @admin.action(
        description="Delete the selected tasks permanently", permissions=["remove"]
    )
    def remove(
        self, request: HttpRequest, queryset: QuerySet[Task]
    ) -> HttpResponse | None:
        sent = _confirmed(request)
        if sent is not None:
            tasks = queryset.filter(pk__lte=sent)
            self._all(request, tasks, TaskQuerySet.remove, "Deleted permanently:")
            return None
        keys = self.selected(request, queryset)
        if not keys:
            return None
        title, page = "Delete permanently?", "admin/tasks/task/remove.html"
        return self._ask(request, keys, "remove", title, page)

    def _ask(
        self,
        request: HttpRequest,
        keys: list[int],
        action: str,
        title: str,
        page: str,
        **context: object,
    ) -> HttpResponse:
        """The confirmation page of an action; its form has the selection again."""
        across = request.POST.get("select_across", "0")
        context |= {
            **self.admin_site.each_context(request),
            "action": action,
            "title": title,
            "opts": self.opts,
            "count": len(keys),
            "newest": max(keys),
            "tasks": Task.objects.filter(pk__in=keys[:SHOWN]),
            "more": max(0, len(keys) - SHOWN),
            "keys": keys[:1] if across == "1" else keys,
            "select_across": across,
        }
        return TemplateResponse(request, page, context)

    def _all(
        self,
        request: HttpRequest,
        queryset: QuerySet[Task],
        verb: Callable[..., Outcome],
        done: str,
        owner: User | None = None,
    ) -> None:
        """Changes the tasks by `verb`, in chunks, so that other writers do not wait for
        long. With `owner`, tasks that no longer belong to that user are not changed."""
        keys = self.selected(request, queryset)
        if not keys:
            return
        tasks, changed = Task.objects.all(), 0
        if owner is not None:
            tasks = tasks.owned_by(owner.pk)
        try:
            for start in range(0, len(keys), CHUNK):
                chunk = tasks.filter(pk__in=keys[start : start + CHUNK])
                changed += len(verb(chunk, actor(request)).changed)
        except Invalid as refusal:
            # The list was deleted meanwhile.
            self.message_user(request, reason(refusal), messages.ERROR)
        left = len(keys) - changed
        also = f" Not changed: {left}." if left else ""
        self.message_user(request, f"{done} {changed} of {len(keys)} tasks.{also}")


def _confirmed(request: HttpRequest) -> int | None:
    """The newest task on the confirmation page, if its form was sent: later tasks were
    not confirmed. Else None."""
    newest = request.POST.get("newest", "")
    return int(newest) if KEY.fullmatch(newest) else None
