"""manage.py doctor: push"""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from pytest_django import Settings

from taskproject import doctor_push
from taskproject.doctor import Options
from taskproject.doctor_push import check_push, check_stream
from tasks.push import PATH
from tests.support.copies import free_port

pytestmark = pytest.mark.either_database


class Handler(BaseHTTPRequestHandler):
    identifier = ""

    def do_HEAD(self) -> None:
        self.send_response(401)
        if self.identifier:
            self.send_header("X-Request-ID", self.identifier)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Not to standard error."""


def found(settings: Settings, port: int, host: str = "127.0.0.1") -> tuple[str, str]:
    settings.PUSH_PORT, settings.HOST = port, host
    [(level, message)] = check_push(Options())
    return level, message


@pytest.mark.parametrize(
    ("identifier", "level"), [("7f1b", "ok"), ("", "error")], ids=["push", "another"]
)
def test_it_asks_who_listens_at_the_port(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, identifier: str, level: str
) -> None:
    monkeypatch.setattr(Handler, "identifier", identifier)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        assert found(settings, server.server_port, "0.0.0.0")[0] == level  # not bound
        thread.join()


class Streams(BaseHTTPRequestHandler):
    """Begins streams, holds them back, or sends single hints."""

    way = ""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == "Bearer tk_secret"
        if self.way == "held back":
            self.rfile.read(1)  # until the client leaves
            return
        self.send_response(200 if known and self.path == f"/base{PATH}" else 401)
        if self.way == "single":
            self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"retry: 1000\n\n")
        if self.way == "stream":
            self.rfile.read(1)

    def log_message(self, format: str, *args: object) -> None:
        """Not to standard error."""


@pytest.mark.parametrize(
    ("way", "token", "level", "said"),
    [
        ("stream", "tk_secret", "ok", "first hint after 0.0"),
        ("single", "tk_secret", "warning", "PUSH_PORT"),
        ("held back", "tk_secret", "error", "buffering"),
        ("stream", "", "error", "401"),
    ],
)
def test_it_tells_whether_a_proxy_passes_the_stream(
    monkeypatch: pytest.MonkeyPatch, way: str, token: str, level: str, said: str
) -> None:
    monkeypatch.setattr(Streams, "way", way)
    monkeypatch.setattr(doctor_push, "FIRST_HINT", 0.3)
    monkeypatch.setenv("DOCTOR_TOKEN", token)
    with HTTPServer(("127.0.0.1", 0), Streams) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/base/"
        [(found, message)] = check_stream(Options(stream=url))
        thread.join()

    assert found == level
    assert said in message


@pytest.mark.parametrize("url", ["tasks.example.com", "http://", "http://127.0.0.1:1"])
def test_it_says_that_no_stream_can_be_asked_for(url: str) -> None:
    [(level, message)] = check_stream(Options(stream=url))

    assert level == "error"
    assert "address such as" in message or "cannot be asked" in message


def test_it_says_that_nobody_listens(settings: Settings) -> None:
    level, message = found(settings, free_port())

    assert level == "warning"
    assert "Nothing answers at 127.0.0.1" in message
    settings.PUSH_PORT = 0
    assert list(check_push(Options())) == []
