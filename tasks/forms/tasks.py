"""The forms of tasks."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget

from taskproject import timezones
from taskproject.accounts.models import check_timezone
from taskproject.forms import OneLineField, joined
from taskproject.names import fault
from tasks.fields import FIELDS, ONE_LINE
from tasks.forms.fields import (
    DayField,
    DescriptionField,
    TagsField,
    moment_text,
    read_moment,
    tag_text,
)
from tasks.forms.optimistic_lock import OptimisticLockForm, Values
from tasks.forms.reminders import RemindersField, reminder_lines
from tasks.forms.series import RuleInput
from tasks.limits import (
    DESCRIPTION_LENGTH,
    RULE_LENGTH,
    TIMEZONE_LENGTH,
)
from tasks.models import Task
from tasks.recurrence import SOURCES, SUBTASKS, checked, planned
from tasks.recurrence_rules import RuleError
from tasks.reminder_rules import DEFAULT_HOUR

# The fields that are foreign keys, and the names of their rows.
KEYS = {"owner": "user", "list": "list", "parent": "task"}
# A due date is one value in three fields.
DUE = ("due_date", "due_at", "due_timezone")
SERIES = ("recurrence", "recurrence_from", "recurrence_subtasks")
#: The fields that organize tasks.
ORGANIZATION = ("list", "parent", "tag_names", "priority")


class TaskForm(OptimisticLockForm[Task]):
    description = DescriptionField(
        required=False,
        strip=False,
        max_length=DESCRIPTION_LENGTH,
        widget=AdminTextareaWidget,
    )
    # Not `tags`: the model has a field of that name, which is no form field.
    tag_names = TagsField(
        label="Tags",
        required=False,
        widget=AdminTextInputWidget,
        help_text="Separated by commas: errand, five minutes. New tags are created.",
    )
    # Text, because the time depends on the time zone in the next field.
    due_at = forms.CharField(
        required=False,
        widget=AdminTextInputWidget({"placeholder": "2026-12-31 17:30"}),
        help_text="A day and a time (24 hours). A task has either this or a due date.",
    )
    due_timezone = forms.CharField(
        required=False,
        empty_value=None,
        max_length=TIMEZONE_LENGTH,
        validators=[check_timezone],
        widget=AdminTextInputWidget({"placeholder": "Europe/Lisbon"}),
    )
    # Not `reminders`, as above.
    reminder_lines = RemindersField(
        label="Reminders",
        required=False,
        help_text="One a line: 30 minutes before, 1 day before (of a day: 18:00), or a time "
        "such as 2026-12-31 17:30, of your time zone. A day that a task is due counts from "
        f"{DEFAULT_HOUR}:00, unless you say so, in the time zone of the owner.",
    )
    recurrence = forms.CharField(
        required=False,
        empty_value=None,
        max_length=RULE_LENGTH,
        widget=RuleInput,
        help_text="A rule of RFC 5545, such as FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR. The field "
        "suggests the usual ones.",
    )
    recurrence_from = forms.TypedChoiceField(
        required=False,
        empty_value=None,
        choices=[("", "---------"), *((source, source) for source in SOURCES)],
        help_text="What the next due date counts from. Default: due, which leaves out dates that "
        "have passed; each_due does not.",
    )
    recurrence_subtasks = forms.TypedChoiceField(
        required=False,
        empty_value=None,
        choices=[("", "---------"), *((choice, choice) for choice in SUBTASKS)],
        help_text="Whether completed subtasks are made again. Default: again.",
    )

    class Meta:
        model = Task
        # (`tags` is `tag_names` here, and `reminders` is `reminder_lines`.)
        fields = (
            "owner",
            *(
                field.name
                for field in FIELDS
                if field.writable and field.name not in ("tags", "reminders")
            ),
        )
        field_classes: ClassVar = {
            **dict.fromkeys(ONE_LINE, OneLineField),
            "due_date": DayField,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # those of ModelForm
        super().__init__(*args, **kwargs)
        if "owner" not in self.fields:
            return  # The page is read-only.
        reminders = self.fields["reminder_lines"]
        assert isinstance(reminders, RemindersField)
        reminders.zone = self.zone
        if self.instance.pk is not None:
            self.initial.update(self.as_initial(self.instance))
        # If it is left out: none for a new task, else unchanged.
        self.fields["priority"].required = False
        self.fields[
            "due_timezone"
        ].help_text = f"The time zone of the time. Default: yours, {self.zone}."
        given = self.data.get(self.add_prefix("owner")) or self.initial.get("owner")
        for name in ("list", "parent"):
            if name in self.fields:
                picker = getattr(self.fields[name].widget, "widget", None)
                if picker is not None:
                    picker.owner_id = given

    def owners(self, cleaned: Values) -> Iterable[int]:
        new_owner = cleaned.get("owner") or self.instance.owner
        return [self.instance.owner_id, new_owner.pk]

    def clean_tag_names(self) -> list[str]:
        """A tag that the task already has keeps its name, which may break today's rule for
        names, and whose line breaks are lost in the input."""
        has = {joined(name): name for name in self.instance.tags}
        names = [has.get(joined(name), name) for name in self.cleaned_data["tag_names"]]
        for name in names:
            if name not in self.instance.tags and (wrong := fault(name)):
                raise forms.ValidationError(f"{name}: {wrong}")
        return names

    def clean_priority(self) -> int:
        value: int | str | None = self.cleaned_data["priority"]
        return self.instance.priority if value in (None, "") else int(value)

    def clean(self) -> Values:
        cleaned = super().clean()
        if not self.stale:
            self._check_owner(cleaned)
            self._check_due(cleaned)
            self._check_series(cleaned)
        return cleaned

    def values(self) -> Values:
        values = super().values()
        for name in KEYS:
            if name in values:
                row = values.pop(name)
                values[f"{name}_id"] = row and row.pk
        if "tag_names" in values:
            values["tags"] = values.pop("tag_names")
        if "reminder_lines" in values:
            values["reminders"] = values.pop("reminder_lines")
        if self.edited_fields.intersection(DUE):
            values |= {name: self.cleaned_data[name] for name in DUE}
            if values["due_at"] is None:
                # Without a time there is no time zone.
                del values["due_timezone"]
        if self.edited_fields.intersection(SERIES):
            values |= {name: self.cleaned_data[name] for name in SERIES}
        return values

    def as_initial(self, row: Task) -> dict[str, object]:
        special = {
            **{name: getattr(row, f"{name}_id") for name in KEYS},
            "tag_names": tag_text(row.tags),
            "reminder_lines": reminder_lines(row.reminders, self.zone),
            "due_at": moment_text(row.due_at, row.due_timezone),
            "due_timezone": row.due_timezone and timezones.known(row.due_timezone),
        }
        return {
            name: special[name] if name in special else getattr(row, name)
            for name in self.editable_fields
        }

    def readable(self, name: str, row: Task) -> object:
        if name == "priority":
            return row.get_priority_display()
        value = getattr(row, name) if name in KEYS else self.as_initial(row)[name]
        return "" if value is None else value

    def readable_edit(self, name: str) -> object:
        value = self.cleaned_data.get(name)
        if name == "priority" and value is not None:
            return Task.Priority(value).label
        if name == "completed" or (name in KEYS and value is not None):
            return value
        return super().readable_edit(name)

    def _check_owner(self, cleaned: Values) -> None:
        owner = cleaned.get("owner")
        for name in ("list", "parent"):
            row = cleaned.get(name)
            if (
                owner
                and row
                and name in self.edited_fields
                and row.owner_id != owner.pk
            ):
                self.add_error(name, f"{owner} has no such {KEYS[name]}.")

    def _check_due(self, cleaned: Values) -> None:
        """Sets `due_at` to the instant of the text and the time zone."""
        if not all(name in cleaned for name in DUE):
            return
        day, text, zone = (cleaned[name] for name in DUE)
        cleaned["due_at"] = None
        if not text:
            if zone is not None and "due_timezone" in self.edited_fields:
                self.add_error(
                    "due_timezone", "A time zone needs a time: fill in due at."
                )
        elif day is not None:
            self.add_error(
                "due_at", "A task is due on a day or at a time: clear one of the two."
            )
        else:
            cleaned["due_timezone"] = zone or self.zone
            try:
                cleaned["due_at"] = read_moment(text, cleaned["due_timezone"])
            except forms.ValidationError as error:
                self.add_error("due_at", error)

    def _check_series(self, cleaned: Values) -> None:
        """A series has a rule that is known, and a due date."""
        if self.errors or not all(name in cleaned for name in (*DUE, *SERIES)):
            return
        rule, source, _ = (cleaned[name] for name in SERIES)
        if rule is None:
            for name in SERIES[1:]:
                if cleaned.get(name) is not None and name in self.edited_fields:
                    self.add_error(name, "It goes with a recurrence only.")
                cleaned[name] = None
            return
        due = planned(*(cleaned[name] for name in DUE))
        if due is None:
            self.add_error("recurrence", "A task that recurs needs a due date.")
        elif self.edited_fields.intersection(SERIES):
            try:
                checked(rule, due, source or SOURCES[0])
            except RuleError as error:
                self.add_error("recurrence", str(error))
