"""`/api/recurrences/preview`: the dates of a series, before a task has it."""

from itertools import islice
from typing import Annotated, Literal, Self

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import DIGITS, NO_NUL, Closed, Zone
from tasks import recurrence
from tasks.api.field_types import Day, Instant, SeriesSource
from tasks.api.responses import json_response
from tasks.limits import RULE_LENGTH
from tasks.models.new_values import checked_rule

router = Router(tags=["tasks"])

EXAMPLE: JsonDict = {
    "recurrence": "FREQ=MONTHLY;BYMONTHDAY=31",
    "rule": {
        "freq": "monthly",
        "interval": 1,
        "by_month": [],
        "by_month_day": [31],
        "by_weekday": [],
        "by_set_position": [],
        "week_start": "mo",
        "count": None,
        "until": None,
    },
    "dates": ["2027-02-28", "2027-03-31"],
}
Weekday = TypeAliasType("Weekday", Literal["mo", "tu", "we", "th", "fr", "sa", "su"])
Frequency = TypeAliasType("Frequency", Literal["daily", "weekly", "monthly", "yearly"])


class Preview(Closed):
    """A rule, and the due date that its series begins at."""

    recurrence: Annotated[
        str,
        StringConstraints(min_length=1, max_length=RULE_LENGTH),
        NO_NUL,
        Field(examples=["FREQ=MONTHLY;BYMONTHDAY=31"]),
    ]
    recurrence_from: SeriesSource = "due"
    due_date: Day | None = None
    due_at: Instant | None = None
    due_timezone: Zone | None = Field(None, description="Default: yours.")
    limit: Annotated[int, Field(ge=1, le=100), DIGITS] = 10

    @model_validator(mode="after")
    def _one_due(self) -> Self:
        if (self.due_date is None) == (self.due_at is None):
            code = "due_missing" if self.due_date is None else "two_dues"
            raise PydanticCustomError(code, "Send one of due_date and due_at.")
        if self.due_timezone is not None and self.due_at is None:
            raise PydanticCustomError(
                "zone_alone", "Send due_timezone together with due_at only."
            )
        return self


class WeekdayOut(BaseModel):
    day: Weekday
    which: int | None = Field(
        description="Of the month or year; negative from its end."
    )


class RuleOut(BaseModel):
    freq: Frequency
    interval: int
    by_month: list[int]
    by_month_day: list[int]
    by_weekday: list[WeekdayOut]
    by_set_position: list[int]
    week_start: Weekday
    count: int | None
    until: str | None


class PreviewOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    recurrence: str
    rule: RuleOut
    dates: list[str] = Field(description="Days, or instants in UTC.")


@router.get("/recurrences/preview", response=PreviewOut)
def preview_recurrence(request: ApiRequest, wanted: Query[Preview]) -> HttpResponse:
    """The due dates of a series."""
    zone = wanted.due_timezone or request.auth.user.timezone
    begin = recurrence.planned(wanted.due_date, wanted.due_at, zone)
    assert begin is not None
    source = wanted.recurrence_from
    rule = checked_rule(wanted.recurrence, begin, source, "query")
    found = islice(recurrence.upcoming(rule, begin), wanted.limit)
    dates: list[object] = [one.due_at or one.day for one in found]
    shown = {"recurrence": str(rule), "rule": rule.as_json(), "dates": dates}
    return json_response(shown)
