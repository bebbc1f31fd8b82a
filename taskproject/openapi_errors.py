"""The error responses in the OpenAPI document: their schemas, and examples of them.

Each response has a schema of its own, so that `code` tells programs which members there
are: `current` with `stale_version`, `restore` with `gone`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskproject import problems
from taskproject.input_errors import CODES, input_error, unknown_member
from taskproject.problems import InputError, Problem

#: A part of the OpenAPI document: JSON of any depth.
Part = dict[str, Any]
#: Not `status` and `code`: generators refuse a schema that narrows members of another one.
PROBLEM: Part = {
    "type": "object",
    "required": ["type", "title", "detail", "instance"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "retry_after": {
            "type": "integer",
            "description": "Seconds.",
        },
        "operation": {
            "type": "integer",
            "description": "Of a batch, from 0.",
        },
    },
}
CHANGED: Part = {
    "type": ["array", "null"],
    "description": "Since the version sent; null if not known.",
    "items": {"type": "string"},
}
RESTART: Part = {
    "type": "object",
    "description": "Read `tasks` again, then continue with `cursor`.",
    "required": ["cursor", "tasks"],
    "properties": {"cursor": {"type": "string"}, "tasks": {"type": "string"}},
}
ERRORS: Part = {
    "type": "array",
    "items": {"$ref": "#/components/schemas/InputError"},
}
INPUT_ERROR: Part = {
    "type": "object",
    "required": ["in", "pointer", "code", "detail"],
    "properties": {
        "in": {"type": "string", "enum": ["body", "query", "path"]},
        "pointer": {
            "type": "string",
            "description": "To the member (RFC 6901).",
        },
        "code": {"$ref": "#/components/schemas/InputErrorCode"},
        "detail": {"type": "string"},
        "min": {"type": "integer"},
        "max": {"type": "integer"},
        "expected": {
            "type": "string",
            "enum": ["array", "boolean", "integer", "object", "string"],
        },
        "known": {"type": "array", "items": {"type": "string"}},
        "suggestion": {"type": "string"},
    },
}


@dataclass(frozen=True)
class ProblemResponse:
    """An error response: its problems, their members beside those that all have, and
    examples of those members. `name` is that of its schema and of the response. The first
    problem is the example."""

    name: str
    kinds: tuple[type[Problem], ...]
    members: Part = field(default_factory=dict)
    required: tuple[str, ...] = ()
    examples: Part = field(default_factory=dict)
    #: The path of the examples.
    path: str = "/api/tasks/42"

    @property
    def status(self) -> str:
        """The status, or "default" for several."""
        statuses = self._statuses()
        return str(statuses[0]) if len(statuses) == 1 else "default"

    def _statuses(self) -> list[int]:
        return sorted({kind.status for kind in self.kinds})

    @property
    def reference(self) -> str:
        return f"#/components/schemas/{self.name}"

    def schema(self) -> Part:
        codes = [kind.code for kind in problems.kinds() if kind in self.kinds]
        own = {
            "type": "object",
            "required": ["status", "code", *self.required],
            "properties": {
                "status": {"type": "integer"} | _one_of(self._statuses()),
                "code": {"type": "string"} | _one_of(codes),
                **self.members,
            },
        }
        return {"allOf": [{"$ref": "#/components/schemas/Problem"}, own]}

    def response(self, schemas: Mapping[str, Part]) -> Part:
        """The response, with an example of its first problem. A reference among the
        examples of members stands for the example of that schema."""
        members = {
            name: schemas[value["$ref"].rpartition("/")[2]]["examples"][0]
            if isinstance(value, dict) and "$ref" in value
            else value
            for name, value in self.examples.items()
        }
        kind = self.kinds[0]
        problem = kind(f"{kind.title}.", **members)
        response = _response(self.name, problem, self.path)
        if self.status == "default":
            response["description"] = "Any other error"
        return response


def _one_of(values: Sequence[str | int]) -> Part:
    return {"enum": [*values]} if len(values) > 1 else {"const": values[0]}


def _response(name: str, problem: Problem, path: str) -> Part:
    content = {
        "schema": {"$ref": f"#/components/schemas/{name}"},
        "example": problem.as_dict(path),
    }
    return {
        "description": type(problem).title,
        "content": {problems.CONTENT_TYPE: content},
    }


def with_names(schema: Part) -> Part:
    """The schema of an enum, with names for the constants of generated clients."""
    words = schema.get("enum", ())
    if not all(isinstance(word, str) for word in words) or not words:
        return schema
    names = [
        word.removeprefix("-").upper() + ("_DESC" if word.startswith("-") else "")
        for word in words
    ]
    return schema | {"x-enum-varnames": names}


def _problems(root: type[Problem], **members: Part) -> ProblemResponse:
    """The response with this problem, and with those that are kinds of it."""
    return ProblemResponse(root.__name__, (root, *problems.kinds(root)), members)


def _stale(row: str, path: str) -> ProblemResponse:
    """The refusal of a change to another version of the row."""
    current = {"$ref": f"#/components/schemas/{row}Out"}
    return ProblemResponse(
        f"{row}Stale",
        (problems.StaleVersion, problems.AlteredTag),
        {"current": current, "changed": {"$ref": "#/components/schemas/Changed"}},
        ("current", "changed"),
        {"current": current, "changed": ["updated_at"]},
        path,
    )


#: What any request can meet, and 428. Each status with a response of its own was a third of
#: the document, and 401 and 403 with responses of their own a twentieth.
ANYWHERE = ProblemResponse(
    "GeneralProblem",
    tuple(
        kind
        for root in (
            problems.Unavailable,
            problems.ServerError,
            problems.TooManyRequests,
            problems.Unauthenticated,
            problems.Forbidden,
            problems.BadRequest,
            problems.RequestTimeout,
            problems.LengthRequired,
            problems.ContentTooLarge,
            problems.UnsupportedMediaType,
            problems.VersionRequired,  # where REQUIRE_IF_MATCH is on
        )
        for kind in (root, *problems.kinds(root))
    ),
)
NOT_FOUND = _problems(problems.NotFound)
CONFLICT = ProblemResponse(
    "Conflict",
    # The first can happen to every write.
    (*problems.kinds(problems.Conflict), problems.Conflict),
    {"changed": {"$ref": "#/components/schemas/Changed"}},
)
VERSION_REQUIRED = _problems(problems.VersionRequired)
INVALID = _problems(problems.Invalid, errors=ERRORS)
TASK_GONE = ProblemResponse(
    "TaskGone",
    (problems.Gone,),
    {
        "restore": {
            "type": "string",
            "description": "Where to POST.",
        },
    },
    ("restore",),
    {"restore": "/api/tasks/42/restore"},
)
CURSOR_EXPIRED = ProblemResponse(
    "CursorExpired",
    (problems.CursorExpired,),
    {"restart": RESTART},
    ("restart",),
    {"restart": {"cursor": "WyJhZnRlciIsMTIwMV0", "tasks": "/api/tasks"}},
    "/api/changes",
)
#: By the parameters of paths with the ids of rows that have versions.
STALE = {
    "task_id": _stale("Task", "/api/tasks/42"),
    "list_id": _stale("List", "/api/lists/3"),
    "tag_id": _stale("Tag", "/api/tags/5"),
}
RESPONSES = (
    ANYWHERE,
    NOT_FOUND,
    CONFLICT,
    VERSION_REQUIRED,
    INVALID,
    TASK_GONE,
    CURSOR_EXPIRED,
    *STALE.values(),
)
_OF_TASKS = (
    NOT_FOUND,
    CONFLICT,
    TASK_GONE,
    STALE["task_id"],
    INVALID,
    VERSION_REQUIRED,
)
#: The problem of one operation of a batch.
TASK_PROBLEM: Part = {
    "oneOf": [{"$ref": one.reference} for one in _OF_TASKS],
    "discriminator": {
        "propertyName": "code",
        "mapping": {
            kind.code: one.reference for one in _OF_TASKS for kind in one.kinds
        },
    },
}
SCHEMAS: Mapping[str, Part] = {
    "TaskProblem": TASK_PROBLEM,
    "Problem": PROBLEM,
    "Changed": CHANGED,
    "InputError": INPUT_ERROR,
    "InputErrorCode": with_names({"type": "string", "enum": list(CODES)}),
    **{response.name: response.schema() for response in RESPONSES},
}


def responses(
    path: str, method: str, operation: Part, schemas: Mapping[str, Part]
) -> Iterator[tuple[str, str, Part]]:
    """The error responses of an operation: their statuses, names and contents."""
    for response in _of(path, method):
        yield response.status, response.name, response.response(schemas)
    name, error = _input_error(operation, schemas)
    detail = ": ".join(filter(None, (error["pointer"], error["detail"])))
    problem = problems.Invalid(detail, errors=[error])
    path = re.sub(r"{\w+}", "42", path)
    yield INVALID.status, name, _response(INVALID.name, problem, path)


def _of(path: str, method: str) -> Iterator[ProblemResponse]:
    yield ANYWHERE
    batch = path.endswith("/batch")  # any problem of the other operations can happen
    if "{" in path or batch or path.endswith(("/calendar", "/undo")):
        yield NOT_FOUND
    # A new task with the client_id of one in the trash.
    created = method == "post" and path.endswith("/tasks")
    if "{task_id}" in path or batch or created:
        yield TASK_GONE
    if path.endswith("/changes"):
        yield CURSOR_EXPIRED
    if method != "get":
        yield CONFLICT
        for parameter, stale in STALE.items():
            if f"{{{parameter}}}" in path or (batch and parameter == "task_id"):
                yield stale


def _input_error(
    operation: Part, schemas: Mapping[str, Part]
) -> tuple[str, InputError]:
    """The name of the response, and the error of its example: of a task without its title
    in the right letters, of such a parameter that many operations have, of a body that is no
    object, or of one where none is taken."""
    body = operation.get("requestBody", {})
    queried = [one["name"] for one in operation["parameters"] if one["in"] == "query"]
    members: Part = {}
    if body.get("required"):
        reference = body["content"]["application/json"]["schema"]["$ref"]
        members = schemas[reference.rpartition("/")[2]]["properties"]
    if "title" in members:
        return "InvalidTitle", unknown_member("body", ["titel"], members, "member")
    for name, wrong in (("limit", "limti"), ("tz", "zt")):
        if name in queried:
            error = unknown_member("query", [wrong], queried, "parameter")
            return f"Invalid{name.capitalize()}", error
    if members:
        detail = "Send a JSON object."
        error = input_error("body", [], "wrong_type", detail, expected="object")
        return "InvalidBody", error
    detail = "This operation takes no body; send none."
    return "UnexpectedBody", input_error("body", [], "unexpected", detail)
