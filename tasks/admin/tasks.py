"""Tasks in the admin."""

import re
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from taskproject.accounts.models import User
from taskproject.problems import Conflict, Invalid
from tasks.admin.choices import CHOICES, Picker, choices_view
from tasks.admin.filters import (
    DueFilter,
    ListFilter,
    OwnerFilter,
    TagFilter,
    TrashFilter,
)
from tasks.admin.pages import CalendarQuerySet
from tasks.admin.rows import RowAdmin, actor, first_tasks, viewer
from tasks.admin.timeline import earlier
from tasks.forms import RowForm, TaskForm
from tasks.forms.fields import moment_text
from tasks.models import Event, EventQuerySet, Outcome, Task, TaskQuerySet, feed_of
from tasks.models.dues import clock, is_overdue
from tasks.models.search import holding
from tasks.models.statements import UNREAD
from tasks.models.words import MOST_WORDS, words

CHUNK = 500
# Users whose name begins with a word that is looked for.
MOST_USERS = 20
# The key of a row of the list, as its form sends it.
ROW_KEY = re.compile(r"form-[0-9]+-id$")


@admin.register(Task)
class TaskAdmin(RowAdmin):
    form = TaskForm
    subject = "task_id"
    # And the due, which looks different to each viewer: see get_list_display.
    list_display = (
        "id",
        "title",
        "owner",
        "list",
        "priority",
        "tag_names",
        "completed",
        "created_at",
    )
    list_display_links = ("id", "title")
    list_editable = ("completed",)
    list_filter = (
        TrashFilter,
        "completed",
        DueFilter,
        "priority",
        OwnerFilter,
        ListFilter,
        TagFilter,
        "created_at",
    )
    list_select_related = ("owner", "list")
    search_fields = ("title", "description", "owner__username")
    search_help_text = (
        "Words of the title or the description, or how they begin, or a user name."
    )
    date_hierarchy = "created_at"
    sortable_by = ("id", "created_at")
    autocomplete_fields = ("owner", "list", "parent")
    readonly_fields = (
        "subtasks_shown",
        "position",
        "version",
        "completed_at",
        "created_at",
        "updated_at",
        "deleted_at",
    )
    actions = ("complete", "reopen", "trash", "restore", "remove")

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return CalendarQuerySet(Task).defer(*UNREAD).order_by(*self.ordering)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """A year or a month is read off the index of its dates."""
        if any(name.startswith("created_at__") for name in request.GET):
            return ("-created_at", "-id")
        return self.ordering

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        now = clock(viewer(request).timezone)

        def due(task: Task) -> str:
            """In the zone that it is meant in; whether it has passed, in the viewer's."""
            text = self.due_shown(task)
            if is_overdue(task.completed, task.due_date, task.due_at, now):
                return format_html("{} <strong>overdue</strong>", text)
            return text

        return (*self.list_display[:5], due, *self.list_display[5:])

    @admin.display(description="Tags")
    def tag_names(self, task: Task) -> str:
        return ", ".join(task.tags)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """By the index of words; Django would look through the text of every task."""
        for term in search_term.split()[:MOST_WORDS]:
            users = User.objects.filter(username__istartswith=term).order_by("pk")
            owners = list(users.values_list("pk", flat=True)[:MOST_USERS])
            found = Q(owner_id__in=owners) if owners else Q()
            parts = words(term)
            if parts:
                condition, question = holding(parts)
                found |= Q(RawSQL(condition, [question], BooleanField()))
            queryset = queryset.filter(found) if found else queryset.none()
        return queryset, False

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return RowForm

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        """Rows that are saved together take their owners' places in the feed together,
        in the one order that keeps writers from deadlocking."""
        if "_save" not in request.POST or not self.has_change_permission(request):
            return super().changelist_view(request, extra_context)
        posted = [str(v) for name, v in request.POST.items() if ROW_KEY.match(name)]
        keys = [int(value) for value in posted if re.fullmatch("[0-9]{1,18}", value)]
        rows = Task.objects.filter(pk__in=keys).values_list("owner_id", flat=True)
        with feed_of(list(rows)):
            return super().changelist_view(request, extra_context)

    @property
    def media(self) -> Media:
        """With what the filters' autocompletes need."""
        picker = Picker(Task._meta.get_field("list"), self.admin_site)
        return super().media + picker.media

    # The form

    def get_fieldsets(self, request: HttpRequest, obj: Task | None = None) -> Any:
        main, due = ["owner", "title", "description", "completed"], ["due_shown"]
        if obj is None or self.has_change_permission(request, obj):
            main.append("opened_version")
            due = ["due_date", "due_at", "due_timezone"]
        fieldsets: list[Any] = [
            (None, {"fields": main}),
            ("Place", {"fields": ("list", "parent", "tag_names", "priority")}),
            ("Due", {"fields": due}),
        ]
        if obj is not None:
            times = ("completed_at", "created_at", "updated_at", "deleted_at")
            fieldsets += [
                ("Subtasks", {"fields": ("subtasks_shown",)}),
                ("History", {"fields": (times, ("position", "version"))}),
            ]
        return fieldsets

    @admin.display(description="Due")
    def due_shown(self, task: Task) -> str:
        if task.due_at is None:
            return str(task.due_date or "")
        return f"{moment_text(task.due_at, task.due_timezone)} {task.due_timezone}"

    @admin.display(description="Subtasks")
    def subtasks_shown(self, task: Task) -> str:
        return first_tasks(task.subtasks.all(), f"parent__id__exact={task.pk}")

    # Writing, by the verbs of the model

    def save_model(
        self, request: HttpRequest, obj: Task, form: Any, change: bool
    ) -> None:
        """Writes the fields that were changed here, and no others."""
        values = form.values()
        if change:
            Task.objects.filter(pk=obj.pk).edit(actor(request), **values)
        else:
            obj.pk = Task.objects.add(actor(request), **values).pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        Task.objects.filter(pk=obj.pk).trash(actor(request))

    def has_change_permission(
        self, request: HttpRequest, obj: Task | None = None
    ) -> bool:
        """What is in the trash can be looked at and restored, not edited. A form that
        was opened before is let through to its own refusal, which keeps what was typed.
        """
        frozen = obj is not None and obj.deleted_at is not None
        shown = request.method != "POST"
        return super().has_change_permission(request, obj) and not (frozen and shown)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.remove_task")

    @admin.action(description="Complete the selected tasks", permissions=["change"])
    def complete(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._all(request, queryset, TaskQuerySet.complete, "Completed")

    @admin.action(description="Reopen the selected tasks", permissions=["change"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._all(request, queryset, TaskQuerySet.reopen, "Reopened")

    @admin.action(
        description="Move the selected tasks to the trash", permissions=["delete"]
    )
    def trash(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._all(request, queryset, TaskQuerySet.trash, "Moved to the trash:")

    @admin.action(
        description="Restore the selected tasks from the trash", permissions=["delete"]
    )
    def restore(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._all(request, queryset, TaskQuerySet.restore, "Restored")

    @admin.action(
        description="Delete the selected tasks permanently", permissions=["remove"]
    )
    def remove(
        self, request: HttpRequest, queryset: QuerySet[Task]
    ) -> HttpResponse | None:
        newest = request.POST.get("newest", "")
        if re.fullmatch("[0-9]{1,18}", newest):
            # Confirmed: what was shown, and nothing that came since.
            self._all(
                request,
                queryset.filter(pk__lte=int(newest)),
                TaskQuerySet.remove,
                "Deleted for good:",
            )
            return None
        keys = self.selected(request, queryset)
        if not keys:
            return None
        return TemplateResponse(
            request,
            "admin/tasks/task/remove.html",
            {
                **self.admin_site.each_context(request),
                "title": "Delete permanently?",
                "opts": self.opts,
                "count": len(keys),
                "newest": max(keys),
                "tasks": Task.objects.filter(pk__in=keys[:20]),
                "keys": [] if request.POST.get("select_across") == "1" else keys,
                "select_across": request.POST.get("select_across", "0"),
            },
        )

    def _all(
        self,
        request: HttpRequest,
        queryset: QuerySet[Task],
        verb: Callable[..., Outcome],
        done: str,
    ) -> None:
        """In chunks, so that a large selection keeps no other writer waiting for long."""
        keys = self.selected(request, queryset)
        if not keys:
            return
        changed = 0
        for start in range(0, len(keys), CHUNK):
            chunk = Task.objects.filter(pk__in=keys[start : start + CHUNK])
            changed += len(verb(chunk, actor(request)).changed)
        left = len(keys) - changed
        also = f" {left} were left as they are." if left else ""
        self.message_user(request, f"{done} {changed} of {len(keys)} tasks.{also}")

    # The timeline

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.restore_view)
        place = "<int:object_id>/timeline/<int:sequence>/<str:name>/"
        choices = self.admin_site.admin_view(choices_view)
        return [
            path(place, view, name="tasks_task_restore_value"),
            path("choices/", choices, name=CHOICES),
            *super().get_urls(),
        ]

    def events_of(self, row: Task) -> EventQuerySet:
        return Event.objects.of_task(row.pk)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        task = self.get_object(request, unquote(object_id))
        may = task is not None and task.deleted_at is None
        context = {"may_restore": may and self.has_change_permission(request, task)}
        return super().history_view(request, object_id, context | (extra_context or {}))

    def restore_view(
        self, request: HttpRequest, object_id: int, sequence: int, name: str
    ) -> HttpResponse:
        """Sets one field back to the value that it had before an event."""
        task = get_object_or_404(Task, pk=object_id)
        if request.method != "POST" or not self.has_change_permission(request, task):
            raise PermissionDenied
        event = get_object_or_404(Event, sequence=sequence, task_id=task.pk)
        level, told = self._restore(request, task, event, name)
        self.message_user(request, told, level)
        return HttpResponseRedirect(reverse("admin:tasks_task_history", args=[task.pk]))

    def _restore(
        self, request: HttpRequest, task: Task, event: Event, name: str
    ) -> tuple[int, str]:
        field = f"{name}_id" if name in ("owner", "list", "parent") else name
        values = earlier(event, field)
        if values is None or task.deleted_at is not None:
            return messages.ERROR, "There is no earlier value to restore."
        if (
            field == "owner_id"
            and not User.objects.filter(pk=values["owner_id"]).exists()
        ):
            return messages.ERROR, "The earlier owner is gone."
        try:
            with transaction.atomic():
                tasks = Task.objects.filter(pk=task.pk)
                outcome = tasks.edit(actor(request), **values)
        except (Invalid, Conflict) as refusal:
            return messages.ERROR, f"The {name} cannot be restored: {refusal.detail}"
        if not outcome.changed:
            return messages.INFO, f"The {name} is as it was already."
        return messages.SUCCESS, f"Restored {name}."
