"""New databases of both kinds, and what they hold: read without the service."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg


@dataclass(frozen=True)
class Database:
    """A migrated database in which alice has a token."""

    url: str
    token: str

    @property
    def kind(self) -> str:
        return "sqlite" if self.url.startswith("sqlite") else "postgresql"

    @property
    def name(self) -> str:
        return urlsplit(self.url).path.removeprefix("/")

    @property
    def file(self) -> Path:
        """Where SQLite keeps it."""
        return Path("/" + self.name.lstrip("/"))

    @contextmanager
    def session(self) -> Iterator[Any]:
        """A connection of its own, in autocommit: BEGIN begins a transaction."""
        if self.kind == "sqlite":
            with closing(
                sqlite3.connect(self.file, timeout=30, isolation_level=None)
            ) as session:
                yield session
        else:
            with psycopg.connect(self.url, autocommit=True) as session:
                yield session

    @contextmanager
    def locked(self, *task_ids: int) -> Iterator[Any]:
        """Holds the tasks' rows, or on SQLite the only writer's place."""
        with self.session() as session:
            if self.kind == "sqlite":
                session.execute("BEGIN IMMEDIATE")
            else:
                session.execute("BEGIN")
                session.execute(
                    "SELECT 1 FROM tasks_task WHERE id = ANY(%s) FOR UPDATE",
                    [list(task_ids)],
                )
            try:
                yield session
            finally:
                session.execute("ROLLBACK")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.session() as session:
            return list(session.execute(query).fetchall())

    def tasks(self) -> dict[int, tuple[str, str, bool, int]]:
        """By id: title, description, completed, version."""
        rows = self.rows(
            "SELECT id, title, description, completed, version FROM tasks_task"
        )
        return {
            key: (title, description, bool(completed), version)
            for key, title, description, completed, version in rows
        }

    def events(self) -> list[tuple[int, int, str]]:
        """In their order: task, version, verb."""
        return self.rows(
            "SELECT task_id, version, verb FROM tasks_event ORDER BY sequence"
        )

    def stored_keys(self) -> list[str]:
        rows = self.rows("SELECT owner_id, key FROM taskproject_storedanswer")
        return [f"{owner} {key}" for owner, key in rows]

    def check_integrity(self) -> None:
        if self.kind == "sqlite":
            assert self.rows("PRAGMA integrity_check") == [("ok",)]
