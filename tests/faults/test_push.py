"""`manage.py push` killed, and its database stopped, while clients have streams open."""

import os
import re
import signal
import socket

import psutil

from tests.faults.conftest import Service, Start
from tests.faults.databases import Database
from tests.faults.load import until
from tests.faults.postgres import PostgreSQL
from tests.support.copies import free_port
from tests.support.servers import Server, manage

USERS, EACH = 10, 20
#: Of the user whose change was the first of the last round.
LOSE = f"""DELETE FROM tasks_event WHERE sequence =
    (SELECT min(sequence) FROM (SELECT sequence FROM tasks_event ORDER BY 1 DESC LIMIT {USERS}) one)
    RETURNING 1"""
SEED = f"""
from taskproject.accounts.models import ApiToken, User
for number in range({USERS}):
    user = User.objects.create_user(f"user{{number}}")
    print(ApiToken(user=user, name="test", scopes="read write").issue(), end=" ")
"""
HINT = re.compile(rb"data: .*\nid: (\S+)\n\n")


class Listener:
    """A client as browsers are: it comes back with the id of the last hint."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self.token, self.known = port, token, ""

    def connect(self) -> None:
        lines = [
            "GET /api/changes/stream HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {self.token}",
            *([f"Last-Event-ID: {self.known}"] if self.known else []),
        ]
        self._socket = socket.create_connection(("127.0.0.1", self._port), 15)
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._received = b""

    def next_hint(self) -> str:
        while not (found := HINT.search(self._received)):
            received = self._socket.recv(65_536)
            assert received, self._received
            self._received += received
        self._received = self._received[found.end() :]
        self.known = found[1].decode()
        return self.known

    def read_to_the_end(self) -> None:
        while self._socket.recv(65_536):
            pass
        self._socket.close()


def push_of(service: Service) -> int:
    [found] = [
        child.pid
        for child in psutil.Process(service.process.pid).children()
        if "push" in child.cmdline()
    ]
    return found


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def changed(server: Server, tokens: list[str]) -> dict[str, str]:
    """The cursors of now, after a change of each user."""
    cursors = {}
    for token in tokens:
        credential = {"Authorization": f"Bearer {token}"}
        body = {"title": "Buy milk"}
        assert server.send("POST", "/api/tasks", body, credential).status == 201
        answer = server.send("GET", "/api/changes?after=latest", None, credential)
        cursors[token] = answer.json()["next_cursor"]
    return cursors


def test_clients_learn_what_they_missed(
    start: Start, on_postgresql: Database, postgresql: PostgreSQL
) -> None:
    port = free_port()
    service = start(on_postgresql, PUSH_PORT=str(port), WORKERS="1", SERVE_WORK="off")
    server = Server(
        "127.0.0.1", service.port, on_postgresql.url, service.process, service.log
    )
    tokens = manage(on_postgresql.url, "shell", "-v", "0", "-c", SEED).split()
    listeners = [Listener(port, token) for token in tokens for _ in range(EACH)]
    until(lambda: listens(port), within=60)
    for each in listeners:
        each.connect()
    for each in listeners:
        each.next_hint()

    # Killed. While it is away, every user's feed grows; then all come back at once.
    os.kill(push_of(service), signal.SIGKILL)
    for each in listeners:
        each.read_to_the_end()
    cursors = changed(server, tokens)
    until(lambda: listens(port), within=60)
    for each in listeners:
        each.connect()
    assert all(each.next_hint() == cursors[each.token] for each in listeners)

    # The database stops and comes back: streams stay open.
    postgresql.stop()
    until(lambda: "cannot be asked for changes" in service.output)
    postgresql.start()
    before = cursors
    cursors = changed(server, tokens)
    assert all(each.next_hint() == cursors[each.token] for each in listeners)

    # It comes back as it was before one user's last change, and after those of others.
    postgresql.execute(LOSE, on_postgresql.name)
    postgresql.terminate(on_postgresql.name)
    assert {each.next_hint() for each in listeners[:EACH]} == {before[tokens[0]]}
