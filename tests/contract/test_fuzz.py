"""schemathesis against a live server: it reads the document and tries to prove it wrong."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Server, fresh_database, live_server

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
EXAMPLES = 40  # of each kind, for each operation
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
# What no schema can tell apart: a cursor that the service made from one that it did not,
# the name of a time zone, an id that is there, two forms of a due from one, a version that
# is still the newest.
REFUSES_MORE = (
    "list_tasks", "list_trash", "list_history", "list_changes", "list_lists", "list_tags",
    "get_task", "count_tasks", "update_me", "create_task", "replace_task", "update_task",
    "move_task", "move_list", "batch_tasks",
)  # fmt: skip


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
    lines += [
        # A task's history outlives it, on purpose.
        "[[operations]]",
        'include-operation-id = "list_history"',
        "checks.use_after_free.enabled = false",
    ]
    return "\n".join(lines)


def _document(server: Server) -> Any:
    """Without the headers that make a request depend on those before it: a version that
    is stale, a key that was used. They have tests of their own."""
    document = server.send("GET", "/api/openapi.json").json()
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["parameters"] = [
                parameter
                for parameter in operation["parameters"]
                if parameter["name"] not in ("If-Match", "Idempotency-Key")
            ]
    return document


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with fresh_database() as database_url, live_server(database_url) as server:
        yield server


@pytest.fixture(scope="module")
def report(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What schemathesis says after a run; fails where one did.

    Among them: no server error; status, media type, headers and body as documented;
    no operation without its credential; no undocumented method; nothing accepted that
    the document forbids, nothing refused that it allows.
    """
    directory = tmp_path_factory.mktemp("schemathesis")
    configuration = directory / "schemathesis.toml"
    configuration.write_text(_configuration())
    document = directory / "openapi.json"
    document.write_text(json.dumps(_document(server)))
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
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()
        pytest.fail("\n".join(lines[-FAILED_LINES:]), pytrace=False)
    return done.stdout


def test_no_answer_contradicts_the_document(report: str) -> None:
    assert "No issues found" in report


def test_every_operation_was_tried_many_times(server: Server, report: str) -> None:
    document = server.send("GET", "/api/openapi.json").json()
    operations = sum(map(len, document["paths"].values()))

    assert f"Tested: {operations}\n" in report
    generated = re.search(r"([\d,]+) generated", report)
    assert generated and int(generated[1].replace(",", "")) >= 30 * operations


def test_the_server_is_well_afterwards(server: Server, report: str) -> None:
    assert report
    assert "Traceback" not in server.output
    assert server.send("GET", "/readyz").status == 200
    assert server.send("GET", "/api/tasks").status == 200
