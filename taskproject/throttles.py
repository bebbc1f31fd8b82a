"""Rate limits: whose requests are counted, and the headers that tell of a limit."""

import math
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest


class Limit(NamedTuple):
    """At most `most` requests in `window` seconds; `name` identifies it in headers."""

    name: str
    most: int
    window: int

    def headers(self, left: int, seconds: float) -> dict[str, str]:
        """The headers of a response, by draft-ietf-httpapi-ratelimit-headers-10: how many requests
        are left, and the seconds until there are more."""
        until = max(1, math.ceil(seconds))
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.most};w={self.window}',
            "RateLimit": f'"{self.name}";r={max(0, left)};t={until}',
        }


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
    try:
        address = ip_address(given)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
