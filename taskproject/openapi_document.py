"""The OpenAPI document: what ninja makes of the operations, and what they have in common.

Clients are generated from it, so each part that several operations share is a component
with a name, and a member that may be left out is neither required nor nullable for that.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.conf import settings
from ninja import NinjaAPI
from ninja.openapi.schema import REF_TEMPLATE, OpenAPISchema
from ninja.operation import Operation
from ninja.params.models import TModel, TModels
from ninja.schema import NinjaGenerateJsonSchema
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode
from pydantic_core import core_schema

from taskproject import openapi_errors
from taskproject.accounts.permissions import access_to
from taskproject.deprecation import Deprecation, deprecations
from taskproject.openapi_errors import Part

#: Headers of responses, but for those that all have: the document's description names them.
HEADERS: dict[str, Part] = {
    "Retry-After": {
        "description": "Seconds.",
        "schema": {"type": "integer"},
    },
    "WWW-Authenticate": {"schema": {"type": "string"}},
    "ETag": {
        "description": "For If-Match and If-None-Match.",
        "schema": {"type": "string"},
    },
    "Location": {"schema": {"type": "string"}},
    "Link": {
        "description": "The next page (RFC 8288).",
        "schema": {"type": "string"},
    },
    "Deprecation": {
        "description": "Since when what the request uses is deprecated (RFC 9745).",
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
    },
    "Sunset": {
        "description": "When what the request uses may be gone (RFC 8594).",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "Only with a stored response.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
TAG = r"[1-9][0-9]{0,17}(\.[0-9]{1,9})?(-[0-9]*(overdue)?)?(-gzip)?"
# The headers of requests have no `example`, which interactive pages would send.
IF_MATCH: Part = {
    "in": "header",
    "name": "If-Match",
    "description": 'The version to change, such as `"7"`; else 412.',
    "schema": {"type": "string", "pattern": rf'^(\*|"{TAG}"(, ?"{TAG}")*)$'},
}
IF_NONE_MATCH: Part = {
    "in": "header",
    "name": "If-None-Match",
    "description": "304 if it is still the ETag.",
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY: Part = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "The same key gets the first response",
    "schema": {"type": "string", "pattern": '^("[!#-\\[\\]-~]{1,255}"|[!#-~]{1,255})$'},
}
#: Orders in which the document compresses best: what is alike is together.
ORDER = ("openapi", "info", "servers", "tags", "security", "components", "paths")
OPERATION = (
    *("operationId", "tags", "responses", "requestBody"),
    *("summary", "parameters", "security", "deprecated", "description"),
)
COMPONENTS = (
    *("schemas", "securitySchemes", "parameters", "headers", "responses"),
    "requestBodies",
)
#: Keywords at the end of a schema.
LAST = ("required", "examples", "description")
#: Things of which a user has one.
ONE_EACH = {"calendar", "trash"}
#: Operations whose response is not stored for an Idempotency-Key: it contains a secret, or
#: its user is deleted.
UNSTORED = {
    "create_calendar",
    "create_token",
    "create_webhook",
    "delete_me",
    "rotate_webhook",
}


class Schemas(NinjaGenerateJsonSchema):
    """The schemas of bodies. Enums have names for the constants of generated clients."""

    def sort(self, value: Part, parent_key: str | None = None) -> Part:
        return value  # see `_in_order`

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Part:
        described = self.generate_inner(schema["schema"])
        default = schema.get("default")
        # The default of a whole body is one without members.
        if default in (None, "", []) or isinstance(default, BaseModel):
            return described
        return described | {"default": self.encode_default(default)}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Part:
        described: Part = super().nullable_schema(schema)
        inner: Part = described.get("anyOf", [{}])[0]
        if isinstance(inner.get("type"), str) and "enum" not in inner:
            return inner | {"type": [inner["type"], "null"]}
        return described

    def model_schema(self, schema: core_schema.ModelSchema) -> Part:
        """The schema of a model; of one that adds members to another, which it refers to."""
        described: Part = super().model_schema(schema)
        base = schema["cls"].__base__
        if base is None or not issubclass(base, BaseModel) or not base.model_fields:
            return described
        if "additionalProperties" in described:
            return described  # `allOf` cannot be closed
        if schema["cls"].model_config == base.model_config:
            described.pop("examples", None)  # that of the base
        inherited = base.model_fields.keys()
        members, required = described.pop("properties"), described.pop("required", [])
        # Its own are not beside `allOf`, where openapi-python-client drops them.
        own = {
            "type": described.pop("type"),
            "properties": {k: v for k, v in members.items() if k not in inherited},
            "required": [name for name in required if name not in inherited],
        }
        parts = [self.generate_inner(base.__pydantic_core_schema__), own]
        return {"allOf": parts} | described

    def literal_schema(self, schema: core_schema.LiteralSchema) -> Part:
        return openapi_errors.with_names(super().literal_schema(schema))


class ParameterSchemas(Schemas):
    """The schemas of parameters, which may be left out, but cannot be null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Part:
        return self.generate_inner(schema["schema"])


