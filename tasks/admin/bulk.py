"""The pages of bulk changes: what each would do and whose tasks it would change, its progress,
its outcome, and its undoing."""

from collections.abc import Callable

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from taskproject import jobs, timezones
from taskproject.accounts.privileges import may_choose_owner, sees_all, viewer, visible
from taskproject.models import Job
from taskproject.problems import Conflict
from tasks.admin.versioned import VersionedAdmin
from tasks.forms.bulk import FORMS, BulkForm
from tasks.jobs import confirm_bulk_change, undo_bulk_change
from tasks.models import BulkChange, Task
from tasks.models.bulk import MAX_SELECTED, SHOWN, State

PAGE = "tasks_task_bulk"
#: Most tasks that a message names.
NAMED = 3


class BulkPages(VersionedAdmin):
    """Bulk changes of tasks. Each belongs to the user who began it."""

    def has_place_permission(self, request: HttpRequest) -> bool:
        """Choosing a list requires the permission to view the owner's lists."""
        return self.has_change_permission(request) and request.user.has_perm(
            "tasks.view_tasklist"
        )

    def has_assign_permission(self, request: HttpRequest) -> bool:
        """Choosing a user requires the permission to view users and their tasks."""
        return self.has_change_permission(request) and may_choose_owner(request)

    def has_restore_permission(self, request: HttpRequest) -> bool:
        """Users who may move tasks to the trash may restore them."""
        return request.user.has_perm("tasks.delete_task")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tasks.remove_task")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.bulk_view)
        return [path("bulk/<int:key>/", view, name=PAGE), *super().get_urls()]

    def begin(
        self,
        request: HttpRequest,
        verb: str,
        tasks: QuerySet[Task],
        **values: object,
    ) -> HttpResponse | None:
        """Stores the selection, and redirects to its page."""
        change = BulkChange.objects.select(
            viewer(request).pk, verb, tasks, request.GET.urlencode(), **values
        )
        if change is None:
            self.refuse_many(request, MAX_SELECTED)
            return None
        return _to(change)

    def bulk_view(self, request: HttpRequest, key: int) -> HttpResponse:
        change = get_object_or_404(BulkChange, pk=key, actor_id=viewer(request).pk)
        may = getattr(self, f"has_{change.kind.permission}_permission")
        if not may(request):
            raise PermissionDenied
        if change.state == State.SELECTED and _has_hidden_tasks(request, change):
            self.message_user(
                request,
                "Some of these tasks belong to other users now. Nothing was changed: "
                "select the tasks again.",
                messages.ERROR,
            )
            return HttpResponseRedirect(_list(change))
        if request.method == "POST":
            match request.POST.get("step"):
                case "confirm":
                    return self._confirm(request, change)
                case "undo":
                    return self._run(request, change, undo_bulk_change)
        form = self._form(request, change)
        if form is not None and form.is_valid():
            selected = BulkChange.objects.filter(pk=change.pk, state=State.SELECTED)
            selected.update(values=form.values())
            return _to(change)
        return TemplateResponse(
            request, "admin/tasks/task/bulk.html", self._context(request, change, form)
        )

    def _form(self, request: HttpRequest, change: BulkChange) -> BulkForm | None:
        """The form for the value, as long as none was chosen."""
        chosen = change.values and "again" not in request.GET
        if change.verb not in FORMS or chosen or change.state != State.SELECTED:
            return None
        zone = timezones.known(viewer(request).timezone)
        data = request.POST if request.method == "POST" else None
        return FORMS[change.verb](change, zone, data)

    def _context(
        self, request: HttpRequest, change: BulkChange, form: BulkForm | None
    ) -> dict[str, object]:
        context = self.context_of_page(request, change.title)
        context |= {"change": change, "form": form, "list": _list(change)}
        if change.state == State.SELECTED:
            first = change.tasks().select_related("owner").order_by("pk")[:SHOWN]
            context |= {"preview": change.preview(), "tasks": first}
            context["more"] = max(0, change.total - len(first))
            return context
        if change.state in (State.RUNNING, State.UNDOING):
            jobs.start()  # the process that ran it may have been stopped
            job = Job.objects.about("selection", change.pk)
            return context | {"running": True, "job": job}
        counts = change.counts()
        return context | {
            "counts": counts,
            "same": change.total - counts["changed"] - counts["refused"],
            "refused": with_titles(request, change.refused()),
        }

    def _confirm(self, request: HttpRequest, change: BulkChange) -> HttpResponse:
        if change.verb in FORMS and not change.values:
            return _to(change)
        if request.POST.get("title") != change.title:
            self.message_user(
                request,
                "Another value was chosen meanwhile, in another window. This is what "
                "would be done now.",
                messages.WARNING,
            )
            return _to(change)
        return self._run(request, change, confirm_bulk_change)

    def _run(
        self,
        request: HttpRequest,
        change: BulkChange,
        begin: Callable[[BulkChange], Job | None],
    ) -> HttpResponse:
        """Does or undoes it for as long as a request may; a job does the rest."""
        try:
            job = begin(change)
        except Conflict as conflict:
            self.message_user(request, conflict.detail, messages.ERROR)
            return _to(change)
        if job is not None:
            jobs.run(job)
        change.refresh_from_db()
        if change.state not in (State.DONE, State.UNDONE):
            return _to(change)
        self._tell(request, change)
        return HttpResponseRedirect(_list(change))

    def _tell(self, request: HttpRequest, change: BulkChange) -> None:
        """Shows what was done or undone, with links to the report and to undo it."""
        counts = change.counts()
        undone = change.state == State.UNDONE
        done, total = counts["changed"], change.total
        said = change.kind.done.format(change.values.get("shown"))
        if undone:
            done, total = counts["undone"], counts["changed"]
            said = "Undone:"
        left = f" Not changed: {total - done}." if total > done else ""
        parts = [f"{said} {done:,} of {total:,} tasks.{left}"]
        kept = change.refused()
        if kept:
            address = reverse(f"admin:{PAGE}", args=[change.pk])
            titles = visible(request, Task.objects.all()).in_bulk(
                [key for key, _ in kept[:NAMED]]
            )
            named = [f"{key} “{titles.get(key, '')}”: {why}" for key, why in kept]
            parts += named[:NAMED]
            parts.append(format_html('<a href="{}">All reasons.</a>', address))
        if change.is_undoable() and done:
            parts.append(_undo_button(request, change))
        level = messages.WARNING if kept else messages.SUCCESS
        text = format_html(" ".join(["{}"] * len(parts)), *parts)
        self.message_user(request, text, level)


