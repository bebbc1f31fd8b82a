"""The API: its resources."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import WithJsonSchema
from typing_extensions import TypeAliasType

from taskproject import __version__, problems
from taskproject.accounts.api.me import public as deletions
from taskproject.accounts.api.me import router as me
from taskproject.accounts.api.personal_data import router as personal_data
from taskproject.accounts.api.tokens import router as tokens
from taskproject.ninja_api import API
from taskproject.openapi_errors import with_names
from tasks.api.batch import router as batch
from tasks.api.changes import router as changes
from tasks.api.collection import router as collection
from tasks.api.exports import public as calendars
from tasks.api.exports import router as exports
from tasks.api.jobs import router as jobs
from tasks.api.lists import router as lists
from tasks.api.recurrences import router as recurrences
from tasks.api.reminders import router as reminders
from tasks.api.snapshot import router as snapshot
from tasks.api.tags import router as tags
from tasks.api.tasks import router as tasks
from tasks.api.todo_backend import router as todos
from tasks.api.trash import router as trash
from tasks.api.undo import router as undo
from tasks.api.webhooks import router as webhooks

DESCRIPTION = """\
People sign up and in at [/api/auth/](/api/auth/openapi.json). Decide by the `code` of errors
(RFC 9457). Every response has `X-Request-ID` and `API-Version`. Times are RFC 3339 in UTC.
"""

TAGS = {
    "accounts": "Users and tokens.",
    "tasks": "Tasks.",
    "trash": "Deleted tasks.",
    "lists": "Lists.",
    "tags": "Tags.",
    "jobs": "Changes of thousands of tasks.",
    "changes": "What changed.",
    "webhooks": "Changes, sent to URLs.",
    "export": "Tasks as files.",
    "service": "The service.",
}

api = API(
    title="Tasks",
    version=__version__,
    description=DESCRIPTION,
    openapi_extra={
        "info": {"license": {"name": "MIT", "identifier": "MIT"}},
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
    },
)
api.add_router("", me)
api.add_router("", deletions)
api.add_router("", personal_data)
api.add_router("", tokens)
api.add_router("", collection)
api.add_router("", tasks)
api.add_router("", batch)
api.add_router("", recurrences)
api.add_router("", trash)
api.add_router("", lists)
api.add_router("", tags)
api.add_router("", jobs)
api.add_router("", changes)
api.add_router("", undo)
api.add_router("", snapshot)
api.add_router("", reminders)
api.add_router("", webhooks)
api.add_router("", exports)
api.add_router("", calendars)

public = Router(tags=["service"])


ProblemCode = TypeAliasType(
    "ProblemCode",
    Annotated[
        str,
        WithJsonSchema(
            with_names(
                {
                    "type": "string",
                    "enum": [kind.code for kind in problems.kinds()],
                }
            )
        ),
    ],
)


#: With TODO_BACKEND on. It is not in the document.
todo_backend = API(
    title="Todo-Backend",
    version="todo-backend",
    description="",
    openapi_extra={},
)
todo_backend.openapi_url = None
todo_backend.add_router("/todo-backend", todos)


class ProblemKind(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "content_too_large",
                    "status": 413,
                    "title": "The body is too large",
                    "meaning": "The body is larger than 256 KB.",
                }
            ]
        }
    )

    code: ProblemCode
    status: int
    title: str
    meaning: str


@public.get("/problems", response=list[ProblemKind])
def list_problems(request: HttpRequest) -> list[dict[str, str | int]]:
    """Every `code`, and its meaning."""
    return [
        {
            "code": kind.code,
            "status": kind.status,
            "title": kind.title,
            "meaning": kind.__doc__ or "",
        }
        for kind in problems.kinds()
    ]


api.add_router("", public)
