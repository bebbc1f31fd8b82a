"""Tasks in the admin."""

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from taskproject.accounts.models import User
from taskproject.accounts.privileges import (
    may_choose_owner,
    may_see,
    viewer,
    visible,
)
from taskproject.problems import Conflict, Invalid
from tasks.admin.changelist import TaskChangeListAdmin
from tasks.admin.choices import CHOICES, KEY, choices_view
from tasks.admin.timeline import earlier, lost, refused, timeline
from tasks.admin.versioned import Row, actor, add_link, first_tasks, reason
from tasks.forms import TaskForm
from tasks.forms.series import next_dates
from tasks.forms.tasks import DUE, ORGANIZATION, SERIES
from tasks.models import Event, EventQuerySet, Tag, Task, TaskList
from tasks.reminder_rules import describe

if TYPE_CHECKING:
    from tasks.admin.versioned import FieldsetOptions, Fieldsets

#: The number of the newest events on the page of a task.
SHOWN_EVENTS = 5


@admin.register(Task)
class TaskAdmin(TaskChangeListAdmin):
    class Media:
        js = ("taskproject/due_pickers.js",)

    form = TaskForm
    subject = "task_id"
    autocomplete_fields = ("owner", "list", "parent")
    readonly_fields = (
        "subtasks_shown",
        "client_id",
        "position",
        "version",
        "completed_at",
        "created_at",
        "updated_at",
        "deleted_at",
    )

    # The form

    def get_readonly_fields(
        self, request: HttpRequest, obj: Task | None = None
    ) -> tuple[str, ...]:
        """Users who may not view lists or tasks cannot choose one."""
        chosen = (("list", TaskList), ("parent", Task))
        unseen = [name for name, model in chosen if not may_see(request, model)]
        return (*self.readonly_fields, *unseen)

    def get_fieldsets(
        self, request: HttpRequest, obj: Task | None = None
    ) -> "Fieldsets":
        fields = TaskForm.Meta.fields
        others = (*ORGANIZATION, *DUE, *SERIES)
        main = tuple(name for name in fields if name not in others)
        due: tuple[str, ...] = ("due_shown", "reminders_shown", *SERIES)
        if obj is None or self.has_change_permission(request, obj):
            main, due = (*main, "opened_version"), (*DUE, "reminder_lines", *SERIES)
        fieldsets: Fieldsets = (
            (None, {"fields": main}),
            ("Organization", {"fields": ORGANIZATION}),
            ("Due", {"fields": due}),
        )
        if obj is not None:
            times = ("completed_at", "created_at", "updated_at", "deleted_at")
            subtasks: FieldsetOptions = {"fields": ("subtasks_shown",)}
            if obj.parent_id is None and obj.deleted_at is None:
                where = {"owner": obj.owner_id, "list": obj.list_id, "parent": obj.pk}
                subtasks["description"] = add_link(request, "Add a subtask", where)
            fieldsets += (
                ("Subtasks", subtasks),
                ("History", {"fields": (times, ("client_id", "position", "version"))}),
            )
        return fieldsets

    @admin.display(description="Reminders")
    def reminders_shown(self, task: Task) -> str:
        return ", ".join(map(describe, task.reminders or ())) or "-"

    @admin.display(description="Subtasks")
    def subtasks_shown(self, task: Task) -> str:
        everything = f"parent__id__exact={task.pk}"
        return first_tasks(task.subtasks.all(), everything, f"parent={task.pk}")

    def get_changeform_initial_data(
        self, request: HttpRequest
    ) -> dict[str, str | list[str]]:
        """The initial values in the address of the form of a new task. A list or a parent
        sets the owner, and is ignored if the address has another owner."""
        initial = super().get_changeform_initial_data(request)
        tops = visible(request, Task.objects.live().filter(parent__isnull=True))
        lists = visible(request, TaskList.objects.all())
        for name, rows in (("list", lists), ("parent", tops)):
            key = initial.pop(name, "")
            known = KEY.fullmatch(str(key))
            row = rows.filter(pk=int(known[0])).first() if known else None
            if row is None:
                continue
            theirs = str(row.owner_id)
            if initial.setdefault("owner", theirs) == theirs:
                initial[name] = str(row.pk)
        if not request.GET.keys() & set(TaskForm.base_fields):
            initial["owner"] = str(viewer(request).pk)
        return initial

    # Writing, by the methods of the model

    def save_model(
        self, request: HttpRequest, obj: Task, form: TaskForm, change: bool
    ) -> None:
        """Writes only the fields that were changed in the form."""
        values = form.values()
        if change:
            before = Task.objects.select_related("list", "parent").get(pk=obj.pk)
            Task.objects.filter(pk=obj.pk).edit(actor(request), **values)
            if values.get("owner_id", before.owner_id) != before.owner_id:
                self._warn_of_cleared(request, before, form.cleaned_data["owner"])
        else:
            obj.pk = Task.objects.add(actor(request), **values).pk
        obj.refresh_from_db()

    def _warn_of_cleared(self, request: HttpRequest, before: Task, owner: User) -> None:
        """Shows a message if a new owner cleared the list or the parent."""
        after = Task.objects.get(pk=before.pk)
        for kind in ("list", "parent"):
            row = getattr(before, kind)
            if row is not None and getattr(after, f"{kind}_id") is None:
                self.message_user(
                    request,
                    f"The {kind} “{row}” belongs to {before.owner}: the task, which now "
                    f"belongs to {owner}, has no {kind} any more.",
                    messages.WARNING,
                )

    def response_post_save_add(
        self, request: HttpRequest, obj: Task
    ) -> HttpResponseRedirect:
        return _back(request) or super().response_post_save_add(request, obj)

    def response_post_save_change(
        self, request: HttpRequest, obj: Task
    ) -> HttpResponseRedirect:
        return _back(request) or super().response_post_save_change(request, obj)

    # The series

    def next_dates_view(self, request: HttpRequest) -> HttpResponse:
        """The next dates of the fields in the query, as text, for the page's script."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        dates = next_dates(request.GET.dict(), viewer(request).timezone)
        return HttpResponse(dates, content_type="text/plain; charset=utf-8")

    # The trash

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        Task.objects.filter(pk=obj.pk).trash(actor(request))

    def response_delete(
        self, request: HttpRequest, obj_display: str, obj_id: int
    ) -> HttpResponse:
        """Django's, with another message: the task was moved to the trash."""
        message = format_html(
            "The task “{}” was moved to the trash. "
            '<a href="{}">Its page</a> can restore it.',
            obj_display,
            reverse("admin:tasks_task_change", args=[obj_id]),
        )
        self.message_user(request, message, messages.SUCCESS)
        return self.response_post_save_change(request, Task(pk=obj_id))

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Leads to the page of a task that is in the trash already, such as after Back."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except PermissionDenied:
            task = self.get_object(request, unquote(object_id))
            may = task is not None and super().has_delete_permission(request, task)
            if task is None or task.deleted_at is None or not may:
                raise
        self.message_user(request, f"The task “{task}” is in the trash already.")
        return HttpResponseRedirect(reverse("admin:tasks_task_change", args=[task.pk]))

    def has_delete_permission(
        self, request: HttpRequest, obj: Task | None = None
    ) -> bool:
        """Tasks in the trash cannot be moved there again."""
        trashed = obj is not None and obj.deleted_at is not None
        return super().has_delete_permission(request, obj) and not trashed

    def restore_task_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Restores a task from the trash, from its page."""
        task = get_object_or_404(self.get_queryset(request), pk=object_id)
        may = self.has_restore_permission(request)
        if request.method != "POST" or not may:
            raise PermissionDenied
        Task.objects.filter(pk=task.pk).restore(actor(request))
        self.message_user(request, f"The task “{task}” is restored.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:tasks_task_change", args=[task.pk]))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, object],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Task | None = None,
    ) -> HttpResponse:
        if obj is not None and obj.deleted_at is not None:
            context["purged_on"] = self.purged_on(obj)
            context["may_restore"] = self.has_restore_permission(request)
        if obj is not None and not context.get("is_popup"):
            events = timeline(self.events_of(obj), SHOWN_EVENTS + 1)
            may = obj.deleted_at is None and self.has_change_permission(request, obj)
            context |= {
                "timeline": events[:SHOWN_EVENTS],
                "timeline_more": len(events) > SHOWN_EVENTS,
                "may_restore_values": may,
                "tags": obj.labels.order_by("key") if may_see(request, Tag) else (),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def has_change_permission(
        self, request: HttpRequest, obj: Task | None = None
    ) -> bool:
        """Tasks in the trash can be viewed and restored, not edited. A form that was
        opened before is still validated, so that its error shows what was entered.
        """
        frozen = obj is not None and obj.deleted_at is not None
        shown = request.method != "POST"
        return super().has_change_permission(request, obj) and not (frozen and shown)

    # The timeline

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.restore_view)
        place = "<int:object_id>/timeline/<int:sequence>/<str:name>/"
        choices = self.admin_site.admin_view(choices_view)
        return [
            path(place, view, name="tasks_task_restore_value"),
            path(
                "<int:object_id>/restore/",
                self.admin_site.admin_view(self.restore_task_view),
                name="tasks_task_restore",
            ),
            path("choices/", choices, name=CHOICES),
            path(
                "next-dates/",
                self.admin_site.admin_view(self.next_dates_view),
                name="tasks_task_next_dates",
            ),
            *super().get_urls(),
        ]

    def events_of(self, row: Row) -> EventQuerySet:
        return Event.objects.of_task(row.pk)

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        task = self.get_object(request, unquote(object_id))
        may = task is not None and task.deleted_at is None
        context = {"may_restore": may and self.has_change_permission(request, task)}
        return super().history_view(request, object_id, context | (extra_context or {}))

    def restore_view(
        self, request: HttpRequest, object_id: int, sequence: int, name: str
    ) -> HttpResponse:
        """Restores one field to the value that it had before an event."""
        task = get_object_or_404(self.get_queryset(request), pk=object_id)
        if request.method != "POST" or not self.has_change_permission(request, task):
            raise PermissionDenied
        if not self._may_choose(request, name):
            raise PermissionDenied
        event = get_object_or_404(Event, sequence=sequence, task_id=task.pk)
        level, message = self._restore(request, task, event, name)
        self.message_user(request, message, level)
        page = "change" if request.GET.get("back") == "task" else "history"
        return HttpResponseRedirect(reverse(f"admin:tasks_task_{page}", args=[task.pk]))

    def _may_choose(self, request: HttpRequest, name: str) -> bool:
        """Whether the user could set this field in the form."""
        if name == "owner":
            return may_choose_owner(request)
        model = {"list": TaskList, "parent": Task}.get(name)
        return model is None or may_see(request, model)

    def _restore(
        self, request: HttpRequest, task: Task, event: Event, name: str
    ) -> tuple[int, str]:
        field = f"{name}_id" if name in ("owner", "list", "parent") else name
        values = earlier(event, field)
        if values is None or task.deleted_at is not None:
            return messages.ERROR, "There is no earlier value to restore."
        why = lost(task, field, values[field]) or refused(task, field, values[field])
        if why:
            return messages.ERROR, f"The {name} cannot be restored: {why}"
        try:
            with transaction.atomic():
                tasks = Task.objects.filter(pk=task.pk)
                outcome = tasks.edit(actor(request), **values)
        except (Invalid, Conflict) as refusal:
            return messages.ERROR, f"The {name} cannot be restored: {reason(refusal)}"
        if not outcome.changed:
            return messages.INFO, f"The {name} is as it was already."
        return messages.SUCCESS, f"Restored {name}."


def _back(request: HttpRequest) -> HttpResponseRedirect | None:
    """A redirect to the list or parent named in the query; None if there is none."""
    for name, model in (("parent", Task), ("list", TaskList)):
        key = request.GET.get(name, "")
        if not (KEY.fullmatch(key) and may_see(request, model)):
            continue
        if model._default_manager.filter(pk=int(key)).exists():
            page = f"admin:tasks_{model._meta.model_name}_change"
            return HttpResponseRedirect(reverse(page, args=[int(key)]))
    return None
