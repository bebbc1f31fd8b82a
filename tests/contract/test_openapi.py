"""The OpenAPI document: what it promises, it keeps."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from taskproject.accounts.models import User
from taskproject.api import api as api_object
from taskproject.problems import kinds
from tests.conftest import ApiClient, make_task, make_token
from tests.servers import manage

# Clients are generated from these: a name, once published, stays.
OPERATIONS = {
    "list_tasks": "GET /api/tasks",
    "create_task": "POST /api/tasks",
    "get_task": "GET /api/tasks/{task_id}",
    "replace_task": "PUT /api/tasks/{task_id}",
    "update_task": "PATCH /api/tasks/{task_id}",
    "delete_task": "DELETE /api/tasks/{task_id}",
    "toggle_task": "POST /api/tasks/{task_id}/toggle",
    "complete_task": "POST /api/tasks/{task_id}/complete",
    "reopen_task": "POST /api/tasks/{task_id}/reopen",
    "restore_task": "POST /api/tasks/{task_id}/restore",
    "list_trash": "GET /api/tasks/trash",
    "list_history": "GET /api/tasks/{task_id}/history",
    "list_changes": "GET /api/changes",
    "get_me": "GET /api/me",
    "list_problems": "GET /api/problems",
}
PUBLIC = {"list_problems"}
# Headers that only some answers of their status carry.
SOMETIMES = {"Link", "Idempotency-Replayed"}
WAYS_IN: list[dict[str, list[str]]] = [{"TokenAuth": []}, {"SessionAuth": []}]
GUEST: dict[str, list[str]] = {}
ANY_ERRORS = {"400", "411", "413", "415", "422", "500", "503"}
SCHEMA_KEYWORDS = {
    "$ref", "additionalProperties", "anyOf", "const", "default", "description", "enum",
    "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems",
    "maxLength", "maximum", "minItems", "minLength", "minimum", "multipleOf", "oneOf",
    "pattern", "properties", "required", "title", "type", "uniqueItems",
}  # fmt: skip


@pytest.fixture
def alice(db: None) -> User:
    """Without a password, whose hash would take longer than the test."""
    return User.objects.create(username="alice")


@pytest.fixture(scope="module")
def document() -> Any:
    """As a client reads it."""
    return json.loads(json.dumps(api_object.get_openapi_schema()))


def operations(document: Any) -> dict[str, Any]:
    return {
        operation["operationId"]: operation
        for operations in document["paths"].values()
        for operation in operations.values()
    }


def schemas(document: Any) -> Iterator[tuple[str, Any]]:
    """Every schema of the document, those within others too, each with its place."""

    def walk(place: str, schema: Any) -> Iterator[tuple[str, Any]]:
        yield place, schema
        for name, within in schema.get("properties", {}).items():
            yield from walk(f"{place}.{name}", within)
        for keyword in ("anyOf", "oneOf"):
            for within in schema.get(keyword, []):
                yield from walk(f"{place}.{keyword}", within)
        for keyword in ("items", "additionalProperties"):
            if isinstance(schema.get(keyword), dict):
                yield from walk(f"{place}.{keyword}", schema[keyword])

    for name, schema in document["components"]["schemas"].items():
        yield from walk(name, schema)
    for name, operation in operations(document).items():
        for parameter in operation["parameters"]:
            yield from walk(f"{name}.{parameter['name']}", parameter["schema"])
        for status, response in operation["responses"].items():
            for media in response.get("content", {}).values():
                yield from walk(f"{name}.{status}", media["schema"])
            for header, described in response["headers"].items():
                yield from walk(f"{name}.{status}.{header}", described["schema"])


def validate(document: Any, schema: Any, value: Any) -> None:
    """That the value is what the schema of the document says."""
    jsonschema_rs.Draft202012Validator(
        {**schema, "components": document["components"]}, validate_formats=True
    ).validate(value)


def resolve(document: Any, schema: Any) -> Any:
    if "$ref" in schema:
        return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def examples(document: Any, media: Any) -> list[Any]:
    """The examples of a body: of the media type, of its schema, else of its items."""
    if "example" in media:
        return [media["example"]]
    schema = resolve(document, media["schema"])
    if "examples" not in schema and "items" in schema:
        return [[item] for item in examples(document, {"schema": schema["items"]})]
    found: list[Any] = schema.get("examples", [])
    return found


def fulfils(document: Any, operation: str, answer: Any) -> None:
    """That the document lists the answer: status, media type, body and headers."""
    described = operations(document)[operation]["responses"]
    assert str(answer.status_code) in described
    response = described[str(answer.status_code)]
    if "content" not in response:
        assert answer.content == b"" and "Content-Type" not in answer.headers
    else:
        media_type = answer.headers["Content-Type"].partition(";")[0]
        validate(document, response["content"][media_type]["schema"], answer.json())
    for name in response["headers"]:
        assert name in answer.headers or name in SOMETIMES, name


def test_it_is_valid_openapi_31(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    OPENAPI_31_VALIDATOR.validate(document)


def test_it_is_what_the_service_serves(nobody: ApiClient, document: Any) -> None:
    answer = nobody.send("GET", "/api/openapi.json")

    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == document


def test_every_schema_is_valid_json_schema(document: Any) -> None:
    for place, schema in schemas(document):
        assert jsonschema_rs.meta.is_valid(schema), place


def test_every_keyword_of_a_schema_means_something(document: Any) -> None:
    unknown = {
        place: set(schema) - SCHEMA_KEYWORDS
        for place, schema in schemas(document)
        if set(schema) - SCHEMA_KEYWORDS
    }

    assert not unknown


def test_every_reference_leads_somewhere(document: Any) -> None:
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))

    assert named <= set(document["components"]["schemas"])


def test_the_operation_ids_are_unique_and_stay_what_they_are(document: Any) -> None:
    published = [
        (operation["operationId"], f"{method.upper()} {path}")
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]

    assert dict(published) == OPERATIONS
    assert len(published) == len(OPERATIONS)


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_is_described(document: Any, operation_id: str) -> None:
    operation = operations(document)[operation_id]

    assert operation["summary"] and operation["description"] and operation["tags"]
    names = set(re.findall(r"{(\w+)}", OPERATIONS[operation_id]))
    described = {p["name"]: p for p in operation["parameters"] if p["in"] == "path"}
    assert set(described) == names
    assert all(parameter["required"] for parameter in described.values())


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_lists_its_errors_as_problems(
    document: Any, operation_id: str
) -> None:
    operation = operations(document)[operation_id]
    errors = {s: r for s, r in operation["responses"].items() if int(s) >= 400}

    assert ANY_ERRORS <= set(errors)
    assert operation_id in PUBLIC or {"401", "403"} <= set(errors)
    assert "{" not in OPERATIONS[operation_id] or "404" in errors
    statuses = {kind.code: kind.status for kind in kinds()}
    for status, response in errors.items():
        assert list(response["content"]) == ["application/problem+json"]
        media = response["content"]["application/problem+json"]
        assert media["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert media["example"]["status"] == int(status)
        assert statuses[media["example"]["code"]] == int(status)
    assert (
        "WWW-Authenticate"
        in errors.get("401", {"headers": ["WWW-Authenticate"]})["headers"]
    )
    assert "Retry-After" in errors["503"]["headers"]
    assert all("X-Request-ID" in r["headers"] for r in operation["responses"].values())


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_an_operation_has_examples_of_what_goes_in_and_out(
    document: Any, operation_id: str
) -> None:
    operation = operations(document)[operation_id]
    bodies = list(operation.get("requestBody", {}).get("content", {}).values())
    for response in operation["responses"].values():
        bodies += response.get("content", {}).values()

    for media in bodies:
        assert examples(document, media), media


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_its_examples_are_what_their_schemas_say(
    document: Any, operation_id: str
) -> None:
    operation = operations(document)[operation_id]
    bodies = list(operation.get("requestBody", {}).get("content", {}).values())
    for response in operation["responses"].values():
        bodies += response.get("content", {}).values()
        for header in response["headers"].values():
            if "example" in header:
                validate(document, header["schema"], header["example"])

    for media in bodies:
        for example in examples(document, media):
            validate(document, media["schema"], example)


def test_the_examples_within_schemas_are_what_they_say(document: Any) -> None:
    for _, schema in schemas(document):
        for example in [
            *schema.get("examples", []),
            *([schema["default"]] if "default" in schema else []),
        ]:
            validate(document, schema, example)


def test_the_example_of_a_new_task_is_accepted(api: ApiClient, document: Any) -> None:
    for example in document["components"]["schemas"]["TaskIn"]["examples"]:
        fulfils(document, "create_task", api.send("POST", "/api/tasks", example))


def test_each_answer_is_what_the_document_says(
    api: ApiClient, alice: User, document: Any
) -> None:
    path = f"/api/tasks/{make_task(alice).pk}"
    make_task(alice, "Another")
    said: list[tuple[str, str, str, Any]] = [
        ("list_tasks", "GET", "/api/tasks", None),
        ("list_tasks", "GET", "/api/tasks?limit=1", None),
        ("list_tasks", "GET", "/api/tasks?completed=true", None),
        ("create_task", "POST", "/api/tasks", {"title": "New"}),
        ("create_task", "POST", "/api/tasks", {"title": "Done", "completed": True}),
        ("get_task", "GET", path, None),
        ("replace_task", "PUT", path, {"title": "Replaced"}),
        ("update_task", "PATCH", path, {"completed": True}),
        ("toggle_task", "POST", f"{path}/toggle", None),
        ("complete_task", "POST", f"{path}/complete", None),
        ("reopen_task", "POST", f"{path}/reopen", None),
        ("delete_task", "DELETE", path, None),
        ("list_trash", "GET", "/api/tasks/trash", None),
        ("restore_task", "POST", f"{path}/restore", None),
        ("list_history", "GET", f"{path}/history", None),
        ("list_changes", "GET", "/api/changes", None),
        ("get_me", "GET", "/api/me", None),
        ("list_problems", "GET", "/api/problems", None),
    ]
    assert {operation for operation, *_ in said} == set(OPERATIONS)

    for operation, method, where, body in said:
        answer = api.send(method, where, body)
        assert answer.status_code < 300, operation
        fulfils(document, operation, answer)


@pytest.mark.parametrize(
    ("operation", "status", "method", "path", "body"),
    [
        ("create_task", 400, "POST", "/api/tasks", None),
        ("create_task", 422, "POST", "/api/tasks", {"titel": "a"}),
        ("list_tasks", 422, "GET", "/api/tasks?limit=0", None),
        ("get_task", 404, "GET", "/api/tasks/0", None),
        ("replace_task", 404, "PUT", "/api/tasks/0", {"title": "a"}),
        ("update_task", 422, "PATCH", "/api/tasks/0", {"title": None}),
        ("delete_task", 404, "DELETE", "/api/tasks/0", None),
        ("toggle_task", 404, "POST", "/api/tasks/0/toggle", None),
        ("get_me", 422, "GET", "/api/me?x=1", None),
        ("list_problems", 422, "GET", "/api/problems?x=1", None),
    ],
)
def test_each_error_is_what_the_document_says(
    api: ApiClient,
    document: Any,
    operation: str,
    status: int,
    method: str,
    path: str,
    body: Any,
) -> None:
    answer = api.send(method, path, body)

    assert answer.status_code == status
    fulfils(document, operation, answer)


def test_a_refused_caller_gets_what_the_document_says(
    nobody: ApiClient, alice: User, document: Any
) -> None:
    fulfils(document, "list_tasks", nobody.send("GET", "/api/tasks"))
    reader = ApiClient(make_token(alice, "read"))
    fulfils(document, "create_task", reader.send("POST", "/api/tasks", {"title": "a"}))


def test_every_code_is_explained_where_its_type_points(
    nobody: ApiClient, document: Any
) -> None:
    explained = {row["code"]: row for row in nobody.get("/api/problems").json()}

    assert set(explained) == {kind.code for kind in kinds()}
    assert all(row["title"] and row["meaning"] for row in explained.values())


def test_it_declares_the_ways_in(document: Any) -> None:
    schemes = document["components"]["securitySchemes"]

    assert {
        name: (s["type"], s.get("scheme"), s.get("in")) for name, s in schemes.items()
    } == {
        "TokenAuth": ("http", "bearer", None),
        "SessionAuth": ("apiKey", None, "cookie"),
    }
    assert schemes["SessionAuth"]["name"] == "sessionid"


def test_an_operation_needs_a_credential_unless_it_is_public(document: Any) -> None:
    for name, operation in operations(document).items():
        assert operation.get("security") == (None if name in PUBLIC else WAYS_IN)


def test_the_guest_is_declared_where_there_is_one(tmp_path: Path) -> None:
    exported = tmp_path / "openapi.json"
    manage(
        f"sqlite:///{tmp_path}/empty.sqlite3",
        "export_openapi_schema",
        "--api=taskproject.api.api",
        f"--output={exported}",
        API_GUEST="guest",
    )

    for name, operation in operations(json.loads(exported.read_text())).items():
        assert operation.get("security") == (
            None if name in PUBLIC else [*WAYS_IN, GUEST]
        )


def test_the_docs_page_loads_nothing_from_another_origin(nobody: ApiClient) -> None:
    answer = nobody.get("/api/docs")
    page = Loads()
    page.feed(answer.content.decode())

    assert answer.status_code == 200
    assert page.loaded
    assert not page.inline_scripts
    for address in page.loaded:
        assert address.startswith("/static/") and not address.startswith("//")
        assert nobody.get(address).status_code == 200
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "http" not in answer.headers["Content-Security-Policy"]


class Loads(HTMLParser):
    """What a page loads, and how many scripts it carries in itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline_scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        address = attributes.get("src") or (tag == "link" and attributes.get("href"))
        if address:
            self.loaded.append(address)
        elif tag == "script" and attributes.get("type") != "application/json":
            self.inline_scripts += 1
