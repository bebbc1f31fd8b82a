"""`GET /api/changes/stream`, and the process that keeps its responses open."""

import asyncio
import gc
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import Thread
from typing import Any
from urllib.parse import quote

import psutil
import pytest
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from taskproject import problems
from taskproject.accounts.models import User
from taskproject.ports import Port
from tasks import push
from tasks.hints import hint
from tasks.push import read_request
from tests.conftest import ApiClient, make_task
from tests.support.copies import copy_of, free_port
from tests.support.servers import ROOT, STARTS_WITHIN, Server, live_server

#: Seconds: within which a hint arrives, and for which none does.
HINT_WITHIN, SILENCE = 0.5, 0.6
RECHECK = 0.5
#: Signals that set the clock of the process by a day.
FORWARD, BACK = signal.SIGUSR1, signal.SIGUSR2
ALLOWED = "access-control-allow-origin: http://localhost:3000"
#: More than in production, so that a test has many.
STREAMS_PER_USER = 200
#: A whole one, as a pattern.
HINT = r"data: .*\nid: .*\n\n"
GET = "GET /api/changes/stream HTTP/1.1\r\nHost: localhost\r\n"
PREFLIGHT = (
    "Access-Control-Request-Method: GET\r\n"
    "Access-Control-Request-Headers: authorization,last-event-id\r\n\r\n"
)
PROCESS = """
import django
django.setup()
from taskproject.accounts.models import ApiToken, User
from django.test import Client
for name in ("alice", "bob", "frank"):
    user = User.objects.create_user(name)
    print(ApiToken(user=user, name="test", scopes="read write").issue(), flush=True)
client = Client()
client.force_login(user)
print(client.session.session_key, flush=True)
import signal, time
from datetime import timedelta
from django.utils import timezone
from taskproject import timezones
from taskproject.ports import Port
from tasks import push
push.RECHECK, push.HEARTBEAT, push.STREAMS_PER_USER = {recheck}, 1.0, {streams}
seconds, now, ahead = time.time, timezone.now, timedelta()
def jump(number, _):
    global ahead
    ahead += timedelta(days=1 if number == signal.SIGUSR1 else -1)
for number in (signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, jump)
time.time = lambda: seconds() + ahead.total_seconds()
timezone.now = timezones.now = lambda: now() + ahead
push.run(Port("127.0.0.1", {port}))
"""


@dataclass
class Service:
    """`manage.py push`, whose interval between two checks is shorter, and `manage.py serve`."""

    server: Server
    process: "subprocess.Popen[str]"
    port: int
    alice: str
    bob: str
    frank: str
    franks_session: str

    @contextmanager
    def stream(self, token: str | None = "", *headers: str) -> Iterator["Stream"]:
        """A stream of alice's."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as client:
            lines = [
                "GET /api/changes/stream HTTP/1.1",
                "Host: localhost",
                *(
                    [f"Authorization: Bearer {token or self.alice}"]
                    if token is not None
                    else []
                ),
                *headers,
            ]
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            yield Stream(client)

    def send(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """The body of alice's response."""
        headers = {"Authorization": f"Bearer {token or self.alice}"}
        answer = self.server.send(method, path, body, headers)
        assert answer.status < 300
        return answer.json() if answer.body else None

    def change(self) -> None:
        self.send("POST", "/api/tasks", {"title": "Buy milk"})

    @property
    def cursor(self) -> str:
        return str(self.send("GET", "/api/changes?after=latest")["next_cursor"])