class Place(NamedTuple):
    """Where the document has a part that may become a component of this name."""

    holder: Any  # a list or a dict
    key: str | int
    name: str


class Document(OpenAPISchema):
    """The document, with the error responses of every operation."""

    def __init__(self, api: NinjaAPI, path_prefix: str) -> None:
        self.security: list[Part] = []
        super().__init__(api, path_prefix)
        self["security"] = self.security + [{}] * bool(settings.API_GUEST)
        for name in ORDER:
            if name in self:
                self[name] = self.pop(name)

    def get_paths(self) -> Part:
        self.shared: dict[str, dict[str, Part]] = {"headers": {}, "responses": {}}
        paths = dict(sorted(super().get_paths().items()))
        for path, operations in paths.items():
            for method, operation in operations.items():
                self._complete(path, method, operation)
                for name in sorted(operation, key=OPERATION.index):
                    operation[name] = operation.pop(name)
        operations = [one for methods in paths.values() for one in methods.values()]
        self.shared["parameters"] = _share(
            "parameters",
            [
                Place(operation["parameters"], number, parameter["name"])
                for operation in operations
                for number, parameter in enumerate(operation["parameters"])
            ],
        )
        self.shared["requestBodies"] = _share(
            "requestBodies",
            [
                Place(operation, "requestBody", _name("", operation["requestBody"]))
                for operation in operations
                if "requestBody" in operation
            ],
        )
        responses = self.shared["responses"] | _share(
            "responses",
            [
                Place(operation["responses"], status, _name(status, response))
                for operation in operations
                for status, response in operation["responses"].items()
                if "$ref" not in response
            ],
        )
        self.shared["responses"] = dict(sorted(responses.items()))
        return paths

    def get_components(self) -> Part:
        self.schemas |= openapi_errors.SCHEMAS
        schemas = {name: _in_order(one) for name, one in sorted(self.schemas.items())}
        # Those of the same keywords are together.
        schemas = dict(sorted(schemas.items(), key=lambda one: [*one[1]]))
        components = super().get_components() | self.shared | {"schemas": schemas}
        return {name: components[name] for name in COMPONENTS if name in components}

    def operation_details(self, operation: Operation) -> Part:
        details: Part = super().operation_details(operation)
        # ninja's default is the name in title case.
        details["summary"] = _with_article(details["summary"].capitalize())
        if "description" in details:
            details["description"] = " ".join(details["description"].split())
        _mark_deprecated(details, deprecations(operation.view_func))
        if "security" in details:
            self.security = details.pop("security")
        else:
            details["security"] = []
        return details

    def operation_security(self, operation: Operation) -> list[Part] | None:
        operation.auth_callbacks = access_to(operation).authenticators
        security: list[Part] | None = super().operation_security(operation)
        return security

    def _extract_parameters(self, model: TModel) -> list[Part]:
        schema = model.model_json_schema(
            ref_template=REF_TEMPLATE, schema_generator=ParameterSchemas
        )
        definitions = schema.get("$defs", {})
        parameters: dict[str, Part] = {}
        for name, described in schema["properties"].items():
            # The handler's argument is one parameter, or a model of several.
            model_name = described.get("$ref", "").rpartition("/")[2]
            members = definitions.get(model_name, {}).get("properties")
            parameters |= members or {name: described}
        self.add_schema_definitions(
            {name: one for name, one in definitions.items() if "properties" not in one}
        )
        source = str(model.__ninja_param_source__)
        return [
            _parameter(source, name, described)
            for name, described in parameters.items()
        ]

    def _create_schema_from_model(
        self,
        model: TModel,
        by_alias: bool = True,
        remove_level: bool = True,
        mode: JsonSchemaMode = "validation",
    ) -> tuple[Part, bool]:
        schema = model.model_json_schema(
            ref_template=REF_TEMPLATE, schema_generator=Schemas, mode=mode
        )
        self.add_schema_definitions(schema.get("$defs", {}))
        # ninja wraps each body and response in a model of one member.
        [(name, body)] = schema["properties"].items()
        return body, name in schema.get("required", ())

    def _create_multipart_schema_from_models(
        self, models: TModels, mode: JsonSchemaMode = "validation"
    ) -> tuple[Part, str]:
        raise NotImplementedError("No operation takes a form or a file.")

    def add_schema_definitions(self, definitions: Mapping[str, Part]) -> None:
        """Adds the schemas. Defaults are described in words, because generators make a
        member with a `default` required."""
        for name, schema in definitions.items():
            schema.pop("title", None)
            for member in schema.get("properties", {}).values():
                if "default" in member:
                    default = json.dumps(member.pop("default"))
                    text = f"{member.get('description', '')} Default: {default}."
                    member["description"] = text.strip()
            self.schemas[name] = schema

    def _complete(self, path: str, method: str, operation: Part) -> None:
        """Adds what the operations share: error responses, headers, the guest."""
        responses = {str(key): one for key, one in operation["responses"].items()}
        parameters = operation["parameters"]
        if method != "get":
            if any(f"{{{name}}}" in path for name in openapi_errors.STALE):
                parameters.append(IF_MATCH)
            if operation["operationId"] not in UNSTORED:
                parameters.append(_idempotency_key())
        elif "304" in responses:
            parameters.append(IF_NONE_MATCH)
        operation["responses"] = responses
        for status, response in responses.items():
            self._add_headers(response, _headers(status, response, operation))
        errors = openapi_errors.responses(path, method, operation, self.schemas)
        for code, name, response in errors:
            self._add_headers(response, _headers(code, response, operation))
            self.shared["responses"].setdefault(name, response)
            responses[code] = {"$ref": f"#/components/responses/{name}"}
        operation["responses"] = dict(sorted(responses.items()))

    def _add_headers(self, response: Part, headers: Iterable[str]) -> None:
        for name in headers:
            self.shared["headers"][name] = HEADERS[name]
            reference = {"$ref": f"#/components/headers/{name}"}
            response.setdefault("headers", {})[name] = reference


