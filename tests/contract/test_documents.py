"""The documents are true: the tour runs, tables match the code, and links resolve."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.db import connection, transaction

from taskproject.accounts import headless
from taskproject.accounts.models import User
from taskproject.api import api
from taskproject.doctor import CHECKS
from taskproject.input_errors import CODES
from taskproject.management.commands.doctor import MODULES
from taskproject.problems import kinds
from tests.conftest import ApiClient, make_token
from tests.contract.document import operations, resolve
from tests.support.copies import copy_of
from tests.support.servers import live_server

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
}
APPS = ("taskproject", "taskproject.accounts", "tasks")
COMMANDS = {name: app for name, app in get_commands().items() if app in APPS}
#: Operations of Django or of the project's URLs, which the OpenAPI document has not.
OUTSIDE = {
    ("GET", path) for path in ("/api/openapi.json", "/api/docs", "/livez", "/readyz")
}

documents = pytest.mark.parametrize("name", DOCUMENTS)


def section(document: str, heading: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)",
        DOCUMENTS[document],
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"{document} has no heading {heading!r}"
    return found[1]


def table(document: str, heading: str) -> list[list[str]]:
    """The cells of the rows of the first table under a heading, without its head."""
    lines = [
        line for line in section(document, heading).splitlines() if line[:1] == "|"
    ]
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines[2:]]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of headings."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    }


def test_readme_is_short() -> None:
    assert README.count("\n") <= 180


@pytest.mark.either_database
def test_the_tour_runs_as_written(migrated: str) -> None:
    tour = re.search(r"```sh tour\n(.*?)```", README, re.DOTALL)
    assert tour
    expected = re.findall(r"^#> (.*)$", tour[1], re.MULTILINE)
    with (
        copy_of(migrated) as database_url,
        live_server(database_url, API_GUEST="guest", WORKERS="1") as server,
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


def test_the_table_of_operations_is_the_openapi_document() -> None:
    named: dict[tuple[str, str], str] = {}
    for cells in table("README.md", "Operations"):
        joined = re.findall(r"`([A-Z]+) (/[^`?]*)", cells[0])
        # One response for each of the operations, or one for all of them.
        said = cells[1].split("; ")
        each = len(said) == len(joined) and all(re.match(r"[24]\d\d", s) for s in said)
        named.update(zip(joined, said if each else [cells[1]] * len(joined)))

    statuses = {
        (method.upper(), re.sub(r"{\w+_id}", "{id}", path)): {
            str(status) for status in operation["responses"]
        }
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method, operation in methods.items()
    }
    assert named.keys() - OUTSIDE == statuses.keys()
    for operation, documented in statuses.items():
        statuses_said = set(re.findall(r"\b[24]\d\d\b", named[operation]))
        assert statuses_said, operation
        assert statuses_said <= documented, operation


def test_the_table_of_settings_is_the_example() -> None:
    """Which tests/unit/test_settings.py compares with settings.py."""
    example = (ROOT / ".env.example").read_text()
    variables = re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE)
    defaults = dict(re.findall(r"^# ([A-Z_]+)=(.+)$", example, re.MULTILINE))

    rows = table("docs/operations.md", "Settings")
    assert [cells[0] for cells in rows] == [f"`{name}`" for name in variables]
    for name, default, *_ in rows:
        told = defaults.get(name.strip("`"))
        assert told is None or default.strip("`") == told, name


def test_the_table_of_doctor_is_its_checks() -> None:
    names = [row[0] for row in table("docs/operations.md", "Doctor")]

    assert ", ".join(names) == ", ".join(
        f"`{check.name}`" for module in MODULES for check in CHECKS[module.__name__]
    )


def test_the_table_of_members_is_the_schema_of_a_task() -> None:
    schemas = api.get_openapi_schema()["components"]["schemas"]
    written = schemas["TaskCreate"]
    rows = table("docs/api.md", "Tasks")

    assert [cells[0] for cells in rows] == [
        f"`{name}`" for name in schemas["TaskOut"]["properties"]
    ]
    for name, use, meaning in rows:
        schema = written["properties"].get(name.strip("`"))
        schema = schema and resolve(api.get_openapi_schema(), schema)
        required = name.strip("`") in written["required"]
        assert use == (
            "–" if schema is None else "required" if required else "optional"
        )
        for bound in ("maxLength", "maxItems"):
            if bound in (schema or {}):
                assert f"{schema[bound]:,}" in meaning, name


def test_the_table_of_errors_is_the_list_of_codes() -> None:
    rows = table("docs/api.md", "Errors of members")

    assert {
        code.strip("`"): tuple(re.findall(r"`(\w+)`", parameters))
        for code, _, parameters in rows
    } == CODES


def test_the_table_of_filters_is_the_query_of_a_list() -> None:
    document = api.get_openapi_schema()
    parameters = operations(document)["list_tasks"]["parameters"]
    queries = {one["name"]: one for one in parameters if one["in"] == "query"}
    rows = {
        name.strip("`"): meaning
        for name, meaning in table("docs/api.md", "Filters and sorting")
    }

    assert rows.keys() == queries.keys()
    sorts = resolve(document, queries["sort"]["schema"])["enum"]
    orders = {order.lstrip("-") for order in sorts}
    assert orders <= set(re.findall(r"`(\w+)`", rows["sort"]))


def test_the_table_of_sign_in_is_what_is_offered() -> None:
    rows = table("docs/api.md", "Sign-up and sign-in")
    told = {
        path.strip("`"): re.findall(r"[A-Z]+", methods) for path, methods, *_ in rows
    }

    for client in ("app", "browser"):
        prefix = f"api/auth/{client}/v1"
        routes = {str(it.pattern): it.callback for it in headless.urlpatterns}
        offered = {
            route.removeprefix(prefix): [
                name.upper()
                for name in ("get", "post", "put", "patch", "delete")
                if hasattr(vars(view)["view_class"], name)
            ]
            for route, view in routes.items()
            if route.startswith(prefix)
        }
        assert offered == told


@pytest.mark.django_db
def test_what_needs_a_session_says_so_to_a_stranger_and_to_a_token(alice: User) -> None:
    for path, methods, _, session in table("docs/api.md", "Sign-up and sign-in"):
        for method in re.findall(r"[A-Z]+", methods):
            for client in (ApiClient(""), ApiClient(make_token(alice))):
                where = f"/api/auth/app/v1{path.strip('`')}"
                answer = client.send(method, where, None if method == "GET" else {})
                if session == "yes":
                    # 409: to send mails needs a sign-up that is pending, or a session.
                    assert answer.status_code in (401, 409), (method, path)
                else:
                    assert answer.status_code < 500, (method, path)


def test_the_table_of_commands_has_all_of_ours() -> None:
    named = " ".join(cells[0] for cells in table("README.md", "Commands"))

    assert set(re.findall(r"manage\.py (\w+)", named)) == set(COMMANDS)


@documents
def test_every_command_and_option_exists(name: str) -> None:
    for line in re.findall(r"manage\.py (\w+[^`|)\n]*)", DOCUMENTS[name]):
        command, *words = line.split()
        assert command in get_commands(), line
        parser = load_command_class(get_commands()[command], command).create_parser(
            "manage.py", command
        )
        options = {word for word in words if word.startswith("--")}
        assert options <= set(parser._option_string_actions), line


@documents
def test_every_target_of_make_exists(name: str) -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    code = re.findall(r"`make ([^`]*)`|^make (.*)$", DOCUMENTS[name], re.MULTILINE)

    for line in map("".join, code):
        named = re.findall(r"^[a-z -]+", line.partition("#")[0])
        assert set("".join(named).split()) <= targets, line


@documents
def test_every_code_of_an_error_exists(name: str) -> None:
    codes = {kind.code for kind in kinds()}

    named = re.findall(r"\b(4\d\d) `([a-z_]+)`", DOCUMENTS[name])
    assert {code for _, code in named} <= codes


@documents
def test_every_link_leads_somewhere(name: str) -> None:
    document = ROOT / name
    links = re.findall(r"\]\(([^)\s]+)\)", DOCUMENTS[name])

    for link in links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


@documents
def test_every_file_that_is_named_exists(name: str) -> None:
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*)`", DOCUMENTS[name])

    for path in named:
        assert (ROOT / path).exists(), path


def test_every_file_of_the_map_exists() -> None:
    drawn = section("docs/architecture.md", "A map of the code").split("```")[1]
    folder = ROOT
    for line in drawn.strip().splitlines():
        path = line.split()[0]
        if not line.startswith(" "):
            folder = ROOT / path
        beside = re.findall(r"\(([\w/]+\.py)|, (\w+\.py) ", line)
        parent = folder / path if line.startswith(" ") else folder
        assert parent.exists(), line
        for other in map("".join, beside):
            places = (parent / other, parent.parent / other)
            assert any(place.exists() for place in places), line


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="is about PostgreSQL")
def test_the_limits_of_the_role_can_be_set() -> None:
    text = " ".join(section("docs/operations.md", "PostgreSQL").split())
    statements = re.findall(r"ALTER ROLE tasks [^;`]+", text)
    assert len(statements) == 4

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE tasks")
        for statement in statements:
            cursor.execute(statement)
        cursor.execute("SELECT rolconfig FROM pg_roles WHERE rolname = 'tasks'")
        [(configuration,)] = cursor.fetchall()
        transaction.set_rollback(True)
    assert len(configuration) == 4


def test_the_changelog_begins_with_this_version_and_has_dates() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    headings = re.findall(r"^## (.*)$", DOCUMENTS["CHANGELOG.md"], re.MULTILINE)

    assert headings[0].split()[0] == project["version"]
    for heading in headings:
        assert re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d{2}-\d{2}", heading)
