"""schemathesis against a live server: it reads the document and tries to prove it wrong."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tasks import cursors
from tests.contract.document import resolve
from tests.support.copies import copy_of
from tests.support.servers import Server, live_server

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
EXAMPLES = 10  # of each kind, for each operation
PHASES = "examples,coverage,fuzzing,stateful"
FAILED_LINES = 120
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
)
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "410"]
# What no schema can tell apart, and no document for the fuzzing either: an id that is there
# from one that is not, a version that is still the newest from one that was, a question
# with a word in it from one without. They meet every id, zone, cursor and due that the
# others are spared.
REFUSES_MORE = (
    *("list_tasks", "update_task", "move_task", "move_list", "batch_tasks"),
    "delete_me",
    "undo_changes",
    "redeliver_webhook",
    "preview_recurrence",
)
# Parameters with tests of their own: preconditions and keys depend on earlier requests,
# and `fields` leaves members out of the items that the document requires.
LEFT_OUT = ("If-Match", "Idempotency-Key", "fields")
# What the others are told instead of "some text": a zone that there is, a cursor as the
# service makes it.
ZONE = {"type": "string", "enum": ["UTC", "Europe/Lisbon", "Asia/Kathmandu"]}
# Days and instants of the years that are taken; a format tells no bounds.
TIMES = {
    "date": ["1900-01-01", "2024-02-29", "2026-12-31", "2999-12-31"],
    "date-time": ["1900-01-01T00:00:00Z", "2026-12-31T18:00:00+01:00"],
}
CURSORS = {
    "list_trash": ("cursor", [cursors.encode("trash", 1)]),
    "list_history": ("cursor", [cursors.encode("history", 1)]),
    "list_reminders": ("cursor", [cursors.encode("reminders", 1)]),
    "list_lists": ("cursor", [cursors.encode("lists", 1, "i")]),
    "list_tokens": ("cursor", [cursors.encode("tokens", 1)]),
    "list_webhooks": ("cursor", [cursors.encode("webhooks", 1)]),
    "list_deliveries": ("cursor", [cursors.encode("deliveries", 1)]),
    "list_tags": ("cursor", [cursors.encode("tags", 1, "errand")]),
    "list_changes": ("after", ["latest", cursors.encode("after", 0)]),
}
# The members of a task that say more together than each by itself, or name another row.
TOGETHER = (
    *("list", "parent", "due_timezone", "reminders", "recurrence", "recurrence_from"),
    "recurrence_subtasks",
)
SPARED = {
    "create_task": (*TOGETHER, "due_at"),
    "replace_task": (*TOGETHER, "due_date"),
}


def _configuration() -> str:
    lines = [f"checks.{check}.enabled = true" for check in CHECKS]
    # No schema can tell a task that is in the trash.
    lines.append(f"checks.positive_data_acceptance.expected-statuses = {ACCEPTED}")
    for operation in REFUSES_MORE:
        lines += [
            "[[operations]]",
            f'include-operation-id = "{operation}"',
            "checks.positive_data_acceptance.enabled = false",
        ]
        if operation == "batch_tasks":
            # The problem of one of its operations is a result.
            lines.append("checks.negative_data_rejection.enabled = false")
    lines += [
        # A task's history outlives it, on purpose.
        "[[operations]]",
        'include-operation-id = "list_history"',
        "checks.use_after_free.enabled = false",
    ]
    return "\n".join(lines)


def _document(server: Server) -> Any:
    """Without what makes an answer depend on more than its request: a version that is
    stale, a key that was used, a list that is there. They have tests of their own."""
    document = server.send("GET", "/api/openapi.json").json()
    # It would end the credential of the fuzzing.
    del document["paths"]["/api/tokens/{token_id}"]
    for methods in document["paths"].values():
        for operation in methods.values():
            name = operation["operationId"]
            operation["parameters"] = [
                parameter if name in REFUSES_MORE else _pinned(name, parameter)
                for parameter in (
                    resolve(document, one) for one in operation["parameters"]
                )
                if parameter["name"] not in LEFT_OUT
            ]
            if name in SPARED:
                body = operation["requestBody"]["content"]["application/json"]
                body["schema"] = _spared(document, SPARED[name])
    for schema in document["components"]["schemas"].values():
        if schema.get("additionalProperties") is False:
            schema["properties"].pop("version", None)
            for example in schema.get("examples", []):
                example.pop("version", None)
    # Version 1.3 takes null for no body; the document does not offer it.
    optional = document["components"]["schemas"]["Precondition"]
    optional["type"] = [optional["type"], "null"]
    # Schemathesis takes the schema of a stream for that of each event (OpenAPI 3.2 has
    # `itemSchema` for these).
    stream = document["paths"]["/api/changes/stream"]["get"]["responses"]["200"]
    del stream["content"]["text/event-stream"]["schema"]
    me = document["components"]["schemas"]["MePatch"]
    me["properties"]["timezone"] = ZONE
    # Most hosts cannot be called.
    document["components"]["schemas"]["Url"]["enum"] = ["https://example.com/"]
    # Most instants are in the past.
    del document["components"]["schemas"]["TokenIn"]["properties"]["expires_at"]
    return document


def _pinned(operation: str, parameter: Any) -> Any:
    """The parameter, with values that mean something where few do."""
    known, values = CURSORS.get(operation, ("", []))
    if parameter["name"] == "tz":
        return parameter | {"schema": ZONE}
    if parameter["name"] == known:
        return parameter | {"schema": {"type": "string", "enum": values}}
    return _timed(parameter)


def _timed(schema: Any) -> Any:
    """The schema, with days and instants that are taken."""
    if isinstance(schema, list):
        return [_timed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") in TIMES:
        nullable = "null" in schema["type"]
        return {"enum": [*TIMES[schema["format"]], *[None] * nullable]}
    return {name: _timed(part) for name, part in schema.items()}


def _spared(document: Any, members: tuple[str, ...]) -> Any:
    """The schema of a whole task without these members."""
    schemas = document["components"]["schemas"]
    schema = deepcopy(schemas["TaskIn"])
    # Those that only the service writes have one value each.
    read_only = schema["properties"].keys() - schemas["TaskPatch"]["properties"].keys()
    for member in (*members, "version", *read_only):
        del schema["properties"][member]
    schema["examples"] = [{"title": "Buy oat milk"}]
    return _timed(schema)


@pytest.fixture
def server(migrated: str) -> Iterator[Server]:
    with copy_of(migrated) as url, live_server(url, WORKERS="1") as server:
        yield server


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="is of the document, once for both databases"
)
def test_no_response_contradicts_the_document(server: Server, tmp_path: Path) -> None:
    """After many requests to each operation, also to the server as it is afterwards.

    Among them: no server error; status, media type, headers and body as documented;
    no operation without its credential; no undocumented method; nothing accepted that
    the document forbids, nothing refused that it allows.
    """
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(_configuration())
    document = tmp_path / "openapi.json"
    published = _document(server)
    document.write_text(json.dumps(published))
    done = subprocess.run(
        [
            SCHEMATHESIS,
            "--no-color",
            f"--config-file={configuration}",
            "run",
            str(document),
            f"--url={server.url}",
            f"--header=Authorization: Bearer {server.token}",
            f"--phases={PHASES}",
            f"--max-examples={EXAMPLES}",
            # The same requests in every run.
            "--generation-deterministic",
            "--continue-on-failure",
            "--request-timeout=10",
            "--warnings=off",
        ],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert "Traceback" not in server.output
    assert server.send("GET", "/readyz").status == 200
    assert server.send("GET", "/api/tasks").status == 200

    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        pytest.fail("\n".join(lines[-FAILED_LINES:]), pytrace=False)
    assert "No issues found" in done.stdout
    operations = sum(map(len, published["paths"].values()))
    assert f"Tested: {operations}\n" in done.stdout
    generated = re.search(r"([\d,]+) generated", done.stdout)
    assert generated and int(generated[1].replace(",", "")) >= 30 * operations
