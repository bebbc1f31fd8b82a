"""The options after the ? of a database URL: libpq's parameters.

Other libraries put options of their own into the same URL, which libpq refuses whenever it
connects. Harmless ones are ignored; others are refused when the service starts, by name and
with a replacement."""

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import pq

from taskproject.names import close_to

#: Ignored options of other libraries, with their harmless values; None: all values.
IGNORED: dict[str, set[str] | None] = {
    # Prisma: no prepared statements, which this service avoids where it must.
    "pgbouncer": None,
    "schema": {"public"},
    "statement_cache_size": None,
    # asyncpg, and SQLAlchemy with it.
    "prepared_statement_cache_size": None,
    # node-postgres: sslmode as in libpq.
    "uselibpqcompat": {"true"},
}
_LIMITS = "give the role its limit, as in ALTER ROLE tasks SET {} = '5s'"
_CONNECTIONS = "WORKERS and THREADS decide how many connections there are"
_SSL = "write sslmode=require, or sslmode=verify-full with sslrootcert"
_SCHEMA = "ALTER ROLE tasks SET search_path = ... decides on the schema"
_CONNECTING = "set DATABASE_CONNECT_TIMEOUT"
_WAITING = "set DATABASE_TIMEOUT"
#: Refused options of other libraries, and their replacements.
INSTEAD = {
    # Prisma
    "schema": _SCHEMA,
    "connection_limit": _CONNECTIONS,
    "pool_timeout": _WAITING,
    "socket_timeout": _WAITING,
    "max_connection_lifetime": _CONNECTIONS,
    "max_idle_connection_lifetime": _CONNECTIONS,
    "single_use_connections": _CONNECTIONS,
    "sslaccept": _SSL,
    "sslidentity": "write sslcert and sslkey",
    # SQLAlchemy, asyncpg, node-postgres, JDBC
    "ssl": _SSL,
    "pool": _CONNECTIONS,
    "pool_size": _CONNECTIONS,
    "max_overflow": _CONNECTIONS,
    "pool_pre_ping": "connections are checked anyway",
    "pool_recycle": _CONNECTIONS,
    "timeout": _CONNECTING,
    "connectTimeout": _CONNECTING,
    "loginTimeout": _CONNECTING,
    "command_timeout": _WAITING,
    "query_timeout": _WAITING,
    "socketTimeout": _WAITING,
    "async_fallback": "nothing is asynchronous here",
    "server_settings": "ALTER ROLE tasks SET ... decides on settings",
    "search_path": _SCHEMA,
    "statement_timeout": _LIMITS.format("statement_timeout"),
    "lock_timeout": _LIMITS.format("lock_timeout"),
    "idle_in_transaction_session_timeout": _LIMITS.format(
        "idle_in_transaction_session_timeout"
    ),
    # Django
    "conn_max_age": "connections are kept for a minute",
    "conn_health_checks": "connections are checked anyway",
    "isolation_level": "the service needs read committed, and sets it",
    # libpq
    "replication": "the service does not replicate",
    "client_encoding": "it is UTF-8",
}
_NAME = re.compile(r"[A-Za-z_]{2,40}")
_FLAGS = {"0", "1"}
#: The values of libpq parameters that have few.
VALUES = {
    "sslmode": {
        *("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    },
    "channel_binding": {"disable", "prefer", "require"},
    "gssencmode": {"disable", "prefer", "require"},
    "sslcertmode": {"disable", "allow", "require"},
    "sslnegotiation": {"postgres", "direct"},
    "load_balance_hosts": {"disable", "random"},
    "target_session_attrs": {
        *("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    },
    "keepalives": _FLAGS,
    "sslsni": _FLAGS,
    "sslcompression": _FLAGS,
    "gssdelegation": _FLAGS,
}
_NUMBERS = {
    *("keepalives_idle", "keepalives_interval", "keepalives_count"),
    "tcp_user_timeout",
}


def of_postgresql(variable: str, given: Mapping[str, object]) -> dict[str, Any]:
    """The options for libpq. Raises ImproperlyConfigured with the name of the variable."""
    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    options: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, list):
            _refuse(variable, name, "is given twice", "write it once")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if name in IGNORED:
            harmless = IGNORED[name]
            if harmless is None or text in harmless:
                continue
        if name in INSTEAD:
            _refuse(variable, name, "is not for this service", INSTEAD[name])
        if name not in known:
            near = close_to(name.lower(), known)
            hint = f"did you mean {near}?" if near else "leave it out"
            _refuse(variable, name, "is no parameter of PostgreSQL's libpq", hint)
        if name in VALUES and text not in VALUES[name]:
            allowed = ", ".join(sorted(VALUES[name]))
            _refuse(variable, name, "has an unknown value", f"it is one of {allowed}")
        if name in _NUMBERS and not text.isdecimal():
            _refuse(variable, name, "is no number", "write digits")
        if name == "connect_timeout" and not (
            text.isdecimal() and len(text) < 3 and 1 <= int(text) <= 60
        ):
            _refuse(variable, name, "is no number from 1 to 60", "write seconds")
        options[name] = int(text) if name == "connect_timeout" else text
    if "port" in options:
        ports = options["port"].split(",")
        if not all(port.isdecimal() for port in ports):
            _refuse(variable, "port", "is no number", "write digits")
        if len(ports) not in (1, options.get("host", "").count(",") + 1):
            hint = "write one port, or as many as there are hosts in the option host"
            _refuse(variable, "port", "does not fit the hosts", hint)
    return options


def of_sqlite(variable: str, given: Mapping[str, object]) -> dict[str, Any]:
    """Raises ImproperlyConfigured if there are options."""
    for name in given:
        hint = "set SQLITE_BUSY_TIMEOUT" if name == "timeout" else "leave it out"
        _refuse(variable, name, "is not for SQLite here", hint)
    return {}


def _refuse(variable: str, name: str, why: str, hint: str) -> None:
    # The option may be a part of a password with an unquoted ?, which must not be shown.
    shown = f"the option {name!r}" if _NAME.fullmatch(name) else "an option"
    raise ImproperlyConfigured(f"{variable}: {shown} {why}; {hint}.")
