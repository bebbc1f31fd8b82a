"""Autocompletes for owners, lists, parents and tags."""

import re
from collections.abc import Sequence

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from tasks.models import Tag, Task, TaskList

#: A primary key in a request, within the range of a 64-bit integer.
KEY = re.compile("[0-9]{1,18}", re.ASCII)
CHOICES = "tasks_task_choices"
CHOSEN = ("owner", "list", "parent", "labels")


class OwnedAutocomplete(AutocompleteSelect):
    """An autocomplete limited to the rows of one owner, once the owner is known."""

    owner_id: object = None

    def get_url(self) -> str:
        if self.field.name == "owner":
            return super().get_url()
        url = reverse(f"{self.admin_site.name}:{CHOICES}")
        known = KEY.fullmatch(str(self.owner_id))
        return f"{url}?owner={self.owner_id}" if known else url

    def optgroups(
        self, name: str, value: Sequence[str], attr: dict[str, object] | None = None
    ) -> list[tuple[str | None, list[dict[str, object]], int | None]]:
        """Ignore forged keys; Django would pass them to the database."""
        sound = [key for key in value if KEY.fullmatch(str(key))]
        return super().optgroups(name, sound, attr)


class ChoicesView(AutocompleteJsonView):
    """The choices of an `OwnedAutocomplete`, as JSON."""

    def process_request(
        self, request: HttpRequest
    ) -> tuple[str, admin.ModelAdmin, ForeignKey, str]:
        found = super().process_request(request)
        field = found[2]
        if field.model is not Task or field.name not in CHOSEN:
            raise PermissionDenied
        return found

    def get_queryset(self) -> QuerySet[Model]:
        rows = super().get_queryset()
        if self.source_field.name == "owner":
            return rows
        if self.source_field.name == "parent":
            # A parent is not in the trash, and has no parent itself.
            rows = rows.filter(deleted_at__isnull=True, parent__isnull=True)
        if self._owner:
            rows = rows.filter(owner_id=int(self._owner))
        return rows.select_related("owner")

    def serialize_result(self, obj: Model, to_field_name: str) -> dict[str, str]:
        result = super().serialize_result(obj, to_field_name)
        if isinstance(obj, Task | TaskList | Tag) and not self._owner:
            result["text"] = f"{obj} ({obj.owner})"
        return result

    @property
    def _owner(self) -> str:
        given = self.request.GET.get("owner", "")
        return given if KEY.fullmatch(given) else ""


def choices_view(request: HttpRequest) -> HttpResponseBase:
    return ChoicesView.as_view(admin_site=admin.site)(request)
