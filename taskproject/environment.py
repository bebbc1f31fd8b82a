"""Parsing of environment variables for the settings.

Each function takes the name of a variable and its default; an empty variable counts as
absent. An invalid value raises ``ImproperlyConfigured`` with the name of the variable, so
that the service does not start.
"""

import os
import re
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE = {"on", "true", "yes", "1"}
FALSE = {"off", "false", "no", "0"}
ORIGIN = re.compile(
    r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?"
)


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def boolean(name: str, default: bool) -> bool:
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name} is {value!r}; it must be on or off.")


def require(name: str, module: str, requirement: str) -> None:
    """Refuses the variable if it is set and its optional package is not installed."""
    if not text(name):
        return
    try:
        missing = find_spec(module) is None
    except ModuleNotFoundError:  # that of a package around it
        missing = True
    if missing:
        raise ImproperlyConfigured(
            f"{name} is set and needs a package: .venv/bin/pip install '{requirement}', or "
            f"remove {name}."
        )


def integer(name: str, default: int, low: int, high: int) -> int:
    value = text(name)
    if not value:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
        raise ImproperlyConfigured(
            f"{name} is {value!r}; it must be a whole number from {low} to {high}."
        )
    return int(value)


def username(name: str) -> str:
    """A user name, or an empty string."""
    value = text(name)
    if value and not re.fullmatch(r"[\w.@+-]{1,150}", value):
        raise ImproperlyConfigured(
            f"{name} is {value[:40]!r}; a user's name has at most 150 letters, digits "
            "and @ . + - _."
        )
    return value


def choice(name: str, default: str, choices: list[str]) -> str:
    """One of the words, as they are written here, whatever the case of the value."""
    value = text(name, default)
    for word in choices:
        if value.lower() == word.lower():
            return word
    raise ImproperlyConfigured(
        f"{name} is {value!r}; it must be one of {', '.join(choices)}."
    )


def words(name: str, default: str = "") -> list[str]:
    """The comma-separated words of a variable."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def hosts(name: str, default: str) -> list[str]:
    """Host names without scheme or path, as ALLOWED_HOSTS wants them."""
    for host in words(name, default):
        if re.search(r"[/\s]", host) or (":" in host and not host.startswith("[")):
            raise ImproperlyConfigured(
                f"{name} has {host!r}; write the host name alone, such as example.com, and "
                "commas between several."
            )
    return words(name, default)


def origins(name: str) -> list[str]:
    """Origins as browsers send them: scheme, host and port, without a path."""
    for origin in words(name):
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise ImproperlyConfigured(
                f"{name} has {origin!r}; an origin looks like https://app.example.com "
                "or http://localhost:3000, in lower case and with no path."
            )
    return words(name)


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Addresses of hosts or networks."""
    try:
        return [ip_network(word) for word in words(name)]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is wrong: {error}; an address looks like 10.0.0.5, a network like "
            "10.0.0.0/24."
        ) from None


def token(name: str) -> str:
    """A secret of 16 or more characters for a header, or an empty string. It is never
    repeated in the message."""
    value = text(name)
    if value and not re.fullmatch(r"[!-~]{16,200}", value):
        raise ImproperlyConfigured(
            f"{name} must have from 16 to 200 visible ASCII characters without spaces; make "
            "one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'."
        )
    return value


def domain(name: str) -> str:
    """A domain without a port, or an empty string."""
    value = text(name)
    if value and not re.fullmatch(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){0,8}", value):
        raise ImproperlyConfigured(
            f"{name} is {value[:60]!r}; it looks like example.com or app.example.com."
        )
    return value


def url(name: str) -> str:
    """An http or https URL, or an empty string."""
    value = text(name)
    if value and not re.fullmatch(r"https?://[^\s<>\"]{1,500}", value):
        raise ImproperlyConfigured(
            f"{name} is {value[:60]!r}; it looks like https://app.example.com/."
        )
    return value


def issuer(name: str, https: bool) -> str:
    """The URL of an identity provider or of its keys, or an empty string. With `https` it must
    be encrypted; else http is accepted for this host."""
    value = text(name)
    if value and not is_issuer(value, https):
        raise ImproperlyConfigured(
            f"{name} is {value[:60]!r}; it looks like https://id.example.com/, and with "
            "HTTPS=off http:// is accepted for 127.0.0.1 and localhost."
        )
    return value


def is_issuer(url: str, https: bool) -> bool:
    """Whether this is the URL of a provider whose responses nobody can forge on their way."""
    if re.fullmatch(r"https://[^\s<>\"?#@]{1,500}", url):
        return True
    loopback = (
        r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?(/[^\s<>\"?#@]{0,400})?"
    )
    return not https and re.fullmatch(loopback, url) is not None


_MAIL_SERVER = (
    "it looks like smtp://user:password@host:587?from=tasks@example.com, or smtps:// with "
    "TLS from the start (465), with % and two digits for /, #, ?, @, : and % in the "
    "password; &starttls=off sends it unencrypted. log: writes mails to the log."
)


def mail(name: str, default: str) -> dict[str, Any]:
    """How to send mail, from a URL: smtp (with STARTTLS), smtps (with TLS), or `log:`, which
    writes mails to the log. An empty BACKEND sends none.

    The URL is never repeated in the message: it holds a password."""
    value = text(name, default)
    blank = {
        "HOST": "",
        "PORT": 0,
        "USER": "",
        "PASSWORD": "",
        "FROM": "tasks@localhost",
    }
    blank |= {"BACKEND": "", "STARTTLS": False, "TLS": False}
    if value in ("", "log:"):
        return blank | {"BACKEND": "taskproject.mail.LogBackend" if value else ""}
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    sender = query.pop("from", "")
    starttls = query.pop("starttls", "on")
    wrong = parts.scheme not in ("smtp", "smtps") or not parts.hostname
    wrong = wrong or parts.path not in ("", "/") or bool(query)
    wrong = wrong or starttls not in ("on", "off") or "@" not in sender
    if wrong:
        raise ImproperlyConfigured(f"{name} is no mail server; {_MAIL_SERVER}")
    tls = parts.scheme == "smtps"
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "HOST": parts.hostname,
        "PORT": port or (465 if tls else 587),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "STARTTLS": not tls and starttls == "on",
        "TLS": tls,
        "FROM": sender,
    }


def secret(name: str) -> str:
    """A secret of 50 or more characters that is no placeholder."""
    _check_secret(name, text(name))
    return text(name)


def secrets(name: str) -> list[str]:
    """Comma-separated secrets; each meets the requirements of `secret`."""
    for value in words(name):
        _check_secret(name, value)
    return words(name)


def _check_secret(name: str, value: str) -> None:
    weak = len(value) < 50 or len(set(value)) < 8
    if weak or "insecure" in value or "change" in value.lower():
        raise ImproperlyConfigured(
            f"{name} is missing, too short or a placeholder; set it to 50 or more "
            'random characters, for example from: python3 -c "import secrets; '
            'print(secrets.token_urlsafe(50))"'
        )
