"""manage.py doctor: push"""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from pytest_django import Settings

from taskproject.doctor import Options
from taskproject.doctor_push import check_push
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


def test_it_says_that_nobody_listens(settings: Settings) -> None:
    level, message = found(settings, free_port())

    assert level == "warning"
    assert "Nothing answers at 127.0.0.1" in message
    settings.PUSH_PORT = 0
    assert list(check_push(Options())) == []
