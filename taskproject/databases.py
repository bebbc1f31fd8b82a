"""The options of Django's DATABASES, from the URLs in the environment."""

from typing import Any, TypeAlias
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from taskproject import database_options, environment

Options: TypeAlias = dict[str, Any]  # of any type, by the names of Django's settings
POSTGRESQL = "taskproject.postgresql"
ENGINES = {"django.db.backends.sqlite3", "django.db.backends.postgresql"}


def database(
    name: str, default: str = "", *, connect_timeout: int, busy_timeout: int
) -> Options:
    """The options of the database whose URL this variable has. Raises ImproperlyConfigured."""
    database = _parsed(name, default)
    if database["ENGINE"].endswith("sqlite3"):
        # IMMEDIATE takes the write lock when a transaction begins: a transaction that
        # reads first and writes later would fail at once, whatever the timeout.
        # synchronous=FULL: an acknowledged write survives a power cut.
        # A connection that stays open keeps its -wal and -shm files, without which a
        # full disk would refuse even reads.
        database["ENGINE"] = "taskproject.sqlite"
        database["CONN_MAX_AGE"] = None
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": busy_timeout,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
            "PRAGMA cache_size=-20000;",
        }
        return database
    # Works behind a transaction pooler (Neon's, PgBouncer): no server-side cursors and
    # nothing in the start-up packet that a pooler refuses. A connection is checked when
    # a request first uses it, because a suspended database drops those it had.
    database["ENGINE"] = POSTGRESQL
    database["CONN_MAX_AGE"] = 60
    database["CONN_HEALTH_CHECKS"] = True
    database["DISABLE_SERVER_SIDE_CURSORS"] = True
    database["OPTIONS"] = {
        "connect_timeout": connect_timeout,
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "application_name": "taskproject",
    } | database.get("OPTIONS", {})
    return database


def same_database(name: str, primary: Options) -> Options | None:
    """The options of another way to the PostgreSQL of `primary`, or to a replica of it; None if
    the variable is empty. Raises ImproperlyConfigured."""
    if not environment.text(name):
        return None
    timeout = primary["OPTIONS"].get("connect_timeout", 1)
    found = database(name, connect_timeout=timeout, busy_timeout=0)
    if {found["ENGINE"], primary["ENGINE"]} != {POSTGRESQL}:
        raise ImproperlyConfigured(
            f"{name} must lead to the PostgreSQL of DATABASE_URL in another way."
        )
    return found


def _parsed(name: str, default: str) -> Options:
    """A Django database from a URL; only PostgreSQL and SQLite are accepted.

    The URL is never repeated in the message: it holds a password.
    """
    url = environment.text(name, default)
    scheme, plus, _ = url.partition("://")[0].partition("+")
    if plus and scheme in {"postgresql", "postgres", "sqlite"}:
        raise ImproperlyConfigured(
            f"{name} names a driver, as SQLAlchemy does; write {scheme}:// instead."
        )
    try:
        urlsplit(url).port  # noqa: B018 - raises on a port that is no number
        parsed: dict[str, Any] = {**dj_database_url.parse(url)}
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} is no database URL; it looks like "
            "postgresql://user:password@host/name or sqlite:///path, with % and two "
            "digits for /, #, ?, @, : and % in the password (/ is %2F)."
        ) from None  # whose message would show a part of the password
    if parsed["ENGINE"] not in ENGINES:
        raise ImproperlyConfigured(
            f"{name} names another database; use postgresql:// or sqlite:///."
        )
    if not parsed.get("NAME") or parsed["NAME"] == ":memory:":
        raise ImproperlyConfigured(
            f"{name} does not name a database; write it after the host, or give SQLite a "
            "file (sqlite:///path): one in memory would be lost with its process."
        )
    options = parsed.get("OPTIONS", {})
    if parsed["ENGINE"].endswith("sqlite3"):
        options = database_options.of_sqlite(name, options)
    else:
        options = database_options.of_postgresql(name, options)
        # Those before the ? would be taken.
        for option in ("host", "port"):
            if parsed.get(option.upper()) and option in options:
                raise ImproperlyConfigured(
                    f"{name} has its {option} twice: write it before the ?, or, if there "
                    f"are several, after it only, as in "
                    "postgresql://user:password@/name?host=a,b&port=5432,5433."
                )
    return parsed | {"OPTIONS": options}
