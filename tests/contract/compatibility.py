"""What a release of the API took and gave, and what of it another one does not.

The rules are those of docs/api.md, "Compatibility": requests that were valid stay valid, and
responses keep what they had. A member, parameter, status, header or enum value that is new in a
response is no break."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.contract.document import resolve

ANYTHING = frozenset(
    ("array", "boolean", "integer", "null", "number", "object", "string")
)
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


@dataclass(frozen=True)
class Shape:
    """The values that a member may have. `enum` is None if there are any number of them."""

    types: frozenset[str]
    required: bool = True
    enum: frozenset[str] | None = None
    bounds: Mapping[str, float] = field(default_factory=dict)


NOTHING = Shape(frozenset())
OPTIONAL = Shape(frozenset(), required=False)
HOLDERS = {"array", "object"}
#: A header of every response, which the description of the API names once since 1.4.
EVERYWHERE = {"X-Request-ID"}
#: Shapes by their places in a body, such as `.items[].title`.
Shapes = dict[str, Shape]


def owner(place: str) -> str:
    """The place of the object or array that a place is in."""
    return re.sub(r"(\.[^.[]*|\[\])$", "", place)


def shapes(document: Any, schema: Any, place: str = "") -> Shapes:
    """The shapes of a schema, with those of all members and items."""
    schema = resolve(document, schema)
    branches = schema.get("oneOf") or schema.get("anyOf")
    if branches:
        return _union([shapes(document, one, place) for one in branches], place)
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    found = {
        place: Shape(
            _types(schema),
            enum=None if values is None else frozenset(map(str, values)),
            bounds={key: schema[key] for key in (*LOWER, *UPPER) if key in schema},
        )
    }
    for name, member in schema.get("properties", {}).items():
        within = shapes(document, member, f"{place}.{name}")
        if name not in schema.get("required", ()):
            own = within[f"{place}.{name}"]
            within[f"{place}.{name}"] = Shape(own.types, False, own.enum, own.bounds)
        found |= within
    for keyword, mark in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(schema.get(keyword), dict):
            found |= shapes(document, schema[keyword], place + mark)
    return found


def _types(schema: Any) -> frozenset[str]:
    given = schema.get("type", ANYTHING)
    types = frozenset([given] if isinstance(given, str) else given)
    return types | {"integer"} if "number" in types else types


def _union(branches: list[Shapes], place: str) -> Shapes:
    """The shapes of what meets one of the schemas. A member is required if it is in all those
    that have the object which it belongs to."""
    return {
        name: _either(
            [one[name] for one in branches if name in one],
            everywhere=all(
                name in one
                for one in branches
                if name == place or one.get(owner(name), NOTHING).types & HOLDERS
            ),
        )
        for name in dict.fromkeys(name for one in branches for name in one)
    }


def _either(branches: list[Shape], *, everywhere: bool) -> Shape:
    valued = [one for one in branches if one.types != {"null"}]
    enums = [one.enum for one in valued]
    bounds = {}
    for keyword in (*LOWER, *UPPER):
        given = [one.bounds[keyword] for one in valued if keyword in one.bounds]
        if len(given) == len(valued) and given:
            bounds[keyword] = min(given) if keyword in LOWER else max(given)
    return Shape(
        frozenset().union(*(one.types for one in branches)),
        everywhere and all(one.required for one in branches),
        None
        if None in enums
        else frozenset().union(*(enum for enum in enums if enum is not None)),
        bounds,
    )


def breaks(old: Any, new: Any) -> set[str]:
    """What clients of the `old` document cannot rely on in the `new` one."""
    found = {f"errors{text}" for text in withdrawn(_errors(old), _errors(new))}
    found |= set(_of_security(old, new))
    later = {
        (path, method): operation
        for path, methods in new["paths"].items()
        for method, operation in methods.items()
    }
    for path, methods in old["paths"].items():
        for method, operation in methods.items():
            name = operation["operationId"]
            now = later.get((path, method))
            if now is None or now["operationId"] != name:
                found.add(f"{name}: gone")
                continue
            found |= {
                f"{name} {text}"
                for text in (
                    *_of_parameters(old, operation, new, now),
                    *_of_body(old, operation, new, now),
                    *_of_responses(old, operation, new, now),
                )
            }
    return found


def _errors(document: Any) -> Shapes:
    """The shapes of all error responses: one operation need not have the members of others."""
    found = {
        json.dumps(content["schema"]): shapes(document, content["schema"])
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, part in operation["responses"].items()
        for content in resolve(document, part).get("content", {}).values()
        if status >= "400"
    }
    return _union([*found.values()], "")


def _of_security(old: Any, new: Any) -> Iterator[str]:
    schemes = new["components"]["securitySchemes"]
    for name, scheme in old["components"]["securitySchemes"].items():
        now = schemes.get(name, {})
        if any(
            scheme.get(key) != now.get(key) for key in ("type", "in", "name", "scheme")
        ):
            yield f"{name}: gone"


def _of_parameters(old: Any, operation: Any, new: Any, now: Any) -> Iterator[str]:
    before, after = (
        {
            (one["in"], one["name"]): one
            for one in (resolve(document, part) for part in parts["parameters"])
        }
        for document, parts in ((old, operation), (new, now))
    )
    for key, one in after.items():
        if one.get("required") and not before.get(key, {}).get("required"):
            yield f"{' '.join(key)}: required"
    for key, one in before.items():
        if key not in after:
            yield f"{' '.join(key)}: gone"
            continue
        for text in narrowed(
            # null was declared until 1.3, and refused.
            _without_null(shapes(old, one["schema"])),
            shapes(new, after[key]["schema"]),
        ):
            yield f"{' '.join(key)}{text}"


def _without_null(found: Shapes) -> Shapes:
    return {
        name: Shape(one.types - {"null"}, one.required, one.enum, one.bounds)
        for name, one in found.items()
    }


def _of_body(old: Any, operation: Any, new: Any, now: Any) -> Iterator[str]:
    if "requestBody" not in now:
        if "requestBody" in operation:
            yield "body: gone"
        return
    body = resolve(new, now["requestBody"])
    if "requestBody" not in operation:
        if body.get("required"):
            yield "body: required"
        return
    for media, content in resolve(old, operation["requestBody"])["content"].items():
        for text in narrowed(
            shapes(old, content["schema"]),
            shapes(new, body["content"][media]["schema"]),
        ):
            yield f"body{text}"


def narrowed(old: Shapes, new: Shapes) -> Iterator[str]:
    """What was valid in a request by the `old` shapes, and is not by the `new` ones."""
    for place, shape in new.items():
        # A new kind of value, such as an object instead of an id, may require what it likes.
        known = old.get(owner(place), NOTHING).types & HOLDERS
        if shape.required and known and not old.get(place, OPTIONAL).required:
            yield f"{place}: required"
    for place, shape in old.items():
        now = new.get(place)
        if now is None:
            yield f"{place}: gone"
            continue
        for one in sorted(shape.types - now.types):
            yield f"{place}: {one} is refused"
        if now.enum is not None and (shape.enum is None or shape.enum - now.enum):
            yield f"{place}: only {sorted(now.enum)}"
        yield from (f"{place}: {text}" for text in _tighter(shape, now))


def _tighter(old: Shape, new: Shape) -> Iterator[str]:
    for keyword, value in new.bounds.items():
        lower = keyword in LOWER
        before = old.bounds.get(keyword, 0 if lower else math.inf)
        if value > before if lower else value < before:
            yield f"{keyword} {before} -> {value}"


def _of_responses(old: Any, operation: Any, new: Any, now: Any) -> Iterator[str]:
    for status, part in operation["responses"].items():
        if status >= "400":
            continue
        if status not in now["responses"]:
            yield f"{status}: gone"
            continue
        response, after = resolve(old, part), resolve(new, now["responses"][status])
        for name in (
            response.get("headers", {}).keys()
            - after.get("headers", {}).keys()
            - EVERYWHERE
        ):
            yield f"{status} {name}: gone"
        for media, content in response.get("content", {}).items():
            given = after.get("content", {}).get(media)
            if given is None:
                yield f"{status} {media}: gone"
                continue
            for text in withdrawn(
                shapes(old, content["schema"]), shapes(new, given["schema"])
            ):
                yield f"{status}{text}"


def withdrawn(old: Shapes, new: Shapes) -> Iterator[str]:
    """What a response had by the `old` shapes, and may lack by the `new` ones."""
    for place, shape in old.items():
        now = new.get(place)
        if now is None:
            yield f"{place}: gone"
            continue
        for one in sorted(now.types - shape.types):
            yield f"{place}: may be {one}"
        if shape.required and not now.required:
            yield f"{place}: may be missing"
