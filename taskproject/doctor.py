"""`manage.py doctor`: what is wrong with this installation, and what to type.

A check is a function that yields what it finds out about one subject: `ok`, `warning` or
`error`, each with a sentence. None shows a secret, or a password of a database URL."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import chain
from types import ModuleType
from typing import Literal, NamedTuple

from django.conf import settings
from django.core.checks import WARNING, Tags, run_checks
from django.db import DatabaseError

from taskproject import environment
from taskproject.pipeline import shared_headers

Level = Literal["ok", "warning", "error"]
Result = tuple[Level, str]
Results = Iterator[Result]


def ok(message: str) -> Result:
    return "ok", message


def warning(message: str) -> Result:
    return "warning", message


def error(message: str) -> Result:
    return "error", message


class Options(NamedTuple):
    #: The origin whose pages are to call the API, or an empty string.
    origin: str = ""
    #: Whether to read whole tables.
    deep: bool = False
    #: The address of the service, whose stream of hints is to be opened, or an empty string.
    stream: str = ""


class Finding(NamedTuple):
    check: str
    level: Level
    message: str


class Check(NamedTuple):
    name: str
    run: Callable[[Options], Results]
    #: The check that must have found no error, or an empty string.
    needs: str


#: By the name of the module, in the order of their registration.
CHECKS: dict[str, list[Check]] = defaultdict(list)


def check(
    name: str, *, needs: str = ""
) -> Callable[[Callable[[Options], Results]], Callable[[Options], Results]]:
    """Registers a check of the module that defines the function."""

    def register(run: Callable[[Options], Results]) -> Callable[[Options], Results]:
        CHECKS[run.__module__].append(Check(name, run, needs))
        return run

    return register


def examine(options: Options, *modules: ModuleType) -> Iterator[Finding]:
    """The findings of all checks of the modules that can be made, one module after the other,
    whichever was imported first."""
    failed = set()
    for name, run, needs in chain.from_iterable(
        CHECKS[module.__name__] for module in modules
    ):
        if needs in failed:
            failed.add(name)
            continue
        try:
            for level, message in run(options):
                if level == "error":
                    failed.add(name)
                yield Finding(name, level, message)
        except DatabaseError as failure:
            told = f"The check failed: {without_password(failure)}"
            yield Finding(name, "error", told)


def without_password(failure: Exception) -> str:
    """The first line of the exception's message, as a sentence."""
    lines = str(failure).splitlines() or [type(failure).__name__]
    text = f"{lines[0].rstrip('.')}."
    for database in (*settings.DATABASES.values(), settings.DATABASE_DIRECT or {}):
        password = database.get("PASSWORD")
        if password:
            text = text.replace(str(password), "…")
    return text


#: What Django's checks find where HTTPS is off: HSTS, the redirect, and the two cookies.
SAID_OF_HTTPS = {"security.W004", "security.W008", "security.W012", "security.W016"}


@check("settings")
def check_settings(options: Options) -> Results:
    """Django's system checks, those for deployment too. `deep` adds those that read tables."""
    tags = [Tags.security, Tags.models, Tags.urls, Tags.compatibility]
    found = run_checks(tags=tags, include_deployment_checks=True)
    found += run_checks(
        tags=[Tags.database], databases=["default"] if options.deep else None
    )
    if not settings.HTTPS:
        found = [message for message in found if message.id not in SAID_OF_HTTPS]
        yield warning(
            "HTTPS is off: cookies are sent unencrypted, and browsers are not told to use "
            "https. Set HTTPS=on, and TRUST_X_FORWARDED_PROTO=on behind a proxy that ends TLS."
        )
    for message in found:
        finding = error if message.level > WARNING else warning
        hint = f" {message.hint}" if message.hint else ""
        yield finding(f"{message.msg}{hint} ({message.id})")
    if settings.DEBUG:
        yield error("DEBUG is on, which shows tracebacks to everybody: set DEBUG=off.")
    if not found and not settings.DEBUG:
        yield ok("The settings pass the checks for production.")


@check("origin")
def check_origin(options: Options) -> Results:
    """What a browser would get on a page of the origin."""
    origin = options.origin
    if not origin:
        return
    if not environment.ORIGIN.fullmatch(origin):
        yield error(
            f"{origin!r} is no origin: it looks like https://app.example.com, in lower "
            "case and with no path."
        )
        return
    headers = shared_headers(origin, origin.startswith("https"), True, False)
    if "access-control-allow-origin" not in headers:
        yield error(
            f"Browsers keep the responses from pages of {origin}: add it to "
            "CORS_ALLOWED_ORIGINS."
        )
        return
    if "access-control-allow-credentials" not in headers:
        yield ok(f"Pages of {origin} may call the API with a token.")
        return
    if origin not in settings.CSRF_TRUSTED_ORIGINS:
        yield warning(
            f"Pages of {origin} may read with the session cookie, but their writes with it "
            "are 403: add the origin to CSRF_TRUSTED_ORIGINS."
        )
    if settings.SESSION_COOKIE_SAMESITE != "None":
        yield ok(
            f"Pages of {origin} may call the API with a token; with the session cookie "
            "only if they are of the same site as the service "
            f"(SESSION_COOKIE_SAMESITE={settings.SESSION_COOKIE_SAMESITE})."
        )
    else:
        yield ok(f"Pages of {origin} may call the API with a token or the session.")
