"""The pipeline: what every request passes, and what only API requests pass.

In this order: request id, deadline, CORS preflight, probes, host; then the operation
(authentication, inputs, handler and error shape: see `operations.py`); then the error
shape of responses that Django made itself, headers, and the log line.

Pages (the admin, static files) pass the rest of MIDDLEWARE instead of the operation. So do
API requests with a cookie, which need Django's sessions and CSRF protection, and paths
below /api that are no operation, such as the documentation. Middleware that is to see
every API request stands above `PipelineMiddleware`, which refuses to start if other
middleware than PAGE_MIDDLEWARE stands below it."""

import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import DisallowedHost, ImproperlyConfigured
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.security import SecurityMiddleware
from django.urls import Resolver404, ResolverMatch, resolve
from django.utils.cache import patch_vary_headers

from taskproject import __version__, problems, refusals
from taskproject.addresses import address
from taskproject.compression import encode
from taskproject.deadlines import deadline
from taskproject.health import PROBES
from taskproject.logs import Line
from taskproject.request_queue import REFUSED
from taskproject.sql import Usage, this_thread
from taskproject.throttles import throttle

logger = logging.getLogger("taskproject.requests")

# The deadline of pages of the admin, in seconds.
PAGE_TIMEOUT = 20
WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")
# The parts of paths that are masked in the log, because the address of a calendar feed is a
# secret: all after the word calendar, and all that is as long as a secret.
SECRET = re.compile(r"(?i)(?<=calendar).+|[\w-]{32,}")
SHORTEST_SECRET = 32  # characters
# A number in a path, as in /api/tasks/42, with no more digits than an id can have.
NUMBER = re.compile(r"/([0-9]{1,19})(?=/|$)")
#: The views below /api that are no operations.
DOCUMENTATION = {"openapi-json", "openapi-view", "api-root"}
#: Longer origins and hosts (in characters) are not cached: clients choose them.
LONGEST_ORIGIN = 300

CSP = "Content-Security-Policy"
#: Headers of Django's middleware that concern pages alone.
PAGE_HEADERS = ("Cross-Origin-Opener-Policy", "Referrer-Policy", "X-Frame-Options")
VARY = ("origin", "Accept-Encoding")
RELATIVE_LINK = re.compile(r"<(/[^>]*)>")

Headers = dict[str, tuple[str, str]]


class IdentifiedRequest(HttpRequest):
    """A request that has entered the pipeline."""

    #: See `request_id`.
    id: str
    _encoding: str | None  # of HttpRequest, and not in the stubs


