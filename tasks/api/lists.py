"""`/api/lists`: the caller's lists."""

from typing import Annotated, Literal

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from taskproject.accounts.auth import ApiRequest
from taskproject.inputs import WORD, Closed, absent
from tasks.api.field_types import ListName, NextCursor, Version
from tasks.api.jobs import JobOut
from tasks.api.lists_and_tags import (
    ListOut,
    change_row,
    read_row,
    removed,
    represent_row,
    row_response,
)
from tasks.api.responses import actor, page_response
from tasks.api.schemas import Move, Page
from tasks.jobs import remove_list
from tasks.models import Actor, TaskList

router = Router(tags=["lists"])

TasksOfList = TypeAliasType("TasksOfList", Literal["keep", "delete"])


class ListPage(BaseModel):
    items: list[ListOut]
    next_cursor: NextCursor


class ListIn(Closed):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Shopping"}]})

    name: ListName
    archived: bool = False


class ListPatch(Closed):
    model_config = ConfigDict(json_schema_extra={"examples": [{"archived": True}]})

    name: ListName = absent()
    archived: bool = absent()
    version: Version = absent()


class ListFilters(Page):
    archived: Annotated[bool, WORD] | None = Field(
        None, description="Only archived lists, or only others."
    )


class ListRemoval(Closed):
    tasks: TasksOfList = Field(
        "keep",
        description="`keep`: in no list; `delete`: in the trash.",
    )


@router.get("/lists", response=ListPage)
def list_lists(request: ApiRequest, filters: Query[ListFilters]) -> HttpResponse:
    """Your lists, by `position`."""
    lists = TaskList.objects.owned_by(request.auth.user_id)
    if filters.archived is not None:
        lists = lists.filter(archived=filters.archived)
    lists = lists.in_order()
    return page_response(
        request, lists, filters, "lists", represent_row, "position", lists.after_cursor
    )


@router.post("/lists", response={201: ListOut})
def create_list(request: ApiRequest, body: ListIn) -> HttpResponse:
    """Creates a list, after the others."""
    owner_id = request.auth.user_id
    row = TaskList.objects.add(actor(request), owner_id=owner_id, **body.model_dump())
    response = row_response(row, status=201)
    response.headers["Location"] = f"/api/lists/{row.pk}"
    return response


@router.get("/lists/{int:list_id}", response={200: ListOut, 304: None})
def get_list(request: ApiRequest, list_id: int) -> HttpResponse:
    """A list of yours."""
    lists = TaskList.objects.owned_by(request.auth.user_id)
    return read_row(request, lists, list_id)


@router.patch("/lists/{int:list_id}", response=ListOut)
def update_list(request: ApiRequest, list_id: int, body: ListPatch) -> HttpResponse:
    """Changes the members that are sent."""
    lists = TaskList.objects.owned_by(request.auth.user_id)
    fields = body.model_dump(exclude_unset=True, exclude={"version"})

    def edit(row: TaskList, by: Actor) -> None:
        row.edit(by, **fields)

    row = change_row(request, lists, list_id, edit, body.version)
    return row_response(row)


@router.delete("/lists/{int:list_id}", response={204: None, 202: JobOut})
def delete_list(
    request: ApiRequest, list_id: int, removal: Query[ListRemoval]
) -> HttpResponse:
    """Deletes a list for good; 202 with a job for thousands of tasks."""
    lists, tasks = TaskList.objects.owned_by(request.auth.user_id), removal.tasks
    return removed(
        request,
        lists,
        list_id,
        lambda row, by: remove_list(row, by, tasks=tasks == "delete"),
    )


@router.post("/lists/{int:list_id}/move", response=ListOut)
def move_list(request: ApiRequest, list_id: int, body: Move) -> HttpResponse:
    """Moves a list next to another one, or to an end."""
    lists = TaskList.objects.owned_by(request.auth.user_id)

    fields = body.model_dump(exclude_unset=True, exclude={"version"})

    def move(row: TaskList, by: Actor) -> None:
        row.move(by, **fields)

    return row_response(change_row(request, lists, list_id, move, body.version))
