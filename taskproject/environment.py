"""Reads settings from the environment and refuses nonsense, naming the variable.

Each reader takes the variable's name and its default; an empty variable counts as
absent. What cannot be understood raises ``ImproperlyConfigured``, which stops the
service before it serves anything.
"""

import os
import re
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

TRUE = {"on", "true", "yes", "1"}
FALSE = {"off", "false", "no", "0"}
ORIGIN = re.compile(
    r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?"
)
ENGINES = {"django.db.backends.sqlite3", "django.db.backends.postgresql"}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name} is {value!r}; it must be on or off.")


def integer(name: str, default: int, low: int, high: int) -> int:
    value = text(name)
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
        raise ImproperlyConfigured(
            f"{name} is {value!r}; it must be a whole number from {low} to {high}."
        )
    return int(value)


def choice(name: str, default: str, choices: list[str]) -> str:
    value = text(name, default).upper()
    if value not in choices:
        raise ImproperlyConfigured(
            f"{name} is {value!r}; it must be one of {', '.join(choices)}."
        )
    return value


def words(name: str, default: str = "") -> list[str]:
    """The comma-separated words of a variable."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def hosts(name: str, default: str) -> list[str]:
    """Host names without scheme or path, as ALLOWED_HOSTS wants them."""
    for host in words(name, default):
        if "/" in host or (":" in host and not host.startswith("[")):
            raise ImproperlyConfigured(
                f"{name} has {host!r}; write the host name alone, such as example.com."
            )
    return words(name, default)


def origins(name: str) -> list[str]:
    """Origins as browsers send them: scheme, host and port, nothing behind."""
    for origin in words(name):
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise ImproperlyConfigured(
                f"{name} has {origin!r}; an origin looks like https://app.example.com "
                "or http://localhost:3000, in lower case and with no path."
            )
    return words(name)


def secret(name: str) -> str:
    """A secret of 50 or more characters that nobody has published."""
    value = text(name)
    weak = len(value) < 50 or len(set(value)) < 5 or "insecure" in value
    if weak or "change" in value.lower():
        raise ImproperlyConfigured(
            f"{name} is missing, too short or a placeholder; set it to 50 or more "
            'random characters, for example from: python3 -c "import secrets; '
            'print(secrets.token_urlsafe(50))"'
        )
    return value


def database(name: str, default: str = "") -> dict[str, Any]:
    """A Django database from a URL; only PostgreSQL and SQLite are accepted.

    The URL is never repeated in the message: it holds a password.
    """
    url = text(name, default)
    try:
        urlsplit(url).port  # noqa: B018 - raises on a port that is no number
        parsed = dict(dj_database_url.parse(url))
    except (ValueError, dj_database_url.ParseError) as error:
        raise ImproperlyConfigured(
            f"{name} is no database URL; it looks like "
            "postgresql://user:password@host/name or sqlite:///path."
        ) from error
    if parsed["ENGINE"] not in ENGINES:
        raise ImproperlyConfigured(
            f"{name} names another database; use postgresql:// or sqlite:///."
        )
    if not parsed.get("NAME"):
        raise ImproperlyConfigured(f"{name} does not name a database after the host.")
    return parsed
