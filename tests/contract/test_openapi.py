"""The OpenAPI document: what it promises, it keeps."""

import gzip
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest

from taskproject.input_errors import CODES
from taskproject.problems import kinds
from tasks.api.batch import OperationIn
from tests.conftest import ApiClient
from tests.contract.document import OPERATIONS, operations, resolve, validate
from tests.support.servers import manage

PUBLIC = {"list_problems", "read_calendar", "get_deletion"}
WAYS_IN: list[dict[str, list[str]]] = [
    {"TokenAuth": []},
    {"SessionTokenAuth": []},
    {"SessionAuth": []},
]
GUEST: dict[str, list[str]] = {}
ANY_ERRORS = {"422", "default"}
#: The statuses of the response `default`.
GENERAL = {400, 401, 403, 408, 411, 413, 415, 428, 429, 500, 503}
SCHEMA_KEYWORDS = {
    "$ref", "additionalProperties", "allOf", "anyOf", "const", "default", "description",
    "discriminator", "enum",
    "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems",
    "maxLength", "maximum", "minItems", "minLength", "minimum", "multipleOf", "oneOf",
    "pattern", "properties", "required", "type", "uniqueItems", "x-enum-varnames",
}  # fmt: skip


def schemas(document: Any) -> Iterator[tuple[str, Any]]:
    """Every schema of the document, those within others too, each with its place."""

    def walk(place: str, schema: Any) -> Iterator[tuple[str, Any]]:
        yield place, schema
        for name, within in schema.get("properties", {}).items():
            yield from walk(f"{place}.{name}", within)
        for keyword in ("allOf", "anyOf", "oneOf"):
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


def examples(document: Any, media: Any) -> list[Any]:
    """The examples of a body: of the media type, or of its schema."""
    if "example" in media:
        return [media["example"]]
    return of_schema(document, media["schema"])


def of_schema(document: Any, schema: Any) -> list[Any]:
    """The examples of the schema, else one that is made of those of its parts, as tools do."""
    schema = resolve(document, schema)
    if "const" in schema:
        return [schema["const"]]
    if "anyOf" in schema:
        return of_schema(document, schema["anyOf"][0])
    if "items" in schema and "examples" not in schema:
        return [[item] for item in of_schema(document, schema["items"])]
    if "properties" in schema and "examples" not in schema:
        made: dict[str, Any] = {}
        for part in schema.get("allOf", ())[:1]:
            made |= next(iter(of_schema(document, part)), {})
        for name in set(schema["required"]) - made.keys():
            for example in of_schema(document, schema["properties"][name])[:1]:
                made[name] = example
        return [made] * (made.keys() >= set(schema["required"]))
    found: list[Any] = schema.get("examples", [])
    return found


def test_it_is_valid_openapi_31(document: Any, definitions: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    definitions.OPENAPI_31_VALIDATOR.validate(document)


def test_it_is_what_the_service_serves(nobody: ApiClient, document: Any) -> None:
    answer = nobody.send("GET", "/api/openapi.json")

    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == document
    assert len(answer.content) < 98_000


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
    named = set(re.findall(r'"#/components/(\w+)/([\w-]+)"', json.dumps(document)))

    components = document["components"]
    assert named <= {(kind, name) for kind in components for name in components[kind]}


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
    errors = {s: r for s, r in operation["responses"].items() if s >= "400"}

    assert ANY_ERRORS <= set(errors)
    assert "{" not in OPERATIONS[operation_id] or "404" in errors
    statuses = {kind.code: kind.status for kind in kinds()}
    for status, response in errors.items():
        assert list(response["content"]) == ["application/problem+json"]
        media = response["content"]["application/problem+json"]
        members = resolve(document, media["schema"])["properties"]
        codes = members["code"].get("enum", [members["code"].get("const")])
        assert media["example"]["code"] in codes
        expected = GENERAL if status == "default" else {int(status)}
        assert {statuses[code] for code in codes} == expected
        assert media["example"]["status"] == statuses[media["example"]["code"]]
        described = members["status"].get("enum", [members["status"].get("const")])
        assert set(described) == expected
    assert {"Retry-After", "WWW-Authenticate"} <= set(errors["default"]["headers"])
    assert "X-Request-ID" in document["info"]["description"]


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
        for header in response.get("headers", {}).values():
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
        "SessionTokenAuth": ("apiKey", None, "header"),
        "SessionAuth": ("apiKey", None, "cookie"),
    }
    assert schemes["SessionTokenAuth"]["name"] == "X-Session-Token"
    assert schemes["SessionAuth"]["name"] == "sessionid"


