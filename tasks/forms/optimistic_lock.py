"""A form with optimistic locking by the version of its row."""

from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.http import QueryDict
from django.utils.html import format_html

from taskproject.problems import Problem
from tasks.models import Tag, Task, TaskList, lock_feeds

R = TypeVar("R", bound=Task | TaskList | Tag)
#: Values by the names of their fields, as Django has cleaned them: of any type.
Values = dict[str, Any]


def lines(text: str) -> str:
    """The text with LF line ends; forms send CRLF."""
    return text.replace("\r\n", "\n")


class OptimisticLockForm(forms.ModelForm, Generic[R]):
    """Refuses to overwrite changes that were made since the page was opened.

    Every field also has the value that the page showed (`show_hidden_initial`), which
    distinguishes edited fields from others. If the version has changed, edited fields
    keep what was entered, the others take the new values, and each conflict shows both.
    The check runs in the transaction of the save, with the row locked.
    """

    opened_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    #: The time zone of the user.
    zone: ClassVar[str] = "UTC"
    #: The refusal by the method of the model, if the form was saved before.
    refusal: ClassVar[Problem | None] = None
    #: The field of a refusal that names no field.
    refused: ClassVar[str | None] = None
    #: Whether the row was changed meanwhile.
    stale = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # those of ModelForm
        super().__init__(*args, **kwargs)
        self.fields["opened_version"].initial = self.instance.version
        for name in self.editable_fields:
            self.fields[name].show_hidden_initial = self.instance.pk is not None

    @property
    def editable_fields(self) -> list[str]:
        """The fields that the user can edit."""
        return [name for name in self.fields if name != "opened_version"]

    @property
    def edited_fields(self) -> set[str]:
        """The fields that were edited; all fields of a new row. A field that was sent as
        it was shown was not edited, even if its value is no valid choice any more."""
        if self.instance.pk is None:
            return set(self.editable_fields)
        return {name for name in self.changed_data if not self._as_shown(name)}

    def values(self) -> Values:
        """The fields to set, for the method of the model."""
        return {
            name: self.cleaned_data[name]
            for name in self.editable_fields
            if name in self.edited_fields
        }

    def as_initial(self, row: R) -> dict[str, object]:
        """The initial values of the fields for this row."""
        return {name: getattr(row, name) for name in self.editable_fields}

    def readable(self, name: str, row: R) -> object:
        """The value of a field, for error messages."""
        return self.as_initial(row)[name]

    def readable_edit(self, name: str) -> object:
        """The value that was entered, for error messages."""
        return self.data.get(self.add_prefix(name), "")

    def owners(self, cleaned: Values) -> Iterable[int]:
        """The owners whose feeds the save locks."""
        return [self.instance.owner_id]

    def clean(self) -> Values:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk is not None:
            # Feeds first, then the row: the order of all writes.
            with lock_feeds(self.owners(cleaned)):
                rows = self._meta.model._default_manager.select_for_update()
                now = rows.filter(pk=self.instance.pk).first()
            kind = self._meta.model._meta.verbose_name
            if now is None:
                raise forms.ValidationError(f"Somebody deleted this {kind} meanwhile.")
            if getattr(now, "deleted_at", None) is not None:
                raise forms.ValidationError(
                    f"Somebody moved this {kind} to the trash meanwhile. Nothing is "
                    "saved; restore it from the list first."
                )
            if now.version != cleaned.get("opened_version"):
                self._show_both(now)
        if self.refusal is not None:
            self._add_refusal(self.refusal)
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        """All fields: the form validates what was entered, and the methods of the model
        validate the rest. Django would query the database for each constraint."""
        return {field.name for field in self._meta.model._meta.get_fields()}

    def _add_refusal(self, refusal: Problem) -> None:
        for error in refusal.errors or [{"pointer": "", "detail": refusal.detail}]:
            name = error["pointer"].strip("/")
            known = name if name in self.fields else self.refused
            self.add_error(known, error["detail"])

    def _as_shown(self, name: str) -> bool:
        sent = self.data.get(self.add_prefix(name))
        return sent is not None and sent == self.data.get(self.add_initial_prefix(name))

    def _show_both(self, now: R) -> None:
        self.stale = True
        edited = self.edited_fields
        assert isinstance(self.data, QueryDict)
        data = self.data.copy()
        mine = {name: self.readable_edit(name) for name in edited}
        self.data = data
        data[self.add_prefix("opened_version")] = str(now.version)
        for name, stored in self.as_initial(now).items():
            value = self.fields[name].prepare_value(stored)
            shown = lines(data.get(self.add_initial_prefix(name), ""))
            # The page is shown again, based on the current row.
            _put(data, self.add_initial_prefix(name), value)
            if name not in edited:
                _put(data, self.add_prefix(name), value)
                # Errors of the earlier value do not apply.
                self.errors.pop(name, None)
            elif shown != lines(_text(value)):
                self.add_error(
                    name,
                    format_html(
                        "Meanwhile somebody changed this to “{}”; you typed “{}”.",
                        self.readable(name, now),
                        mine[name],
                    ),
                )
        self.add_error(
            None,
            f"Somebody changed this {now._meta.verbose_name} after you opened it. "
            "Nothing is saved yet: compare, adjust, and save again to keep what you see "
            "now.",
        )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _put(data: QueryDict, name: str, value: object) -> None:
    """Set a value as a browser sends it: unchecked boxes are not sent, but their hidden
    initial values are."""
    if value is False and not name.startswith("initial-"):
        data.pop(name, None)
    else:
        data[name] = _text(value)
