"""Tasks with granian and psycopg alone: one function that sends a prepared statement, whose
result is the JSON of the response.

No framework, users, checks of the input or errors: it bounds what a WSGI application in
Python can answer from this table.
"""

import json
import os
from collections.abc import Iterable
from threading import local
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

OWNER = os.environ["OWNER"].encode()
TASK = (
    "json_build_object('id', id, 'title', title, 'description', description, 'completed', "
    "completed, 'completed_at', completed_at, 'created_at', created_at, 'updated_at', "
    "updated_at, 'version', version)"
)
PAGE = (
    f"SELECT json_build_object('items', json_agg({TASK})) FROM (SELECT * FROM "
    "task WHERE owner = $1 {} ORDER BY id DESC LIMIT 50) AS task"
)
CHANGE = "UPDATE task SET {}, updated_at = now(), version = version + 1 WHERE id = $1 "
TOGGLE = "completed = NOT completed, completed_at = CASE WHEN completed THEN NULL ELSE now() END"
STATEMENTS = {
    "get": f"SELECT {TASK} FROM task WHERE id = $1",
    "list": PAGE.format(""),
    "open": PAGE.format("AND NOT completed"),
    "create": "INSERT INTO task (title, description, owner) VALUES ($1, $2, $3) "
    f"RETURNING {TASK}",
    "patch": f"{CHANGE.format('title = $2')} RETURNING {TASK}",
    "toggle": f"{CHANGE.format(TOGGLE)} RETURNING {TASK}",
}


class Session(local):
    """The connection of a thread, with all statements prepared."""

    def __init__(self) -> None:
        connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        self.connection = connection.pgconn
        for name, statement in STATEMENTS.items():
            self.connection.prepare(name.encode(), statement.encode())

    def fetch(self, name: str, *parameters: bytes) -> bytes:
        value = self.connection.exec_prepared(name.encode(), parameters).get_value(0, 0)
        assert value is not None
        return value


session = Session()


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    status, content = answer(environ)
    length = str(len(content))
    start_response(
        status, [("Content-Type", "application/json"), ("Content-Length", length)]
    )
    return [content]


def answer(environ: "WSGIEnvironment") -> tuple[str, bytes]:
    """The status and the JSON of the response."""
    fetch, method = session.fetch, environ["REQUEST_METHOD"]
    _, _, collection, *key = environ["PATH_INFO"].encode().split(b"/")
    assert collection == b"tasks"
    if not key and method == "GET":
        return "200 OK", fetch("open" if environ["QUERY_STRING"] else "list", OWNER)
    if key[1:]:
        return "200 OK", fetch("toggle", key[0])
    if method == "GET":
        return "200 OK", fetch("get", key[0])
    task = json.loads(environ["wsgi.input"].read())
    title = task["title"].encode()
    if key:
        return "200 OK", fetch("patch", key[0], title)
    description = task["description"].encode()
    return "201 Created", fetch("create", title, description, OWNER)
