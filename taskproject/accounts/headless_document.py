"""The OpenAPI document of the operations at `/api/auth/`: django-allauth's own, which comes
with the package, without what this service does not offer.

Only the request for it imports this module. Reading the YAML takes 0.1 to 1 s, once."""

from collections.abc import Collection, Iterator
from functools import cache
from importlib import resources
from typing import Any

import orjson
import yaml

from taskproject import __version__

INFO = {
    "title": "Tasks: sign-up and sign-in",
    "version": __version__,
    "description": "The operations of django-allauth that this service offers, for browsers "
    "(`browser`: cookies, and `X-CSRFToken` on writes) and apps (`app`: `X-Session-Token`).",
}
ROOT = "/_allauth/"
CLIENTS = ("browser", "app")


@cache
def document(offered: frozenset[str]) -> bytes:
    """The document, with these paths alone, such as `/api/auth/app/v1/auth/login`."""
    source = resources.files("allauth.headless.spec") / "doc" / "openapi.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    spec: dict[str, Any] = yaml.load(source.read_bytes(), loader)
    spec |= {"info": INFO, "servers": [{"url": "/"}]}
    spec["paths"] = {
        path.replace(ROOT, "/api/auth/"): methods
        for path, methods in spec["paths"].items()
        if _is_offered(path, offered)
    }
    used = set(_tags(spec["paths"]))
    spec["tags"] = [tag for tag in spec["tags"] if tag["name"] in used]
    spec.pop("x-tagGroups", None)
    _prune(spec)
    return orjson.dumps(spec)


def _is_offered(path: str, offered: Collection[str]) -> bool:
    path = path.replace(ROOT, "/api/auth/")
    return any(path.replace("{client}", client) in offered for client in CLIENTS)


def _tags(paths: dict[str, Any]) -> Iterator[str]:
    for methods in paths.values():
        for operation in methods.values():
            if isinstance(operation, dict):
                yield from operation.get("tags", ())


def _prune(spec: dict[str, Any]) -> None:
    """Removes the components that nothing refers to, but the security schemes."""
    components = spec["components"]
    kept: set[tuple[str, str]] = set()
    pending = [*_references(spec["paths"])]
    while pending:
        kind, name = one = pending.pop()
        if one not in kept:
            kept.add(one)
            pending += _references(components[kind][name])
    for kind, named in components.items():
        if kind != "securitySchemes":
            components[kind] = {
                name: part for name, part in named.items() if (kind, name) in kept
            }


def _references(part: object) -> Iterator[tuple[str, str]]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            _, _, kind, name = part["$ref"].split("/")
            yield kind, name
        for within in part.values():
            yield from _references(within)
    elif isinstance(part, list):
        for within in part:
            yield from _references(within)
