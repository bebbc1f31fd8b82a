"""Requests to users' URLs over TLS, to a real receiver with a certificate of its own"""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskproject import outbound
from tests.support.certificates import Authority
from tests.support.receivers import Receiver, raw, receiving, status
from tests.support.webhooks import loopback

__all__ = ["loopback"]

pytestmark = pytest.mark.either_database


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    """One that SSL_CERT_FILE names, as docs/webhooks.md says."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    outbound._context.cache_clear()
    yield made
    outbound._context.cache_clear()


@pytest.fixture
def receiver(authority: Authority) -> Iterator[Receiver]:
    with receiving(tls=authority.server()) as made:
        yield made


def error_of(receiver: Receiver) -> str:
    return outbound.post(receiver.url(), b"{}", {"webhook-id": "1"}).error


def test_a_certificate_of_a_trusted_authority_is_accepted(receiver: Receiver) -> None:
    response = outbound.post(receiver.url(), b'{"a": 1}', {"webhook-id": "1"})

    assert (response.status, response.error) == (204, "")
    assert [(one.id, one.body) for one in receiver.received] == [("1", b'{"a": 1}')]


def test_a_certificate_of_another_authority_is_refused_unsent(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    outbound._context.cache_clear()

    assert error_of(receiver) == "tls"
    assert receiver.received == []


@pytest.mark.parametrize(
    ("address", "age"),
    [
        pytest.param("127.0.0.2", 0, id="of-another-host"),
        pytest.param("127.0.0.1", 40, id="expired"),
        pytest.param("127.0.0.1", -10, id="not-yet-valid"),
    ],
)
def test_a_certificate_that_is_not_valid_here_and_now_is_refused_unsent(
    authority: Authority, address: str, age: int
) -> None:
    issued = datetime.now(UTC) - timedelta(days=age)
    with receiving(tls=authority.server(address, issued)) as receiver:
        assert error_of(receiver) == "tls"

    assert receiver.received == []


def test_a_receiver_that_speaks_no_tls_is_a_fault_of_tls() -> None:
    with receiving() as receiver:
        receiver.scheme = "https"
        receiver.answers = [raw(b"HTTP/1.1 400 No\r\n\r\n")]

        assert error_of(receiver) == "tls"


def test_a_receiver_that_closes_without_an_answer_is_a_fault_of_the_connection(
    receiver: Receiver,
) -> None:
    def close(handler: Any) -> None:
        # Without TLS's last message, as a process that has crashed.
        socket.socket.shutdown(handler.connection, socket.SHUT_RDWR)

    receiver.answers = [close]

    assert error_of(receiver) == "connection"


def test_an_answer_in_full_counts_however_the_connection_ends(
    receiver: Receiver,
) -> None:
    def answer(handler: Any) -> None:
        status(200)(handler)
        socket.socket.shutdown(handler.connection, socket.SHUT_RDWR)

    receiver.answers = [answer]

    assert error_of(receiver) == ""


def test_a_handshake_that_does_not_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        response = outbound.post(f"https://127.0.0.1:{port}/", b"", {})

    assert response.error == "timeout"
    assert 300 <= response.duration_ms < 5_000


def test_an_answer_byte_by_byte_is_given_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.5)

    def trickle(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nA: ")
        while not receiver.stopping.wait(0.01):
            handler.wfile.write(b"x")

    receiver.answers = [trickle]

    assert error_of(receiver) == "timeout"
