"""Saved views of the list of tasks, and the choice of its columns."""

from collections.abc import Sequence

from django.contrib import messages
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.http import HttpRequest, QueryDict

from taskproject.accounts.privileges import viewer
from taskproject.names import fault
from tasks.admin.choices import KEY
from tasks.models import SavedView
from tasks.models.saved_views import (
    MAX_OFFERED,
    MAX_VIEWS,
    NAME_LENGTH,
    QUERY_LENGTH,
)

#: The parameter of the address that names the view, whose columns are shown.
VIEW_VAR = "view"
#: The keys of the chosen columns in the session: of the list, and of the view that is open.
COLUMNS, COLUMNS_OF_VIEW = "task_columns", "task_columns_of_view"
#: The column that is always shown.
TITLE = "title"
#: The column that is shown only if it was chosen, for the sake of the titles.
HIDDEN_BY_DEFAULT = "created_at"
#: A message, its level, and the query of the list to show; None: the one as before.
Result = tuple[int, str, str | None]
# Parameters that are no part of a view.
_PASSING = (PAGE_VAR, ERROR_FLAG, ALL_VAR, VIEW_VAR)


def offered(request: HttpRequest) -> list[SavedView]:
    """The views that the user may see, read once a request."""
    views: list[SavedView] | None = getattr(request, "saved_views", None)
    if views is None:
        seen = SavedView.objects.seen_by(viewer(request).pk)
        views = list(seen[:MAX_OFFERED])
        vars(request)["saved_views"] = views
    return views


def named(request: HttpRequest, key: str) -> SavedView | None:
    """The view with this key, if the user may see it."""
    found = (view for view in offered(request) if str(view.pk) == key)
    return next(found, None) if KEY.fullmatch(key) else None


def may_share(request: HttpRequest) -> bool:
    return request.user.has_perm("tasks.share_savedview")


def may_edit(request: HttpRequest, view: SavedView) -> bool:
    """Shared views may be edited by all who may share views, others by their owner."""
    return may_share(request) if view.shared else view.owner_id == request.user.pk


def columns(request: HttpRequest, known: Sequence[str]) -> tuple[str, ...]:
    """The columns that the user chose in the view that the address names, else those of the
    view; without a view, those that the user chose. Names that are not known any more are left
    out."""
    view = named(request, request.GET.get(VIEW_VAR, ""))
    usual = [name for name in known if name != HIDDEN_BY_DEFAULT]
    if view is None:
        chosen = request.session.get(COLUMNS, usual)
    else:
        key, names = request.session.get(COLUMNS_OF_VIEW, (None, ""))
        chosen = names if key == view.pk else view.columns.split(",")
    return tuple(name for name in known if name in chosen or name == TITLE)


def choose(request: HttpRequest, view: SavedView | None, names: list[str]) -> None:
    """Keeps the columns for the session; in a view, until it is opened again."""
    if view is None:
        request.session[COLUMNS] = names
    else:
        request.session[COLUMNS_OF_VIEW] = (view.pk, names)


def numbered(order: str, shown: Sequence[str]) -> str:
    """The `o` parameter of Django's list for an order by names: numbers of columns."""
    parts = [(part[:1] == "-", part.removeprefix("-")) for part in order.split(".")]
    return ".".join(
        f"{'-' * descending}{shown.index(name)}"
        for descending, name in parts
        if name in shown
    )


def by_names(order: str, shown: Sequence[str]) -> str:
    """The reverse of `numbered`."""
    parts = [(part[:1] == "-", part.removeprefix("-")) for part in order.split(".")]
    return ".".join(
        f"{'-' * descending}{shown[int(number)]}"
        for descending, number in parts
        if KEY.fullmatch(number) and int(number) < len(shown)
    )


def query_of(given: QueryDict, order: str) -> QueryDict:
    """The query without what is no part of a view, in this order."""
    query = given.copy()
    for name in (*_PASSING, ORDER_VAR):
        query.pop(name, None)
    if order:
        query[ORDER_VAR] = order
    return query


def save(request: HttpRequest, query: str, shown: Sequence[str]) -> Result:
    """Saves a view, or updates or deletes one, as the form says."""
    post, values = request.POST, {"query": query, "columns": ",".join(shown)}
    if len(query) > QUERY_LENGTH:
        return messages.ERROR, "Nothing was saved: there are too many filters.", None
    if "save" in post:
        return _keep(request, post.get("name", "").strip(), values)
    view = named(request, post.get(VIEW_VAR, ""))
    if view is None:
        return messages.WARNING, "There is no such view any more.", None
    if not may_edit(request, view):
        return messages.ERROR, "You may not change views that are shared.", None
    stored = SavedView.objects.filter(pk=view.pk)
    if "delete" in post:
        stored.delete()
        return messages.SUCCESS, f"Deleted the view “{view}”.", ""
    stored.update(**values)
    return messages.SUCCESS, f"Updated the view “{view}”.", f"?{VIEW_VAR}={view.pk}"


def _keep(request: HttpRequest, name: str, values: dict[str, str]) -> Result:
    wrong = fault(name)
    if wrong or len(name) > NAME_LENGTH:
        wrong = wrong or f"Use at most {NAME_LENGTH} characters."
        return messages.ERROR, f"Nothing was saved. Name: {wrong}", None
    shared = "shared" in request.POST
    mine = (
        view
        for view in offered(request)
        if view.name == name and view.owner_id == request.user.pk
    )
    before = next(mine, None)
    if (shared or (before and before.shared)) and not may_share(request):
        return messages.ERROR, "You may not share views. Nothing was saved.", None
    owner_id = viewer(request).pk
    view = SavedView.objects.keep(owner_id, name, shared=shared, **values)
    if view is None:
        told = f"Nothing was saved: you have {MAX_VIEWS} views. Delete one first."
        return messages.ERROR, told, None
    return messages.SUCCESS, f"Saved the view “{view}”.", f"?{VIEW_VAR}={view.pk}"
