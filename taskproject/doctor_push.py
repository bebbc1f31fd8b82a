"""The checks of `manage.py doctor` of push: whether it runs, and whether a proxy passes it."""

import os
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from taskproject.doctor import (
    Options,
    Results,
    check,
    error,
    ok,
    warning,
    without_password,
)
from tasks.push import PATH

TIMEOUT = 5.0  # seconds
#: Seconds from the request of a stream to its first hint, which is sent at once.
FIRST_HINT = 2.0
#: An API token that may read, where `ps` does not show it.
TOKEN = "DOCTOR_TOKEN"


@check("push")
def check_push(options: Options) -> Results:
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
        yield warning(
            f"Nothing answers at {where} (PUSH_PORT), so that clients hear of changes late: "
            "start `manage.py serve`, which runs push, and read its log."
        )
        return
    if known is None:
        yield error(
            f"Another program answers at {where} (PUSH_PORT): stop it, or set PUSH_PORT to a "
            "free port."
        )
    else:
        yield ok(f"Push answers at {where}.")


@check("stream")
def check_stream(options: Options) -> Results:
    """Whether hints arrive at once from `options.stream`, the address that clients use."""
    if not options.stream:
        return
    try:
        url = urlsplit(options.stream)
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if not host or url.scheme not in ("http", "https"):
        yield error("--stream must be an address such as https://tasks.example.com.")
        return
    connect = HTTPSConnection if url.scheme == "https" else HTTPConnection
    try:
        with closing(connect(host, port, timeout=TIMEOUT)) as client:
            client.connect()
            client.sock.settimeout(FIRST_HINT)
            yield from _streamed(client, url)
    except TimeoutError:
        yield error(
            f"{options.stream} sent nothing of a stream within {FIRST_HINT:.0f} s: if it "
            "answers otherwise, the proxy keeps the response back. Turn its buffering off "
            f"for {PATH}, as the configurations in deploy/ do."
        )
    except (OSError, HTTPException) as failure:
        yield error(
            f"{options.stream} cannot be asked for a stream: {without_password(failure)}"
        )


def _streamed(client: HTTPConnection, url: SplitResult) -> Results:
    token = os.environ.get(TOKEN)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    began = monotonic()
    client.request("GET", url.path.rstrip("/") + PATH, headers=headers)
    response = client.getresponse()
    if response.status != HTTPStatus.OK:
        yield error(
            f"{url.netloc} answers {response.status} to {PATH}: set {TOKEN} to an API "
            "token (manage.py create_token USERNAME --scopes read --expires 1d), and "
            "give the address of this service."
        )
        return
    # That of manage.py push has no end, and so no length.
    ends = response.length is not None
    response.read1()
    seconds = monotonic() - began
    if ends:
        yield warning(
            f"{url.netloc} sends single hints: set PUSH_PORT, and have the proxy send "
            f"{PATH} to that port."
        )
    else:
        yield ok(f"{url.netloc} passed the first hint after {seconds:.2f} s.")


def _reachable(host: str) -> str:
    """An address at which what listens on this one is reached from this machine."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"
