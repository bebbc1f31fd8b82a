"""The filters of the list of tasks, none of which lists all owners, lists or tags."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from taskproject.accounts.models import User
from taskproject.accounts.privileges import may_see, viewer, visible
from tasks.admin.choices import KEY, OwnedAutocomplete
from tasks.models import Tag, Task, TaskList, TaskQuerySet
from tasks.models.due_dates import HAS_DUE, NO_DUE, Clock, clock, read_day

if TYPE_CHECKING:
    from django.contrib.admin.filters import _ListFilterChoices

# Parameters of the list's address that a new filter resets: page and error.
RESET = ("p", "e")


class TrashFilter(admin.SimpleListFilter):
    title = "deletion"
    parameter_name = "trash"

    def lookups(
        self, request: HttpRequest, model_admin: object
    ) -> list[tuple[str, str]]:
        return [("in", "In the trash"), ("all", "All")]

    def choices(self, changelist: ChangeList) -> Iterator["_ListFilterChoices"]:
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


class FormFilter(admin.ListFilter):
    """A filter with links, and a form for other values."""

    template = "admin/tasks/form_filter.html"
    #: The query parameters of the filter.
    parameters: ClassVar[tuple[str, ...]] = ()
    form: forms.Form
    #: Whether the form is shown: the user may view its choices.
    offered = True

    def __init__(
        self,
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: admin.ModelAdmin,
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.parameters:
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]
        #: The other parameters of the address, which the form repeats.
        self.kept = [
            (name, value)
            for name, values in request.GET.lists()
            if name not in (*self.parameters, *RESET)
            for value in values
        ]

        self.prepare(request, model_admin)

    def prepare(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> None:
        """Sets `form`."""
        raise NotImplementedError

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(self.parameters)

    def value(self) -> str:
        """The value of the first parameter, which the links set."""
        return str(self.used_parameters.get(self.parameters[0], ""))

    def links(self) -> list[tuple[str, str]]:
        return []

    def chosen(self) -> str:
        """What is chosen, in words."""
        return dict(self.links()).get(self.value(), "")

    def choices(self, changelist: ChangeList) -> Iterator[Mapping[str, object]]:
        none: dict[str, str | None] = dict.fromkeys(self.parameters)
        yield {
            "selected": not any(self.used_parameters.values()),
            "query_string": changelist.get_query_string(none),
            "display": "All",
        }
        for value, display in self.links():
            to = changelist.get_query_string(none | {self.parameters[0]: value})
            yield {
                "selected": self.value() == value,
                "query_string": to,
                "display": display,
            }


class AutocompleteFilter(FormFilter):
    """A related row, chosen by autocomplete."""

    field: ClassVar[str]
    rows: ClassVar[type[User | TaskList | Tag]]

    def prepare(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> None:
        (name,) = self.parameters
        self.offered = may_see(request, self.rows)
        self._shown = self.shown(request)
        relation = Task._meta.get_field(self.field)
        widget = OwnedAutocomplete(
            relation,
            model_admin.admin_site,
            {"aria-label": str(self.title).capitalize()},
        )
        # The owner by whom the tasks are filtered, if they are.
        widget.owner_id = request.GET.get("owner")
        rows = self._shown.order_by("pk")
        choice = forms.ModelChoiceField(rows, required=False, widget=widget)
        self.form = forms.Form({name: self.value()}, auto_id=f"filter_{name}")
        self.form.fields[name] = choice

    def shown(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows whose names the user may see."""
        rows = self.rows._default_manager.all()
        return rows if self.rows is User else visible(request, rows)

    def has_output(self) -> bool:
        """Also shown if the address sets it, so that it can be removed."""
        return self.offered or bool(self.used_parameters)

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Task]
    ) -> QuerySet[Task]:
        value = self.value()
        if value in dict(self.links()):
            return queryset.filter(**{f"{self.field}__isnull": True})
        if not value:
            return queryset
        if not KEY.fullmatch(value):
            raise IncorrectLookupParameters
        return queryset.filter(**{self.field: int(value)})

    def chosen(self) -> str:
        """The name of the row, or its number if there is none that the user may view."""
        value = super().chosen() or self.value()
        if not (self.offered and KEY.fullmatch(value)):
            return value
        row = self._shown.filter(pk=int(value)).first()
        return f"{value} (deleted)" if row is None else str(row)


