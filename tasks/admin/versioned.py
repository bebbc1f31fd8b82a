"""The base of the admin classes of tasks, lists and tags: pages of bounded cost, and
changes through the methods of the models alone."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.db.models import Field, ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from taskproject import timezones
from taskproject.accounts.models import User
from taskproject.accounts.privileges import (
    may_choose_owner,
    may_see,
    viewer,
    visible,
)
from taskproject.job_admin import JobAdmin
from taskproject.models import Job
from taskproject.problems import Conflict, Invalid, Problem
from tasks.admin.choices import KEY, OwnedAutocomplete
from tasks.admin.pages import COUNTED_PAGES, CappedPaginator
from tasks.admin.timeline import timeline
from tasks.forms.optimistic_lock import OptimisticLockForm
from tasks.models import Actor, Event, EventQuerySet, Tag, Task, TaskList, lock_feeds

if TYPE_CHECKING:
    from django.contrib.admin.options import _FieldOpts

    FieldsetOptions = _FieldOpts
    Fieldsets = tuple[tuple[str | None, FieldsetOptions], ...]

Row = Task | TaskList | Tag
#: Models whose rows are deleted one by one.
Named = TypeVar("Named", TaskList, Tag)
#: Tasks shown on the page of their list, tag or parent.
SHOWN_TASKS = 20
# The lookups that an address may use. Others can fail in the database: an invalid regular
# expression, and lookups of JSON that SQLite lacks.
LOOKUPS = {"id", "exact", "isnull", "gt", "gte", "lt", "lte", "year", "month", "day"}


def actor(request: HttpRequest) -> Actor:
    return Actor(request.user.pk, "admin")


class VersionedAdmin(JobAdmin):
    """Rows with a version, and with events of their changes."""

    class Media:
        css: ClassVar = {"all": ("taskproject/admin.css",)}
        js = ("taskproject/unsaved.js", "taskproject/row_navigation.js")

    # Facets would count the rows of each choice, and so read every row.
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    paginator = CappedPaginator
    list_per_page = 50
    ordering = ("-id",)
    # Sorting a million rows by a column without an index takes seconds.
    sortable_by: ClassVar[tuple[str, ...]] = ("id",)
    list_select_related: ClassVar[tuple[str, ...]] = ("owner",)
    object_history_template = "admin/tasks/timeline.html"
    #: The field of an event that names a row of this model.
    subject: ClassVar[str]

    # The form

    def get_form(
        self,
        request: HttpRequest,
        obj: Row | None = None,
        change: bool = False,
        **kwargs: object,
    ) -> type[OptimisticLockForm]:
        """The class is made for this request, and so may have attributes of the request."""
        form = super().get_form(request, obj, change, **kwargs)
        assert issubclass(form, OptimisticLockForm)
        form.zone = timezones.known(viewer(request).timezone)
        form.refusal = getattr(request, "refusal", None)
        owner = form.base_fields.get("owner")
        if isinstance(owner, forms.ModelChoiceField) and not may_choose_owner(request):
            owner.widget, owner.empty_label = forms.Select(), None
            owner.queryset = self.known_owners(request, obj)
        return form

    def known_owners(self, request: HttpRequest, row: Row | None) -> QuerySet[User]:
        """The owners that staff who may not choose others can choose: themselves, the owner
        of the row, and the owner of the list or parent that is chosen for it."""
        known = {viewer(request).pk} | ({row.owner_id} if row else set())
        for name, model in (("list", TaskList), ("parent", Task)):
            for query in (request.GET, request.POST):
                key = query.get(name, "")
                if KEY.fullmatch(key) and may_see(request, model):
                    every = model._default_manager.filter(pk=int(key))
                    rows = visible(request, every)
                    known.update(rows.values_list("owner_id", flat=True))
        return User.objects.filter(pk__in=known).order_by("username")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """A refusal by a method of the model becomes an error of the form: the transaction
        is rolled back, and the view is called again with the refusal."""
        page = request, object_id, form_url, extra_context
        try:
            return super().changeform_view(*page)
        except (Invalid, Conflict) as refusal:
            vars(request)["refusal"] = refusal  # for get_form
            return super().changeform_view(*page)

    def formfield_for_foreignkey(
        self, db_field: ForeignKey, request: HttpRequest, **kwargs: object
    ) -> forms.ModelChoiceField | None:
        kwargs.setdefault("widget", OwnedAutocomplete(db_field, self.admin_site))
        if db_field.name in ("list", "parent"):
            rows = db_field.related_model._default_manager.all()
            kwargs.setdefault("queryset", visible(request, rows))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(
        self, db_field: Field, request: HttpRequest, **kwargs: object
    ) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        widget = getattr(field, "widget", None)
        if isinstance(widget, RelatedFieldWidgetWrapper):
            # Deleting a list needs its own page, which asks about its tasks.
            widget.can_delete_related = False
        return field

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """The rows that the user may see; other pages of theirs are not found."""
        return visible(request, super().get_queryset(request))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        refused = f"{request.path}?{ERROR_FLAG}=1"
        try:
            response = super().changelist_view(request, extra_context)
        except (ValueError, OverflowError):
            # A forged selection or an impossible year, which Django does not check:
            # respond as it does to an invalid filter.
            response = HttpResponseRedirect(refused)
        if response.headers.get("Location") == refused:
            self.message_user(
                request,
                "There is no such page, or a filter in the address is invalid. This is "
                f"the first page without filters. Only the first {COUNTED_PAGES} pages "
                "can be opened; use a filter or a search to find other rows.",
                messages.WARNING,
            )
        return response

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        _, *further = lookup.split("__")
        return LOOKUPS.issuperset(further) and super().lookup_allowed(
            lookup, value, request
        )

    # (Django 6.1 has one argument more, and other actions. Its stubs type them from Python
    # 3.12 on.)
    def get_actions(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        actions = super().get_actions(request, *args, **kwargs)
        actions.pop("delete_selected", None)  # replaced by the actions of each class
        return actions

    def selected(
        self, request: HttpRequest, rows: QuerySet[Row], most: int | None = None
    ) -> list[int]:
        """The keys of the selected rows; an empty list, with a message, if there are more
        than `most`, or more than the paginator counts."""
        most = most or self.list_per_page * COUNTED_PAGES
        keys = list(rows.order_by().values_list("pk", flat=True)[: most + 1])
        if len(keys) <= most:
            return keys
        self.refuse_many(request, most)
        return []

    def refuse_many(self, request: HttpRequest, most: int) -> None:
        self.message_user(
            request,
            f"More than {most:,} {self.opts.verbose_name_plural} match. Nothing was "
            "changed: narrow the list by a filter or a search first.",
            messages.ERROR,
        )

    def context_of_page(self, request: HttpRequest, title: str) -> dict[str, object]:
        """What the template of a page needs."""
        site = self.admin_site.each_context(request)
        return {**site, "opts": self.opts, "media": self.media, "title": title}

    # Deleting

    def get_deleted_objects(
        self, objs: Iterable[Row], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """The rows alone: Django would load all related rows to list them."""
        return [f"{row} ({row.owner})" for row in objs], {}, set(), []

    def ask(
        self, request: HttpRequest, rows: QuerySet[Row], **context: object
    ) -> HttpResponse:
        """The confirmation page before the selected rows are deleted."""
        context |= {
            **self.admin_site.each_context(request),
            "title": "Delete?",
            "opts": self.opts,
            "deleted_objects": [f"{row} ({row.owner})" for row in rows],
            "keys": [row.pk for row in rows],
        }
        template = "admin/tasks/delete_confirmation.html"
        return TemplateResponse(request, template, context)

    def delete_rows(
        self,
        request: HttpRequest,
        rows: Iterable[Named],
        verb: Callable[[Named, Actor], Job | None],
        selected: int | None = None,
    ) -> None:
        """Deletes rows by `verb`, each in a transaction of its own. Shows messages: how
        many were deleted, if several were `selected`, and which are still being deleted.
        Where the database fails, those before are deleted, and the message says so."""
        gone = 0
        for number, row in enumerate(rows):
            try:
                with lock_feeds([row.owner_id]):
                    locked = self.model._default_manager.select_for_update()
                    found = locked.filter(pk=row.pk).first()
                    job = found and verb(found, actor(request))
            except OperationalError:
                if number == 0:
                    raise
                failed = f"The database is not available: “{row}” was not deleted."
                self.message_user(request, failed, messages.ERROR)
                break
            doing = f"“{row}” is being deleted"
            if found and (job is None or self.run_job(request, job, doing)):
                gone += 1
        if selected is not None:
            name = self.opts.verbose_name_plural
            self.message_user(request, f"Deleted {gone} of {selected} {name}.")

    # The timeline

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Django's history page, with the events of the row instead of the admin log."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        events = self.events_of(row) if row else Event.objects.none()
        context = {"timeline": timeline(events)}
        return super().history_view(request, object_id, context | (extra_context or {}))

    def events_of(self, row: Row) -> EventQuerySet:
        events = Event.objects.owned_by(row.owner_id)
        return events.filter(**{self.subject: row.pk})


def reason(refusal: Problem) -> str:
    """The text of a refusal for staff: without JSON pointers."""
    details = [error["detail"] for error in refusal.errors or ()]
    return " ".join(details) or refusal.detail


def add_link(request: HttpRequest, text: str, values: Mapping[str, int | None]) -> str:
    """A link to the form of a new task with these initial values; empty if the user may
    not add tasks."""
    if not request.user.has_perm("tasks.add_task"):
        return ""
    known = {name: value for name, value in values.items() if value is not None}
    address = reverse("admin:tasks_task_add", query=known)
    return format_html('<a class="addlink" href="{}">{}</a>', address, text)


def first_tasks(tasks: QuerySet[Task], query: str, back: str = "") -> str:
    """Links to the newest of the tasks, and to all of them, which `query` selects. `back`
    is a query that names the row to return to after a task is saved."""
    newest = tasks.filter(deleted_at__isnull=True).order_by("-pk")
    shown = list(newest.values("pk", "title", "completed")[: SHOWN_TASKS + 1])
    address = reverse("admin:tasks_task_changelist")
    context = {
        "tasks": shown[:SHOWN_TASKS],
        "more": len(shown) > SHOWN_TASKS,
        "all": f"{address}?{query}",
        "back": f"?{back}" if back else "",
    }
    return render_to_string("admin/tasks/first_tasks.html", context)
