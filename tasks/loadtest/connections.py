"""HTTP/1.1 connections that are kept alive (RFC 9112), by asyncio's streams.

With threads and `http.client`, clients would wait for one another's turn at the interpreter,
which would count as time of the service."""

import asyncio
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from socket import SOCK_STREAM
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

#: Seconds until a response must be complete.
TIMEOUT = 30.0
#: Bytes of the head of a response.
LONGEST_HEAD = 2**16


class UnusableURL(Exception):
    """The URL cannot be called. The message says what to do."""


class NoResponse(Exception):
    """A request got no response: whether it was carried out is not known. The message is the
    kind of fault: always one of few."""


class Target(NamedTuple):
    """Where a service answers."""

    host: str
    port: int
    address: str
    tls: ssl.SSLContext | None
    #: What stands before /api, or an empty string.
    prefix: str

    @property
    def is_loopback(self) -> bool:
        return ip_address(self.address.partition("%")[0]).is_loopback

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Response(NamedTuple):
    status: int
    #: By lowercase names.
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """The object in the body; an empty one if there is none."""
        try:
            value = orjson.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


async def resolve(url: str, *, anywhere: bool) -> Target:
    """The first address of the URL's host that accepts connections; all requests go there. It
    must be a loopback address, unless `anywhere`. Raises UnusableURL."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        parts, port = urlsplit(""), 0
    host = parts.hostname or ""
    printable = url.isascii() and url.isprintable() and " " not in url
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.query
        or not printable
    ):
        raise UnusableURL("Give a URL such as http://127.0.0.1:8000.")
    if parts.username is not None:
        raise UnusableURL("Give the URL without a user, and the token as --token.")
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    loop = asyncio.get_running_loop()
    reason = "no address"
    try:
        found = await loop.getaddrinfo(host, port, type=SOCK_STREAM)
    except (OSError, UnicodeError):  # that of IDNA
        raise UnusableURL(f"The host {host!r} is unknown.") from None
    for *_, place in found:
        target = Target(host, port, str(place[0]), tls, parts.path.rstrip("/"))
        if not (target.is_loopback or anywhere):
            raise UnusableURL(
                f"{host} has the address {target.address}, which is not loopback. If the "
                "server is yours, repeat the command with --i-own-this-server."
            )
        connection = Connection(target)
        try:
            async with asyncio.timeout(TIMEOUT):
                await connection.open()
        except ssl.SSLError as error:
            raise UnusableURL(
                f"{host} has no certificate that is trusted here ({error.reason}): "
                "SSL_CERT_FILE may name a file with that of its authority."
            ) from None
        except (OSError, TimeoutError) as error:
            reason = str(error) or "it does not respond"
        else:
            return target
        finally:
            connection.close()
    raise UnusableURL(f"Nothing answers at {url}: {reason}.")


class Connection:
    """One connection, opened when it is needed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            target = self._target
            self._streams = await asyncio.open_connection(
                target.address,
                target.port,
                ssl=target.tls,
                server_hostname=target.host if target.tls else None,
                limit=LONGEST_HEAD,
            )
        return self._streams

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        """The response, whatever its status is. Raises NoResponse."""
        given = {"Host": self._target.authority, **headers}
        if body is not None:
            given |= {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
            }
        elif method == "POST":
            given["Content-Length"] = "0"
        lines = [f"{method} {self._target.prefix}{path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in given.items()]
        sent = "\r\n".join([*lines, "", ""]).encode() + (body or b"")
        finished = False
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await self.open()
                writer.write(sent)
                await writer.drain()
                response = await _read(reader)
            finished = response.headers.get("connection", "").lower() != "close"
            return response
        except TimeoutError:
            raise NoResponse(f"no response within {TIMEOUT:.0f} s") from None
        except ConnectionRefusedError:
            raise NoResponse("connection refused") from None
        except (OSError, EOFError):
            raise NoResponse("connection broken") from None
        except (ValueError, IndexError, asyncio.LimitOverrunError):
            raise NoResponse("malformed response") from None
        finally:
            if not finished:  # also if the request was cancelled
                self.close()


async def _read(reader: asyncio.StreamReader) -> Response:
    """Raises EOFError (asyncio.IncompleteReadError), ValueError, IndexError or
    asyncio.LimitOverrunError for what is no response."""
    status = 100
    while status < 200:  # informational ones come before
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        status = int(first.split(" ")[1])
    named = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in named}
    if status in (204, 304):
        return Response(status, headers, b"")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return Response(status, headers, await _chunks(reader))
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
        return Response(status, headers, body)
    # It ends with the connection.
    return Response(status, headers | {"connection": "close"}, await reader.read())


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers
    return b"".join(parts)
