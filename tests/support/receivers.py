"""A receiver of webhooks: a real HTTP server on loopback that answers as it is told."""

import socket
import socketserver
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from threading import Event, Thread
from typing import Any

import orjson


@dataclass
class Received:
    path: str
    headers: Message
    body: bytes

    @property
    def id(self) -> str:
        return str(self.headers["webhook-id"])

    @property
    def event(self) -> int:
        """The sequence of its event."""
        return int(self.json()["data"]["event"]["sequence"])

    def json(self) -> Any:
        return orjson.loads(self.body)


#: Answers a request by what it writes to the connection.
Answer = Callable[[Any], None]


def status(code: int, **headers: str) -> Answer:
    """`headers` with _ for -."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {code} It", *lines, "Content-Length: 0", "", ""])
    return lambda handler: handler.wfile.write(head.encode())


def raw(*parts: bytes) -> Answer:
    """Writes these parts, and closes the connection."""

    def answer(handler: Any) -> None:
        for part in parts:
            handler.wfile.write(part)
            handler.wfile.flush()

    return answer


def hang(handler: Any) -> None:
    """Until the receiver stops."""
    handler.server.receiver.stopping.wait(30)


@dataclass
class Receiver:
    """Answers with `answers`, one after the other, the last one again and again; or by path."""

    port: int = 0
    scheme: str = "http"
    answers: list[Answer] = field(default_factory=lambda: [status(204)])
    of_paths: dict[str, Answer] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    stopping: Event = field(default_factory=Event)
    #: Set while it accepts connections.
    accepting: Event = field(default_factory=Event)

    def url(self, path: str = "/hook") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    @property
    def events(self) -> list[int]:
        return [one.event for one in self.received]

    def answer_of(self, path: str) -> Answer:
        if path in self.of_paths:
            return self.of_paths[path]
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver = self.server.receiver  # type: ignore[attr-defined]  # set below
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver.received.append(Received(self.path, self.headers, body))
        try:
            receiver.answer_of(self.path)(self)
        except OSError:
            pass  # the sender has gone

    do_GET = do_POST

    def log_message(self, *_: object) -> None: ...


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a sender may refuse the certificate."""


@contextmanager
def receiving(
    *, full: bool = False, tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """With `full`, whoever connects waits until `accepting` is set."""
    receiver = Receiver(scheme="https" if tls else "http")
    with _Server(("127.0.0.1", 0), _Handler) as server, ExitStack() as waiting:
        server.receiver = receiver  # type: ignore[attr-defined]
        receiver.port = server.server_address[1]
        if tls:
            # The handshake is a part of the first read, in the thread of the connection.
            server.socket = tls.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        if full:
            server.socket.listen(0)
            for _ in range(2):
                first = waiting.enter_context(socket.socket())
                first.setblocking(False)
                first.connect_ex(server.server_address)
        else:
            receiver.accepting.set()

        def serve() -> None:
            receiver.accepting.wait()
            server.serve_forever(0.01)

        Thread(target=serve, daemon=True).start()
        try:
            yield receiver
        finally:
            receiver.stopping.set()
            receiver.accepting.set()
            server.shutdown()
