"""Which way things point: the arrows and the rules of the house, read from the source."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("taskproject", "tasks")
LINES = 500  # a file
STATEMENT_LINES = 10  # a handler, without its docstring
FORBIDDEN_NAMES = {
    "utils",
    "helpers",
    "services",
    "common",
    "base",
    "signals",
    "mixins",
}


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _product() -> list[Path]:
    paths = [path for app in OURS for path in (ROOT / app).rglob("*.py")]
    return sorted(path for path in paths if "migrations" not in path.parts)


PRODUCT = _product()
EVERYTHING = PRODUCT + [
    path
    for place in ("bench", "tests")
    for path in sorted((ROOT / place).rglob("*.py"))
]
MODELS = [p for p in PRODUCT if p.stem == "models" or p.parent.name == "models"]
# A resource is a file of an `api/` folder, or the `api.py` of an app.
RESOURCES = [
    path
    for path in PRODUCT
    if (path.parent.name == "api" and path.stem != "__init__")
    or (path.stem == "api" and path.parent != ROOT / "taskproject")
]

# What models know besides models.
LEAVES = (
    "taskproject.names",
    "taskproject.problems",
    "taskproject.rows",
    "taskproject.timezones",
    "tasks.limits",
)
# What several resources share; these have no handlers of their own.
SHARED = {f"tasks/api/{name}.py" for name in ("answers", "fields", "rows")}

everything = pytest.mark.parametrize("path", EVERYTHING, ids=_named)
product = pytest.mark.parametrize("path", PRODUCT, ids=_named)
models = pytest.mark.parametrize("path", MODELS, ids=_named)
resources = pytest.mark.parametrize("path", RESOURCES, ids=_named)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[str]:
    """Everything imported, wherever in the file: `a.b` and, of `from a import b`, both."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute here"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _within(name: str, *packages: str) -> bool:
    return any(
        name == package or name.startswith(f"{package}.") for package in packages
    )


def _imports_of(path: Path, *packages: str) -> set[str]:
    return {name for name in _imports(path) if _within(name, *packages)}


def _handlers(path: Path) -> list[ast.FunctionDef]:
    """The functions that a router decorates."""
    return [
        node
        for node in _tree(path).body
        if isinstance(node, ast.FunctionDef)
        and any(
            isinstance(mark, ast.Call)
            and isinstance(mark.func, ast.Attribute)
            and isinstance(mark.func.value, ast.Name)
            and "router" in mark.func.value.id
            for mark in node.decorator_list
        )
    ]


def test_the_rules_find_what_they_are_about() -> None:
    assert {"tasks/models/tasks.py", "taskproject/accounts/models.py"} <= {
        *map(_named, MODELS)
    }
    assert {"tasks/api/tasks.py", "taskproject/accounts/api.py"} <= {
        *map(_named, RESOURCES)
    }
    assert all(_handlers(p) for p in RESOURCES if _named(p) not in SHARED)
    assert not any(_handlers(p) for p in RESOURCES if _named(p) in SHARED)


@models
def test_models_know_nothing_of_http(path: Path) -> None:
    assert not _imports_of(path, "ninja", "pydantic", "django.http")


@models
def test_models_know_only_models_problems_and_zones_of_ours(path: Path) -> None:
    known = {_module(other) for other in MODELS} | set(LEAVES)

    # A package's __init__ is empty: importing it is no arrow.
    imported = _imports_of(path, *OURS) - set(OURS)
    assert all(_within(name, *known) for name in imported)


@pytest.mark.parametrize("leaf", LEAVES)
def test_what_models_know_imports_nothing_of_ours(leaf: str) -> None:
    path = ROOT / f"{leaf.replace('.', '/')}.py"

    assert not _imports_of(path, *OURS, "ninja", "pydantic")


@everything
def test_nobody_imports_the_settings_module(path: Path) -> None:
    assert not _imports_of(path, "taskproject.settings")


@resources
def test_a_resource_does_not_know_who_includes_it(path: Path) -> None:
    assert not _imports_of(path, "taskproject.api", "taskproject.urls")


@product
def test_only_the_urls_import_the_table_of_contents(path: Path) -> None:
    if _module(path) != "taskproject.urls":
        assert not _imports_of(path, "taskproject.api")


@resources
def test_a_resource_never_imports_the_handlers_of_another(path: Path) -> None:
    for other in RESOURCES:
        if other != path:
            handlers = {f"{_module(other)}.{node.name}" for node in _handlers(other)}
            imported = set(_imports(path))
            assert not imported & (handlers | {f"{_module(other)}.router"})
            # The module itself would bring its handlers along.
            package, _, name = _module(other).rpartition(".")
            assert not any(
                isinstance(node, ast.ImportFrom)
                and node.module == package
                and name in {alias.name for alias in node.names}
                or isinstance(node, ast.Import)
                and _module(other) in {alias.name for alias in node.names}
                for node in ast.walk(_tree(path))
            )


@resources
def test_a_resource_neither_saves_nor_creates_nor_tries(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        assert not isinstance(node, ast.Try | ast.TryStar), f"try, line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            verb = node.func.attr
            assert verb not in ("save", "create", "bulk_create"), f"line {node.lineno}"


@resources
def test_a_handler_has_ten_lines_at_most(path: Path) -> None:
    for handler in _handlers(path):
        body = handler.body[1:] if ast.get_docstring(handler) else handler.body
        assert body, f"{handler.name} does nothing"
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1
        assert lines <= STATEMENT_LINES, f"{handler.name} has {lines} lines"


@resources
def test_a_handler_says_what_it_does(path: Path) -> None:
    assert all(ast.get_docstring(handler) for handler in _handlers(path))


@everything
def test_no_file_is_longer_than_five_hundred_lines(path: Path) -> None:
    lines = path.read_text().count("\n")

    assert lines <= LINES


@product
def test_a_file_is_named_after_what_is_in_it(path: Path) -> None:
    # Django looks for a database backend under this name.
    backends = {"taskproject/postgresql/base.py", "taskproject/sqlite/base.py"}
    assert path.stem not in FORBIDDEN_NAMES or _named(path) in backends


@product
def test_there_are_no_signals(path: Path) -> None:
    assert not _imports_of(
        path, "django.dispatch", "django.db.models.signals", "django.core.signals"
    )


def test_no_module_imports_itself_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    modules = {_module(path) for path in PRODUCT}
    for path in PRODUCT:
        graph[_module(path)] = (set(_imports(path)) & modules) - {_module(path)}
    # A package's __init__ is empty: importing it is no arrow.
    packages = {_module(path) for path in PRODUCT if path.stem == "__init__"}
    left = {name: arrows - packages for name, arrows in graph.items()}

    while leaves := {name for name, arrows in left.items() if not arrows}:
        left = {n: arrows - leaves for n, arrows in left.items() if n not in leaves}

    assert not left
