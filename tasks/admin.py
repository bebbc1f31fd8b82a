"""Tasks in the admin: quick on a million rows, and by the same rules as the API."""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from taskproject.accounts.models import User
from tasks.forms import TaskForm, TaskListForm
from tasks.models import (
    Actor,
    Event,
    Outcome,
    Task,
    TaskQuerySet,
    feed_of,
)

COUNTED_PAGES = 100
CHUNK = 500
TIMELINE_LENGTH = 200
# The key of a row of the list, as its form sends it.
ROW_KEY = re.compile(r"form-[0-9]+-id$")


class CappedPaginator(Paginator):
    """Counts as far as the first hundred pages: counting a million rows takes a second,
    and so does skipping them. What lies beyond is found by filter or search."""

    @cached_property
    def count(self) -> int:
        assert isinstance(self.object_list, QuerySet)
        most = self.per_page * COUNTED_PAGES
        return len(self.object_list.order_by().values_list("pk")[:most])


class CalendarQuerySet(TaskQuerySet):
    """Answers the admin's date hierarchy from the first and the last date alone.

    Django reads every row to leave out the empty years, months and days; here they are
    listed, and lead to an empty page.
    """

    _ends: tuple[datetime, datetime] | None = None

    def aggregate(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The two ends, each from an end of the index: SQLite reads the whole index to
        find a minimum and a maximum in one statement."""
        if set(kwargs) != {"first", "last"}:
            return super().aggregate(*args, **kwargs)
        dates = self.order_by("created_at").values_list("created_at", flat=True)
        first, last = dates.first(), dates.last()
        self._ends = (first, last) if first and last else None
        return {"first": first, "last": last}

    def datetimes(  # type: ignore[override]  # django-stubs types it as a QuerySet
        self, field_name: str, kind: str, *args: Any, **kwargs: Any
    ) -> list[datetime]:
        if self._ends is None:
            self.aggregate(first=None, last=None)
        if self._ends is None:
            return []
        zone = timezone.get_current_timezone()
        first, last = (end.astimezone(zone).date() for end in self._ends)
        return [
            datetime(day.year, day.month, day.day, tzinfo=zone)
            for day in _periods(first, last, kind)
        ]


def _periods(first: date, last: date, kind: str) -> Iterator[date]:
    """The first day of every year, month or day from `first` to `last`."""
    step = timedelta(days={"year": 366, "month": 31, "day": 1}[kind])

    def begin(day: date) -> date:
        return day.replace(
            month=1 if kind == "year" else day.month,
            day=day.day if kind == "day" else 1,
        )

    period = begin(first)
    while period <= last:
        yield period
        period = begin(period + step)


class TrashFilter(admin.SimpleListFilter):
    title = "trash"
    parameter_name = "trash"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("in", "In the trash"), ("all", "All, trash included")]

    def choices(self, changelist: Any) -> Iterator[Any]:
        choices = super().choices(changelist)
        yield {**next(choices), "display": "Not in the trash"}
        yield from choices

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Task]
    ) -> QuerySet[Task]:
        assert isinstance(queryset, TaskQuerySet)
        match self.value():
            case "in":
                return queryset.trashed()
            case "all":
                return queryset
        return queryset.live()


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):
    form = TaskForm
    list_display = ("id", "title", "owner", "completed", "created_at", "version")
    list_display_links = ("id", "title")
    list_editable = ("completed",)
    list_filter = (TrashFilter, "completed", "created_at")
    # Counting what each filter would show reads every row.
    show_facets = admin.ShowFacets.NEVER
    list_select_related = ("owner",)
    list_per_page = 50
    search_fields = ("title", "description", "owner__username")
    search_help_text = "Words of the title or the description, or a user name."
    date_hierarchy = "created_at"
    ordering = ("-id",)
    # Sorting a million rows by a column without an index would take seconds.
    sortable_by = ("id", "created_at")
    show_full_result_count = False
    paginator = CappedPaginator
    autocomplete_fields = ("owner",)
    readonly_fields = ("completed_at", "created_at", "updated_at", "deleted_at")
    fields = (
        "owner",
        "title",
        "description",
        "completed",
        readonly_fields,
        "opened_version",
    )
    actions = ("complete", "reopen", "trash", "restore", "remove")
    object_history_template = "admin/tasks/task/timeline.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return CalendarQuerySet(Task).order_by(*self.ordering)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """A year or a month is read off the index of its dates."""
        if any(name.startswith("created_at__") for name in request.GET):
            return ("-created_at", "-id")
        return self.ordering

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        return TaskListForm

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        """Rows that are saved together take their owners' places in the feed together,
        in the one order that keeps writers from deadlocking."""
        if "_save" not in request.POST or not self.has_change_permission(request):
            try:
                return super().changelist_view(request, extra_context)
            except (ValueError, OverflowError):
                # A forged selection or a year beyond the calendar, which Django lets
                # through to where it fails: its own answer to a bad filter.
                return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
        posted = [str(v) for name, v in request.POST.items() if ROW_KEY.match(name)]
        keys = [int(value) for value in posted if re.fullmatch("[0-9]{1,18}", value)]
        rows = Task.objects.filter(pk__in=keys).values_list("owner_id", flat=True)
        with feed_of(list(rows)):
            return super().changelist_view(request, extra_context)

    def get_actions(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        actions = super().get_actions(request, *args, **kwargs)
        actions.pop("delete_selected", None)  # `trash` and `remove` stand for it
        return actions

    # Writing, by the verbs of the model

    def save_model(
        self, request: HttpRequest, obj: Task, form: Any, change: bool
    ) -> None:
        """Writes the fields that were changed here, and no others."""
        values = {
            "owner_id" if name == "owner" else name: form.cleaned_data[name]
            for name in TaskForm.Meta.fields
            if name in form.fields and (name in form.changed_data or not change)
        }
        if "owner_id" in values:
            values["owner_id"] = values["owner_id"].pk
        if change:
            Task.objects.filter(pk=obj.pk).edit(_actor(request), **values)
        else:
            obj.pk = Task.objects.add(_actor(request), **values).pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Task) -> None:
        Task.objects.filter(pk=obj.pk).trash(_actor(request))

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
        keys = self._keys(request, queryset)
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
        keys = self._keys(request, queryset)
        if not keys:
            return
        changed = 0
        for start in range(0, len(keys), CHUNK):
            chunk = Task.objects.filter(pk__in=keys[start : start + CHUNK])
            changed += len(verb(chunk, _actor(request)).changed)
        left = len(keys) - changed
        also = f" {left} were left as they are." if left else ""
        self.message_user(request, f"{done} {changed} of {len(keys)} tasks.{also}")

    def _keys(self, request: HttpRequest, queryset: QuerySet[Task]) -> list[int]:
        """The selected tasks; none, and a message, where they are more than counted."""
        most = self.list_per_page * COUNTED_PAGES
        keys = list(queryset.order_by().values_list("pk", flat=True)[: most + 1])
        if len(keys) <= most:
            return keys
        self.message_user(
            request,
            f"More than {most:,} tasks match. Nothing was changed: narrow the list by a "
            "filter or a search first.",
            messages.ERROR,
        )
        return []

    # The timeline

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.restore_view)
        place = "<int:object_id>/timeline/<int:sequence>/<str:name>/"
        return [path(place, view, name="tasks_task_restore_value"), *super().get_urls()]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Django's history page, with our events instead of the admin's own log."""
        task = self.get_object(request, unquote(object_id))
        events = Event.objects.of_task(task.pk if task else 0)
        # One of each version: a transfer has an event in both owners' feeds.
        timeline = {
            event.version: _told(event)
            for event in events.in_order().reverse()[:TIMELINE_LENGTH]
        }
        may_restore = task is not None and task.deleted_at is None
        context = {
            "timeline": list(timeline.values()),
            "may_restore": may_restore and self.has_change_permission(request, task),
        }
        return super().history_view(request, object_id, context | (extra_context or {}))

    def restore_view(
        self, request: HttpRequest, object_id: int, sequence: int, name: str
    ) -> HttpResponse:
        """Sets one field back to the value that it had before an event."""
        task = get_object_or_404(Task, pk=object_id)
        if request.method != "POST" or not self.has_change_permission(request, task):
            raise PermissionDenied
        event = get_object_or_404(Event, sequence=sequence, task_id=task.pk)
        field = "owner_id" if name == "owner" else name
        old, _ = event.changes.get(field, (None, None))
        if old is None or task.deleted_at is not None:
            messages.error(request, "There is no earlier value to restore.")
        elif field == "owner_id" and not User.objects.filter(pk=old).exists():
            messages.error(request, "The earlier owner is gone.")
        else:
            Task.objects.filter(pk=task.pk).edit(_actor(request), **{field: old})
            messages.success(request, f"Restored {name}.")
        return HttpResponseRedirect(reverse("admin:tasks_task_history", args=[task.pk]))


def _actor(request: HttpRequest) -> Actor:
    return Actor(request.user.pk, "admin")


def _told(event: Event) -> dict[str, Any]:
    """An event as the timeline shows it; somebody deleted is but a number."""
    user = event.actor_id
    return {
        "sequence": event.sequence,
        "at": event.at,
        "who": event.actor or (f"user {user}" if user else "the service"),
        "via": event.via,
        "verb": event.verb,
        "version": event.version,
        "changes": [
            {"name": name.removesuffix("_id"), "old": old, "new": new}
            for name, (old, new) in event.changes.items()
        ],
    }
