"""`/api/tasks/batch`: many changes in one request."""

from typing import Annotated, Literal
from uuid import UUID

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    GetJsonSchemaHandler,
    TypeAdapter,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from taskproject.accounts.auth import ApiRequest
from taskproject.conditions import check_version_given, other_version
from taskproject.inputs import Closed, absent, refusal_of
from taskproject.problems import Invalid, Problem
from tasks.api.field_types import Id, TaskId, Version
from tasks.api.responses import batch_of, clock_of, json_response, represent
from tasks.api.schemas import (
    InZone,
    TaskCreate,
    TaskMove,
    TaskOut,
    TaskPatch,
    to_model_fields,
)
from tasks.models import Task
from tasks.models.batches import MAX_OPERATIONS
from tasks.models.due_dates import Clock
from tasks.models.operations import Operation

router = Router(tags=["tasks"])

BODIES: dict[str, type[Closed]] = {
    "create": TaskCreate,
    "update": TaskPatch,
    "move": TaskMove,
}
STATUSES = {"create": 201, "delete": 204}


class CreateOperation(Closed):
    """As POST /api/tasks."""

    op: Literal["create"]
    body: TaskCreate


class UpdateOperation(Closed):
    """As PATCH /api/tasks/{id}."""

    op: Literal["update"]
    id: TaskId
    version: Version = absent()
    body: TaskPatch


class MoveOperation(Closed):
    """As POST /api/tasks/{id}/move."""

    op: Literal["move"]
    id: TaskId
    version: Version = absent()
    body: TaskMove


class SimpleOperation(Closed):
    op: Literal["delete", "restore", "complete", "reopen", "toggle"]
    id: TaskId
    version: Version = absent()


DOCUMENTED: TypeAdapter[object] = TypeAdapter(
    Annotated[
        CreateOperation | UpdateOperation | MoveOperation | SimpleOperation,
        Field(discriminator="op"),
    ]
)


class OperationIn(Closed):
    """One change. In the document it is one of the operations above. Bodies are validated
    one by one, because a batch that is not atomic does the operations that are valid."""

    op: Literal[
        "create",
        "update",
        "delete",
        "restore",
        "complete",
        "reopen",
        "toggle",
        "move",
    ]
    id: TaskId = absent()
    version: Id = absent()
    body: dict[str, object] = absent()

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(DOCUMENTED.core_schema)


class BatchIn(Closed):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "atomic": True,
                    "operations": [{"op": "create", "body": {"title": "Buy oat milk"}}],
                }
            ]
        }
    )

    atomic: bool = Field(True, description="All or none; false: each by itself.")
    # Validation stops at the first invalid operation: often all 500 have the same error.
    operations: Annotated[list[OperationIn], FailFast()] = Field(
        min_length=1, max_length=MAX_OPERATIONS
    )


# One status each, where possible: compilers tell unions apart by single values.
class DoneOut(BaseModel):
    status: Literal[200]
    task: TaskOut


class CreatedOut(BaseModel):
    status: Literal[201]
    task: TaskOut


class DeletedOut(BaseModel):
    status: Literal[204]
    task: None


class TaskProblem(BaseModel):
    """A name in the document: the schema of `taskproject.openapi_errors`."""


class RefusedOut(BaseModel):
    status: Literal[404, 409, 410, 412, 422, 428]
    problem: TaskProblem


class BatchOut(BaseModel):
    results: list[DoneOut | CreatedOut | DeletedOut | RefusedOut] = Field(
        description="In the order of operations."
    )


@router.post("/tasks/batch", response=BatchOut, summary="Change many tasks")
def batch_tasks(
    request: ApiRequest, body: BatchIn, zone: Query[InZone]
) -> HttpResponse:
    """Changes in order, in one transaction. If one of an atomic batch fails, the response is
    its problem."""
    clock = clock_of(request, zone)
    batch = batch_of(request, clock, body.atomic)
    results = batch.run(_operations(request, body))
    shown = [
        _result(one, result, clock, existing=number in batch.existing)
        for number, (one, result) in enumerate(
            zip(body.operations, results, strict=True)
        )
    ]
    return json_response({"results": shown})


def _operations(request: ApiRequest, body: BatchIn) -> list[Operation]:
    zone = request.auth.user.timezone
    return [_operation(one, number, zone) for number, one in enumerate(body.operations)]


def _operation(one: OperationIn, number: int, zone: str) -> Operation:
    """The operation; with its refusal, if it is not valid."""
    given = one.model_fields_set
    if (one.op == "create") == ("id" in given):
        code, verb = ("missing", "needs an id")
        if one.op == "create":
            code, verb = "unexpected", "has no id; it makes one"
        return _refused(one, number, "/id", code, f"The operation {one.op} {verb}.")
    if (one.op in BODIES) != ("body" in given):
        code, verb = ("unexpected", "has no body")
        if one.op in BODIES:
            code, verb = "missing", "needs a body"
        return _refused(one, number, "/body", code, f"The operation {one.op} {verb}.")
    if one.op == "create" and "version" in given:
        detail = "A new task has no version yet."
        return _refused(one, number, "/version", "unexpected", detail)
    fields: dict[str, object] = {}
    version: int | None = one.version
    if one.op in BODIES:
        model = BODIES[one.op]
        invalid = refusal_of(model, one.body, f"/operations/{number}/body")
        if invalid:
            return Operation(one.op, refusal=invalid)
        members = model.model_validate(one.body)
        dumped = members.model_dump(
            exclude_unset=one.op != "create", exclude={"version"}
        )
        fields = to_model_fields(dumped)
        version = getattr(members, "version", None) or version
        if "version" in given and version != one.version:
            refusal = other_version("the operation")
            refusal = refusal.within(f"/operations/{number}/body")
            return Operation(one.op, refusal=refusal)
        if fields.get("due_at") and one.op == "create":
            fields["due_timezone"] = fields["due_timezone"] or zone
    versions = None if version is None else {version}
    needed = None if one.op == "create" else check_version_given(versions)
    client_id = one.id if isinstance(one.id, UUID) else None
    return Operation(one.op, _key(one), client_id, versions, fields, needed)


def _key(one: OperationIn) -> int:
    """The id in the operation; 0 if it has none, or a client_id."""
    return one.id if isinstance(one.id, int) else 0


def _refused(
    one: OperationIn, number: int, member: str, code: str, detail: str
) -> Operation:
    refusal = Invalid.of(f"operations/{number}{member}", detail, code)
    return Operation(one.op, refusal=refusal)


def _result(
    one: OperationIn, result: Task | Problem, clock: Clock, existing: bool
) -> dict[str, object]:
    if isinstance(result, Problem):
        path = f"/api/tasks/{_key(one)}" if _key(one) else "/api/tasks"
        return {"status": result.status, "problem": result.as_dict(path)}
    gone = one.op == "delete"
    return {
        "status": 200 if existing else STATUSES.get(one.op, 200),
        "task": None if gone else represent(result, clock),
    }
