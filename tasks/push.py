"""`manage.py push`: the process that keeps streams of hints open.

A request is answered as any other process answers it, by the pipeline in a thread. If the
response is a `HintResponse`, its connection stays open, and costs no thread and no connection
to the database. Every RECHECK seconds the same request is answered again: a stream whose
credential has ended is closed. One thread asks the database every INTERVAL seconds for what
was committed, while there are streams. (NOTIFY would tell without asking, and have all
transactions that send it commit one after the other.)

The server is asyncio's: 5,000 idle streams take 17 MB, those of granian's ASGI 130 MB and of its
RSGI 80 MB. It takes one request for each connection, without a body."""

import asyncio
import logging
import os
import re
import resource
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import responses
from io import BytesIO
from threading import Thread
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIEnvironment

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import get_resolver

from taskproject import error_reports, problems
from taskproject.content_types import Request
from taskproject.deadlines import deadline
from taskproject.ports import Port
from taskproject.worker import CALL_SECONDS, is_away
from tasks.hints import HintResponse, hint
from tasks.models.newest_events import Committed, FeedWentBack, newest_of

logger = logging.getLogger("taskproject.push")

PATH = "/api/changes/stream"
#: Seconds between two questions to the database, and so between two hints to a user.
INTERVAL = 0.2
#: Seconds between two comments, by which both ends notice that the other is gone.
HEARTBEAT = 15.0
#: Seconds between two checks of a credential.
RECHECK = 60.0
#: Seconds that a request may take to arrive.
REQUEST_SECONDS = 10.0
#: Most bytes of a request, and of what a client has not read.
REQUEST_BYTES, UNREAD_BYTES = 32_768, 16_384
STREAMS_PER_USER = 20
#: What is counted: streams that begin, that are refused for their number, and that are closed
#: because of their credential or because the client does not read; hints; failed questions.
RESULTS = ("begun", "refused", "ended", "unread", "hints", "failed")
#: Threads that answer requests.
THREADS = 4
#: Seconds until a question that failed is repeated.
RETRY_SECONDS = 1.0
#: Seconds between two checks for a signal to stop, and for the end of the parent.
CHECK_INTERVAL = 0.25
STOPS = (signal.SIGINT, signal.SIGTERM)
#: Client errors that say nothing about the credential.
PASSING = (408, 429)
#: A method, or the name of a header; and what no value of a header has.
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FORBIDDEN = re.compile(r"[\0\r\n]")
#: Seconds that a client has to read why its request is refused, before the end of which that is.
LINGER_SECONDS = 2.0


def read_request(head: bytes, address: str) -> WSGIEnvironment:
    """The WSGI environment of a request without a body. Header names with underscores, which would
    pass for others, are dropped. Raises `BadRequest` where RFC 9112 allows no such request."""
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, protocol = rest.partition(" ")
    if not (
        TOKEN.fullmatch(method)
        and target.startswith("/")
        and protocol in ("HTTP/1.0", "HTTP/1.1")
    ):
        raise problems.BadRequest(f"Send GET {PATH} HTTP/1.1.")
    path, _, query = target.partition("?")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": protocol,
        "REMOTE_ADDR": address,
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
    }
    for line in lines:
        name, colon, value = line.partition(":")
        # A line feed alone would be the end of the line for others.
        if not (colon and TOKEN.fullmatch(name)) or FORBIDDEN.search(value):
            raise problems.BadRequest(
                f"Header {name[:40]!r} is malformed: RFC 9110, 5.5."
            )
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        joint = "; " if key == "HTTP_COOKIE" else ","
        before = f"{environ[key]}{joint}" if key in environ else ""
        environ[key] = before + value.strip()
    return environ


def refused(error: Exception) -> HttpResponse:
    """The response to a request that cannot be read."""
    request = HttpRequest()
    request.path = PATH
    return problems.respond(request, error)