class OwnerFilter(AutocompleteFilter):
    title, parameters, field, rows = "owner", ("owner",), "owner", User


class ListFilter(AutocompleteFilter):
    title, parameters, field, rows = "list", ("list",), "list", TaskList

    def links(self) -> list[tuple[str, str]]:
        return [("none", "In no list")]


class TagFilter(AutocompleteFilter):
    title, parameters, field, rows = "tag", ("tag",), "labels", Tag


DAY_INPUT = forms.DateInput({"type": "date"})


class DueForm(forms.Form):
    due_from = forms.CharField(label="From", required=False, widget=DAY_INPUT)
    due_to = forms.CharField(label="To", required=False, widget=DAY_INPUT)


class DueFilter(FormFilter):
    """When a task is due, in the time zone of the viewer."""

    title = "due date"
    parameters = ("due", "due_from", "due_to")

    def prepare(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> None:
        self.form = DueForm(self.used_parameters, auto_id="filter_%s")

    def links(self) -> list[tuple[str, str]]:
        return [
            ("overdue", "Overdue"),
            ("today", "Today"),
            ("week", "In the next 7 days"),
            ("some", "Has a due date"),
            ("none", "No due date"),
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Task]
    ) -> QuerySet[Task]:
        now = clock(viewer(request).timezone)
        due_tasks = queryset if only_open(request) else _by_owner(queryset)
        days = [self._day(name) for name in ("due_from", "due_to")]
        if any(days):
            first, last = days
            due_tasks = queryset = due_between(
                due_tasks, now, first, last and _after(last, 1)
            )
        match self.value():
            case "":
                return queryset
            case "overdue":
                return overdue(queryset, now)
            case "today":
                return due_between(due_tasks, now, now.today, _after(now.today, 1))
            case "week":
                return due_between(due_tasks, now, now.today, _after(now.today, 7))
            case "some":
                return queryset.filter(HAS_DUE)
            case "none":
                return queryset.filter(NO_DUE)
        raise IncorrectLookupParameters

    def chosen(self) -> str:
        first, last = (self.used_parameters.get(f"due_{end}") for end in ("from", "to"))
        words = super().chosen(), first and f"from {first}", last and f"to {last}"
        return " ".join(str(word) for word in words if word)

    def _day(self, name: str) -> date | None:
        text = str(self.used_parameters.get(name, ""))
        day = read_day(text)
        if text and day is None:
            raise IncorrectLookupParameters
        return day


def overdue(tasks: QuerySet[Task], now: Clock) -> QuerySet[Task]:
    return tasks.filter(now.present.before(), completed=False)


def due_between(
    tasks: QuerySet[Task], now: Clock, first: date | None, end: date | None
) -> QuerySet[Task]:
    """Tasks due from the day `first` on, and before the day `end`."""
    if first is not None:
        tasks = tasks.filter(now.boundary(first).not_before())
    if end is not None:
        tasks = tasks.filter(now.boundary(end).before())
    return tasks.filter(HAS_DUE)


def only_open(request: HttpRequest) -> bool:
    """Whether open tasks alone are listed, which have an index of the due dates of all owners."""
    return request.GET.get("completed__exact") == "0"


def _by_owner(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """The same tasks. The index of all due dates begins with the owner: a condition with all
    owners lets the database search it once for each, instead of reading all tasks."""
    return tasks.filter(owner__in=User.objects.order_by().values("pk"))


def _after(day: date, days: int) -> date:
    return day + timedelta(days=days)
