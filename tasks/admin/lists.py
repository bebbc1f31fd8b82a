"""Lists in the admin."""

from functools import partial
from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from taskproject.models import Job
from tasks.admin.versioned import VersionedAdmin, actor, add_link, first_tasks
from tasks.forms import ListForm
from tasks.jobs import remove_list
from tasks.models import Actor, TaskList, lock_feeds

if TYPE_CHECKING:
    from tasks.admin.versioned import FieldsetOptions, Fieldsets

#: Most lists that one action deletes.
MAX_REMOVED = 100


@admin.register(TaskList)
class ListAdmin(VersionedAdmin):
    form = ListForm
    subject = "list_id"
    list_display = ("name", "owner", "archived", "tasks_link", "created_at", "version")
    list_filter = ("archived",)
    search_fields = ("name", "owner__username")
    search_help_text = "Part of a name, or of a user name."
    autocomplete_fields = ("owner",)
    readonly_fields = ("tasks_shown", "position", "version", "created_at", "updated_at")
    sortable_by = ()
    actions = ("remove",)

    # The pages

    @admin.display(description="Tasks")
    def tasks_link(self, row: TaskList) -> str:
        address = reverse("admin:tasks_task_changelist")
        return format_html('<a href="{}?list={}">Show tasks</a>', address, row.pk)

    @admin.display(description="Tasks")
    def tasks_shown(self, row: TaskList) -> str:
        return first_tasks(row.tasks.all(), f"list={row.pk}", f"list={row.pk}")

    def get_readonly_fields(
        self, request: HttpRequest, obj: TaskList | None = None
    ) -> tuple[str, ...]:
        """The owner of a list cannot be changed."""
        given = () if obj is None else ("owner",)
        return (*given, *self.readonly_fields)

    def get_fieldsets(
        self, request: HttpRequest, obj: TaskList | None = None
    ) -> "Fieldsets":
        main: tuple[str, ...] = ("owner", "name", "archived")
        if obj is None or self.has_change_permission(request, obj):
            main = (*main, "opened_version")
        fieldsets: Fieldsets = ((None, {"fields": main}),)
        if obj is None:
            return fieldsets
        if request.user.has_perm("tasks.view_task"):
            new = {"owner": obj.owner_id, "list": obj.pk}
            link = add_link(request, "Add a task", new)
            shown: FieldsetOptions = {"fields": ("tasks_shown",), "description": link}
            fieldsets += (("Tasks", shown),)
        history = (("created_at", "updated_at"), ("position", "version"))
        return (*fieldsets, ("History", {"fields": history}))

    # Writing, by the methods of the model

    def save_model(
        self, request: HttpRequest, obj: TaskList, form: ListForm, change: bool
    ) -> None:
        values = form.values()
        if change:
            with lock_feeds([obj.owner_id]):
                row = TaskList.objects.select_for_update().get(pk=obj.pk)
                row.edit(actor(request), **values)
        else:
            owner = values.pop("owner")
            new = TaskList.objects.add(actor(request), owner_id=owner.pk, **values)
            obj.pk = new.pk
        obj.refresh_from_db()

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        context = {"may_trash": _may_trash(request), **(extra_context or {})}
        return super().delete_view(request, object_id, context)

    def delete_model(self, request: HttpRequest, obj: TaskList) -> None:
        _check_may_trash(request)
        self.delete_rows(request, [obj], partial(_remove_list, request))

    @admin.action(description="Delete the selected lists", permissions=["delete"])
    def remove(
        self, request: HttpRequest, queryset: QuerySet[TaskList]
    ) -> HttpResponse | None:
        keys = self.selected(request, queryset, MAX_REMOVED)
        if not keys:
            return None
        rows = TaskList.objects.filter(pk__in=keys)
        if "tasks" not in request.POST:
            asked = rows.select_related("owner")
            return self.ask(request, asked, may_trash=_may_trash(request))
        _check_may_trash(request)
        self.delete_rows(request, rows, partial(_remove_list, request), len(keys))
        return None


def _may_trash(request: HttpRequest) -> bool:
    return request.user.has_perm("tasks.delete_task")


def _check_may_trash(request: HttpRequest) -> None:
    if request.POST.get("tasks") == "delete" and not _may_trash(request):
        raise PermissionDenied


def _remove_list(request: HttpRequest, row: TaskList, by: Actor) -> Job | None:
    """Deletes a list; moves its tasks to the trash if the form says so."""
    return remove_list(row, by, tasks=request.POST.get("tasks") == "delete")
