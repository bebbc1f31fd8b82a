"""Settings: what is refused, what is safe by default, what a database gets.

Each case runs the module anew with an environment of its own, or a Python where more
than the module counts. An empty variable counts as absent, and keeps the .env of the
checkout out.
"""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from traceback import format_exception
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "taskproject/settings.py"
EXAMPLE = (ROOT / ".env.example").read_text()
VARIABLES = re.findall(r"^(?:# )?([A-Z_]+)=", EXAMPLE, re.MULTILINE)
SECRET = "Zk3-unit-tests-only-0123456789abcdefghijklmnopqrstuvwxyz"
PASSWORD = "hunter2horse"
NEON = (
    "postgresql://user:pw@ep-cool-name-123456-pooler.eu-central-1.aws.neon.tech/neondb"
    "?sslmode=require&channel_binding=require"
)


def environment(variables: dict[str, str]) -> dict[str, str]:
    """These variables, and every other one absent."""
    return dict.fromkeys(VARIABLES, "") | {"SECRET_KEY": SECRET} | variables


def python(code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=ROOT,
        env=environment(variables)
        | {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "taskproject.settings",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


def load(*names: str, **variables: str) -> Any:
    """The settings of these names."""
    with mock.patch.dict(os.environ, environment(variables)):
        module = runpy.run_path(str(SETTINGS))
    return json.loads(json.dumps([module.get(name) for name in names]))


def refusal(**variables: str) -> str:
    """What is written where the settings refuse these variables."""
    with (
        mock.patch.dict(os.environ, environment(variables)),
        pytest.raises(ImproperlyConfigured) as refused,
    ):
        runpy.run_path(str(SETTINGS))
    return "".join(format_exception(refused.value))


# What is refused


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "   "),
        ("SECRET_KEY", "too-short"),
        ("SECRET_KEY", SECRET[:49]),
        ("SECRET_KEY", "x" * 60),
        ("SECRET_KEY", "django-insecure-" + SECRET),
        ("SECRET_KEY", "please-CHANGE-me-please-CHANGE-me-please-CHANGE-me-now"),
        ("DEBUG", "ture"),
        ("DEBUG", "2"),
        ("ALLOWED_HOSTS", "https://tasks.example.com"),
        ("ALLOWED_HOSTS", "tasks.example.com/"),
        ("ALLOWED_HOSTS", "tasks.example.com:8000"),
        ("ALLOWED_HOSTS", "tasks.example.com,http://localhost"),
        ("ALLOWED_HOSTS", "tasks.example.com localhost"),
        ("SECRET_KEY", "secret" * 10),
        ("SECRET_KEY_FALLBACKS", "change-me"),
        ("API_GUEST", "g" * 151),
        ("API_GUEST", "a guest"),
        ("DATABASE_URL", "sqlite://:memory:"),
        ("DATABASE_CONNECT_TIMEOUT", "0"),
        ("DATABASE_CONNECT_TIMEOUT", "ten"),
        ("SQLITE_BUSY_TIMEOUT", "61"),
        ("SQLITE_BUSY_TIMEOUT", "1.5"),
        ("DATABASE_URL", "garbage"),
        ("DATABASE_URL", "db.sqlite3"),
        ("DATABASE_URL", f"mysql://user:{PASSWORD}@host/name"),
        ("DATABASE_URL", f"oracle://user:{PASSWORD}@host/name"),
        ("DATABASE_URL", f"nonsense://user:{PASSWORD}@host/name"),
        ("DATABASE_URL", f"postgresql://user:{PASSWORD}@host:port/name"),
        ("DATABASE_URL", f"postgresql://user:{PASSWORD}@host:99999/name"),
        ("DATABASE_URL", f"postgresql://user:{PASSWORD}@host"),
        ("DATABASE_URL", f"postgresql://user:{PASSWORD}@[host/name"),
        ("DATABASE_URL", f"postgresql://user:{PASSWORD}/@host/name"),
        ("DATABASE_URL", f"postgresql://user:{PASSWORD}#@host/name"),
        ("DATABASE_URL", f"postgresql://user:{PASSWORD}?@host/name"),
        ("DATABASE_URL", f"postgresql://user:{PASSWORD}\u2100@host/name"),
        ("DATABASE_DIRECT_URL", "garbage"),
        ("DATABASE_DIRECT_URL", f"mysql://user:{PASSWORD}@host/name"),
        ("DATABASE_DIRECT_URL", f"postgresql://user:{PASSWORD}@host:port/name"),
        ("DATABASE_REPLICA_URL", f"sqlite:///{PASSWORD}.sqlite3"),
        ("DATABASE_REPLICA_URL", f"postgresql://user:{PASSWORD}@host/name"),
        ("SIGNUP", "yes"),
        ("FRONTEND_URL", "app.example.com"),
        ("FRONTEND_URL", "javascript:alert(1)"),
        ("PUBLIC_URL", "tasks.example.com"),
        ("EMAIL_URL", "garbage"),
        ("EMAIL_URL", "log"),
        ("EMAIL_URL", f"smtp://user:{PASSWORD}@host"),
        ("EMAIL_URL", f"smtp://user:{PASSWORD}@host:port?from=a@b.example"),
        ("EMAIL_URL", f"smtp://user:{PASSWORD}@?from=a@b.example"),
        ("EMAIL_URL", f"smtp://user:{PASSWORD}@[host?from=a@b.example"),
        ("EMAIL_URL", f"http://user:{PASSWORD}@host?from=a@b.example"),
        ("EMAIL_URL", f"smtp://user:{PASSWORD}@host?from=a@b.example&tls=1"),
        ("EMAIL_URL", f"smtp://user:{PASSWORD}@host?from=a@b.example&starttls=no"),
        ("EMAIL_URL", f"smtp://user:{PASSWORD}/@host?from=a@b.example"),
        ("CORS_ALLOWED_ORIGINS", "app.example.com"),
        ("CORS_ALLOWED_ORIGINS", "https://app.example.com/"),
        ("CORS_ALLOWED_ORIGINS", "https://app.example.com/path"),
        ("CORS_ALLOWED_ORIGINS", "https://App.example.com"),
        ("CORS_ALLOWED_ORIGINS", "https://app.example.com:port"),
        ("CORS_ALLOWED_ORIGINS", "ftp://app.example.com"),
        ("CORS_ALLOWED_ORIGINS", "null"),
        ("CORS_ALLOWED_ORIGINS", "https://*.example.com"),
        ("CORS_ALLOWED_ORIGINS", "http://localhost:3000 http://localhost:5173"),
        ("CORS_ALLOW_CREDENTIALS", "maybe"),
        ("CSRF_TRUSTED_ORIGINS", "*"),
        ("CSRF_TRUSTED_ORIGINS", "app.example.com"),
        ("CSRF_TRUSTED_ORIGINS", "https://app.example.com/path"),
        ("HTTPS", "of"),
        ("HSTS_SECONDS", "a year"),
        ("HSTS_SECONDS", "-1"),
        ("HSTS_SECONDS", "99999999999"),
        ("TRUST_X_FORWARDED_PROTO", "https"),
        ("LOG_LEVEL", "LOUD"),
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "80 80"),
        ("PORT", "８０"),
        ("WORKERS", "0"),
        ("WORKERS", "two"),
        ("THREADS", "0"),
        ("THREADS", "65"),
    ],
)
def test_a_malformed_value_is_refused_by_the_name_of_its_variable(
    variable: str, value: str
) -> None:
    said = refusal(**{variable: value})

    message = said.split("ImproperlyConfigured: ")[-1]
    assert variable in message
    assert PASSWORD not in said