def test_an_operation_needs_a_credential_unless_it_is_public(document: Any) -> None:
    assert document["security"] == WAYS_IN
    for name, operation in operations(document).items():
        assert operation.get("security") == ([] if name in PUBLIC else None)


def test_the_guest_is_declared_where_there_is_one(tmp_path: Path) -> None:
    exported, file = tmp_path / "openapi.json", tmp_path / "empty.sqlite3"
    file.touch()  # Django 6.1 connects before any command.
    manage(
        f"sqlite:///{file}",
        "export_openapi_schema",
        "--api=taskproject.api.api",
        f"--output={exported}",
        API_GUEST="guest",
    )

    document = json.loads(exported.read_text())
    assert document["security"] == [*WAYS_IN, GUEST]


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
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy and "unsafe" not in policy


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


def test_no_header_has_an_example_that_the_interactive_page_would_send(
    document: Any,
) -> None:
    headers = [
        parameter
        for operation in operations(document).values()
        for parameter in operation["parameters"]
        if parameter["in"] == "header"
    ]

    assert headers
    for header in headers:
        sent = {"example", "examples", "default"}
        assert not sent & {*header, *header["schema"]}, header["name"]


# What generators of clients make of it


def test_a_parameter_may_be_left_out_but_not_be_null(document: Any) -> None:
    for name, operation in operations(document).items():
        for parameter in operation["parameters"]:
            assert "null" not in json.dumps(parameter["schema"]), (name, parameter)


def test_a_member_of_a_request_has_no_default(document: Any) -> None:
    """Generators make a member with a `default` required."""
    for name, schema in document["components"]["schemas"].items():
        for member, described in schema.get("properties", {}).items():
            assert "default" not in described, (name, member)
    written = document["components"]["schemas"]["TaskIn"]
    assert written["required"] == ["title"]
    assert written["properties"]["priority"]["description"] == 'Default: "none".'


def test_an_enum_is_a_component_with_names_for_constants(document: Any) -> None:
    named = {
        name: schema
        for name, schema in document["components"]["schemas"].items()
        if "enum" in schema
    }

    assert {"Priority", "TaskSort", "EventVerb", "ProblemCode"} <= named.keys()
    for schema in named.values():
        assert len(schema["x-enum-varnames"]) == len(set(schema["enum"]))
        assert all(re.fullmatch("[A-Z_]+", one) for one in schema["x-enum-varnames"])
    assert named["TaskSort"]["x-enum-varnames"][:2] == ["CREATED", "CREATED_DESC"]
    places = Counter(
        tuple(one["enum"])
        for place, one in schemas(document)
        if len(one.get("enum", ())) > 1 and not place.endswith("Stale.allOf.code")
    )
    assert {*places.values()} == {1}, places