class PipelineMiddleware:
    """The outermost of this service's middleware, which handles API requests itself.

    - `X-Request-ID`: that of the client if it is 1-128 plain characters, else a new one; in
      the response and in the log line.
    - A trailing slash below /api is removed: a redirect would lose the body of a POST.
    - HEAD is handled as GET, without the body in the response (RFC 9110, section 9.3.2).
    - Responses of the API are never stored by shared caches."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        _check_middleware()
        self.get_response = get_response
        self._routes: dict[str, tuple[ResolverMatch, list[str]]] = {}
        self._cors = CorsMiddleware(get_response)
        self._throttle = throttle()

    def __call__(self, request: IdentifiedRequest) -> HttpResponseBase:
        started = time.perf_counter()
        this_thread.usage = Usage()
        request.id = request_id(request)
        if not problems.is_api(request):
            with deadline(PAGE_TIMEOUT):
                response = _refusal(request) or self.get_response(request)
            response.headers["X-Request-ID"] = request.id
            response.headers.setdefault(CSP, settings.CONTENT_SECURITY_POLICY)
            return _finished(request, request.method, response, started)
        method = request.method
        self._normalize(request)
        with deadline(settings.DATABASE_TIMEOUT):
            response = self._answer(request)
        request.method = method
        if response.status_code >= 400:
            problems.rewrite(request, response)
            refusals.count(response.status_code)
        if "HTTP_ORIGIN" in request.META:
            _address_other_origins(request, response)
        if "HTTP_ACCEPT_ENCODING" in request.META:
            encode(request, response)
        _add_headers(request, response)
        return _finished(request, method, response, started)

    def _normalize(self, request: IdentifiedRequest) -> None:
        # The charset of Content-Type must not apply to the query. (The setter of
        # `encoding` would parse the query.)
        request._encoding = None
        if request.path_info.endswith("/") and len(request.path_info) > 1:
            request.path_info = request.path_info.rstrip("/")
        if request.method == "HEAD":
            request.method = "GET"

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "OPTIONS":
            preflight = self._cors.check_preflight(request)
            if preflight is not None:
                return preflight
        probe = PROBES.get(request.path_info)
        if probe is not None:
            return probe(request)
        if refusal := _refusal(request):
            return refusal
        if self._throttle and (refusal := self._throttle.refusal(request)):
            return refusal
        host = request.META.get("HTTP_HOST")
        if host not in _hosts:
            try:
                request.get_host()
            except DisallowedHost as error:
                return problems.respond(request, error)
            _remember_host(host)
        response: HttpResponseBase
        route = None if "HTTP_COOKIE" in request.META else self._route(request)
        if route is None:
            response = self.get_response(request)
            _choose_headers(response)
            return response
        match, inputs = route
        request.resolver_match = match
        response = match.func(request, **inputs)
        return response

    def _route(
        self, request: HttpRequest
    ) -> tuple[ResolverMatch, dict[str, object]] | None:
        """The operation and the arguments of this path, as Django's URL resolver finds them; None
        if it is no operation. Paths that differ only in the number are resolved once."""
        path = request.path_info
        number = NUMBER.search(path)
        shape, values = path, []
        if number is not None:
            start, end = number.span(1)
            shape, values = f"{path[:start]}0{path[end:]}", [int(number[1])]
        known = self._routes.get(shape)
        if known is not None:
            match, names = known
            return match, dict(zip(names, values, strict=True))
        try:
            match = resolve(path)
        except Resolver404:
            return None
        if match.app_name != "ninja" or match.url_name in DOCUMENTATION:
            return None
        if [*match.kwargs.values()] == values:
            self._routes[shape] = match, [*match.kwargs]
        return match, match.kwargs


def _refusal(request: HttpRequest) -> HttpResponse | None:
    """The response to a request that the queue has refused."""
    if REFUSED not in request.META:
        return None
    return problems.page(
        request, problems.Unavailable("Too many requests wait. Repeat it later.")
    )


def _check_middleware() -> None:
    """Refuses middleware that API requests would bypass."""
    own = f"{__name__}.{PipelineMiddleware.__name__}"
    below = settings.MIDDLEWARE[settings.MIDDLEWARE.index(own) + 1 :]
    for name in below:
        if name not in settings.PAGE_MIDDLEWARE:
            raise ImproperlyConfigured(
                f"{name} stands below {own} in MIDDLEWARE, which answers API requests: it "
                f"would see pages only. Put it above {own}; if it is for pages alone, "
                "add it to PAGE_MIDDLEWARE in taskproject/settings.py."
            )


# The Host headers that were found to be allowed. There may be any number of them, because
# ALLOWED_HOSTS can have patterns.
_hosts: set[str | None] = set()
MAX_HOSTS = 1_000


def _remember_host(host: str | None) -> None:
    if host is not None and len(host) <= LONGEST_ORIGIN:
        if len(_hosts) >= MAX_HOSTS:
            _hosts.clear()
        _hosts.add(host)


# Headers


def _add_headers(request: IdentifiedRequest, response: HttpResponseBase) -> None:
    """Adds the headers that all responses of the API have."""
    meta = request.META
    origin = meta.get("HTTP_ORIGIN", "")
    find: Callable[..., Headers] = shared_headers
    if len(origin) > LONGEST_ORIGIN:
        find = shared_headers.__wrapped__
    shared = find(
        origin,
        request.is_secure(),
        request.method == "OPTIONS",
        meta.get("HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK") == "true",
    )
    own: Headers = response.headers._store
    vary = own.get("vary")
    # Setting them one by one in `headers` would convert each: 0.015 ms in all.
    response.headers._store = {
        **shared,
        **own,
        "x-request-id": ("X-Request-ID", request.id),
    }
    for name, value in getattr(request, "rate_limit", {}).items():
        response.headers.setdefault(name, value)
    if "access-control-expose-headers" in shared:
        _expose_present(response.headers._store)
    if vary:
        patch_vary_headers(response, VARY)
    if response.status_code in (204, 304):
        # RFC 9110, section 8.6: no Content-Length without content.
        response.headers.pop("Content-Length", None)
    elif not response.streaming and "content-length" not in own:
        assert isinstance(response, HttpResponse)
        response.headers["Content-Length"] = str(len(response.content))


def _expose_present(headers: Headers) -> None:
    """Names only those headers to pages that the response has: all are 200 bytes."""
    name, names = headers["access-control-expose-headers"]
    if names != "*":
        present = [word for word in names.split(", ") if word.lower() in headers]
        headers["access-control-expose-headers"] = name, ", ".join(present)


def _choose_headers(response: HttpResponseBase) -> None:
    """Gives what has passed the middleware of pages the headers of its kind: the interactive
    documentation is a page; what the API responds with a cookie is none."""
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    if is_page and response.status_code < 400:
        response.headers.setdefault(CSP, settings.CONTENT_SECURITY_POLICY)
    else:
        for name in PAGE_HEADERS:
            response.headers.pop(name, None)


def _address_other_origins(request: HttpRequest, response: HttpResponseBase) -> None:
    """Makes the addresses in the headers of a response to another origin absolute: its pages
    would resolve them against their own address."""
    headers = response.headers
    own: Headers = headers._store  # `in headers` raises and catches KeyError
    if "location" in own:
        headers["Location"] = address(request, headers["Location"])
    if "link" in own:
        headers["Link"] = RELATIVE_LINK.sub(
            lambda link: f"<{address(request, link[1])}>", headers["Link"]
        )


class _BareRequest(HttpRequest):
    """The part of a request that decides the headers of middleware."""

    def __init__(self, secure: bool, method: str, meta: dict[str, str]) -> None:
        super().__init__()
        self.method, self.META, self.path_info = method, meta, "/api"
        self._secure = secure

    def is_secure(self) -> bool:
        return self._secure


@lru_cache(maxsize=1_000)
def shared_headers(
    origin: str, secure: bool, options: bool, private_network: bool
) -> Headers:
    """The headers that django-cors-headers and Django's own middleware add to the response to such
    a request, by lowercase names. The middleware is called once for each kind of request."""
    meta = {"HTTP_ORIGIN": origin} if origin else {}
    if private_network:
        meta["HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK"] = "true"
    request = _BareRequest(secure, "OPTIONS" if options else "GET", meta)
    response = HttpResponse()
    del response.headers["Content-Type"]
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["API-Version"] = __version__

    def unused(_: HttpRequest) -> HttpResponse:
        return response

    CorsMiddleware(unused).add_response_headers(request, response)
    SecurityMiddleware(unused).process_response(request, response)
    for name in PAGE_HEADERS:
        response.headers.pop(name, None)
    patch_vary_headers(response, VARY)
    return {name.lower(): (name, value) for name, value in response.items()}


def forget() -> None:
    """Clears the caches of what depends on settings, for tests."""
    shared_headers.cache_clear()
    _hosts.clear()


# The end of every request


def _finished(
    request: IdentifiedRequest,
    method: str | None,
    response: HttpResponseBase,
    started: float,
) -> HttpResponseBase:
    if response.status_code == 503:
        _distrust_connection()
    _read_to_the_end(request, response)
    log(request, method, response, started)
    return response


def _read_to_the_end(request: HttpRequest, response: HttpResponseBase) -> None:
    """Reads a body that was answered unread (401, 404, 405, 503, ...).

    granian closes the connection, and does not say so, when a response overtakes the
    body of its request; the caller's next request would break.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length == "0" or "_body" in vars(request):  # where `request.body` keeps it
        return
    if not length.isdecimal() or int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        response.headers["Connection"] = "close"
    else:
        with suppress(OSError):
            request.read()