def test_the_refusal_has_the_words_as_they_are_documented() -> None:
    said = "LOG_FORMAT is 'Xml'; it must be one of json, text."
    assert said in refusal(LOG_FORMAT="Xml")


def test_the_seconds_of_hsts_are_read_without_https_too() -> None:
    assert "HSTS_SECONDS" in refusal(HTTPS="off", HSTS_SECONDS="1y")


def test_credentials_with_a_wildcard_origin_are_refused() -> None:
    said = refusal(CORS_ALLOWED_ORIGINS="*", CORS_ALLOW_CREDENTIALS="on")

    assert "CORS_ALLOWED_ORIGINS" in said
    assert "CORS_ALLOW_CREDENTIALS" in said


def test_credentials_with_a_wildcard_among_origins_are_refused() -> None:
    origins = "https://app.example.com,*"

    assert "CORS_ALLOWED_ORIGINS" in refusal(
        CORS_ALLOWED_ORIGINS=origins, CORS_ALLOW_CREDENTIALS="on"
    )


def test_a_refused_secret_key_is_not_repeated() -> None:
    assert "T0p-secret" not in refusal(SECRET_KEY="T0p-secret")


def test_the_refusal_of_a_secret_key_says_how_to_make_one() -> None:
    assert "token_urlsafe(50)" in refusal(SECRET_KEY="")


