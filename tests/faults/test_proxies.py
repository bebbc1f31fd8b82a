"""The configurations in deploy/: slow clients in front of nginx, HAProxy and Caddy."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.faults.conftest import Share
from tests.faults.load import AT_MOST, Client, Record, until
from tests.faults.test_push import listens
from tests.faults.test_workers import live
from tests.support.copies import free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CLIENTS = 20  # for each thread ten
LARGEST_BODY = 256 * 1024
#: Seconds after which the service has refused a half-sent body that it was given.
PASSED_ON = 2.0
NGINX = """
daemon off;
pid {place}/pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
{server}
}}
"""
HEAD = (
    b"POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
FILE = b"GET /static/ninja/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
#: A command, its configuration, and what is replaced in it: no TLS, and these ports.
Setup = tuple[list[str], str, list[tuple[str, str]]]
PROXIES: dict[str, Setup] = {
    "nginx": (
        ["nginx", "-e", "stderr", "-p", "{place}", "-c", "{file}"],
        "nginx.conf",
        [
            (r".*ssl.*\n", ""),
            (r"listen 80;", "listen 127.0.0.1:{port};"),
            (r"server 127\.0\.0\.1:8000( .*);", "{servers}"),
            (r"127\.0\.0\.1:8001", "127.0.0.1:{push}"),
        ],
    ),
    "haproxy": (
        ["haproxy", "-db", "-f", "{file}"],
        "haproxy.cfg",
        [
            (r".*bind :443.*\n", ""),
            (r"bind :80", "bind 127.0.0.1:{port}"),
            (r"127\.0\.0\.1:8000", "127.0.0.1:{behind}"),
            (r"127\.0\.0\.1:8001", "127.0.0.1:{push}"),
        ],
    ),
    "caddy": (
        ["caddy", "run", "--config", "{file}", "--adapter", "caddyfile"],
        "Caddyfile",
        [
            (r"\{\$UPSTREAM:127\.0\.0\.1:8000\}", "127.0.0.1:{behind}"),
            (r"\{\$PUSH_UPSTREAM:127\.0\.0\.1:8001\}", "127.0.0.1:{push}"),
            (
                r"^\{\$DOMAIN:tasks\.example\.com\}",
                "{{\n\tadmin off\n}}\n\nhttp://:{port}",
            ),
        ],
    ),
}

proxies = pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                shutil.which(name) is None, reason="not installed"
            ),
        )
        for name in PROXIES
    ],
)


@proxies
def test_slow_bodies_and_readers_hold_no_thread(
    name: str, share: Share, record: Record
) -> None:
    service = share("sqlite", WORKERS="1", THREADS="2", LOG_LEVEL="INFO")
    half = HEAD % (service.database.token.encode(), LARGEST_BODY) + b" " * (
        LARGEST_BODY - 1
    )

    with running(name, service.port) as port, ExitStack() as slow:
        for request in [half] * CLIENTS + [FILE] * CLIENTS:
            client = slow.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.sendall(request)
            if request is FILE:
                assert client.recv(8) == b"HTTP/1.1"
        for way in (port, service.port):
            with Client(way, service.database.token, record) as caller:
                answer = caller.send("GET", "/livez")
                assert (answer.status, answer.seconds <= AT_MOST) == (200, True)
                caller.create(f"Through {way}")
        time.sleep(PASSED_ON)

    # The service was given the two that were created, and none of the half-sent.
    assert service.output.count('"method":"POST"') == 2
    assert "a body came too slowly" not in service.output
    record.check(service.database)


@proxies
def test_the_scheme_and_the_host_arrive_and_cannot_be_forged(
    name: str, share: Share, record: Record
) -> None:
    service = share("sqlite", WORKERS="1", HTTPS="on", TRUST_X_FORWARDED_PROTO="on")
    headers = {
        "Host": "localhost",
        "Authorization": f"Bearer {service.database.token}",
        "X_Forwarded_Proto": "https",
        "X-Forwarded_Proto": "https",
    }

    with running(name, service.port) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/api/tasks", headers=headers)
        response = connection.getresponse()
        content = response.read()

    assert (response.status, b"https_required" in content) == (403, True)


@pytest.fixture(scope="module")
def push() -> int:
    """The port of `manage.py push`."""
    return free_port()


@proxies
def test_hints_arrive_at_once_and_without_push_one_by_one(
    name: str, share: Share, record: Record, push: int
) -> None:
    service = share("sqlite", WORKERS="1", PUSH_PORT=str(push), LOG_LEVEL="INFO")
    until(lambda: listens(push), within=60)
    headers = {"Host": "localhost", "Authorization": f"Bearer {service.database.token}"}

    for to in (push, 1):
        with running(name, service.port, push=to) as port:
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/api/changes/stream", headers=headers)
            response = connection.getresponse()
            lines = [response.readline() for _ in range(5)]
            assert b"data: " in lines[2]
            if to == push:
                with Client(service.port, service.database.token, record) as caller:
                    caller.create("Push")
                assert [response.readline()[:4] for _ in range(2)] == [b"data", b"id: "]
            else:
                assert response.read() == b""
            connection.close()


@contextmanager
def running(name: str, *behind: int, push: int = 1) -> Iterator[int]:
    """The port of this proxy in front of the service, or nginx of several instances; and of
    `manage.py push` on this port, on which nothing listens by default."""
    command, configuration, replaced = PROXIES[name]
    with tempfile.TemporaryDirectory(prefix="tasks-proxy-") as place:
        port, file = free_port(), Path(place) / configuration
        servers = "\n".join(rf"server 127.0.0.1:{each}\1;" for each in behind)
        filled: Callable[[str], str] = lambda text: text.format(
            place=place,
            file=file,
            port=port,
            behind=behind[0],
            servers=servers,
            push=push,
        )
        text = (DEPLOY / configuration).read_text()
        for pattern, other in replaced:
            text, count = re.subn(pattern, filled(other), text, flags=re.MULTILINE)
            assert count, pattern
        if name == "nginx":
            text = NGINX.format(place=place, server=text)
        file.write_text(text)
        process = subprocess.Popen(
            [filled(word) for word in command],
            env=os.environ | {"HOME": place},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: live(port))
            yield port
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
