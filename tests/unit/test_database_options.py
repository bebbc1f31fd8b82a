"""Options of DATABASE_URL: libpq's work, those of other libraries are explained."""

import pytest

from tests.unit.test_settings import PASSWORD, load, refusal

POSTGRESQL = f"postgresql://user:{PASSWORD}@host/name?"


@pytest.mark.parametrize(
    "query",
    [
        "pgbouncer=true",
        "pgbouncer=true&schema=public",
        "statement_cache_size=0",
        "prepared_statement_cache_size=0",
        "uselibpqcompat=true&sslmode=require",
    ],
)
def test_options_of_other_libraries_that_change_nothing_are_left_out(
    query: str,
) -> None:
    (databases,) = load("DATABASES", DATABASE_URL=POSTGRESQL + query)

    options = databases["default"]["OPTIONS"]
    assert options.keys() - {"sslmode"} == {
        *("connect_timeout", "application_name", "tcp_user_timeout"),
        *("keepalives_idle", "keepalives_interval", "keepalives_count"),
    }


@pytest.mark.parametrize(
    ("query", "option", "value"),
    [
        ("sslmode=verify-full&sslrootcert=system", "sslrootcert", "system"),
        ("connect_timeout=15", "connect_timeout", 15),
        ("application_name=tasks", "application_name", "tasks"),
        ("options=endpoint%3Dep-cool-name", "options", "endpoint=ep-cool-name"),
        ("target_session_attrs=read-write", "target_session_attrs", "read-write"),
        ("keepalives=1", "keepalives", "1"),
        ("currentSchema=tasks", "options", "-c search_path=tasks"),
    ],
)
def test_parameters_of_libpq_are_passed_on(
    query: str, option: str, value: str | int
) -> None:
    (databases,) = load("DATABASES", DATABASE_URL=POSTGRESQL + query)

    assert databases["default"]["OPTIONS"][option] == value


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("connection_limit=5", "WORKERS and THREADS"),
        ("pgbouncer=true&connection_limit=1", "'connection_limit'"),
        ("schema=tasks", "search_path"),
        ("search_path=tasks", "search_path"),
        ("pool_timeout=20", "DATABASE_TIMEOUT"),
        ("socket_timeout=5", "DATABASE_TIMEOUT"),
        ("sslaccept=strict", "sslmode=require"),
        ("ssl=true", "sslmode=require"),
        ("ssl=require", "sslmode=require"),
        ("pool_size=5", "WORKERS and THREADS"),
        ("pool=true", "WORKERS and THREADS"),
        ("command_timeout=60", "DATABASE_TIMEOUT"),
        ("timeout=10", "DATABASE_CONNECT_TIMEOUT"),
        ("statement_timeout=5000", "ALTER ROLE"),
        ("isolation_level=serializable", "read committed"),
        ("sslmodus=require", "did you mean sslmode?"),
        ("SSLMODE=require", "did you mean sslmode?"),
        ("banana=1", "'banana'"),
        ("sslmode=yes", "verify-full"),
        ("channel_binding=true", "prefer"),
        ("keepalives=true", "keepalives"),
        ("keepalives_idle=long", "keepalives_idle"),
        ("connect_timeout=0", "connect_timeout"),
        ("connect_timeout=1000", "connect_timeout"),
        ("sslmode=require&sslmode=disable", "twice"),
        ("application_name=a&application_name=b", "twice"),
        ("client_encoding=latin1", "UTF-8"),
        ("host=a,b", "host twice"),
        ("port=5432,5433", "as many as there are hosts"),
        ("port=5432,x", "digits"),
    ],
)
@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_DIRECT_URL"])
def test_other_options_are_refused_with_what_to_do(
    variable: str, query: str, hint: str
) -> None:
    said = refusal(**{"DATABASE_URL": POSTGRESQL, variable: POSTGRESQL + query})

    message = said.split("ImproperlyConfigured: ")[-1]
    assert variable in message
    assert hint in message
    assert PASSWORD not in said


def test_there_can_be_several_hosts_with_a_port_each() -> None:
    url = "postgresql://user@/name?host=a,b&port=5432,5433&load_balance_hosts=random"
    (databases,) = load("DATABASES", DATABASE_URL=url)

    database = databases["default"]
    assert (database["HOST"], database["PORT"]) == ("", "")
    assert database["OPTIONS"]["host"] == "a,b"
    assert database["OPTIONS"]["port"] == "5432,5433"


@pytest.mark.parametrize("query", ["timeout=20", "mode=rwc", "cache=shared"])
def test_sqlite_takes_no_options(query: str) -> None:
    said = refusal(DATABASE_URL=f"sqlite:///db.sqlite3?{query}")

    assert query.partition("=")[0] in said.split("ImproperlyConfigured: ")[-1]


def test_what_looks_like_an_option_in_a_password_is_not_repeated() -> None:
    url = "postgresql://user:1234/56?8hunter=2@host/name"

    assert "8hunter" not in refusal(DATABASE_URL=url).split("Improperly")[-1]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://user:{PASSWORD}@host/name",
        f"postgresql+asyncpg://user:{PASSWORD}@host/name",
        f"postgres+psycopg2://user:{PASSWORD}@host/name",
        "sqlite+aiosqlite:///db.sqlite3",
    ],
)
def test_the_driver_of_sqlalchemys_url_is_to_be_left_out(url: str) -> None:
    said = refusal(DATABASE_URL=url)

    scheme = url.partition("+")[0]
    assert f"write {scheme}:// instead" in said
    assert PASSWORD not in said