@pytest.mark.parametrize("command", ["check", "migrate", "serve"])
def test_no_command_runs_with_refused_settings(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", command],
        check=False,
        cwd=ROOT,
        env=os.environ | {"SECRET_KEY": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode != 0
    assert "SECRET_KEY is missing" in done.stderr


# What is accepted


def test_a_boolean_takes_the_usual_words_in_any_case() -> None:
    for word in ("on", "ON", "true", "yes", "1", " on "):
        assert load("DEBUG", DEBUG=word) == [True], word
    for word in ("off", "Off", "false", "no", "0", "", " "):
        assert load("DEBUG", DEBUG=word) == [False], word


def test_lists_are_separated_by_commas() -> None:
    origins = "http://localhost:3000, https://app.example.com,http://[::1]:5173,"

    assert load(
        "CORS_ALLOWED_ORIGINS",
        "CSRF_TRUSTED_ORIGINS",
        "ALLOWED_HOSTS",
        CORS_ALLOWED_ORIGINS=origins,
        CSRF_TRUSTED_ORIGINS=origins,
        ALLOWED_HOSTS="tasks.example.com, .example.org,[::1]",
    ) == [
        ["http://localhost:3000", "https://app.example.com", "http://[::1]:5173"],
        ["http://localhost:3000", "https://app.example.com", "http://[::1]:5173"],
        ["tasks.example.com", ".example.org", "[::1]"],
    ]


def test_a_wildcard_origin_without_credentials_allows_all() -> None:
    assert load(
        "CORS_ALLOW_ALL_ORIGINS", "CORS_ALLOW_CREDENTIALS", CORS_ALLOWED_ORIGINS="*"
    ) == [True, False]


def test_a_log_level_may_be_in_lower_case() -> None:
    assert load("LOG_LEVEL", LOG_LEVEL="debug") == ["DEBUG"]


def test_a_proxy_is_trusted_only_when_it_is_said() -> None:
    assert load("SECURE_PROXY_SSL_HEADER") == [None]
    assert load("SECURE_PROXY_SSL_HEADER", TRUST_X_FORWARDED_PROTO="on") == [
        ["HTTP_X_FORWARDED_PROTO", "https"]
    ]


# Defaults


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("DEBUG", False),
        ("SECRET_KEY_FALLBACKS", []),
        ("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"]),
        ("API_GUEST", ""),
        ("CORS_ALLOWED_ORIGINS", []),
        ("CORS_ALLOW_ALL_ORIGINS", False),
        ("CORS_ALLOW_CREDENTIALS", False),
        ("CSRF_TRUSTED_ORIGINS", []),
        ("SESSION_COOKIE_SECURE", True),
        ("CSRF_COOKIE_SECURE", True),
        ("SECURE_SSL_REDIRECT", True),
        ("SECURE_HSTS_SECONDS", 31_536_000),
        ("SECURE_PROXY_SSL_HEADER", None),
        ("X_FRAME_OPTIONS", "DENY"),
        ("LOG_LEVEL", "INFO"),
        ("HOST", "127.0.0.1"),
        ("PORT", 8000),
        ("DATABASE_DIRECT", None),
    ],
)
def test_the_defaults_are_the_safe_ones(
    defaults: dict[str, Any], setting: str, value: Any
) -> None:
    assert defaults[setting] == value


@pytest.mark.parametrize(
    ("workers", "threads"), [(1, 6), (9, 6), (10, 5), (11, 4), (18, 2), (100, 2)]
)
def test_the_threads_leave_connections_of_a_stock_postgresql(
    workers: int, threads: int
) -> None:
    code = "import taskproject.settings as s; print(s.THREADS)"

    done = python(code, WORKERS=str(workers))

    assert done.stdout.strip() == str(threads)
    assert workers * (threads + 4) <= 97 or threads == 2


@pytest.fixture(scope="module")
def defaults() -> dict[str, Any]:
    """Every setting, with nothing in the environment but a key."""
    done = python(
        "import json, taskproject.settings as s\n"
        "names = [name for name in dir(s) if name.isupper()]\n"
        "print(json.dumps({name: getattr(s, name) for name in names}, default=str)"
        ")\n"
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return {"SECURE_PROXY_SSL_HEADER": None} | found


def test_the_default_database_is_a_file_in_the_checkout(
    defaults: dict[str, Any],
) -> None:
    database = defaults["DATABASES"]["default"]

    assert database["ENGINE"] == "taskproject.sqlite"
    assert database["NAME"] == str(ROOT / "db.sqlite3")


def test_without_https_cookies_work_on_plain_http() -> None:
    assert load(
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
        "SECURE_HSTS_SECONDS",
        HTTPS="off",
    ) == [False, False, False, 0]


def test_the_example_lists_the_variables_in_the_order_of_the_settings() -> None:
    source = (ROOT / "taskproject" / "settings.py").read_text()
    read = re.findall(r'(?:environment|databases)\.\w+\(\s*"([A-Z_]+)"', source)

    assert list(dict.fromkeys(read)) == VARIABLES


def test_the_example_is_accepted_with_a_key() -> None:
    given = re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)

    assert load("API_GUEST", "HTTPS", **dict(given) | {"SECRET_KEY": SECRET}) == [
        "guest",
        False,
    ]


