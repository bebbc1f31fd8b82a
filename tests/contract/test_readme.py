"""The README is true: its tour runs, and its tables name what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

from taskproject.api import api
from tests.support.servers import fresh_database, live_server

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_tour_runs_as_written() -> None:
    tour = re.search(r"```sh tour\n(.*?)```", README, re.DOTALL)
    assert tour
    expected = re.findall(r"^#> (.*)$", tour[1], re.MULTILINE)
    with (
        fresh_database() as database_url,
        live_server(database_url, API_GUEST="guest") as server,
    ):
        script = tour[1].replace("http://127.0.0.1:8000", server.url)
        ran = subprocess.run(
            [
                "bash",
                "-euo",
                "pipefail",
                "-c",
                script.replace(".venv/bin/python", sys.executable),
            ],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    assert re.findall(r"HTTP/1\.1 (\d{3} [A-Za-z ]+)", ran.stdout) == expected


def test_the_settings_table_names_every_variable() -> None:
    table = README.split("## Settings")[1].split("## ")[0]
    example = (ROOT / ".env.example").read_text()
    variables = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))

    named = set(
        re.findall(
            r"`([A-Z_]+)`", "".join(re.findall(r"^\|.*?\|", table, re.MULTILINE))
        )
    )
    assert named == variables


def test_the_api_table_names_every_operation() -> None:
    table = README.split("## The API")[1].split("## ")[0]
    named = {
        (method, path.partition("?")[0])
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`]*)`", table)
    }

    document = api.get_openapi_schema()
    operations = {
        (method.upper(), re.sub(r"{\w+_id}", "{id}", path))
        for path, methods in document["paths"].items()
        for method in methods
    }
    operations -= {("POST", "/api/tasks/{id}/reopen")}  # in the row of complete
    assert operations <= named


@pytest.mark.parametrize(
    "command", re.findall(r"^\| `manage\.py (\w+)", README, re.MULTILINE)
)
def test_every_command_of_the_table_exists(command: str) -> None:
    assert command in get_commands()


def test_every_file_of_the_map_exists() -> None:
    drawn = README.split("## A map of the code")[1].split("```")[1]
    folder = ROOT
    for line in drawn.strip().splitlines():
        name = line.split()[0]
        folder = ROOT / name if not line.startswith(" ") else folder
        path = folder if not line.startswith(" ") else folder / name
        assert path.exists(), line
    assert settings.BASE_DIR == ROOT
