"""The document keeps what the last release promised: see docs/api.md, "Compatibility".

`released/` has the document of the last release. A release replaces it:

    manage.py export_openapi_schema --api taskproject.api.api | gzip -9n > released/VERSION.json.gz

and empties DELIBERATE."""

import gzip
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.contract.compatibility import breaks

[RELEASED] = (Path(__file__).parent / "released").iterdir()
KEY = (
    "`POST /api/calendar` refuses an `Idempotency-Key`: its response contains a secret, which "
    "is not stored."
)
#: The breaks that the next release makes on purpose, and what the changelog says of them.
DELIBERATE = {
    "create_calendar header Idempotency-Key: gone": KEY,
    "create_calendar 201 Idempotency-Replayed: gone": KEY,
}


@pytest.fixture(scope="module")
def released() -> Any:
    return json.loads(gzip.decompress(RELEASED.read_bytes()))


def test_what_the_last_release_promised_is_kept(released: Any, document: Any) -> None:
    assert breaks(released, document) == set(DELIBERATE)


def changed(document: Any, path: str, value: Any) -> Any:
    """The document with another value at a path; None removes what is there."""
    copy = deepcopy(document)
    holder = copy
    *way, last = path.split(" ")
    for name in way:
        holder = holder[int(name) if isinstance(holder, list) else name]
    if value is None:
        del holder[int(last) if isinstance(holder, list) else last]
    else:
        holder[last] = value
    return copy


SCHEMAS = "components schemas"
TASKS = "paths /api/tasks"


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (f"{TASKS} post", None, "create_task: gone"),
        (f"{TASKS} post operationId", "add_task", "create_task: gone"),
        (f"{TASKS} post responses 201", None, "create_task 201: gone"),
        (f"{TASKS} post requestBody", None, "create_task body: gone"),
        (f"{TASKS} get parameters 0", None, "list_tasks query tz: gone"),
        ("components responses TaskOut headers ETag", None, "toggle_task 200 ETag: gone"),
        (f"{SCHEMAS} TaskIn required", ["title", "list"], "body.list: required"),
        (f"{SCHEMAS} TaskIn properties location", None, "body.location: gone"),
        (f"{SCHEMAS} TaskPatch properties completed type", "string",
         "body.completed: boolean is refused"),
        (f"{SCHEMAS} TaskPatch properties completed enum", [True],
         "body.completed: only ['True']"),
        (f"{SCHEMAS} BatchIn properties operations maxItems", 499,
         "body.operations: maxItems 500 -> 499"),
        (f"{SCHEMAS} BatchIn properties operations minItems", 2,
         "body.operations: minItems 1 -> 2"),
        (f"{SCHEMAS} TaskOut properties position", None, "200.position: gone"),
        (f"{SCHEMAS} TaskOut properties version type", ["integer", "null"],
         "200.version: may be null"),
        (f"{SCHEMAS} TaskOut required", ["id"], "200.title: may be missing"),
        (f"{SCHEMAS} TaskPage properties items items", {"$ref": "#/components/schemas/TagOut"},
         "200.items[].title: gone"),
        (f"{SCHEMAS} TaskStale allOf 1 properties current", None, "errors.current.completed: gone"),
        ("components securitySchemes TokenAuth", None, "TokenAuth: gone"),
    ],
)  # fmt: skip
def test_a_break_is_found(document: Any, path: str, value: Any, found: str) -> None:
    texts = breaks(document, changed(document, path, value))

    assert any(text.endswith(found) for text in texts), texts


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("paths /api/new", {}),
        (f"{SCHEMAS} TaskPatch properties new", {"type": "string"}),
        (f"{SCHEMAS} TaskOut properties new", {"type": "string"}),
        (f"{SCHEMAS} TaskIn required", []),
        (f"{SCHEMAS} BatchIn properties operations maxItems", 501),
        (f"{SCHEMAS} EventVia enum", ["token", "new"]),
        (f"{SCHEMAS} ProblemCode enum", ["new"]),
        (f"{SCHEMAS} TaskPatch properties completed type", ["boolean", "string"]),
        (f"{TASKS} post responses 409", None),
    ],
)
def test_an_addition_is_no_break(document: Any, path: str, value: Any) -> None:
    assert not breaks(document, changed(document, path, value))
