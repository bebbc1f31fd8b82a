"""The document is without an error, clients made of it compile, and they work.

Not a part of `make test`, because it needs Node: see `make test-clients`."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskproject.api import api
from tests.support.copies import copy_of
from tests.support.servers import Server, live_server, manage

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
GENERATED = HERE / "generated"
DOCUMENT = GENERATED / "openapi.json"
#: The environment of the generator of Python clients.
VENV = ROOT / ".venv-clients" / "bin"
KILOBYTE = 1_000
GENERATORS: dict[str, list[str | Path]] = {
    "openapi-typescript": [DOCUMENT, "-o", GENERATED / "openapi-typescript.ts"],
    "openapi-ts": ["-f", "hey-api.config.js"],
    "orval": ["--config", "orval.config.js"],
}
LINTERS: dict[str, list[str | Path]] = {
    "redocly": ["lint", DOCUMENT, "--extends=recommended"],
    "spectral": ["lint", "--ruleset=spectral.yaml", DOCUMENT],
}
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def run(tool: str, *args: str | Path, **env: str) -> str:
    """Runs a tool of node_modules; returns its output. Fails if the tool does."""
    return execute(HERE / "node_modules" / ".bin" / tool, *args, **env)


def execute(*command: str | Path, **env: str) -> str:
    done = subprocess.run(
        command,
        cwd=HERE,
        env=os.environ | QUIET | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def generated() -> None:
    """The document, and the clients in TypeScript."""
    GENERATED.mkdir(exist_ok=True)
    DOCUMENT.write_text(json.dumps(api.get_openapi_schema()))
    for tool, args in GENERATORS.items():
        run(tool, *args)


@pytest.fixture(scope="module")
def annas(migrated: str) -> Iterator[tuple[str, str]]:
    """The URL of a database to be copied, in which anna has a token, and this token."""
    with copy_of(migrated) as url:
        yield url, manage(url, "create_token", "anna", "--create-user")


@pytest.fixture
def server(annas: tuple[str, str]) -> Iterator[Server]:
    with (
        copy_of(annas[0]) as database_url,
        live_server(database_url, API_GUEST="guest", WORKERS="1") as server,
    ):
        yield server


def test_a_poll_without_changes_from_another_origin_is_small(
    annas: tuple[str, str],
) -> None:
    """Over HTTP/2, which does not repeat the headers of a connection."""
    origin = "https://app.example.org"
    allowed = {"CORS_ALLOWED_ORIGINS": origin, "CORS_ALLOW_CREDENTIALS": "on"}
    url, token = annas
    with (
        copy_of(url) as database_url,
        live_server(database_url, WORKERS="1", **allowed) as server,
    ):
        given = {"Authorization": f"Bearer {token}"}
        latest = server.send("GET", "/api/changes?after=latest", headers=given)
        cursor = latest.json()["next_cursor"]
        env = {"TOKEN": token, "CURSOR": cursor, "ORIGIN": origin}
        done = execute("node", "poll.mjs", SERVER=server.url, **env)

    first, second = json.loads(done)
    assert first < 400
    assert second < 200


@pytest.mark.parametrize("linter", LINTERS)
def test_the_document_has_no_error(linter: str) -> None:
    run(linter, *LINTERS[linter])


def test_clients_in_typescript_compile_and_refuse_mistakes() -> None:
    """Also tour/refused.ts, whose lines after @ts-expect-error must not compile."""
    run("tsc", "--project", "tsconfig.json")


def test_types_are_small() -> None:
    """They were 491 KB when every part was written out where it is used."""
    size = (GENERATED / "openapi-typescript.ts").stat().st_size

    assert size < 145 * KILOBYTE


def test_a_client_in_python_passes_strict_mypy_and_does_the_tour(
    server: Server, annas: tuple[str, str], tmp_path: Path
) -> None:
    client = tmp_path / "client"
    path = f"{VENV}{os.pathsep}{os.environ['PATH']}"  # for ruff
    execute(
        VENV / "openapi-python-client", "generate", "--fail-on-warning", "--meta=none",
        f"--path={DOCUMENT}", f"--output-path={client}",
        "--config=openapi-python-client.yaml", PATH=path,
    )  # fmt: skip
    cache = f"--cache-dir={tmp_path / 'cache'}"
    tour = HERE / "tour" / "openapi_python_client.py"
    found = {"MYPYPATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    execute(VENV / "mypy", "--config-file=mypy.ini", cache, client, tour, **found)
    execute(VENV / "python", tour, SERVER=server.url, TOKEN=annas[1], **found)


@pytest.mark.parametrize("client", ["openapi-fetch", "hey-api", "orval"])
def test_a_client_does_the_tour_of_the_readme(
    server: Server, annas: tuple[str, str], client: str
) -> None:
    bundle = GENERATED / f"{client}.mjs"
    run(
        "esbuild", f"tour/{client}.ts", "--bundle", "--platform=node", "--format=esm",
        f"--outfile={bundle}", "--log-level=warning",
    )  # fmt: skip
    execute("node", bundle, SERVER=server.url, TOKEN=annas[1])
