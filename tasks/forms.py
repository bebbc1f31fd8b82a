"""The admin's forms of a task: no save overwrites what somebody else changed."""

from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.utils.html import format_html

from tasks.models import DESCRIPTION_LENGTH, Task, feed_of


class DescriptionField(forms.CharField):
    """Text as it is stored. A form sends every line end as CRLF, which would count
    double, and Django would strip the text."""

    def to_python(self, value: Any) -> str:
        return _lines(super().to_python(value) or "")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


class TaskForm(forms.ModelForm):
    """Refuses to overwrite what somebody else changed since the page was opened.

    Every field carries the value that the page showed (`show_hidden_initial`), so that
    what was typed is told from what was merely there. When the version has moved on,
    what was typed stays, the rest takes the new values, and each conflict shows both.
    The check runs in the transaction of the save, with the row locked.
    """

    opened_version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    description = DescriptionField(
        required=False,
        strip=False,
        max_length=DESCRIPTION_LENGTH,
        widget=AdminTextareaWidget,
    )

    class Meta:
        model = Task
        fields = ("owner", "title", "description", "completed")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["opened_version"].initial = self.instance.version
        if self.instance.pk:
            for name in TaskForm.Meta.fields:
                if name in self.fields:
                    self.fields[name].show_hidden_initial = True

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk:
            new_owner = cleaned.get("owner") or self.instance.owner
            # Their places in the feed first, then the row: the order of every write.
            with feed_of([self.instance.owner_id, new_owner.pk]):
                tasks = Task.objects.select_for_update().filter(pk=self.instance.pk)
                now = tasks.first()
            if now is None:
                raise forms.ValidationError("Somebody deleted this task meanwhile.")
            if now.deleted_at is not None:
                raise forms.ValidationError(
                    "Somebody moved this task to the trash meanwhile. Nothing is saved; "
                    "restore it from the list first."
                )
            if now.version != cleaned.get("opened_version"):
                self._show_both(now)
        return cleaned

    def _show_both(self, now: Task) -> None:
        typed = set(self.changed_data)
        data: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        self.data = data
        data[self.add_prefix("opened_version")] = str(now.version)
        for name in TaskForm.Meta.fields:
            if name not in self.fields:
                continue
            value = self.fields[name].prepare_value(
                now.owner_id if name == "owner" else getattr(now, name)
            )
            shown = _lines(data.get(self.add_initial_prefix(name), ""))
            # The page that goes back is based on the task as it is now.
            _put(data, self.add_initial_prefix(name), value)
            if name not in typed:
                _put(data, self.add_prefix(name), value)
            elif shown != str(value):
                mine = data.get(self.add_prefix(name), "")
                self.add_error(
                    name,
                    format_html(
                        "Meanwhile somebody changed this to “{}”; you typed “{}”.",
                        _shown(now, name),
                        mine if name != "completed" else bool(mine),
                    ),
                )
        self.add_error(
            None,
            "Somebody changed this task after you opened it. Nothing is saved yet: "
            "compare, adjust, and save again to keep what you see now.",
        )


def _put(data: Any, name: str, value: Any) -> None:
    """As a browser would send it: an unticked box is not sent, its hidden twin is."""
    if value is False and not name.startswith("initial-"):
        data.pop(name, None)
    else:
        data[name] = str(value)


def _shown(task: Task, name: str) -> object:
    return task.owner if name == "owner" else getattr(task, name)


class TaskListForm(forms.ModelForm):
    """A row of the list: only what was really ticked there counts as changed."""

    class Meta:
        model = Task
        fields = ("completed",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["completed"].show_hidden_initial = True
        # What is in the trash is only looked at there.
        self.fields["completed"].disabled = self.instance.deleted_at is not None
