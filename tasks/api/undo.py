"""`/api/undo`: changes of tasks, lists and tags, undone."""

from typing import Annotated, Self

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import NO_NUL, Closed, absent
from tasks.api.field_types import Id
from tasks.api.lists_and_tags import ListOut, TagOut, represent_row
from tasks.api.responses import batch_of, clock_of, json_response, represent
from tasks.api.schemas import InZone, TaskOut
from tasks.models import Task, undo

router = Router(tags=["changes"])


class UndoIn(Closed):
    """The `sequence` of one, or the `request` of all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"event": 1201}]})

    event: Id = absent()
    request: Annotated[str, StringConstraints(min_length=1, max_length=255), NO_NUL] = (
        absent()
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("one_change", "Send either event or request.")
        return self


class UndoneOut(BaseModel):
    tasks: list[TaskOut]
    lists: list[ListOut]
    tags: list[TagOut]


@router.post("/undo", response=UndoneOut, summary="Undo changes")
def undo_changes(
    request: ApiRequest, body: UndoIn, zone: Query[InZone]
) -> HttpResponse:
    """Undoes your changes; 409 if others have changed the same since."""
    clock, user_id = clock_of(request, zone), request.auth.user_id
    events = undo.of_request(user_id, body.request)
    if "event" in body.model_fields_set:
        events = undo.of_event(user_id, body.event)
    undone = undo.undo(batch_of(request, clock, atomic=True), events)
    tasks = {task.pk: task for task in undone.tasks if isinstance(task, Task)}
    shown = [represent(task, clock) for task in tasks.values() if not task.deleted_at]
    lists, tags = ([*map(represent_row, rows)] for rows in (undone.lists, undone.tags))
    return json_response({"tasks": shown, "lists": lists, "tags": tags})
