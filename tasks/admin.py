"""Tasks in the admin: quick on a million rows, and by the same rules as the API."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from tasks.models import Task

COUNTED_PAGES = 100
CHUNK = 500


class CappedPaginator(Paginator):
    """Counts as far as the first hundred pages: counting a million rows takes a second,
    and so does skipping them. What lies beyond is found by filter or search."""

    @cached_property
    def count(self) -> int:
        assert isinstance(self.object_list, QuerySet)
        most = self.per_page * COUNTED_PAGES
        return len(self.object_list.order_by().values_list("pk")[:most])


class CalendarQuerySet(QuerySet[Task]):
    """Answers the admin's date hierarchy from the first and the last date alone.

    Django reads every row to leave out the empty years, months and days; here they are
    listed, and lead to an empty page.
    """

    def datetimes(  # type: ignore[override]  # django-stubs types it as a QuerySet
        self, field_name: str, kind: str, *args: Any, **kwargs: Any
    ) -> list[datetime]:
        dates = self.order_by(field_name).values_list(field_name, flat=True)
        first, last = dates.first(), dates.last()
        if first is None or last is None:
            return []
        zone = timezone.get_current_timezone()
        periods = _periods(
            first.astimezone(zone).date(), last.astimezone(zone).date(), kind
        )
        return [datetime(day.year, day.month, day.day, tzinfo=zone) for day in periods]


def _periods(first: date, last: date, kind: str) -> Iterator[date]:
    """The first day of every year, month or day from `first` to `last`."""
    step = {"year": 366, "month": 31, "day": 1}[kind]
    while first <= last:
        first = first.replace(
            month=1 if kind == "year" else first.month,
            day=first.day if kind == "day" else 1,
        )
        yield first
        first += timedelta(days=step)


@admin.register(Task)
class TaskAdmin(admin.ModelAdmin):
    list_display = ("id", "title", "owner", "completed", "created_at", "version")
    list_display_links = ("id", "title")
    list_editable = ("completed",)
    list_filter = ("completed", "created_at", "completed_at")
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
    fields = (
        "owner",
        "title",
        "description",
        "completed",
        ("completed_at", "created_at", "updated_at", "version"),
    )
    readonly_fields = ("completed_at", "created_at", "updated_at", "version")
    actions = ("complete", "reopen")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        return CalendarQuerySet(Task).order_by(*self.ordering)

    def save_model(
        self, request: HttpRequest, obj: Task, form: ModelForm, change: bool
    ) -> None:
        """Writes the fields that were changed here, by the same verbs as the API."""
        values = {
            "owner_id" if name == "owner" else name: form.cleaned_data[name]
            for name in form.fields
            if name in form.changed_data or not change
        }
        if "owner_id" in values:
            values["owner_id"] = values["owner_id"].pk
        if change:
            Task.objects.filter(pk=obj.pk).edit(**values)
        else:
            obj.pk = Task.objects.add(**values).pk
        obj.refresh_from_db()

    @admin.action(description="Complete the selected tasks", permissions=["change"])
    def complete(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._set(request, queryset, completed=True)

    @admin.action(description="Reopen the selected tasks", permissions=["change"])
    def reopen(self, request: HttpRequest, queryset: QuerySet[Task]) -> None:
        self._set(request, queryset, completed=False)

    def _set(
        self, request: HttpRequest, queryset: QuerySet[Task], completed: bool
    ) -> None:
        """In chunks, so that a selection of all pages neither fills the memory nor
        keeps other writers waiting."""
        keys = list(queryset.order_by().values_list("pk", flat=True))
        changed = 0
        for start in range(0, len(keys), CHUNK):
            chunk = Task.objects.filter(pk__in=keys[start : start + CHUNK])
            changed += len(chunk.edit(completed=completed))
        left = len(keys) - changed
        verb = "Completed" if completed else "Reopened"
        also = f" {left} already were." if left else ""
        self.message_user(request, f"{verb} {changed} of {len(keys)} tasks.{also}")