def with_titles(
    request: HttpRequest, refused: list[tuple[int, str]]
) -> list[tuple[int, str | None, str]]:
    """The ids of tasks that were refused, with the titles that the user may see, and the reasons."""
    tasks = visible(request, Task.objects.filter(pk__in=[key for key, _ in refused]))
    named = dict(tasks.values_list("pk", "title"))
    return [(key, named.get(key), why) for key, why in refused]


def _has_hidden_tasks(request: HttpRequest, change: BulkChange) -> bool:
    """Whether the selection has tasks that the user may not see any more."""
    if sees_all(request):
        return False
    return change.tasks().exclude(owner_id=viewer(request).pk).exists()


def _to(change: BulkChange) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse(f"admin:{PAGE}", args=[change.pk]))


def _list(change: BulkChange) -> str:
    """The address of the list that the tasks were selected in."""
    query = f"?{change.query}" if change.query else ""
    return reverse("admin:tasks_task_changelist") + query


def _undo_button(request: HttpRequest, change: BulkChange) -> SafeString:
    return format_html(
        '<form method="post" action="{}" class="undo">'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<button type="submit" name="step" value="undo" class="button">Undo</button>'
        "</form>",
        reverse(f"admin:{PAGE}", args=[change.pk]),
        get_token(request),
    )