def test_it_is_small(document: Any) -> None:
    """It was 318 KB, and 18 KB compressed, with every part written out where it is used."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()

    assert len(text) < 98_000
    assert len(gzip.compress(text)) < 14_000


def test_a_part_that_operations_share_is_a_component(document: Any) -> None:
    responses = [
        response
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if status >= "400"
    ]

    assert all(response.keys() == {"$ref"} for response in responses)
    shared = document["components"]
    assert {"tz", "task_id", "If-Match", "Idempotency-Key"} <= set(shared["parameters"])
    assert {"TaskOut", "NoContent", "NotModified"} <= set(shared["responses"])


@pytest.mark.parametrize(
    ("operation_id", "status", "members"),
    [
        ("update_task", "412", {"current": "TaskOut", "changed": None}),
        ("update_list", "412", {"current": "ListOut", "changed": None}),
        ("rename_tag", "412", {"current": "TagOut", "changed": None}),
        ("update_task", "410", {"restore": None}),
        ("batch_tasks", "412", {"current": "TaskOut", "changed": None}),
        ("list_changes", "410", {"restart": None}),
        ("update_task", "409", {}),
        ("update_task", "default", {}),
    ],
)
def test_a_problem_has_members_of_its_own_also_in_its_example(
    document: Any, operation_id: str, status: str, members: dict[str, str | None]
) -> None:
    response = operations(document)[operation_id]["responses"][status]
    media = response["content"]["application/problem+json"]
    schema = resolve(document, media["schema"])

    general = {"type", "title", "status", "detail", "instance", "code"}
    assert set(schema["required"]) == general | set(members)
    # The examples of 409 and 503 pass by themselves, as not all do.
    assert set(media["example"]) - {"retry_after"} == general | set(members) - {
        "retry_after"
    }
    for name, row in members.items():
        if row is not None:
            assert schema["properties"][name] == {"$ref": f"#/components/schemas/{row}"}


def test_operations_of_a_batch_are_told_apart_by_op(document: Any) -> None:
    schema = document["components"]["schemas"]["BatchIn"]
    wrong: list[Any] = [
        {"op": "create", "body": {"titel": "a"}},
        {"op": "create", "body": {"title": 3}},
        {"op": "create", "id": 1, "body": {"title": "a"}},
        {"op": "move"},
        {"op": "move", "id": 1},
        {"op": "delete"},
        {"op": "delete", "id": 1, "body": {}},
        {"op": "archive", "id": 1},
    ]
    right: list[Any] = [
        {"op": "create", "body": {"title": "a"}},
        {"op": "update", "id": 1, "version": 2, "body": {"list": None}},
        {"op": "move", "id": 1, "body": {"before": 2}},
        {"op": "toggle", "id": 1},
    ]

    validate(document, schema, {"operations": right})
    for operation in wrong:
        with pytest.raises(jsonschema_rs.ValidationError):
            validate(document, schema, {"operations": [operation]})
    known = document["components"]["schemas"]["OperationIn"]["discriminator"]
    assert set(known["mapping"]) == set(get_args(OperationIn.__annotations__["op"]))


def test_results_of_a_batch_are_told_apart_by_status(document: Any) -> None:
    schemas = document["components"]["schemas"]
    results = [
        resolve(document, one)["properties"]
        for one in schemas["BatchOut"]["properties"]["results"]["items"]["anyOf"]
    ]
    statuses = [
        one["status"].get("enum", [one["status"].get("const")]) for one in results
    ]

    assert statuses == [[200], [201], [204], [404, 409, 410, 412, 422, 428]]
    assert [sorted(set(one) - {"status"}) for one in results] == [
        ["task"],
        ["task"],
        ["task"],
        ["problem"],
    ]
    refused = schemas["TaskProblem"]["discriminator"]["mapping"]
    assert refused["stale_version"].endswith("/TaskStale")


def test_the_example_of_an_invalid_request_is_of_its_operation(document: Any) -> None:
    for name, operation in operations(document).items():
        content = operation["responses"]["422"]["content"]["application/problem+json"]
        [error] = content["example"]["errors"]
        said = f"{error['pointer']}: {error['detail']}".removeprefix(": ")
        assert content["example"]["detail"] == said
        if error["code"] == "unknown":
            known = set(re.findall(r"\w+", error["detail"].replace("did you mean", "")))
            assert known & members_of(document, operation), name
        else:
            required = operation.get("requestBody", {}).get("required")
            assert error["code"] == ("wrong_type" if required else "unexpected"), name


def members_of(document: Any, operation: Any) -> set[str]:
    """The query parameters of the operation, and the members of its body."""
    names = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
    for media in operation.get("requestBody", {}).get("content", {}).values():
        names |= set(resolve(document, media["schema"])["properties"])
    return names


def test_it_names_the_version_the_licence_and_every_tag(document: Any) -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]

    assert document["info"]["version"] == project["version"]
    assert document["info"]["license"]["identifier"] == project["license"]
    assert document["servers"] == [{"url": "/", "description": "This service"}]
    tags = {tag for one in operations(document).values() for tag in one["tags"]}
    assert {tag["name"] for tag in document["tags"]} == tags
    assert all(tag["description"] for tag in document["tags"])


def test_a_summary_is_for_people(document: Any) -> None:
    summaries = [one["summary"] for one in operations(document).values()]

    assert {"List tasks", "Get a task", "Get the current user"} < {*summaries}
    bare = [one for one in summaries if re.fullmatch(r"\w+ \w*[^\Ws]", one)]
    assert bare == [], "a single thing has an article"
    assert len(set(summaries)) == len(summaries)
    assert all(re.fullmatch(r"[A-Z][a-z]+( [a-z]+)*", one) for one in summaries)


def test_the_code_of_an_error_of_a_member_is_one_of_ours(document: Any) -> None:
    schemas = document["components"]["schemas"]
    parameters = {name for names in CODES.values() for name in names}

    assert schemas["InputErrorCode"]["enum"] == list(CODES)
    described = set(schemas["InputError"]["properties"])
    assert described == {"in", "pointer", "code", "detail"} | parameters
