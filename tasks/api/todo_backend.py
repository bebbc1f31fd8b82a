"""`/todo-backend`: the guest's tasks as the Todo-Backend project's specification has them
(https://todobackend.com). A todo's `order` is the last line of the task's description."""

import re
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import BaseModel, Field

from taskproject.accounts.auth import ApiRequest
from taskproject.addresses import absolute
from taskproject.inputs import Closed, absent
from taskproject.problems import Invalid
from tasks.api.field_types import Title
from tasks.api.responses import (
    actor,
    change,
    find,
    gone,
    json_response,
    missing,
    no_content,
)
from tasks.limits import DESCRIPTION_LENGTH
from tasks.models import Task, TaskQuerySet
from tasks.models.due_dates import clock

router = Router(tags=["todo-backend"])
ORDER = re.compile(r"(?:\A|\n)order: (-?[0-9]{1,16})\Z")
Order = Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1)]
MOST = 500  # todos of a response


class TodoIn(Closed):
    title: Title
    completed: bool = False
    order: Order = absent()


class TodoPatch(Closed):
    title: Title = absent()
    completed: bool = absent()
    order: Order = absent()


class Todo(BaseModel):
    id: int
    title: str
    completed: bool
    order: int | None
    url: str


@router.get("", response=list[Todo])
def list_todos(request: ApiRequest) -> HttpResponse:
    """The newest todos."""
    tasks = Task.objects.owned_by(request.auth.user_id).live().newest_first()
    return json_response([_represent(request, task) for task in tasks[:MOST]])


@router.post("", response={201: Todo})
def create_todo(request: ApiRequest, body: TodoIn) -> HttpResponse:
    """Creates a todo."""
    fields = _fields("", body)
    task = Task.objects.add(actor(request), owner_id=request.auth.user_id, **fields)
    todo = _represent(request, task)
    return json_response(todo, 201, Location=str(todo["url"]))


@router.delete("", response={204: None})
def delete_todos(request: ApiRequest) -> HttpResponse:
    """Moves all todos to the trash."""
    Task.objects.owned_by(request.auth.user_id).live().trash(actor(request))
    return no_content()


@router.get("/{int:task_id}", response=Todo)
def get_todo(request: ApiRequest, task_id: int) -> HttpResponse:
    """One todo."""
    return json_response(_represent(request, _read(request, task_id)))


@router.patch("/{int:task_id}", response=Todo)
def update_todo(request: ApiRequest, task_id: int, body: TodoPatch) -> HttpResponse:
    """Changes the members that are sent."""
    task = _read(request, task_id)
    fields = _fields(task.description, body)
    edit = TaskQuerySet.edit
    task = change(request, task_id, edit, clock("UTC"), fields, version=task.version)
    return json_response(_represent(request, task))


@router.delete("/{int:task_id}", response={204: None})
def delete_todo(request: ApiRequest, task_id: int) -> HttpResponse:
    """Moves a todo to the trash."""
    change(request, task_id, TaskQuerySet.trash, clock("UTC"))
    return no_content()


def _read(request: ApiRequest, task_id: int) -> Task:
    task = find(request, task_id).first()
    if task is None:
        raise missing()
    if task.deleted_at:
        raise gone(task_id)
    return task


def _fields(description: str, body: TodoIn | TodoPatch) -> dict[str, object]:
    """The fields of a task with this description that the members stand for. Raises `Invalid`."""
    fields = body.model_dump(exclude_unset=True)
    if "order" in fields:
        lines = [ORDER.sub("", description), f"order: {fields.pop('order')}"]
        fields["description"] = text = "\n".join(filter(None, lines))
        if len(text) > DESCRIPTION_LENGTH:
            detail = (
                "The description of the task has no room for it; shorten that first."
            )
            raise Invalid.of("order", detail, "refused")
    return fields


def _represent(request: HttpRequest, task: Task) -> dict[str, object]:
    order = ORDER.search(task.description)
    return {
        "id": task.pk,
        "title": task.title,
        "completed": task.completed,
        "order": int(order[1]) if order else None,
        "url": absolute(request, f"/todo-backend/{task.pk}"),
    }
