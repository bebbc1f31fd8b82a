"""The address on which `manage.py serve` and `manage.py push` listen, and its sockets."""

import errno
import os
import socket
import stat
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.conf import settings

BACKLOG = 16_384
#: On Linux each worker listens on its own socket (SO_REUSEPORT), and the kernel distributes
#: connections evenly. Other systems do not, and there the workers share one socket.
OWN_SOCKETS = sys.platform == "linux"
#: Seconds after which the kernel closes the connection of a client that reads nothing.
UNREAD_TIMEOUT = 30


def add_address(parser: ArgumentParser, port: int) -> None:
    """Adds --host and --port, whose defaults are HOST and this port."""
    parser.add_argument("--host", default=settings.HOST, help="address to listen on")
    parser.add_argument("--port", type=int, default=port, help="port to listen on")


def sockets_at(port: int) -> Iterator[tuple[int, socket.socket]]:
    """The sockets of this process at this port, each with its file descriptor, open until the
    next one: granian does not expose them. Linux only; elsewhere there are none."""
    for name in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        with suppress(OSError):  # closed meanwhile, or the one that lists them
            number = int(name)
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as twin:
                    if twin.getsockname()[1:2] == (port,):
                        yield number, twin


class PortError(Exception):
    """The address cannot be used. The message has the reason and a remedy."""


class Port:
    """An address on which only this process and its workers listen, until it ends.

    Raises PortError if the address is in use, does not belong to this machine, or requires
    privileges.
    """

    def __init__(self, host: str, port: int, setting: str = "PORT") -> None:
        self.host, self.port, self._setting = host, port, setting
        if not 1 <= port <= 65_535:
            raise PortError(f"Set {setting}, or --port, to a port from 1 to 65535.")
        try:
            found = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except OSError:
            raise PortError(f"{host!r} is no address of this machine.") from None
        self._family: int = found[0][0]
        self._address: Any = found[0][4]
        self._guard = self._socket()
        try:
            self._guard.bind(self._address)
            # Of two servers that start at once, one fails here.
            self._guard.listen(BACKLOG)
        except OSError as error:
            raise PortError(self._reason(error)) from None
        if not OWN_SOCKETS:
            return
        # From here on only sockets of this user with SO_REUSEPORT, such as those of the
        # workers, can be bound to the address. Another `manage.py serve` first binds one
        # without, and fails. This socket stays bound, and accepts no connections.
        self._guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        self._guard.shutdown(socket.SHUT_RDWR)
        self._guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

    def listener(self) -> socket.socket:
        """The socket on which this process accepts connections. Call it once in each."""
        if not OWN_SOCKETS:
            return self._guard.dup()
        own = self._socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Accepted connections inherit the option.
        own.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT * 1000
        )
        own.bind(self._address)
        self._guard.close()  # That of another process, whose fork this is, stays open.
        return own

    def _socket(self) -> socket.socket:
        made = socket.socket(self._family, socket.SOCK_STREAM)
        # A server can be restarted while earlier connections are in TIME_WAIT.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _reason(self, error: OSError) -> str:
        match error.errno:
            case errno.EADDRINUSE:
                return (
                    f"port {self.port} is in use ({self.host}). Stop the program that "
                    f"listens there, or choose another port with --port or {self._setting}."
                )
            case errno.EACCES:
                return (
                    f"port {self.port} needs privileges that this user lacks. Choose one "
                    f"from 1024 on, with --port or {self._setting}."
                )
        return f"cannot listen on {self.host}, port {self.port}: {error.strerror}."