def _distrust_connection() -> None:
    """Closes the connection, which may lead to a server that has become read-only. Not on SQLite,
    where a full disk would prevent connecting again."""
    if settings.ON_POSTGRESQL and not connection.in_atomic_block:
        connection.close()


def request_id(request: HttpRequest) -> str:
    """The request id of the client if it is well formed, else a new one."""
    given: str = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if WELL_FORMED_ID.fullmatch(given) else os.urandom(16).hex()


def _masked(path: str) -> str:
    if len(path) <= SHORTEST_SECRET and "calendar" not in path.lower():
        return path
    return SECRET.sub("/…", path)


def _tenths(seconds: float) -> float:
    """Milliseconds with one decimal place. (`round` takes three times as long.)"""
    return int(seconds * 10_000 + 0.5) / 10


def log(
    request: IdentifiedRequest,
    method: str | None,
    response: HttpResponseBase,
    started: float,
) -> None:
    """Logs the request after its response; `method` is the original method."""
    if not logger.isEnabledFor(logging.INFO):
        return
    caller = getattr(request, "auth", None)
    user = getattr(caller, "user_id", None)
    if user is None:
        # Only if the session was loaded: logging must not access the database.
        loaded = getattr(getattr(request, "session", None), "_session_cache", {})
        user = int(loaded[SESSION_KEY]) if SESSION_KEY in loaded else None
    usage = this_thread.usage
    fields: dict[str, object] = {
        "id": request.id,
        "method": method,
        "operation": getattr(request, "operation", None),
        "path": _masked(request.path),
        "status": response.status_code,
        "ms": _tenths(time.perf_counter() - started),
        "database_ms": _tenths(usage.seconds),
        "round_trips": usage.round_trips,
        "user": user,
        "via": getattr(caller, "via", None),
    }
    if usage.replica:
        fields["replica"] = usage.replica
    logger.handle(Line(logger.name, "request", fields))
