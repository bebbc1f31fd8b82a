"""HTTP requests to URLs that users have chosen: never to the networks that this host is in.

The address is checked after the name was resolved, and the connection is made to the checked
address: a name that resolves differently a moment later changes nothing. `http.client` does
the rest, because it takes a socket that is connected already: httpx and urllib3 resolve the
name themselves, and neither bounds the time of a whole request."""

import ssl
import time
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from socket import (
    IPPROTO_TCP,
    SHUT_RDWR,
    SOCK_STREAM,
    TCP_NODELAY,
    create_connection,
    gaierror,
    getaddrinfo,
    socket,
)
from threading import Thread, Timer
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from typing_extensions import Buffer

STEP_SECONDS = 10.0  # of connecting to one address, and of waiting for the next bytes
TOTAL_SECONDS = 20.0  # of all of a request, the resolution of the name included
LARGEST = 2**16  # bytes that are read of a response: status line, headers and body
#: A public address at which a cloud answers to its own machines only, and networks that are not
#: public, which Python knows since 3.11.10 (192.0.0.0/24) and 3.13.1 (3fff::/20).
_OF_CLOUDS = {IPv4Address("168.63.129.16")}
_NOT_PUBLIC = (IPv4Network("192.0.0.0/24"), IPv6Network("3fff::/20"))
# Their last 32 bits are an IPv4 address, to which a gateway translates.
_NAT64 = IPv6Network("64:ff9b::/96")
_TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))


class Response(NamedTuple):
    """What came of a request: the status, or none and the `error`. Of a status other than 2xx,
    the error is `status` or `redirect`."""

    status: int | None
    error: str
    duration_ms: int = 0
    retry_after: str = ""


class Refused(Exception):
    """The host has an address that may not be called."""