def test_the_example_says_the_defaults(defaults: dict[str, Any]) -> None:
    shown = dict(re.findall(r"^# ([A-Z_]+)=(.+)$", EXAMPLE, re.MULTILINE))
    del shown["DATABASE_URL"]  # a file beside manage.py

    with_example = python(
        "import json, taskproject.settings as s\n"
        "names = [name for name in dir(s) if name.isupper()]\n"
        "print(json.dumps({name: getattr(s, name) for name in names}, default=str))",
        **shown,
    )

    assert {"SECURE_PROXY_SSL_HEADER": None} | json.loads(
        with_example.stdout
    ) == defaults


# Databases


def test_neons_url_works_as_pasted() -> None:
    (databases,) = load("DATABASES", DATABASE_URL=NEON)

    database = databases["default"]
    assert database["ENGINE"] == "taskproject.postgresql"
    assert database["HOST"] == "ep-cool-name-123456-pooler.eu-central-1.aws.neon.tech"
    assert (database["NAME"], database["USER"]) == ("neondb", "user")
    assert (database["PASSWORD"], database["PORT"]) == ("pw", "")
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["channel_binding"] == "require"
    assert database["OPTIONS"]["connect_timeout"] == 10


def test_postgresql_works_behind_a_transaction_pooler() -> None:
    (databases,) = load("DATABASES", DATABASE_URL=NEON)

    database = databases["default"]
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert database["CONN_HEALTH_CHECKS"] is True
    assert database["CONN_MAX_AGE"] == 60
    # Neither is let through by a pooler.
    assert "options" not in database["OPTIONS"]
    assert "pool" not in database["OPTIONS"]


def test_the_connect_timeout_can_be_set() -> None:
    (databases,) = load("DATABASES", DATABASE_URL=NEON, DATABASE_CONNECT_TIMEOUT="30")

    assert databases["default"]["OPTIONS"]["connect_timeout"] == 30


def test_a_quoted_password_is_unquoted() -> None:
    (databases,) = load(
        "DATABASES", DATABASE_URL="postgresql://user:p%2Fw%40%23@host:6543/name"
    )

    database = databases["default"]
    assert (database["PASSWORD"], database["PORT"]) == ("p/w@#", 6543)


def test_the_direct_database_is_read_like_the_pooled_one() -> None:
    (direct,) = load(
        "DATABASE_DIRECT",
        DATABASE_URL=NEON,
        DATABASE_DIRECT_URL=NEON.replace("-pooler", ""),
    )

    assert direct["HOST"] == "ep-cool-name-123456.eu-central-1.aws.neon.tech"
    assert direct["OPTIONS"]["sslmode"] == "require"


def connection_of_sqlite(path: Path) -> dict[str, Any]:
    """What a real connection to SQLite says of itself, outside and in a transaction."""
    path.touch()
    done = python(
        f"""
import django, json, sqlite3
django.setup()
from django.db import connection, transaction

def ask(pragma):
    with connection.cursor() as cursor:
        return cursor.execute(f"PRAGMA {{pragma}}").fetchone()[0]

found = {{pragma: ask(pragma) for pragma in (
    "journal_mode", "synchronous", "busy_timeout", "foreign_keys")}}
other = sqlite3.connect({str(path)!r}, timeout=0, isolation_level=None)
with transaction.atomic():
    try:
        other.execute("BEGIN IMMEDIATE")
        found["locked"] = False
    except sqlite3.OperationalError as error:
        found["locked"] = str(error)
    found["readable"] = other.execute("SELECT 1").fetchone()[0]
other.execute("BEGIN IMMEDIATE")
found["free_after"] = other.in_transaction
print(json.dumps(found))
""",
        DATABASE_URL=f"sqlite:///{path}",
        SQLITE_BUSY_TIMEOUT="7",
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_connection_of_sqlite_keeps_what_is_promised(tmp_path: Path) -> None:
    assert connection_of_sqlite(tmp_path / "tasks.sqlite3") == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "busy_timeout": 7_000,  # milliseconds
        "foreign_keys": 1,
        # The lock is taken when a transaction begins, and keeps nobody from reading.
        "locked": "database is locked",
        "readable": 1,
        "free_after": True,
    }


def test_the_operations_are_loaded_before_the_first_request() -> None:
    done = python(
        "import taskproject.wsgi, sys; assert 'taskproject.api' in sys.modules"
    )

    assert done.returncode == 0, done.stderr
