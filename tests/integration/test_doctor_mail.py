"""manage.py doctor: the server for mail"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pytest_django import Settings

from taskproject.doctor import Options
from taskproject.doctor_mail import LOG, check_mail
from tests.support.copies import free_port

PASSWORD = "hunter2horse"


@contextmanager
def mail_server(extension: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A mail server that refuses all passwords: its port, and the commands that it got."""
    commands = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 mail.example.com\r\n")
            while line := self.rfile.readline():
                commands.append(command := line.split()[0].upper())
                answer = {
                    b"EHLO": b"250-mail.example.com\r\n250 " + extension,
                    b"AUTH": b"535 no such user " + PASSWORD.encode(),
                    b"QUIT": b"221 bye",
                }
                self.wfile.write(answer.get(command, b"500 what?") + b"\r\n")

    class Server(socketserver.ThreadingTCPServer):
        block_on_close = False
        daemon_threads = True  # A client that was refused may stay connected.

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield server.server_address[1], commands
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def smtp(settings: Settings) -> Settings:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 5
    return settings


def only() -> tuple[str, str]:
    [finding] = check_mail(Options())
    return finding


def test_a_server_that_lets_in_gets_no_mail(smtp: Settings) -> None:
    with mail_server(b"SIZE 1000") as (smtp.EMAIL_PORT, commands):
        level, message = only()

    assert level == "ok"
    assert f"127.0.0.1:{smtp.EMAIL_PORT}" in message
    assert b"MAIL" not in commands


def test_a_server_that_refuses_the_password(smtp: Settings) -> None:
    smtp.EMAIL_HOST_USER, smtp.EMAIL_HOST_PASSWORD = "tasks", PASSWORD
    with mail_server(b"AUTH PLAIN") as (smtp.EMAIL_PORT, _):
        level, message = only()

    assert level == "error"
    assert "refuses the user or the password (535)" in message
    assert PASSWORD not in message


def test_a_server_without_starttls(smtp: Settings) -> None:
    smtp.EMAIL_USE_TLS = True
    with mail_server(b"SIZE 1000") as (smtp.EMAIL_PORT, _):
        level, message = only()

    assert level == "error"
    assert "offers no STARTTLS" in message


def test_a_server_that_is_away() -> None:
    level, message = only()

    assert level == "error"
    assert "cannot be used (ConnectionRefusedError)" in message


def test_mails_in_the_log(smtp: Settings) -> None:
    smtp.EMAIL_BACKEND = LOG

    assert only()[0] == "warning"


@pytest.mark.parametrize(("signup", "count"), [("CLOSED", 0), ("OPEN", 1)])
def test_no_server(smtp: Settings, signup: str, count: int) -> None:
    smtp.EMAIL_BACKEND, smtp.SIGNUP = "", signup

    findings = list(check_mail(Options()))
    assert [level for level, _ in findings] == ["error"] * count