def _in_order(schema: Part) -> Part:
    """The schema with its keywords in one order: the type first, words last."""

    def place(keyword: str) -> tuple[bool, int, str]:
        last = LAST.index(keyword) if keyword in LAST else -1
        return keyword != "type", last, keyword

    return {name: _within(name, schema[name]) for name in sorted(schema, key=place)}


def _within(keyword: str, value: Any) -> Any:
    """The value of a keyword, with the schemas that it has in order."""
    if keyword == "properties":
        return {name: _in_order(member) for name, member in value.items()}
    if keyword in ("allOf", "anyOf", "oneOf"):
        return [_in_order(one) for one in value]
    if keyword in ("items", "additionalProperties") and isinstance(value, dict):
        return _in_order(value)
    return value


def _with_article(summary: str) -> str:
    """A summary of a verb and one thing, such as `Get task`, with the article of the thing."""
    verb, _, noun = summary.partition(" ")
    if not noun or " " in noun or noun.endswith("s"):
        return summary
    article = "an" if noun[0] in "aeiou" else "a"
    return f"{verb} {'the' if noun in ONE_EACH else article} {noun}"


def _mark_deprecated(operation: Part, marks: Iterable[Deprecation]) -> None:
    for mark in marks:
        parts = [
            part
            for part in (operation, *operation["parameters"])
            if part.get("name") == mark.parameter
        ]
        for part in parts:
            part["deprecated"] = True
            given = part.get("description", "")
            part["description"] = f"{given} {mark.description}".strip()


def _parameter(source: str, name: str, schema: Part) -> Part:
    parameter: Part = {"in": source, "name": name, "schema": _in_order(schema)}
    if source == "path":
        parameter["required"] = True
    if "description" in schema:
        parameter["description"] = parameter["schema"].pop("description")
    return parameter


def _idempotency_key() -> Part:
    kept = f"for {settings.IDEMPOTENCY_HOURS:,} hours."
    return IDEMPOTENCY_KEY | {
        "description": f"{IDEMPOTENCY_KEY['description']}, {kept}"
    }


def _headers(status: str, response: Part, operation: Part) -> Iterator[str]:
    """The headers of a response of this status."""
    parts = (operation, *operation["parameters"])
    if status < "400" and any("deprecated" in part for part in parts):
        yield from ("Deprecation", "Sunset")
    shown = json.dumps(response.get("content", ""))
    rows = ("/TaskOut", "/ListOut", "/TagOut")
    tagged = "304" in operation["responses"] or any(name in shown for name in rows)
    if (tagged and status < "400") or status == "412":
        yield "ETag"
    match status:
        case "201":
            yield "Location"
        case "202":
            yield from ("Location", "Retry-After")
        case "default":  # with 401, and with 429 and 503
            yield from ("WWW-Authenticate", "Retry-After")
    if status == "200" and "Page" in shown and "ChangePage" not in shown:
        yield "Link"
    if status < "300" and any(
        parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"]
    ):
        yield "Idempotency-Replayed"


def _name(status: str, response: Part) -> str:
    """The name of a response as a component: of its schema, else of its status."""
    found = re.search(r'"#/components/schemas/(\w+)"', json.dumps(response))
    name = found[1] if found else re.sub(r"\W", "", response["description"])
    return f"{name}Created" if status == "201" else name


def _share(kind: str, places: Iterable[Place]) -> dict[str, Part]:
    """The parts that stand at more than one of the places, which then refer to them. Of
    different parts of one name it is the most frequent one."""
    places = list(places)

    def text(place: Place) -> str:
        return json.dumps(place.holder[place.key])

    uses = Counter((place.name, text(place)) for place in places)
    components: dict[str, str] = {}
    for (name, part), count in uses.most_common():
        if count > 1:
            components.setdefault(name, part)
    for place in places:
        if components.get(place.name) == text(place):
            place.holder[place.key] = {"$ref": f"#/components/{kind}/{place.name}"}
    return {name: json.loads(part) for name, part in sorted(components.items())}
