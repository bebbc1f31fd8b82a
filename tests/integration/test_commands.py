"""The operator's commands."""

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import ManagementUtility, call_command
from django.core.management.base import CommandError
from django.db import InternalError, OperationalError, ProgrammingError
from django.utils import timezone
from pytest_django import Settings

from manage import main
from taskproject.accounts.models import ApiToken, User
from taskproject.sql import ON_POSTGRESQL
from tasks.management.commands.purge import Command as Purge
from tests.conftest import ApiClient, make_token
from tests.support.commands import refused, run
from tests.support.copies import absent_database, connected_to, copy_of, empty_database
from tests.support.servers import manage


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("create_token", ["--name", "--scopes", "--expires", "--create-user"]),
        ("revoke_token", ["--user"]),
        ("seed_tasks", ["--seed"]),
        ("serve", ["--host", "--port", "--workers", "--threads"]),
        ("work", ["--once"]),
        ("migrate", []),
        ("backup", []),
        ("restore", ["--dry-run", "--replace", "--skip-ids"]),
    ],
)
def test_every_command_explains_itself_and_its_options(
    capsys: pytest.CaptureFixture[str], command: str, options: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        ManagementUtility(["manage.py", command, "--help"]).execute()

    assert not ended.value.code
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: manage.py {command}")
    explanation = shown.split("\n\n")[1]
    assert len(explanation.split()) >= 10
    assert all(option in shown for option in options)


@pytest.mark.parametrize(
    "command",
    ["create_token alice", "revoke_token tk_x", "seed_tasks 3", "serve", "migrate"],
)
def test_an_unknown_option_is_refused_without_a_traceback(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        ManagementUtility(["manage.py", *command.split(), "--nonsense"]).execute()

    assert ended.value.code == 2
    assert "unrecognized arguments: --nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OperationalError("no way\nhint"), 1, "The database failed: no way. "),
        (ProgrammingError("no such table"), 1, "`manage.py doctor` says what"),
        (InternalError("in a read-only transaction"), 1, "a read-only transaction. "),
        (ImproperlyConfigured("Set DATABASE_URL."), 1, "Set DATABASE_URL."),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_what_an_operator_can_mend_ends_a_command_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Purge, "execute", fail)
    monkeypatch.setattr(sys, "argv", ["manage.py", "purge"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == status
    assert said in capsys.readouterr().err

    monkeypatch.setattr(sys, "argv", ["manage.py", "purge", "--traceback"])
    with pytest.raises(type(error)):
        main()


# create_token


def test_create_token_prints_a_working_token_and_nothing_else(alice: User) -> None:
    output, error = run(
        "create_token", "alice", "--name", " phone ", "--expires", "90d"
    )

    [secret] = output.splitlines()
    assert re.fullmatch(r"tk_[A-Za-z0-9_-]{43}", secret)
    assert ApiClient(secret).get("/api/me").json()["username"] == "alice"
    assert "phone" in error and "alice" in error
    assert secret not in error + str(ApiToken.objects.values())
    assert (ApiToken.objects.get().user, ApiToken.objects.get().name) == (
        alice,
        "phone",
    )


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("read", "read"),
        ("write", "write"),
        ("read,write", "read write"),
        ("write,read", "read write"),
        ("read, write", "read write"),
    ],
)
def test_create_token_takes_scopes(alice: User, given: str, stored: str) -> None:
    run("create_token", "alice", "--scopes", given)

    token = ApiToken.objects.get()
    assert (token.scopes, token.expires_at) == (stored, None)


@pytest.mark.parametrize("scopes", ["", "admin", "read,admin", "read,read", "READ"])
def test_create_token_refuses_other_scopes(alice: User, scopes: str) -> None:
    assert "--scopes must be read, write or read,write" in refused(
        "create_token", "alice", f"--scopes={scopes}"
    )
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2099-01-31", datetime(2099, 1, 31, tzinfo=UTC)),
        ("2099-01-31T18:00", datetime(2099, 1, 31, 18, tzinfo=UTC)),
        ("2099-01-31T18:00Z", datetime(2099, 1, 31, 18, tzinfo=UTC)),
        ("2099-01-31T18:00+02:00", datetime(2099, 1, 31, 16, tzinfo=UTC)),
    ],
)
def test_create_token_takes_a_date_or_a_time(
    alice: User, given: str, expected: datetime
) -> None:
    run("create_token", "alice", "--expires", given)

    assert ApiToken.objects.get().expires_at == expected


