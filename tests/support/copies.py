"""Databases beside the one that the tests use, of the kind that the suite runs on."""

import fcntl
import os
import random
import secrets
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import LiteralString
from unittest.mock import patch
from urllib.parse import urlsplit

import psycopg
from django.db import connection
from django.test.utils import override_settings
from psycopg import sql

from taskproject import databases

SQLITE = "sqlite:///"


def made_once(fill: Callable[[], object]) -> str:
    """The URL of a new database, which `fill` has filled through the connection. The first
    process of a run makes it, and the others wait; all of them only copy it."""
    url = template_url()

    def make() -> str:
        if not url.startswith(SQLITE):
            with psycopg.connect(server_url(), autocommit=True) as admin:
                admin.execute(_command("CREATE DATABASE {}", name_of(url)))
        with connected_to(url):
            fill()
        end_sessions(name_of(url))
        return "done"

    by_first_process(Path(os.environ["TEST_TEMPLATE"]), make)
    return url


def by_first_process(note: Path, make: Callable[[], str]) -> str:
    """What `make` returns to the first process of a run, which notes it in the file; others
    wait, and read it there."""
    with note.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        made = file.read()
        if not made:
            made = make()
            file.write(made)
    return made


def template_url() -> str:
    """The URL of the database that is made once."""
    directory = Path(os.environ["TEST_TEMPLATE"]).parent
    sqlite = os.environ["DATABASE_URL"].startswith(SQLITE)
    return url_of(f"{directory}/template.sqlite3" if sqlite else directory.name)


def drop_template() -> None:
    """From a server that others use too."""
    with psycopg.connect(server_url(), autocommit=True) as admin:
        drop = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
        admin.execute(_command(drop, name_of(template_url())))


def _command(text: LiteralString, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))


@contextmanager
def copy_of(url: str) -> Iterator[str]:
    """The URL of a copy of a database that nothing is connected to; dropped afterwards."""
    with empty_database(template=url) as copy:
        yield copy


@contextmanager
def empty_database(template: str = "") -> Iterator[str]:
    """The URL of a new database without tables, or with those of the template."""
    suite = os.environ["DATABASE_URL"]
    if suite.startswith(SQLITE):
        with tempfile.TemporaryDirectory(prefix="tasks-database-") as directory:
            path = f"{directory}/live.sqlite3"
            if template:
                _copy(name_of(template), path)
            else:
                Path(path).touch()
            yield SQLITE + path
        return
    name = f"live_{secrets.token_hex(8)}"
    with psycopg.connect(server_url(), autocommit=True) as admin:
        if template:
            end_sessions(name_of(template))
        source = name_of(template) if template else "template1"
        admin.execute(_command("CREATE DATABASE {} TEMPLATE {}", name, source))
        try:
            yield url_of(name)
        finally:
            admin.execute(_command("DROP DATABASE {} WITH (FORCE)", name))


def server_url() -> str:
    """The URL of PostgreSQL itself, where the suite goes through a pooler."""
    suite = os.environ["DATABASE_URL"]
    if suite.startswith(SQLITE):
        return suite
    return os.environ.get("TEST_DATABASE_URL") or suite


def end_sessions(name: str) -> None:
    """Ends those that a pooler keeps: a database with sessions is neither copied nor dropped."""
    if server_url() != os.environ["DATABASE_URL"]:
        with psycopg.connect(server_url(), autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )


def _copy(source: str, target: str) -> None:
    """Copies a file of SQLite with what is only in its -wal yet: another thread may still
    have a connection, so that the last one to be closed wrote nothing back."""
    with (
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)


def absent_database() -> str:
    """The URL of a database of the kind under test that cannot be reached."""
    if os.environ["DATABASE_URL"].startswith(SQLITE):
        return f"{SQLITE}/nonexistent/directory/tasks.sqlite3"
    return f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"


@contextmanager
def connected_to(url: str) -> Iterator[None]:
    """The connection of this thread to another database; behind a pooler, commands that need
    the direct URL have that of this database."""
    usual = dict(connection.settings_dict)
    connection.close()
    connection.settings_dict["NAME"] = name_of(url)
    try:
        with _direct_way(url):
            yield
    finally:
        connection.close()
        connection.settings_dict.update(usual)


@contextmanager
def _direct_way(url: str) -> Iterator[None]:
    if server_url() == os.environ["DATABASE_URL"]:
        yield
        return
    direct = urlsplit(server_url())._replace(path=f"/{name_of(url)}").geturl()
    with patch.dict(os.environ, DATABASE_DIRECT_URL=direct):
        way = databases.same_database("DATABASE_DIRECT_URL", connection.settings_dict)
        with override_settings(DATABASE_DIRECT=way):
            yield


def name_of(url: str) -> str:
    """As Django's settings have it: a path, or the name of a database of the server."""
    if url.startswith(SQLITE):
        return url.removeprefix(SQLITE)
    return urlsplit(url).path[1:]


def url_of(name: str) -> str:
    """As DATABASE_URL has it."""
    suite = os.environ["DATABASE_URL"]
    if suite.startswith(SQLITE):
        return SQLITE + name
    return urlsplit(suite)._replace(path=f"/{name}").geturl()


def free_port() -> int:
    """A free port below those that outgoing connections take, so that nobody has taken it when
    a server wants it."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
