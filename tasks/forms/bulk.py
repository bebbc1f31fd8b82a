"""The forms for the values of bulk changes. They need no script."""

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget
from django.http import QueryDict

from taskproject.accounts.models import User
from taskproject.names import casefold_key, fault
from tasks.forms.fields import DayField, TagsField, moment_text, read_moment, tag_text
from tasks.models import BulkChange, TaskList

#: Most names that an input suggests.
SUGGESTED = 200


def active_names() -> list[str]:
    """The user names that an input suggests."""
    names = User.objects.filter(is_active=True).order_by("username")
    return list(names.values_list("username", flat=True)[:SUGGESTED])


def active_user(name: str) -> User:
    """The active user of this name. Raises ValidationError."""
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise forms.ValidationError("There is no active user of this name.")
    return user


class BulkForm(forms.Form):
    """The value of one bulk change: `values` returns it as `BulkChange.values` has it."""

    #: The names that the input suggests.
    suggestions: list[str] = []  # noqa: RUF012 - replaced, never changed

    def __init__(
        self, change: BulkChange, zone: str, data: QueryDict | None = None
    ) -> None:
        super().__init__(data, auto_id="bulk_%s")
        self.change, self.zone = change, zone

    def values(self) -> dict[str, object]:
        raise NotImplementedError


class PlaceForm(BulkForm):
    name = forms.CharField(
        label="List", widget=AdminTextInputWidget({"list": "suggestions"})
    )

    def __init__(
        self, change: BulkChange, zone: str, data: QueryDict | None = None
    ) -> None:
        super().__init__(change, zone, data)
        owned = change.tasks().order_by().values("owner")
        self.owner = User.objects.filter(pk__in=owned).first()
        lists = TaskList.objects.filter(owner=self.owner, archived=False)
        names = lists.order_by("key").values_list("name", flat=True)
        self.suggestions = list(names[:SUGGESTED])

    def clean_name(self) -> TaskList:
        key = casefold_key(self.cleaned_data["name"])
        row = TaskList.objects.filter(owner=self.owner, key=key).first()
        if row is None:
            raise forms.ValidationError(f"{self.owner} has no such list.")
        return row

    def values(self) -> dict[str, object]:
        row = self.cleaned_data["name"]
        fields = {"list_id": row.pk}
        return {"fields": fields, "owner": row.owner_id, "shown": row.name}


class AssignForm(BulkForm):
    username = forms.CharField(
        label="User name", widget=AdminTextInputWidget({"list": "suggestions"})
    )

    def __init__(
        self, change: BulkChange, zone: str, data: QueryDict | None = None
    ) -> None:
        super().__init__(change, zone, data)
        self.suggestions = active_names()

    def clean_username(self) -> User:
        return active_user(self.cleaned_data["username"])

    def values(self) -> dict[str, object]:
        user = self.cleaned_data["username"]
        return {"fields": {"owner_id": user.pk}, "shown": user.username}


class TagsForm(BulkForm):
    tags = TagsField(
        widget=AdminTextInputWidget,
        help_text="Separated by commas: errand, five minutes.",
    )

    def clean_tags(self) -> list[str]:
        names: list[str] = self.cleaned_data["tags"]
        if not names:
            raise forms.ValidationError("Enter at least one tag.")
        for name in names:
            if wrong := fault(name):
                raise forms.ValidationError(f"{name}: {wrong}")
        return names

    def values(self) -> dict[str, object]:
        names = self.cleaned_data["tags"]
        return {"tags": names, "shown": tag_text(names)}


class DueForm(BulkForm):
    due_date = DayField(
        required=False,
        label="Due on the day",
        widget=AdminTextInputWidget({"type": "date"}),
    )
    due_at = forms.CharField(
        required=False,
        label="or at a time",
        widget=AdminTextInputWidget({"placeholder": "2026-12-31 17:30"}),
    )
    none = forms.BooleanField(required=False, label="or without a due date")

    def __init__(
        self, change: BulkChange, zone: str, data: QueryDict | None = None
    ) -> None:
        super().__init__(change, zone, data)
        self.fields["due_at"].help_text = f"A day and a time (24 hours) in {zone}."

    def clean_due_at(self) -> object:
        text: str = self.cleaned_data["due_at"]
        return read_moment(text, self.zone) if text else None

    def clean(self) -> dict[str, object]:
        cleaned: dict[str, object] = super().clean() or {}
        given = [name for name in self.fields if cleaned.get(name)]
        if len(given) != 1 and not self.errors:
            raise forms.ValidationError("Enter either a day or a time, or choose none.")
        return cleaned

    def values(self) -> dict[str, object]:
        day, moment = self.cleaned_data["due_date"], self.cleaned_data["due_at"]
        if moment:
            fields = {"due_at": moment.isoformat(), "due_timezone": self.zone}
            return {
                "fields": fields,
                "shown": f"{moment_text(moment, self.zone)} {self.zone}",
            }
        if day:
            return {"fields": {"due_date": str(day)}, "shown": str(day)}
        return {"fields": {"due_date": None, "due_at": None}, "shown": "none"}


#: The forms of the verbs that need a value.
FORMS: dict[str, type[BulkForm]] = {
    "place": PlaceForm,
    "assign": AssignForm,
    "add_tags": TagsForm,
    "remove_tags": TagsForm,
    "due": DueForm,
}
