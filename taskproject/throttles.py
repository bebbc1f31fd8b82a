"""Rate limits: how many requests a caller and an address of the network may make, and the
headers that tell of a limit.

The processes of one `manage.py serve` count in a table that they share, without a lock. For
each key it has a time: that at which all of its past requests would have been made at the
allowed rate (the generic cell rate algorithm). A request adds its share to that time, and
is refused if this would be more than the window ahead. There are two places for each key,
the earlier of which counts, so that few keys share both. Two processes that count at the
same instant may count one request: that is not worth a lock. A time is stored over an earlier one
only, so that no more are lost."""

import math
import mmap
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address, ip_network
from time import monotonic
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from taskproject import problems

WINDOW = 60  # seconds
PLACES = 1 << 17
#: The times, by `time.monotonic`, which all processes of a host share. `manage.py serve` has
#: loaded this module when it forks its workers, so that they share the memory.
TABLE = memoryview(mmap.mmap(-1, 2 * PLACES * 8)).cast("d")
#: Programs of the same host, and proxies of it that are not trusted, are not counted.
LOCAL = ("127.0.0.1", "::/64")


class Limit(NamedTuple):
    """At most `most` requests in `window` seconds; `name` identifies it in headers."""

    name: str
    most: int
    window: int

    def headers(self, left: int, seconds: float) -> dict[str, str]:
        """The headers of a response, by draft-ietf-httpapi-ratelimit-headers-10: how many requests
        are left, and the seconds until all are left again."""
        until = max(1, math.ceil(seconds))
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.most};w={self.window}',
            "RateLimit": f'"{self.name}";r={max(0, left)};t={until}',
        }


class Throttle:
    """The limits of API requests: of a caller, which is a credential or else an address, and
    of an address. 9 us of CPU a request."""

    def __init__(self, caller: int, address: int) -> None:
        self._caller = Limit("caller", caller, WINDOW)
        self._address = Limit("address", address, WINDOW)
        self._key = blake2b(settings.SECRET_KEY.encode(), digest_size=32).digest()

    def refusal(self, request: HttpRequest) -> HttpResponse | None:
        """Counts the request. Returns the response if it is one too many; else sets
        `request.rate_limit`, the headers of its response."""
        address = client_address(request)
        if address in LOCAL:
            return None
        caller = credential(request)
        asked = [(self._caller, caller or address)]
        if caller:
            asked.append((self._address, address))
        headers: dict[str, str] = {}
        for limit, key in asked:
            if not (limit.most and key):
                continue
            ahead = self.take(limit, key)
            if ahead > WINDOW:
                return self._refuse(request, limit, ahead - WINDOW)
            if not headers:
                left = int((WINDOW - ahead) * limit.most / WINDOW)
                headers = limit.headers(left, ahead)
        vars(request)["rate_limit"] = headers
        return None

    def take(self, limit: Limit, key: str) -> float:
        """Counts a request, unless it is one too many: then the result, the number of seconds
        that the key is ahead of the allowed rate, is more than the window."""
        table = TABLE
        digest = blake2b(
            f"{limit.name}:{key}".encode(errors="replace"), digest_size=8, key=self._key
        ).digest()
        number = int.from_bytes(digest, "little")
        first, second = number % PLACES, PLACES + (number >> 32) % PLACES
        now = monotonic()
        counted = min(table[first], table[second])
        # The difference of the sum would be rounded, and exceed the window by that.
        ahead = max(counted - now, 0.0) + limit.window / limit.most
        if ahead <= limit.window:
            due = now + ahead
            # Read again: where others have counted meanwhile, their times stay.
            if table[first] < due:  # noqa: PLR1730  # a call lets other threads between
                table[first] = due
            if table[second] < due:  # noqa: PLR1730  # likewise
                table[second] = due
        return ahead

    def _refuse(
        self, request: HttpRequest, limit: Limit, seconds: float
    ) -> HttpResponse:
        wait = max(1, math.ceil(seconds))
        problem = problems.TooManyRequests(
            f"At most {limit.most} requests a minute are answered to one {limit.name}. "
            f"Try again in {wait} second{'' if wait == 1 else 's'}.",
            headers={"Retry-After": str(wait), **limit.headers(0, wait)},
        )
        return problems.respond(request, problem)


def throttle() -> Throttle | None:
    """The limits of the settings; None if there are none."""
    caller, address = settings.RATE_LIMIT, settings.RATE_LIMIT_ADDRESS
    return Throttle(caller, address) if caller or address else None


def credential(request: HttpRequest) -> str:
    """The credential of the request, checked or not; empty if it has none."""
    meta = request.META
    token: str = meta.get("HTTP_AUTHORIZATION") or meta.get("HTTP_X_SESSION_TOKEN", "")
    if not token and "HTTP_COOKIE" in meta:
        token = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    return token


def client_address(request: HttpRequest) -> str | None:
    """The client's IPv4 address, or the /64 network of its IPv6 address. None behind a proxy whose
    headers are not trusted."""
    given = request.META.get("REMOTE_ADDR", "")
    if settings.TRUST_X_FORWARDED_FOR:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(forwarded) >= settings.TRUST_X_FORWARDED_FOR:
            given = forwarded[-settings.TRUST_X_FORWARDED_FOR].strip()
    elif getattr(settings, "SECURE_PROXY_SSL_HEADER", None):
        return None
    return _network(given)


@lru_cache(maxsize=4_096)
def _network(given: str) -> str | None:
    try:
        address = ip_address(given)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
