"""Tags in the admin."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from tasks.admin.versioned import VersionedAdmin, actor, first_tasks
from tasks.forms import TagForm
from tasks.jobs import remove_tag, rename_tag
from tasks.models import Tag, lock_feeds

if TYPE_CHECKING:
    from tasks.admin.versioned import Fieldsets

#: Most tags that one action deletes.
MAX_REMOVED = 100


@admin.register(Tag)
class TagAdmin(VersionedAdmin):
    """Tags cannot be added here: a tag is created when a task first uses it."""

    form = TagForm
    subject = "tag_id"
    list_display = ("name", "owner", "tasks_link", "created_at", "version")
    search_fields = ("name", "owner__username")
    search_help_text = "Part of a name, or of a user name."
    readonly_fields = ("owner", "tasks_shown", "version", "created_at")
    sortable_by = ()
    actions = ("remove",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    # The pages

    @admin.display(description="Tasks")
    def tasks_link(self, row: Tag) -> str:
        address = reverse("admin:tasks_task_changelist")
        return format_html('<a href="{}?tag={}">Show tasks</a>', address, row.pk)

    @admin.display(description="Tasks")
    def tasks_shown(self, row: Tag) -> str:
        return first_tasks(row.all_tasks, f"tag={row.pk}")

    def get_fieldsets(
        self, request: HttpRequest, obj: Tag | None = None
    ) -> "Fieldsets":
        main: tuple[str, ...] = ("owner", "name")
        if self.has_change_permission(request, obj):
            main = (*main, "opened_version")
        fieldsets: Fieldsets = ((None, {"fields": main}),)
        if request.user.has_perm("tasks.view_task"):
            fieldsets += (("Tasks", {"fields": ("tasks_shown",)}),)
        return (*fieldsets, ("History", {"fields": (("created_at", "version"),)}))

    # Writing, by the methods of the model

    def save_model(
        self, request: HttpRequest, obj: Tag, form: TagForm, change: bool
    ) -> None:
        values = form.values()
        with lock_feeds([obj.owner_id]):
            row = Tag.objects.select_for_update().get(pk=obj.pk)
            job = rename_tag(row, actor(request), values.get("name", row.name))
        if job is not None:
            self.run_job(request, job, f"“{row}” is being renamed in its tasks")
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        self.delete_rows(request, [obj], remove_tag)

    @admin.action(description="Delete the selected tags", permissions=["delete"])
    def remove(
        self, request: HttpRequest, queryset: QuerySet[Tag]
    ) -> HttpResponse | None:
        keys = self.selected(request, queryset, MAX_REMOVED)
        if not keys:
            return None
        rows = Tag.objects.filter(pk__in=keys)
        if "post" not in request.POST:
            return self.ask(request, rows.select_related("owner"))
        self.delete_rows(request, rows, remove_tag, len(keys))
        return None
