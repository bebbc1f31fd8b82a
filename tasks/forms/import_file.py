"""The form for a file that staff import."""

from pathlib import Path
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget

from taskproject.accounts.models import User
from tasks.formats import NOT_READ, READERS, format_of
from tasks.forms.bulk import active_names, active_user

FORMATS = {
    "csv": "CSV of this service",
    "jsonl": "JSON Lines of this service",
    "ics": "Tasks of a calendar (ics)",
    "todoist": "Todoist (CSV template)",
    "google": "Google Tasks (JSON of Takeout)",
    "microsoft": "Microsoft To Do (JSON of Graph)",
    "vikunja": "Vikunja (zip)",
}


class OwnerForm(forms.Form):
    """A user to whom all tasks of a file go."""

    owner = forms.CharField(
        label="Owner of the tasks",
        widget=AdminTextInputWidget({"list": "suggestions"}),
        help_text="A user name. All tasks of the file go to this user.",
    )

    def __init__(self, data: Any = None, files: Any = None, name: str = "") -> None:
        super().__init__(data, files, "upload_%s", initial={"owner": name})
        self.suggestions = active_names()

    def clean_owner(self) -> User | None:
        name = self.cleaned_data["owner"]
        return active_user(name) if name else None


class UploadForm(OwnerForm):
    """With `only`, all tasks go to this user."""

    file = forms.FileField()
    format = forms.ChoiceField(
        choices=[("", "By the name of the file"), *FORMATS.items()], required=False
    )
    field_order = ("file", "format", "owner")

    def __init__(self, only: User | None, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        self.only = only
        owner = self.fields["owner"]
        owner.required = False
        owner.help_text = "A user name. Empty: the users that the file names."
        if only is not None:
            del self.fields["owner"]
            self.suggestions = []

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "file" in cleaned and cleaned.get("format") == "":
            name = Path(cleaned["file"].name)
            kind = cleaned["format"] = format_of(name)
            if kind is None:  # such as .json, of Google Tasks and of Microsoft To Do
                self.add_error(
                    "format", f"“{name}” does not say its format: choose one."
                )
            elif kind not in READERS:
                self.add_error("file", NOT_READ.format(kind))
        return cleaned

    def chosen_owner(self) -> User | None:
        return self.only or self.cleaned_data["owner"]
