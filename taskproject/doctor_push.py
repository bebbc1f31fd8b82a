"""The check of `manage.py doctor` of push."""

from contextlib import closing
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address

from django.conf import settings

from taskproject.doctor import Options, Said, check
from tasks.push import PATH

TIMEOUT = 5.0  # seconds


@check("push")
def check_push(options: Options) -> Said:
    """Whether push answers at PUSH_PORT, where it is set."""
    if not settings.PUSH_PORT:
        return
    host = _reachable(settings.HOST)
    where = f"{host}, port {settings.PUSH_PORT}"
    try:
        with closing(HTTPConnection(host, settings.PUSH_PORT, TIMEOUT)) as client:
            client.request("HEAD", PATH)
            known = client.getresponse().headers["X-Request-ID"]
    except (OSError, HTTPException):
        yield (
            "warning",
            (
                f"Nothing answers at {where} (PUSH_PORT), so that clients hear of changes late: "
                "start `manage.py serve`, which runs push, and read its log."
            ),
        )
        return
    if known is None:
        yield (
            "error",
            (
                f"Another program answers at {where} (PUSH_PORT): stop it, or set PUSH_PORT to a "
                "free port."
            ),
        )
    else:
        yield "ok", f"Push answers at {where}."


def _reachable(host: str) -> str:
    """An address at which what listens on this one is reached from this machine."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"
