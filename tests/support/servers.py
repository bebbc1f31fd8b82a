"""Live servers for tests: `manage.py serve` on a free loopback port.

    with copy_of(migrated) as database_url, live_server(database_url) as server:
        server.send("GET", "/livez").status

Real processes, real sockets, a real database of the kind under test.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any

from tests.support.copies import free_port

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN = ANSWERS_WITHIN = 30.0  # seconds
STOPS_WITHIN = 45.0  # longer than the server waits for its workers


@dataclass(frozen=True)
class Answer:
    """What came back: the body as it was on the wire."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A running `manage.py serve`."""

    host: str
    port: int
    database_url: str
    process: subprocess.Popen[bytes]
    log: Path = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def token(self) -> str:
        """A token of the user alice, who is made with it; the same for each server of a
        database."""
        return _token(self.database_url)

    @property
    def output(self) -> str:
        """All that it has written to standard output and standard error."""
        return self.log.read_text()

    def connect(self) -> HTTPConnection:
        """A connection that is kept alive until it is closed."""
        return HTTPConnection(self.host, self.port, timeout=ANSWERS_WITHIN)

    def socket(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), ANSWERS_WITHIN)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request on a new connection, with alice's token unless `headers` has another
        credential; the body is sent as JSON."""
        given = dict(headers or {})
        if "Authorization" not in given:
            given["Authorization"] = f"Bearer {self.token}"
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            given.setdefault("Content-Type", "application/json")
        with closing(self.connect()) as connection:
            connection.request(method, path, content, given)
            return read_answer(connection.getresponse())

    def send_raw(
        self, request: bytes, method: str = "GET", *, last: bool = False
    ) -> Answer:
        """The answer to exactly these bytes; `method` says whether it has a body. Those
        that are the `last` are followed by the end."""
        with self.socket() as client:
            client.sendall(request)
            if last:
                client.shutdown(socket.SHUT_WR)
            response = HTTPResponse(client, method=method)
            response.begin()
            return read_answer(response)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def press_ctrl_c(self) -> None:
        """As a terminal does it: SIGINT to every process of the group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def exit_code(self) -> int:
        """Waits until it has stopped."""
        return self.process.wait(STOPS_WITHIN)


def read_answer(response: HTTPResponse) -> Answer:
    return Answer(response.status, response.headers, response.read())


@cache
def _token(database_url: str) -> str:
    return create_token(database_url, "alice")


def create_token(database_url: str, username: str) -> str:
    """A token of the user, who is made with it. Its server has made the checks."""
    command = ("create_token", username, "--create-user", "--skip-checks")
    return manage(database_url, *command)


@contextmanager
def live_server(
    database_url: str, *args: str, project: str | Path = ROOT, **env: str
) -> Iterator[Server]:
    """`manage.py serve` on `database_url`, in the suite's environment and `env`; `project` is
    the directory of its `manage.py`."""
    with starting_server(database_url, *args, project=project, **env) as server:
        _wait_until(server, _is_live)
        yield server


@contextmanager
def starting_server(
    database_url: str, *args: str, project: str | Path = ROOT, **env: str
) -> Iterator[Server]:
    """The same as soon as it takes connections, before it answers any."""
    with tempfile.TemporaryDirectory(prefix="tasks-server-") as directory:
        log = Path(directory) / "output"
        port = int(env.get("PORT", 0)) or free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(port), *args],
                cwd=project,
                env=_environment(database_url, {"WORKERS": "2", "THREADS": "2"} | env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A process group of its own, so that Ctrl-C does not reach the tests.
                start_new_session=True,
            )
        server = Server("127.0.0.1", port, database_url, process, log)
        try:
            _wait_until(server, _listens)
            yield server
        finally:
            _end(process)


def manage(
    database_url: str, *args: str, project: str | Path = ROOT, **env: str
) -> str:
    """Runs a command of manage.py; returns the last line of its standard output."""
    done = subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=project,
        env=_environment(database_url, env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {args[0]} failed:\n{done.stdout}{done.stderr}")
    return (done.stdout.strip().splitlines() or [""])[-1]


def _environment(database_url: str, env: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "DATABASE_URL": database_url, **env}


def _wait_until(server: Server, ready: Callable[[Server], bool]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while server.process.poll() is None and time.monotonic() < deadline:
        try:
            if ready(server):
                return
        except OSError:
            pass  # not yet
        time.sleep(0.02)
    raise RuntimeError(f"The server did not start:\n{server.output}")


def _listens(server: Server) -> bool:
    server.socket().close()
    return True


def _is_live(server: Server) -> bool:
    answer = server.send_raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return answer.status == 200


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stops the server if it still runs, by force where it does not listen."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            workers = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            left = workers.read_text().split() if workers.exists() else []
            process.kill()
            process.wait(STOPS_WITHIN)
            for worker in left:
                os.kill(int(worker), signal.SIGKILL)