class Stream:
    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self.text = ""

    def read_until(self, pattern: str, seconds: float = 10) -> str:
        """All that was sent until something matched."""
        give_up = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            self._client.settimeout(max(0.001, give_up - time.monotonic()))
            received = self._client.recv(65_536)
            assert received, self.text
            self.text += received.decode()
        return self.text

    def read_to_the_end(self) -> str:
        self._client.settimeout(10)
        while received := self._client.recv(65_536):
            self.text += received.decode()
        return self.text

    def forget(self) -> None:
        self.text = ""

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing but heartbeats comes."""
        give_up = time.monotonic() + seconds
        while (left := give_up - time.monotonic()) > 0:
            self._client.settimeout(left)
            try:
                if self._client.recv(65_536).strip(b":\n"):
                    return False
            except TimeoutError:
                break
        return True


@pytest.fixture(scope="module")
def service(migrated: str) -> Iterator[Service]:
    port = free_port()
    code = PROCESS.format(recheck=RECHECK, port=port, streams=STREAMS_PER_USER)
    with ExitStack() as stack:
        url = stack.enter_context(copy_of(migrated))
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env=os.environ
                | {
                    "DATABASE_URL": url,
                    "DJANGO_SETTINGS_MODULE": "taskproject.settings",
                },
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(process.terminate)
        assert process.stdout
        secrets = [process.stdout.readline().strip() for _ in range(4)]
        server = stack.enter_context(live_server(url, WORKERS="1"))
        wait_for(port)
        yield Service(server, process, port, *secrets)


def wait_for(port: int) -> None:
    """Waits until something listens on the port."""
    give_up = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < give_up
            time.sleep(0.02)
        else:
            return


def test_a_response_has_the_cursor_of_now_in_one_statement(
    api: ApiClient, alice: User, queries: CaptureQueriesContext
) -> None:
    make_task(alice)
    api.send("GET", "/api/changes/stream")
    before = len(queries)

    answer = api.send("GET", "/api/changes/stream")

    assert len(queries) - before == 1
    cursor = api.send("GET", "/api/changes").json()["next_cursor"]
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert f'data: {{"cursor":"{cursor}"}}\nid: {cursor}\n\n' in answer.content.decode()


def test_a_client_that_knows_the_cursor_of_now_gets_no_hint(
    api: ApiClient, alice: User
) -> None:
    make_task(alice)
    cursor = api.send("GET", "/api/changes").json()["next_cursor"]
    path = "/api/changes/stream"

    assert b"data" not in api.get(path, headers={"Last-Event-ID": cursor}).content
    for other in ("", "WyJhZnRlciIsMF0", "nonsense", "\u00e9"):
        answer = api.get(path, headers={"Last-Event-ID": other})
        assert (answer.status_code, b"data" in answer.content) == (200, True)
    # event-source-polyfill sends it as a parameter.
    assert b"data" not in api.get(f"{path}?lastEventId={cursor}").content
    assert b"data" in api.get(f"{path}?lastEventId=nonsense").content


def test_a_hint_comes_within_half_a_second_of_each_change(service: Service) -> None:
    with service.stream() as stream:
        stream.read_until(HINT)
        for _ in range(3):
            stream.forget()
            service.change()
            changed = time.monotonic()
            stream.read_until("data: ")
            assert time.monotonic() - changed < HINT_WITHIN
            assert service.cursor in stream.read_until(HINT)


def test_nobody_is_told_of_changes_of_others(service: Service) -> None:
    with service.stream(service.bob) as stream:
        stream.read_until(HINT)
        service.change()
        assert stream.is_silent(SILENCE)


def test_a_client_that_comes_back_is_told_what_it_missed(service: Service) -> None:
    known = service.cursor
    with service.stream("", f"Last-Event-ID: {known}") as stream:
        assert "data" not in stream.read_until("retry: ")
        assert stream.is_silent(SILENCE)
    service.change()
    with service.stream("", f"Last-Event-ID: {known}") as stream:
        assert service.cursor in stream.read_until(HINT)


def test_many_changes_are_few_hints(service: Service) -> None:
    with service.stream() as stream:
        stream.read_until(HINT)
        stream.forget()
        began = time.monotonic()
        for _ in range(20):
            service.change()
        took = time.monotonic() - began
        stream.read_until(f'"cursor":"{service.cursor}"')
        assert stream.text.count("data: ") <= took / 0.2 + 3


def test_a_stream_ends_with_its_token(service: Service) -> None:
    made = service.send("POST", "/api/tokens", {"name": "Page", "scopes": ["read"]})
    with service.stream(made["secret"]) as stream:
        stream.read_until(HINT)
        service.send("DELETE", f"/api/tokens/{made['id']}")
        stream.read_to_the_end()
    with service.stream(made["secret"]) as stream:
        assert stream.read_to_the_end().startswith("HTTP/1.1 401 ")


def test_a_clock_that_jumps_loses_and_repeats_no_hint(service: Service) -> None:
    """Tokens expire by it, and nothing else that streams wait for."""
    soon = (timezone.now() + timedelta(hours=1)).isoformat()
    body = {"name": "Page", "scopes": ["read"], "expires_at": soon}
    token = service.send("POST", "/api/tokens", body)["secret"]
    process = psutil.Process(service.process.pid)
    with service.stream() as stream, service.stream(token) as expiring:
        for each in (stream, expiring):
            each.read_until(HINT)
        spent, began = process.cpu_times().user, time.monotonic()
        service.process.send_signal(FORWARD)
        expiring.read_to_the_end()
        for jump in (BACK, BACK, FORWARD):
            service.process.send_signal(jump)
            stream.forget()
            service.change()
            cursor = service.cursor
            assert cursor in stream.read_until(HINT, 1)
        assert stream.is_silent(SILENCE)
        spent = process.cpu_times().user - spent
        assert spent < (time.monotonic() - began) / 2
    with service.stream(token) as stream:
        assert cursor in stream.read_until(HINT)


def test_streams_end_with_a_session_and_with_an_account(service: Service) -> None:
    session = f"X-Session-Token: {service.franks_session}"
    with (
        service.stream(None, session) as signed_in,
        service.stream(service.frank) as other,
    ):
        for stream in (signed_in, other):
            stream.read_until(HINT)
        header = {"X-Session-Token": service.franks_session}
        path = "/api/auth/app/v1/auth/session"
        assert (
            service.server.send("DELETE", path, None, header).status == 401
        )  # signed out
        signed_in.read_to_the_end()
        service.send("DELETE", "/api/me?confirm=frank", None, service.frank)
        other.read_to_the_end()


@pytest.mark.either_database
def test_pages_of_allowed_origins_may_read_it_and_its_errors(service: Service) -> None:
    with service.stream("", "Origin: http://localhost:3000") as stream:
        text = stream.read_until("\r\n\r\n")
    assert ALLOWED in text.lower()
    with service.stream("tk_wrong", "Origin: http://localhost:3000") as stream:
        text = stream.read_to_the_end()
    assert text.startswith("HTTP/1.1 401 ")
    assert ALLOWED in text.lower()
    assert "Content-Type: application/problem+json" in text


@pytest.mark.either_database
def test_a_user_has_a_limited_number_of_streams(service: Service) -> None:
    with ExitStack() as stack:
        for _ in range(STREAMS_PER_USER):
            stream = stack.enter_context(service.stream(service.bob))
            stream.read_until(HINT)
        with service.stream(service.bob) as refused:
            text = refused.read_to_the_end()
    assert text.startswith("HTTP/1.1 429 ")
    assert '"code":"too_many_requests"' in text
    assert "Retry-After" in text


@pytest.mark.either_database
def test_other_paths_and_malformed_requests_are_refused(service: Service) -> None:
    for request, status in (
        (b"GET /api/tasks HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"POST /api/changes/stream HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405"),
        (b"GET /api/changes/stream HTTP/1.1\r\nHost: evil\r\n\r\n", b"400"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 1_000_000, b"400"),
        (b"GET / HTTP/1.1\r\nA: b\nHost: evil\r\n\r\n", b"400"),
        (f"{GET}Content-Type: a; b*=none''%20\r\n\r\n".encode(), b"401"),
    ):
        with socket.create_connection(("127.0.0.1", service.port), 10) as client:
            client.sendall(request)
            text = Stream(client).read_to_the_end()
            assert text[9:12] == status.decode(), request[:40]
            assert "application/problem+json" in text, request[:40]


@pytest.mark.either_database
def test_other_forms_of_the_request_are_answered(service: Service) -> None:
    for request, expected in (
        (f"{GET}{{}}".replace("GET", "HEAD", 1), "text/event-stream"),
        (
            f"{GET.replace('GET', 'OPTIONS')}Origin: http://localhost:3000\r\n{PREFLIGHT}",
            ALLOWED,
        ),
    ):
        credential = f"Authorization: Bearer {service.alice}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", service.port), 10) as client:
            client.sendall(request.format(credential).encode())
            text = Stream(client).read_to_the_end()
        assert text.startswith("HTTP/1.1 200 OK")
        assert expected in text.lower()
        assert text.endswith("\r\n\r\n")


@pytest.mark.either_database
def test_a_request_is_read_as_other_servers_read_it() -> None:
    head = (
        f"GET /api/{quote('ä')}?a=b%20c HTTP/1.1\r\nHost: a\r\nX_Forwarded_Proto: https\r\n"
        "Cookie: a=1\r\nCookie: b=2\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8"
    )
    environ = read_request(head.encode(), "127.0.0.1")

    assert environ["PATH_INFO"].encode("latin-1").decode() == "/api/ä"
    assert environ["QUERY_STRING"] == "a=b%20c"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_X_FORWARDED_FOR"] == "1.2.3.4,5.6.7.8"
    assert "HTTP_X_FORWARDED_PROTO" not in environ
    for malformed in (
        "GET",
        "GET / HTTP/2",
        "GET a HTTP/1.1",
        "GET / HTTP/1.1x",
        "G(T / HTTP/1.1",
        "GET / HTTP/1.1\r\n A: b",
        "GET / HTTP/1.1\r\nA : b",
        "GET / HTTP/1.1\r\nA: b\0",
    ):
        with pytest.raises(problems.BadRequest):
            read_request(malformed.encode(), "")


def test_a_process_that_waits_grows_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "CHECK_INTERVAL", 0.01)
    tasks: list[int] = []
    port = free_port()

    def stop() -> None:
        wait_for(port)
        time.sleep(0.5)  # 50 intervals
        tasks.append(sum(type(one) is asyncio.Task for one in gc.get_objects()))
        os.kill(os.getpid(), signal.SIGTERM)

    handlers = [(number, signal.getsignal(number)) for number in push.STOPS]
    Thread(target=stop).start()
    with override_settings(THREADS=1):  # which the process changes
        push.run(Port("127.0.0.1", port))
    for number, handler in handlers:
        signal.signal(number, handler)
    assert tasks[0] < 10


@pytest.mark.either_database
def test_a_hint_is_a_server_sent_event_that_ends_with_its_id() -> None:
    assert hint(1201) == (
        b'data: {"cursor":"WyJhZnRlciIsMTIwMV0"}\nid: WyJhZnRlciIsMTIwMV0\n\n'
    )


@pytest.mark.either_database
def test_a_client_that_does_not_read_is_disconnected() -> None:
    async def tell_one() -> tuple[bool, int]:
        server = push.Server()
        listening = await server.loop.create_server(
            partial(push.Stream, server), "127.0.0.1", 0
        )
        [listener] = listening.sockets
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, push.UNREAD_BYTES)
        with socket.create_connection(listener.getsockname()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            while not server.connections:
                await asyncio.sleep(0)
            [stream] = server.connections
            for sequence in range(1, 100_000):
                stream.tell(sequence)
                if stream.is_closed:
                    break
            listening.close()
            return stream.is_closed, server.counts["unread"]

    assert asyncio.run(tell_one()) == (True, 1)
