"""`/api/reminders`: when the caller's reminders fire, and which have."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import DIGITS
from tasks.api.field_types import Id, NextCursor
from tasks.api.responses import page_response
from tasks.api.schemas import Page
from tasks.models import Reminder

router = Router(tags=["changes"])

EmailStatus = TypeAliasType("EmailStatus", Literal["pending", "sent", "failed"])
ReminderStatus = TypeAliasType(
    "ReminderStatus", Literal["pending", "fired", "inactive"]
)


class ReminderOut(BaseModel):
    id: int
    task_id: int
    at: datetime | None
    minutes_before: int | None
    hour: int | None
    status: ReminderStatus
    fire_at: datetime | None = Field(description="Null without a due date.")
    fired_at: datetime | None
    late: bool = Field(description="By more than a minute.")
    email_status: EmailStatus | None = Field(description="Null without one.")


class ReminderPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [], "next_cursor": None}]}
    )

    items: list[ReminderOut]
    next_cursor: NextCursor


class RemindersQuery(Page):
    status: ReminderStatus | None = Field(
        None, description="`inactive`: does not fire as the task is."
    )
    task: Annotated[Id, DIGITS] | None = Field(None, description="Only of this task.")


@router.get("/reminders", response=ReminderPage)
def list_reminders(request: ApiRequest, query: Query[RemindersQuery]) -> HttpResponse:
    """The reminders of your tasks, newest first."""
    rows = Reminder.objects.owned_by(request.auth.user_id).order_by("-pk")
    if query.status is not None:
        rows = rows.filter(status=query.status)
    if query.task is not None:
        rows = rows.filter(task_id=query.task)
    return page_response(request, rows, query, "reminders", _represent)


def _represent(row: Reminder) -> dict[str, object]:
    shown = {
        name: getattr(row, name) for name in ReminderOut.model_fields if name != "late"
    }
    return shown | {"late": row.is_late()}
