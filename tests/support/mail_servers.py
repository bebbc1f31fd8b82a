"""A mail server: a real one on loopback, that replies as it is told."""

import email
import re
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from threading import Event, Thread
from typing import Any

#: A reply that does not come until the server stops; one that closes the connection.
HANG, CLOSE = "hang", "close"


@dataclass
class MailServer:
    """Replies to a command with `replies`, to RCPT with those of the address, one after the
    other, and else accepts everything."""

    extension: str = "SIZE 1000000"
    replies: dict[str, str] = field(default_factory=dict)
    of_addresses: dict[str, list[str]] = field(default_factory=dict)
    port: int = 0
    commands: list[str] = field(default_factory=list)
    messages: list[EmailMessage] = field(default_factory=list)
    #: All that came, as it came, also what was not accepted.
    received: list[bytes] = field(default_factory=list)
    stopping: Event = field(default_factory=Event)
    #: Until it is set, what was received waits for its reply.
    replying: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.replying.set()

    def reply_to(self, line: str) -> str:
        command = line.split()[0].upper()
        self.commands.append(command)
        address = re.search(r"<(.*)>", line)
        if (
            command == "RCPT"
            and address
            and (left := self.of_addresses.get(address[1]))
        ):
            return left.pop(0)
        if command == "EHLO" and command not in self.replies:
            return f"250-mail.example.com\r\n250 {self.extension}"
        usual = {"DATA": "354 go on", "QUIT": "221 bye"}
        return self.replies.get(command, usual.get(command, "250 fine"))


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: MailServer = self.server.mail  # type: ignore[attr-defined]  # set below
        goes_on = self._write(server, server.replies.get("", "220 mail.example.com"))
        while goes_on and (line := self.rfile.readline()):
            reply = server.reply_to(line.decode())
            goes_on = self._write(server, reply)
            if goes_on and reply.startswith("354"):
                received = self._message()
                server.received.append(received)
                reply = server.replies.get(".", "250 fine")
                if reply.startswith("250"):
                    message: Any = email.message_from_bytes(received, policy=SMTP)
                    server.messages.append(message)
                server.replying.wait(30)
                goes_on = self._write(server, reply)

    def _write(self, server: MailServer, reply: str) -> bool:
        """False if the connection is of no use any more."""
        if reply == HANG:
            server.stopping.wait(30)
        if reply in (HANG, CLOSE):
            return False
        self.wfile.write(f"{reply}\r\n".encode())
        return True

    def _message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)


class _Server(socketserver.ThreadingTCPServer):
    block_on_close = False
    daemon_threads = True  # a client that was refused may stay connected


@contextmanager
def mail_server(**replies: Any) -> Iterator[MailServer]:
    mail = MailServer(**replies)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.mail = mail  # type: ignore[attr-defined]
        mail.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield mail
        finally:
            mail.stopping.set()
            server.shutdown()
            thread.join()
