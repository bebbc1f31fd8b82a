"""The rule of a series in the form of a task: suggestions, and the next dates."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from django import forms
from django.contrib.admin.widgets import AdminTextInputWidget

from taskproject import timezones
from tasks.forms.fields import moment_text, read_moment
from tasks.limits import RULE_LENGTH
from tasks.models.due_dates import read_day
from tasks.recurrence import SOURCES, Occurrence, checked, planned, upcoming
from tasks.recurrence_rules import RuleError

#: The fields that decide.
TYPED = ("due_date", "due_at", "due_timezone", "recurrence", "recurrence_from")
#: The number of dates that are shown.
SHOWN = 5
#: Rules that the form suggests, and what they mean.
RULES = (
    ("FREQ=DAILY", "every day"),
    ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "from Monday to Friday"),
    ("FREQ=WEEKLY", "every week"),
    ("FREQ=WEEKLY;INTERVAL=2", "every two weeks"),
    ("FREQ=MONTHLY", "every month"),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", "on the last day of every month"),
    ("FREQ=MONTHLY;BYDAY=1MO", "on the first Monday of every month"),
    ("FREQ=YEARLY", "every year"),
)


class RuleInput(AdminTextInputWidget):
    """With suggestions, and a place where the script of the page shows the next dates."""

    template_name = "admin/tasks/task/rule.html"

    def __init__(self) -> None:
        super().__init__({"list": "rules", "placeholder": "FREQ=MONTHLY;BYMONTHDAY=31"})

    def get_context(
        self, name: str, value: Any, attrs: dict[str, Any] | None
    ) -> dict[str, Any]:
        return super().get_context(name, value, attrs) | {"rules": RULES}


def next_dates(typed: Mapping[str, str], zone: str) -> str:
    """The dates, or what is missing or wrong; "" without a rule. `typed` has the fields of the
    form as text. A time without a time zone is one of `zone`."""
    due_date, due_at, its_zone, rule, source = (
        typed.get(name, "").strip() for name in TYPED
    )
    if not rule:
        return ""
    its_zone = timezones.known(its_zone or zone)
    try:
        moment = read_moment(due_at, its_zone) if due_at else None
        begin = planned(read_day(due_date), moment, its_zone)
        if begin is None:
            return "Enter when the task is due, where the series begins."
        known = source if source in SOURCES else SOURCES[0]
        series = checked(rule[: RULE_LENGTH + 1], begin, known)
    except forms.ValidationError as error:
        return " ".join(error.messages)
    except RuleError as error:
        return str(error)
    dates = [_text(each) for each in islice(upcoming(series, begin), SHOWN + 1)]
    after = "and so on" if len(dates) > SHOWN else "then it ends"
    done = ", if each is completed when it is due" if known == "completion" else ""
    return f"Next{done}: {', '.join(dates[:SHOWN])}, {after}."


def _text(one: Occurrence) -> str:
    return str(one.day) if one.at is None else moment_text(one.due_at, one.zone)