class Stream(asyncio.Protocol):
    """A connection: its request, and then its stream."""

    __slots__ = (
        "_beat",
        "_server",
        "_transport",
        "address",
        "checked",
        "head",
        "sequence",
        "user_id",
    )
    _transport: asyncio.Transport

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.head = b""
        self.address = ""
        #: Set once the stream has begun.
        self.user_id: int | None = None
        self.sequence = 0
        self.checked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.address = (transport.get_extra_info("peername") or ("",))[0]
        transport.set_write_buffer_limits(UNREAD_BYTES)
        self._server.connections.add(self)
        self._beat = self._server.loop.call_later(REQUEST_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        if b"\r\n\r\n" in self.head:
            return
        self.head += data
        if b"\r\n\r\n" in self.head:
            self.head = self.head[: self.head.index(b"\r\n\r\n") + 4]
            self._beat.cancel()
            self._server.ask(self)
        elif len(self.head) > REQUEST_BYTES:
            self._beat.cancel()
            error = problems.BadRequest(f"Send at most {REQUEST_BYTES:,} bytes.")
            self.respond(refused(error))
            self.head += b"\r\n\r\n"
            # What it still sends is read: closed with data unread, a connection is reset, and the
            # client may not get the response (RFC 9112, section 9.6).
            self._transport.write_eof()
            self._beat = self._server.loop.call_later(
                LINGER_SECONDS, self._transport.abort
            )

    def pause_writing(self) -> None:
        # It does not read. Its next connection begins with a hint.
        self._server.counts["unread"] += 1
        self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._beat.cancel()
        self._server.forget(self)

    @property
    def is_closed(self) -> bool:
        return self._transport.is_closing()

    def respond(self, response: HttpResponse) -> None:
        """Sends the head of the response, and the content unless HEAD was requested."""
        lines = [
            f"HTTP/1.1 {response.status_code} {responses.get(response.status_code, '')}",
            *(f"{name}: {value}" for name, value in response.items()),
            *(f"Set-Cookie: {it.OutputString()}" for it in response.cookies.values()),
            "Connection: close",
        ]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        is_head = self.head.startswith(b"HEAD ")
        self._transport.write(head if is_head else head + response.content)

    def begin(self, response: HintResponse) -> None:
        del response["Content-Length"]
        self.respond(response)
        self.user_id, self.sequence = response.user_id, response.sequence
        self.checked = self._server.loop.time()
        self._schedule()

    def tell(self, sequence: int) -> None:
        """Sends a hint, unless the client was told of this event."""
        if sequence > self.sequence and not self.is_closed:
            self.sequence = sequence
            self._transport.write(hint(sequence))
            self._server.counts["hints"] += 1

    def correct(self, sequence: int) -> None:
        """The same of the newest event, also if it is an earlier one: of a restored backup."""
        if sequence < self.sequence:
            self.sequence = sequence - 1
        self.tell(sequence)

    def _schedule(self) -> None:
        self._beat = self._server.loop.call_later(HEARTBEAT, self._send_heartbeat)

    def _send_heartbeat(self) -> None:
        self._transport.write(b":\n\n")
        self._schedule()

    def close(self) -> None:
        self._transport.close()


class Server:
    """The streams of this process. All but `_answer` and `_watch` runs in the thread of the loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.connections: set[Stream] = set()
        #: The streams, by the time of their last check.
        self._streams: dict[Stream, None] = {}
        self._of_users: dict[int, set[Stream]] = {}
        #: Users whose streams have begun since `_watch` read the database.
        self._fresh: deque[int] = deque()
        #: For the metrics: see `tasks/push_metrics.py`.
        self.counts = dict.fromkeys(RESULTS, 0)
        self.looked = time.time()
        self._pool = ThreadPoolExecutor(THREADS, "push")
        self._handler = BaseHandler()
        self._handler.load_middleware()
        # Loads the operations, so that the first request does not.
        get_resolver().url_patterns  # noqa: B018

    @property
    def open(self) -> int:
        """The number of streams."""
        return len(self._streams)

    async def run(
        self, port: Port, parent: int | None, publish: Callable[["Server"], None]
    ) -> None:
        """Serves until SIGTERM or SIGINT, or until this process is no longer a child of
        `parent`. Calls `publish` at each check for these."""
        received: list[int] = []
        for number in STOPS:
            self.loop.add_signal_handler(number, received.append, number)
        listener = port.listener()
        # Accepted connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)
        listening = await self.loop.create_server(
            partial(Stream, self), sock=listener, backlog=4_096
        )
        Thread(target=self._watch, name="watch", daemon=True).start()
        checks = self.loop.create_task(self._recheck())
        logger.info("push started", extra={"fields": {"port": port.port}})
        while not received and parent in (None, os.getppid()):
            publish(self)
            await asyncio.sleep(CHECK_INTERVAL)
        listening.close()
        checks.cancel()
        logger.info("push stopped", extra={"fields": {"streams": len(self._streams)}})
        for connected in list(self.connections):
            connected.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ask(self, stream: Stream) -> None:
        """Has the request of a stream answered."""
        answer = self.loop.run_in_executor(self._pool, self._answer, stream)
        answer.add_done_callback(partial(self._answered, stream))

    def _answer(self, stream: Stream) -> HttpResponse:
        """The response to the request. Called in a thread."""
        try:
            environ = read_request(
                stream.head.removesuffix(b"\r\n\r\n"), stream.address
            )
        except problems.BadRequest as error:
            return refused(error)
        request = Request(environ)
        if request.path_info.rstrip("/") != PATH:
            refusal = problems.NotFound(f"This port serves {PATH} alone.")
            return problems.respond(request, refusal)
        try:
            connection.close_if_unusable_or_obsolete()
            response = self._handler.get_response(request)
            assert isinstance(response, HttpResponse)
        except Exception as error:  # noqa: BLE001  # no error may end `_recheck`
            return problems.respond(request, error)
        return response

    def _answered(self, stream: Stream, answer: "asyncio.Future[HttpResponse]") -> None:
        if answer.cancelled() or stream.is_closed:
            return
        response = answer.result()
        if isinstance(response, HintResponse):
            refusal = self._refusal(response)
            response = refusal or response
        if isinstance(response, HintResponse) and stream.head.startswith(b"GET "):
            stream.begin(response)
            self.counts["begun"] += 1
            self._streams[stream] = None
            self._of_users.setdefault(response.user_id, set()).add(stream)
            self._fresh.append(response.user_id)
        else:
            stream.respond(response)
            stream.close()

    def _refusal(self, response: HintResponse) -> HttpResponse | None:
        """The response to one stream too many, with the headers that all responses have."""
        problem: problems.Problem
        if len(self._of_users.get(response.user_id, ())) >= STREAMS_PER_USER:
            problem = problems.TooManyRequests(
                f"You have {STREAMS_PER_USER} streams open. Close one first, or poll "
                "GET /api/changes."
            )
        elif len(self._streams) >= settings.PUSH_STREAMS:
            problem = problems.Unavailable(
                "All streams are taken. Poll GET /api/changes.",
                headers={"Retry-After": "60"},
            )
        else:
            return None
        fields = {"user": response.user_id, "status": problem.status}
        self.counts["refused"] += 1
        logger.warning("a stream was refused", extra={"fields": fields})
        refusal = refused(problem)
        for name, value in response.items():
            refusal.headers.setdefault(name, value)
        return refusal

    def forget(self, stream: Stream) -> None:
        """Removes a connection that has ended."""
        self.connections.discard(stream)
        self._streams.pop(stream, None)
        if stream.user_id is not None and stream.user_id in self._of_users:
            streams = self._of_users[stream.user_id]
            streams.discard(stream)
            if not streams:
                del self._of_users[stream.user_id]

    async def _recheck(self) -> None:
        """Answers the requests of streams again, one at a time, and closes those that are refused."""
        while True:
            stream = next(iter(self._streams), None)
            due = stream.checked + RECHECK if stream else self.loop.time() + 1
            if stream is None or due > self.loop.time():
                await asyncio.sleep(min(due - self.loop.time(), 1))
                continue
            stream.checked = self.loop.time()
            del self._streams[stream]
            self._streams[stream] = None
            response = await self.loop.run_in_executor(self._pool, self._answer, stream)
            if isinstance(response, HintResponse):
                stream.tell(response.sequence)
            if (
                getattr(response, "user_id", stream.user_id) != stream.user_id
                or 400 <= response.status_code < 500
                and response.status_code not in PASSING
            ):
                self.counts["ended"] += not stream.is_closed
                stream.close()

    def _watch(self) -> None:
        """Asks the database for what was committed, while there are streams. A thread.

        With a new connection, and after the feed went back, it asks for the newest event of every
        user: in another state of the database, another one may be it, with an earlier sequence."""
        committed: Committed | None = None
        away = False
        while True:
            time.sleep(INTERVAL)
            if not self._of_users:
                committed = None
                self.looked = time.time()
                continue
            asked = {self._fresh.popleft() for _ in range(len(self._fresh))}
            try:
                connection.close_if_unusable_or_obsolete()
                with deadline(CALL_SECONDS):
                    if committed is None or connection.connection is None:
                        committed, asked = Committed(), {*self._of_users}
                    found, newest = committed.read(), newest_of(asked)
            except FeedWentBack:
                committed = None
                continue
            except Exception as error:
                # No error may end the thread.
                connection.close()
                committed = None
                self.counts["failed"] += 1
                if not (away and is_away(error)):
                    logger.log(
                        logging.WARNING if is_away(error) else logging.ERROR,
                        "the database cannot be asked for changes",
                        exc_info=not is_away(error),
                    )
                away = True
                time.sleep(RETRY_SECONDS)
                continue
            away = False
            self.looked = time.time()
            found = {user: found[user] for user in found if user in self._of_users}
            if found or newest:
                self.loop.call_soon_threadsafe(self._tell, found, newest)

    def _tell(self, found: dict[int, int], newest: dict[int, int]) -> None:
        for user_id, sequence in found.items():
            for stream in self._of_users.get(user_id, ()):
                stream.tell(sequence)
        for user_id, sequence in newest.items():
            for stream in self._of_users.get(user_id, ()):
                stream.correct(sequence)


def run(
    port: Port,
    parent: int | None = None,
    publish: Callable[[Server], None] = lambda _: None,
) -> None:
    """Serves streams until it is stopped: see `Server.run`."""
    error_reports.start()
    settings.THREADS = 0  # for the metrics: no request of another path waits for these
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    async def serve() -> None:
        await Server().run(port, parent, publish)

    asyncio.run(serve())
