"""Addresses in responses: paths, which are absolute for clients of another origin."""

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest, path: str) -> str:
    """The path, as an absolute URL if the request comes from a page of another host.

    Beside those of the web, an origin may have any scheme (of an app, such as
    `capacitor://localhost`), or be `null`."""
    origin = request.META.get("HTTP_ORIGIN")
    if origin is None or not path.startswith("/"):
        return path
    return path if _host(origin) == request.get_host() else absolute(request, path)


def absolute(request: HttpRequest, path: str) -> str:
    """The absolute URL of a path of this service. The host is the one that ALLOWED_HOSTS has
    allowed. The scheme is https where HTTPS is on, also behind a proxy that ends TLS and does
    not say so."""
    secure = settings.HTTPS or request.is_secure()
    return f"{'https' if secure else 'http'}://{request.get_host()}{path}"


def _host(origin: str) -> str:
    """The host and port of an origin of the web; else empty."""
    scheme, _, host = origin.partition("://")
    return host if scheme in ("http", "https") else ""