def test_create_token_takes_a_number_of_days(alice: User) -> None:
    before = timezone.now()
    run("create_token", "alice", "--expires", "90d")

    expires = ApiToken.objects.get().expires_at
    assert expires is not None
    assert before <= expires - timedelta(days=90) <= timezone.now()


@pytest.mark.parametrize(
    "when", ["", "soon", "90", "d", "-1d", "2099-02-31", "31.01.2099", "999999d"]
)
def test_create_token_refuses_a_malformed_expiry(alice: User, when: str) -> None:
    assert "--expires must be like 90d" in refused(
        "create_token", "alice", f"--expires={when}"
    )
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("when", ["2020-01-01", "0d", "0001-01-01"])
def test_create_token_refuses_an_expiry_in_the_past(alice: User, when: str) -> None:
    assert "--expires is in the past" in refused(
        "create_token", "alice", "--expires", when
    )


@pytest.mark.parametrize(
    "when", ["9999-12-31T23:59-10:00", "0001-01-01T00:00+10:00", "9999-12-31"]
)
def test_create_token_meets_the_ends_of_time_and_stores_what_can_be_read(
    alice: User, when: str
) -> None:
    try:
        run("create_token", "alice", "--expires", when)
    except CommandError as error:
        assert "--expires" in str(error)

    # PostgreSQL can store a year that Python cannot read.
    assert len(list(ApiToken.objects.all())) <= 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_create_token_refuses_a_name_by_its_option(alice: User, name: str) -> None:
    assert "name" in refused("create_token", "alice", f"--name={name}").lower()
    assert not ApiToken.objects.exists()


def test_create_token_says_how_to_make_the_user(db: None) -> None:
    said = refused("create_token", "erin")

    assert "There is no user 'erin'" in said
    assert "--create-user" in said
    assert not User.objects.exists()


def test_create_token_makes_the_user_if_asked(db: None) -> None:
    run("create_token", "erin", "--create-user")

    erin = User.objects.get()
    assert (erin.username, erin.is_staff, erin.is_superuser) == ("erin", False, False)
    assert not erin.has_usable_password()
    assert ApiToken.objects.get().user == erin


def test_create_token_takes_a_user_that_there_is(alice: User) -> None:
    alice.password = "kept"
    alice.save()

    run("create_token", "alice", "--create-user")

    assert User.objects.get() == alice
    assert User.objects.get().password == "kept"


def test_create_token_makes_no_user_where_it_makes_no_token(db: None) -> None:
    refused("create_token", "erin", "--create-user", "--scopes", "admin")

    assert not User.objects.exists()


@pytest.mark.parametrize("username", ["a b", "", "x" * 151, "<script>"])
def test_create_token_refuses_to_make_a_malformed_user(db: None, username: str) -> None:
    assert "user" in refused("create_token", username, "--create-user").lower()
    assert not User.objects.exists()


def test_create_token_refuses_a_disabled_user(alice: User) -> None:
    User.objects.update(is_active=False)

    assert "'alice' is disabled" in refused("create_token", "alice")


# revoke_token


def test_revoke_token_takes_the_prefix(alice: User) -> None:
    secret, other = make_token(alice), make_token(alice)

    output, _ = run("revoke_token", secret[:11])

    assert output == "Revoked 1 token.\n"
    assert ApiClient(secret).get("/api/me").status_code == 401
    assert ApiClient(other).get("/api/me").status_code == 200


def test_revoke_token_takes_the_whole_token(alice: User) -> None:
    secret = make_token(alice)

    run("revoke_token", secret)

    assert ApiClient(secret).get("/api/me").status_code == 401


def test_revoke_token_takes_all_of_a_user(alice: User, bob: User) -> None:
    first, second, bobs = make_token(alice), make_token(alice), make_token(bob)

    output, _ = run("revoke_token", "--user", "alice")

    assert output == "Revoked 2 tokens.\n"
    assert [ApiClient(it).get("/api/me").status_code for it in (first, second)] == [
        401,
        401,
    ]
    assert ApiClient(bobs).get("/api/me").status_code == 200


