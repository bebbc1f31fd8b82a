"""The list of tasks in the admin: its columns, filters, order and search, and the buttons of
its rows."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import label_for_field
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.forms import Media
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode

from taskproject import timezones
from taskproject.accounts.models import User
from taskproject.accounts.privileges import viewer, visible
from taskproject.problems import Conflict, Invalid
from taskproject.uuids import parse_uuid
from tasks.admin import quick_add, saved_views
from tasks.admin.actions import TaskActions
from tasks.admin.badges import completion_button, due_badge, priority_badge
from tasks.admin.chips import TaskChangeList
from tasks.admin.choices import KEY, OwnedAutocomplete
from tasks.admin.completion import complete
from tasks.admin.filters import (
    DueFilter,
    ListFilter,
    OwnerFilter,
    TagFilter,
    TrashFilter,
    only_open,
)
from tasks.admin.pages import CalendarQuerySet
from tasks.admin.saved_views import VIEW_VAR
from tasks.admin.versioned import actor, reason
from tasks.forms.fields import moment_text
from tasks.models import Task, TaskList
from tasks.models.due_dates import clock
from tasks.models.search import holding
from tasks.models.statements import UNREAD
from tasks.models.words import MAX_WORDS, query_words

# Most users whose names begin with a word of a search.
MAX_USERS = 20
LIST = "admin:tasks_task_changelist"
# Most characters of the query of a list to which a form returns.
MAX_QUERY = 4_000
# Most characters of a line that adds a task, and its key in the session if it was refused.
MAX_LINE = 2_000
QUICK_ADD = "quick_add"


class TaskChangeListAdmin(TaskActions):
    """The list; the form is in tasks.py."""

    change_list_template = "admin/tasks/task/change_list.html"
    list_display = (
        "completion",
        "title",
        "owner",
        "list",
        "priority_badge",
        "due",
        "tag_names",
        "created_at",
        "id",
    )
    # In the trash, where rows cannot be edited.
    trash_display = (
        "title",
        "owner",
        "list",
        "priority_badge",
        "due",
        "deleted_at",
        "purged_on",
        "id",
    )
    list_display_links = ("id", "title")
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
    empty_value_display = ""
    search_fields = ("title", "description", "owner__username")
    search_help_text = (
        "Words of the title or description, or their beginnings; a user name; an id; or a "
        "client id."
    )
    date_hierarchy = "created_at"
    # A million rows can be sorted by these in the time that a page may take.
    sortable_by = ("id", "due", "priority_badge", "created_at")

    def get_changelist(
        self, request: HttpRequest, **kwargs: object
    ) -> type[TaskChangeList]:
        return TaskChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        rows = CalendarQuerySet(Task).defer(*UNREAD).order_by(*self.ordering)
        return visible(request, rows)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """By an index that has what the filters leave: if it is little, nearly all tasks would
        be read in the order of their ids."""
        if request.GET.get("trash") == "in":
            return ("-deleted_at", "-id")
        due = request.GET.get("due")
        if due == "overdue" or (due in ("today", "week") and only_open(request)):
            return ("due_moment", "id")
        if any(name.startswith("created_at__") for name in request.GET):
            return ("-created_at", "-id")
        return self.ordering

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """Search by the index of words; Django would read the text of every task."""
        for term in search_term.split()[:MAX_WORDS]:
            users = User.objects.filter(username__istartswith=term).order_by("pk")
            owners = list(users.values_list("pk", flat=True)[:MAX_USERS])
            found = Q(owner_id__in=owners) if owners else Q()
            if KEY.fullmatch(term):
                found |= Q(pk=int(term))
            if client_id := parse_uuid(term):
                # By owner, as the index has it; apart, or no index would be used.
                same = Task.objects.filter(owner__in=User.objects.all())
                keys = same.filter(client_id=client_id).values_list("pk", flat=True)
                found |= Q(pk__in=list(keys[:MAX_USERS]))
            parts = query_words(term)[:MAX_WORDS]
            if parts:
                condition, question = holding(parts)
                found |= Q(RawSQL(condition, [question], BooleanField()))
            queryset = queryset.filter(found) if found else queryset.none()
        return queryset, False

    @property
    def media(self) -> Media:
        """With the media of the autocompletes in the filters."""
        picker = OwnedAutocomplete(Task._meta.get_field("list"), self.admin_site)
        return super().media + picker.media + Media(js=["taskproject/tasklist.js"])

    # Columns

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        if _in_trash(request):
            return self.trash_display
        shown = saved_views.columns(request, self.list_display)
        if self.has_change_permission(request):
            return shown
        return tuple("completed" if name == "completion" else name for name in shown)

    def _numbered_columns(self, request: HttpRequest) -> tuple[str, ...]:
        """The columns as the numbers in the parameter `o` count them."""
        boxes = ("action_checkbox",) if self.get_actions(request) else ()
        return (*boxes, *self.get_list_display(request))

    @admin.display(description="Done")
    def completion(self, task: Task) -> str:
        page = "reopen_row" if task.completed else "complete_row"
        address = reverse(f"admin:tasks_task_{page}", args=[task.pk])
        return completion_button(task, address)

    @admin.display(description="Priority", ordering="priority")
    def priority_badge(self, task: Task) -> str:
        return priority_badge(task)

    @admin.display(description="Due", ordering="due_moment")
    def due(self, task: Task) -> str:
        """In the time zone of the due date; overdue by the viewer's time zone."""
        text = self.due_shown(task)
        badge = due_badge(task, timezone.get_current_timezone_name())
        return format_html("{} {}", text, badge) if badge else text

    @admin.display(description="Due")
    def due_shown(self, task: Task) -> str:
        if task.due_at is None:
            return str(task.due_date or "")
        zone = timezones.known(task.due_timezone or "UTC")
        return f"{moment_text(task.due_at, zone)} {zone}"

    @admin.display(description="Purged after")
    def purged_on(self, task: Task) -> datetime | None:
        return task.deleted_at and task.deleted_at + timedelta(settings.TRASH_DAYS)

    @admin.display(description="Tags")
    def tag_names(self, task: Task) -> str:
        return ", ".join(task.tags)

    # Adding in one line

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        only_view = request.method == "GET" and [*request.GET] == [VIEW_VAR]
        view = saved_views.named(request, request.GET.get(VIEW_VAR, ""))
        if only_view and view is None:
            told = "There is no such view any more. This is the list without filters."
            self.message_user(request, told, messages.WARNING)
            return HttpResponseRedirect(reverse(LIST))
        if only_view and view is not None:
            query = QueryDict(view.query, mutable=True)
            query[VIEW_VAR] = str(view.pk)
            request.session.pop(saved_views.COLUMNS_OF_VIEW, None)
            query = self._in_order(request, query, query.get(ORDER_VAR, ""))
            if len(query) > 1:
                return HttpResponseRedirect(f"{reverse(LIST)}?{query.urlencode()}")
        shown = saved_views.columns(request, self.list_display)
        context = {
            "views": saved_views.offered(request),
            "view": view,
            "may_edit_view": view is not None and saved_views.may_edit(request, view),
            "may_share_views": saved_views.may_share(request),
            "columns": [
                (name, label_for_field(name, Task, self), name in shown)
                for name in self.list_display
                if name != saved_views.TITLE
            ],
            "quick_add": request.session.pop(QUICK_ADD, ""),
            "quick_add_help": quick_add.HELP,
            "quick_add_example": quick_add.EXAMPLE,
        }
        return super().changelist_view(request, context | (extra_context or {}))

    # Saved views, and the choice of columns

    def _in_order(
        self, request: HttpRequest, query: QueryDict, order: str
    ) -> QueryDict:
        """The query, in an order by names of columns."""
        request.GET = QueryDict(query.urlencode())  # which decides on the columns
        ordered = query.copy()
        ordered.pop(ORDER_VAR, None)
        if numbers := saved_views.numbered(order, self._numbered_columns(request)):
            ordered[ORDER_VAR] = numbers
        return ordered

    def views_view(self, request: HttpRequest) -> HttpResponse:
        """Keeps the chosen columns for the session, or saves, updates or deletes a view."""
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        request.GET = QueryDict(_query_before(request))
        order = request.GET.get(ORDER_VAR, "")
        order = saved_views.by_names(order, self._numbered_columns(request))
        shown = saved_views.columns(request, self.list_display)
        query = saved_views.query_of(request.GET, order)
        if "columns" in request.POST:
            chosen = request.POST.getlist("column")
            known = [name for name in self.list_display if name in chosen]
            view = saved_views.named(request, request.GET.get(VIEW_VAR, ""))
            saved_views.choose(request, view, known)
            if view is not None:
                query[VIEW_VAR] = str(view.pk)
            query = self._in_order(request, query, order)
            return HttpResponseRedirect(f"{reverse(LIST)}?{query.urlencode()}")
        level, told, at = saved_views.save(request, query.urlencode(), shown)
        self.message_user(request, told, level)
        if at is None:
            return self.back_to_list(request)
        return HttpResponseRedirect(f"{reverse(LIST)}{at}")

    def quick_add_view(self, request: HttpRequest) -> HttpResponse:
        """Adds the task of a line, by the form of a new task. A line that is refused is shown
        again."""
        if request.method != "POST" or not self.has_add_permission(request):
            raise PermissionDenied
        line = request.POST.get("line", "")[:MAX_LINE]
        try:
            with transaction.atomic():
                task = self._add(request, line)
        except ValidationError as refusal:
            self._refuse_line(request, line, " ".join(refusal.messages))
        except (Invalid, Conflict) as refusal:
            self._refuse_line(request, line, reason(refusal))
        else:
            told = format_html(
                'Added <a href="{}">{}</a> for {}{}.',
                reverse("admin:tasks_task_change", args=[task.pk]),
                task,
                task.owner,
                f" to {task.list}" if task.list else "",
            )
            self.message_user(request, told, messages.SUCCESS)
        return self.back_to_list(request, "#quick-add")

    def _refuse_line(self, request: HttpRequest, line: str, why: str) -> None:
        self.message_user(request, f"Nothing was added. {why}", messages.ERROR)
        request.session[QUICK_ADD] = line

    def _add(self, request: HttpRequest, line: str) -> Task:
        """Raises ValidationError, Invalid or Conflict."""
        lists = self.admin_site.get_model_admin(TaskList)
        seen = lists.get_queryset(request)
        if not lists.has_view_permission(request):
            seen = seen.none()
        user = viewer(request)
        values = quick_add.parse(line, clock(user.timezone).today)
        values = quick_add.place(values, user.pk, request.POST, seen)
        form = self.get_form(request)(QueryDict(urlencode(values)))
        if not form.is_valid():
            raise ValidationError(
                [
                    f"{form[name].label}: {error}" if name in form.fields else error
                    for name, errors in form.errors.items()
                    for error in errors
                ]
            )
        task: Task = self.save_form(request, form, change=False)
        self.save_model(request, task, form, change=False)
        self.log_addition(request, task, [{"added": {}}])
        return task

    # The buttons of rows

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("views/", wrap(self.views_view), name="tasks_task_views"),
            path("quick-add/", wrap(self.quick_add_view), name="tasks_task_quick_add"),
            *(
                path(
                    f"<int:object_id>/{verb}/",
                    wrap(self.complete_view),
                    {"completed": verb == "complete"},
                    name=f"tasks_task_{verb}_row",
                )
                for verb in ("complete", "reopen")
            ),
            *super().get_urls(),
        ]

    def complete_view(
        self, request: HttpRequest, object_id: int, completed: bool
    ) -> HttpResponse:
        """Completes or reopens one task. Responds with JSON to scripts that ask for it, else
        with the list."""
        task = get_object_or_404(self.get_queryset(request), pk=object_id)
        if request.method != "POST" or not self.has_change_permission(request, task):
            raise PermissionDenied
        version = request.POST.get("version", "")
        if not KEY.fullmatch(version):
            raise BadRequest("The version is missing.")
        level, message, task = complete(task, int(version), completed, actor(request))
        if request.headers.get("Accept") != "application/json":
            self.message_user(request, message, level)
            return self.back_to_list(request)
        cells = {"completion": self.completion(task), "due": self.due(task)}
        tag = messages.DEFAULT_TAGS[level]
        return JsonResponse({"message": message, "level": tag, "cells": cells})

    def back_to_list(self, request: HttpRequest, at: str = "") -> HttpResponseRedirect:
        """The list, with the query that the form names."""
        return HttpResponseRedirect(f"{reverse(LIST)}?{_query_before(request)}{at}")


def _query_before(request: HttpRequest) -> str:
    """The query of the list that the form names; empty if it has NUL, with which no list opens."""
    query = QueryDict(request.POST.get("back", "")[:MAX_QUERY]).urlencode()
    return "" if "%00" in query else query


def _in_trash(request: HttpRequest) -> bool:
    return request.GET.get("trash") == "in"
