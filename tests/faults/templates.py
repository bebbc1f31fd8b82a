"""Migrated databases, made once for all processes of a run, and copied for each test."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from tests.faults.databases import Database
from tests.faults.postgres import PostgreSQL
from tests.support.copies import by_first_process
from tests.support.servers import manage

PREPARE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("create_token", "alice", "--create-user")
"""
# All that is in a database after PREPARE stays.
EMPTY = """
DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT relname FROM pg_class WHERE relkind = 'r'
        AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
        AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission',
            'auth_group', 'auth_group_permissions', 'accounts_user', 'accounts_apitoken')
    LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
END $$"""


class Template(Protocol):
    def copy(self) -> AbstractContextManager[Database]:
        """A new database, dropped afterwards."""

    def reset(self, database: Database) -> None:
        """Has a copy contain what the template contains; others may be connected to it."""


@dataclass(frozen=True)
class OnSQLite:
    file: Path
    token: str

    @classmethod
    def prepared(cls) -> "OnSQLite":
        file, token = _made_once(
            "faults.sqlite3", lambda file: _prepared(f"sqlite:///{file}")
        )
        return cls(file, token)

    @contextmanager
    def copy(self) -> Iterator[Database]:
        with tempfile.TemporaryDirectory(prefix="tasks-faults-") as place:
            yield Database(f"sqlite:///{shutil.copy(self.file, place)}", self.token)

    def reset(self, database: Database) -> None:
        with (
            closing(sqlite3.connect(self.file)) as source,
            database.session() as target,
        ):
            source.backup(target)


@dataclass(frozen=True)
class OnPostgreSQL:
    server: PostgreSQL
    token: str

    @classmethod
    def prepared(cls, directory: Path) -> "OnPostgreSQL":
        """On a server of this process, whose files are in the directory."""
        made, token = _made_once("faults-postgresql", _server)
        # With its owner.
        subprocess.run(["cp", "-a", made, directory], check=True)
        return cls(PostgreSQL(directory / made.name), token)

    @contextmanager
    def copy(self) -> Iterator[Database]:
        name = f"tasks_{uuid4().hex[:8]}"
        self.server.execute(f"CREATE DATABASE {name} TEMPLATE template_tasks")
        yield Database(self.server.url(name), self.token)
        self.server.start()
        self.server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def reset(self, database: Database) -> None:
        self.server.execute(EMPTY, database.name)


def _server(directory: Path) -> str:
    server = PostgreSQL(directory)
    try:
        server.start()
        server.execute("CREATE DATABASE template_tasks")
        return _prepared(server.url("template_tasks"))
    finally:
        server.stop("fast")


def _prepared(url: str) -> str:
    """Migrates a new database, and gives alice a token there, which is returned."""
    return manage(url, "shell", "--verbosity", "0", "-c", PREPARE)


def _made_once(name: str, make: Callable[[Path], str]) -> tuple[Path, str]:
    """The path of what the first process of a run makes, while others wait; and its token."""
    path = Path(os.environ["TEST_TEMPLATE"]).parent / name
    note = path.with_name(f"{name}.token")
    return path, by_first_process(note, lambda: make(path))