def fault_of(url: str) -> str | None:
    """What is wrong with the URL of a webhook, as far as it shows without resolving its name."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "Send a URL such as https://example.com/hook."
    if not url.isascii() or not url.isprintable() or " " in url:
        return "Write the URL in ASCII, with % and two digits for other characters."
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or port == 0:
        return "Send a URL such as https://example.com/hook."
    if parts.username is not None or parts.fragment:
        return "Send a URL without a user, a password and a fragment."
    if host in settings.WEBHOOK_ALLOWED_HOSTS:
        return None
    if parts.scheme != "https":
        return "Send a URL with https."
    with suppress(ValueError):
        if not is_public(ip_address(host)):
            return "Send a URL whose address is public."
    return None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether this is an address in the public internet, of one host."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if address.is_site_local or any(address in network for network in _TUNNELS):
            return False
    return (
        address.is_global
        and not address.is_private
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_link_local
        and not address.is_unspecified
        and address not in _OF_CLOUDS
        and not any(address in network for network in _NOT_PUBLIC)
    )


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Response:
    """Sends a POST request, and never a second one: redirects are not followed. Takes at most
    TOTAL_SECONDS. Raises nothing."""
    started = time.monotonic()
    request = _Request(started + TOTAL_SECONDS)
    try:
        response = request.send(urlsplit(url), body, headers)
    except Refused:
        response = Response(None, "address_refused")
    except (gaierror, UnicodeError):
        response = Response(None, "name_not_found")
    except ssl.SSLError:
        response = Response(None, "tls")
    except TimeoutError:
        response = Response(None, "timeout")
    except ConnectionError:
        response = Response(None, "connection")
    except HTTPException:
        response = Response(None, "malformed_response")
    except (OSError, ValueError):  # a ValueError: of a socket that was shut down
        response = Response(None, "connection")
    if response.status is None and request.expired:
        response = Response(None, "timeout")
    spent = time.monotonic() - started
    return response._replace(duration_ms=round(spent * 1_000))


def seconds_of(retry_after: str, now: datetime) -> float:
    """The seconds of a Retry-After header: those, or until a date; 0 if it is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        date = parsedate_to_datetime(retry_after)
        return max(0.0, (date - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0.0


class _Request:
    """One request. A timer shuts its socket down when the time is over: the time-outs of
    sockets are those of one step, and a server that sends a byte now and then has many."""

    def __init__(self, give_up: float) -> None:
        self._give_up = give_up
        self._socket: socket | None = None
        self.expired = False

    def send(
        self, parts: SplitResult, body: bytes, headers: Mapping[str, str]
    ) -> Response:
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        connection = (
            HTTPSConnection(host, port, context=_context())
            if secure
            else HTTPConnection(host, port)
        )
        connection.response_class = _Response
        addresses = _resolve(host, port, self._remaining())
        self._socket = self._connect(addresses, port)
        timer = Timer(self._remaining(), self._shut)
        timer.daemon = True
        timer.start()
        try:
            if secure:
                wrapped = _context().wrap_socket(
                    self._socket, server_hostname=host, do_handshake_on_connect=False
                )
                self._socket = wrapped
                if self.expired:
                    raise TimeoutError  # of the socket before, which is shut down no more
                wrapped.do_handshake()
            connection.sock = self._socket
            if self._remaining() <= 0:
                raise TimeoutError  # the process stood still: the timer may be late
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, {**headers})
            with connection.getresponse() as response:
                if self.expired:
                    raise TimeoutError  # headers that were cut off are read as they are
                return self._read(response)
        finally:
            timer.cancel()
            self._socket.close()

    def _read(self, response: HTTPResponse) -> Response:
        status, error = response.status, ""
        # The server may wait for its response to be read. Nothing of it is kept, and the
        # status tells whether the request was accepted, however the body ends.
        with suppress(OSError, HTTPException, ValueError):
            while response.read1(LARGEST):
                pass
        if not 200 <= status < 300:
            error = "redirect" if 300 <= status < 400 else "status"
        retry_after = response.getheader("Retry-After", "")[:40]
        return Response(status, error, retry_after=retry_after)

    def _connect(self, addresses: list[str], port: int) -> socket:
        """To the first address that accepts."""
        failure: OSError = TimeoutError()
        for address in addresses:
            seconds = min(STEP_SECONDS, self._remaining())
            if seconds <= 0:
                break
            try:
                connected = create_connection((address, port), seconds)
            except OSError as error:
                failure = error
            else:
                connected.settimeout(STEP_SECONDS)
                # As http.client does: the body follows the headers at once.
                connected.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
                return connected
        raise failure

    def _remaining(self) -> float:
        return self._give_up - time.monotonic()

    def _shut(self) -> None:
        self.expired = True
        if self._socket is not None:
            with suppress(OSError):
                # Of the socket beneath TLS, without a last message.
                socket.shutdown(self._socket, SHUT_RDWR)


class _Response(HTTPResponse):
    """A response of which at most LARGEST bytes are read. `http.client` bounds each line and the
    number of headers, but neither that of interim responses nor that of trailers."""

    def __init__(
        self, sock: socket, debuglevel: int = 0, method: str | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp = BufferedReader(_Bounded(self.fp.detach()))


class _Bounded(RawIOBase):
    """Reads LARGEST bytes of the stream, and raises `HTTPException` if there are more."""

    def __init__(self, stream: RawIOBase) -> None:
        self._stream, self._left = stream, LARGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        if self._left <= 0:
            raise HTTPException("the response is too long")
        count = self._stream.readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of the host. Raises `Refused` if one of them is not public, unless the host
    is in WEBHOOK_ALLOWED_HOSTS. Raises `TimeoutError` after so many seconds: the system's own
    limit may be longer than the lease of a webhook, and its thread then ends by itself."""
    found: Future[list[str]] = Future()

    def look_up() -> None:
        try:
            answers = getaddrinfo(host, port, type=SOCK_STREAM, proto=IPPROTO_TCP)
        except Exception as error:  # noqa: BLE001  # raised by `result`
            found.set_exception(error)
        else:
            found.set_result([str(address[0]) for *_, address in answers])

    Thread(target=look_up, daemon=True).start()
    addresses = found.result(seconds)
    if host not in settings.WEBHOOK_ALLOWED_HOSTS and not all(
        is_public(ip_address(address)) for address in addresses
    ):
        raise Refused
    return addresses


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