def test_revoke_token_again_says_so_and_keeps_the_time(alice: User) -> None:
    secret = make_token(alice)
    run("revoke_token", secret)
    first = ApiToken.objects.get().revoked_at

    output, _ = run("revoke_token", secret)

    assert output == "Already revoked.\n"
    assert ApiToken.objects.get().revoked_at == first


def test_revoke_token_refuses_a_prefix_of_several(alice: User) -> None:
    first, second = make_token(alice), make_token(alice)
    ApiToken.objects.update(prefix="tk_12345678")

    assert "give the whole token" in refused("revoke_token", "tk_12345678")
    run("revoke_token", first)
    assert ApiClient(second).get("/api/me").status_code == 200


@pytest.mark.parametrize("token", ["tk_", "tk_unknown", "nonsense", "tk_" + "x" * 43])
def test_revoke_token_refuses_an_unknown_token(alice: User, token: str) -> None:
    secret = make_token(alice)

    assert "There is no such token" in refused("revoke_token", token)
    assert ApiClient(secret).get("/api/me").status_code == 200


@pytest.mark.parametrize("arguments", [[], ["tk_x", "--user", "alice"]])
def test_revoke_token_wants_a_token_or_a_user(db: None, arguments: list[str]) -> None:
    assert "Give a token, or a user with --user." in refused("revoke_token", *arguments)


@pytest.mark.parametrize("username", ["alice", "nobody"])
def test_revoke_token_says_that_a_user_has_no_tokens(
    alice: User, username: str
) -> None:
    assert "it has no tokens" in refused("revoke_token", "--user", username)


# serve


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "0"], "Set PORT, or --port, to a port from 1 to 65535."),
        (["--port", "65536"], "Set PORT, or --port, to a port from 1 to 65535."),
        (["--port", "-1"], "Set PORT, or --port, to a port from 1 to 65535."),
        (["--workers", "0"], "--workers and --threads must be at least 1."),
        (["--threads", "0"], "--workers and --threads must be at least 1."),
        (["--threads", "-2"], "--workers and --threads must be at least 1."),
        (["--port", "http"], "invalid int value: 'http'"),
        (["--workers", "1.5"], "invalid int value: '1.5'"),
    ],
)
def test_serve_refuses_malformed_arguments(
    db: None, arguments: list[str], said: str
) -> None:
    assert said in refused("serve", "=".join(arguments))


def test_serve_refuses_the_port_of_push(db: None, settings: Settings) -> None:
    settings.PUSH_PORT = 8123

    said = refused("serve", "--port=8123")
    assert said == "PORT and PUSH_PORT must be two ports."


# migrate

#: Two quick migrations.
FEW = ("migrate", "contenttypes")


REFUSES = pytest.mark.without_pooler("migrate refuses poolers")


@REFUSES
@pytest.mark.skipif(not ON_POSTGRESQL, reason="a SQLite file has no other way in")
def test_migrate_takes_the_direct_way_in(transactional_db: None) -> None:
    with empty_database() as direct, connected_to(direct):
        manage(absent_database(), *FEW, DATABASE_DIRECT_URL=direct)

        assert "[X]" in run("showmigrations", "contenttypes")[0]


@REFUSES
def test_migrate_without_a_direct_way_in_takes_the_usual_one(
    transactional_db: None, settings: Settings
) -> None:
    settings.DATABASE_DIRECT = None
    with empty_database() as usual, connected_to(usual):
        run(*FEW)

        assert "[X]" in run("showmigrations", "contenttypes")[0]


@REFUSES
def test_migrate_twice_is_migrating_once(migrated: str, transactional_db: None) -> None:
    with copy_of(migrated) as database, connected_to(database):
        assert "No migrations to apply." in run("migrate")[0]


@pytest.mark.skipif(ON_POSTGRESQL, reason="about a file")
@pytest.mark.parametrize(
    "command", [["purge", "--dry-run"], ["migrate", "--plan"], ["work", "--once"]]
)
def test_only_migrate_makes_the_file_of_a_database(
    transactional_db: None, tmp_path: Path, command: list[str]
) -> None:
    url = f"sqlite:///{tmp_path}/tasks.sqlite3"

    with connected_to(url), pytest.raises(OperationalError, match="type manage.py mig"):
        call_command(*command)

    assert list(tmp_path.iterdir()) == []
    with connected_to(url):
        call_command(*FEW, verbosity=0)
    assert (tmp_path / "tasks.sqlite3").stat().st_size
