"""Rules of the source that neither import-linter nor ruff can state (see pyproject.toml)."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES = 500
#: Of the stylesheets and scripts of the admin, which are its look and its keys.
LOOK_LINES = 700
HANDLER_LINES = 10  # without the docstring
FORBIDDEN_NAMES = {
    "utils",
    "helpers",
    "services",
    "common",
    "base",
    "signals",
    "mixins",
}
#: Parts of the licences that dependencies may have: see docs/operations.md.
LICENCES = ("MIT", "BSD", "Apache", "PSF", "MPL", "LGPL-3.0", "ISC")
#: Django looks for a database backend under this name.
BACKENDS = {"taskproject/postgresql/base.py", "taskproject/sqlite/base.py"}


def _sources(*folders: str) -> Iterator[tuple[str, str]]:
    """Path and text of every file of Python but the migrations."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), path.read_text()


def _resources() -> Iterator[tuple[str, ast.Module]]:
    """The files of an `api/` folder, and the `api.py` of an app."""
    for path, text in _sources("taskproject/accounts", "tasks"):
        if "/api/" in path or path.endswith("/api.py"):
            yield path, ast.parse(text)


def _handlers() -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions that a router decorates."""
    for path, tree in _resources():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any(
                "router" in ast.unparse(mark) for mark in node.decorator_list
            ):
                yield f"{path}: {node.name}", node


def test_a_file_has_at_most_500_lines() -> None:
    sources = _sources("taskproject", "tasks", "tests", "bench")
    lengths = {path: text.count("\n") for path, text in sources}

    assert {p: lines for p, lines in lengths.items() if lines > FILE_LINES} == {}


def test_the_look_of_the_admin_has_at_most_700_lines() -> None:
    files = (ROOT / "taskproject/static/taskproject").glob("*.[cj]s*")
    lengths = {it.name: it.read_text().count("\n") for it in files}
    for other in ("docs.css", "docs.js", "front.css"):
        del lengths[other]

    assert sum(lengths.values()) <= LOOK_LINES, lengths


def test_a_rule_of_a_stylesheet_begins_its_own_line() -> None:
    for path in (ROOT / "taskproject/static/taskproject").glob("*.css"):
        assert re.findall(r"\}[ \t]+[^\s}].*", path.read_text()) == [], path.name


def test_a_file_is_named_after_what_is_in_it() -> None:
    paths = {path for path, _ in _sources("taskproject", "tasks")} - BACKENDS

    assert {path for path in paths if Path(path).stem in FORBIDDEN_NAMES} == set()


def test_a_handler_has_a_docstring_and_at_most_10_lines() -> None:
    for name, handler in _handlers():
        assert ast.get_docstring(handler), name
        first, last = handler.body[1], handler.body[-1]
        lines = (last.end_lineno or last.lineno) - first.lineno + 1
        assert lines <= HANDLER_LINES, f"{name} has {lines} lines"


def test_a_resource_neither_saves_nor_creates_nor_handles_exceptions() -> None:
    for path, tree in _resources():
        for node in ast.walk(tree):
            place = f"{path}, line {getattr(node, 'lineno', 0)}"
            assert not isinstance(node, ast.Try | ast.TryStar), place
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("save", "create", "bulk_create"), place


def test_models_do_not_import_django_http() -> None:
    # import-linter sees no submodules of other people's packages.
    for path, text in _sources("taskproject", "tasks"):
        if "models" in path:
            assert "django.http" not in text, path


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt"])
def test_every_pinned_version_has_hashes(name: str) -> None:
    text = (ROOT / name).read_text()
    pins = re.findall(r"^\S+==.*(?:\n    --hash=.*)*", text, re.MULTILINE)

    assert pins
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []


def test_the_licences_of_dependencies_are_known() -> None:
    text = (ROOT / "requirements.txt").read_text()
    for line in re.findall(r"^(\S+)==(.*)", text, re.MULTILINE):
        name = line[0].partition("[")[0]
        if "sys_platform" in line[1]:
            continue  # not installed everywhere
        told = metadata(name).json
        places = ("license_expression", "license", "classifier")
        licence = str([told.get(place) for place in places])
        assert any(known in licence for known in LICENCES), f"{name}: {licence}"
