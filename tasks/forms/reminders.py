"""The reminders of a task as lines of text."""

import re
from collections.abc import Sequence
from datetime import datetime

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget

from tasks import reminder_rules
from tasks.forms.fields import ListField, moment_text, read_moment
from tasks.limits import MAX_MINUTES_BEFORE, MAX_REMINDERS
from tasks.reminder_rules import DEFAULT_HOUR, UNITS, Rule

_BEFORE = re.compile(
    r"(?P<count>[0-9]{1,6}) *(?P<unit>minute|hour|day|week)s? before"
    r"( *\(of a day: (?P<hour>[0-9]{1,2}):00\))?",
    re.IGNORECASE,
)


class RemindersField(ListField):
    """One a line: an instant by the clock of `zone`, or a time before the due date."""

    widget = AdminTextareaWidget({"rows": 3, "placeholder": "30 minutes before"})
    #: Of the user; the form sets it.
    zone = "UTC"

    def to_python(self, value: object) -> list[Rule]:
        lines = str(value or "").splitlines()
        rules = [self._rule(text) for line in lines if (text := line.strip())]
        return reminder_rules.each_once(rules) or []

    def validate(self, value: Sequence[Rule]) -> None:
        if len(value) > MAX_REMINDERS:
            raise forms.ValidationError(f"Enter at most {MAX_REMINDERS} reminders.")

    def _rule(self, text: str) -> Rule:
        if before := _BEFORE.fullmatch(text):
            minutes = int(before["count"]) * UNITS[before["unit"].lower()]
            hour = DEFAULT_HOUR if before["hour"] is None else int(before["hour"])
            if minutes > MAX_MINUTES_BEFORE or hour > 23:
                raise forms.ValidationError(
                    f"“{text}”: enter at most {MAX_MINUTES_BEFORE // 1_440} days, and an "
                    "hour from 0 to 23."
                )
            return reminder_rules.relative(minutes, hour)
        try:
            return reminder_rules.absolute(read_moment(text, self.zone))
        except forms.ValidationError as error:
            raise forms.ValidationError(
                f"“{text[:100]}”: enter 30 minutes before (hours, days, weeks), or a time. "
                f"{error.messages[0]}"
            ) from None


def reminder_lines(rules: Sequence[Rule] | None, zone: str) -> str:
    """The reminders as text, for `RemindersField`."""
    return "\n".join(
        moment_text(datetime.fromisoformat(rule["at"]), zone)
        if "at" in rule
        else reminder_rules.describe(rule)
        for rule in rules or ()
    )
