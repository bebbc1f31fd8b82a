"""The cast and the ways in: alice owns, bob is another user, carol is staff."""

import gc
import importlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, transaction
from django.test import Client, TransactionTestCase
from django.test.client import ClientHandler
from django.test.signals import setting_changed
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import get_resolver
from django.utils import timezone
from django.utils.crypto import get_random_string
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis
from pytest_django import DjangoDbBlocker

from taskproject import downloads, pipeline
from taskproject.accounts.models import ApiToken, User
from taskproject.accounts.sessions import SessionStore
from taskproject.downloads import Slots
from taskproject.health import require_migrations
from taskproject.sqlite import base as sqlite
from tasks.models import Actor, Task
from tests.support.copies import copy_of, made_once, name_of

# Their asserts explain themselves, as those of the test files do.
pytest.register_assert_rewrite(
    "tests.support.answers", "tests.support.threads", "tests.support.admin"
)

# The same examples in each run, however slow the machine is.
hypothesis.register_profile(
    "suite",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis.load_profile("suite")


def pytest_collection(session: pytest.Session) -> None:
    """On a fresh clone, lets each process of pytest-xdist compile a part of the test files,
    which takes 16 s of CPU time, most of it for their asserts. The others read the result.
    What cannot be imported is told when it is collected. Nothing of it is garbage yet."""
    gc.disable()
    directories = [path for path in map(Path, session.config.args) if path.is_dir()]
    files = sorted(file for each in directories for file in each.rglob("test_*.py"))
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    for file in files[number::processes]:
        with suppress(Exception, pytest.skip.Exception):
            relative = file.resolve().relative_to(session.config.rootpath)
            importlib.import_module(".".join(relative.with_suffix("").parts))


def pytest_collection_finish() -> None:
    """Collects garbage less often, and does not look at modules and tests again: 7% of the
    suite's CPU time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)
    gc.enable()


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows from settings is remembered, and tests change them. A download that a
    test does not read keeps its slot until it is collected."""
    pipeline.forget()
    monkeypatch.setattr(downloads, "slots", Slots())


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create_superuser("carol")


@pytest.fixture
def token(alice: User) -> str:
    """The secret of a token of alice's."""
    return make_token(alice)


@pytest.fixture
def api(alice: User) -> "ApiClient":
    """The API, called by alice with a token."""
    return ApiClient(make_token(alice))


@pytest.fixture
def bobs_api(bob: User) -> "ApiClient":
    return ApiClient(make_token(bob))


@pytest.fixture
def nobody(db: None) -> "ApiClient":
    """The API, called without a credential."""
    return ApiClient("")


@pytest.fixture
def staff(carol: User) -> Client:
    """The admin, with carol signed in. Each process remembers the content types that it has
    read; which test of it reads them first is chance, and tests count statements."""
    ContentType.objects.get_for_models(*apps.get_models())
    client = Client()
    force_login(client, carol)
    return client


@pytest.fixture
def queries() -> Iterator[CaptureQueriesContext]:
    """The statements that the test sends from here on."""
    with CaptureQueriesContext(connection) as captured:
        yield captured


class ApiClient(Client):
    """Django's test client, with a token and JSON bodies."""

    def __init__(self, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        super().__init__(headers=headers, raise_request_exception=False)

    def _base_environ(self, **request: Any) -> dict[str, Any]:
        """Without the header of cookies where there are none: it sends a request through the
        middleware of pages. Django's client always has it."""
        # The stubs leave it out.
        environ: dict[str, Any] = super()._base_environ(**request)  # type: ignore[misc]
        if not environ["HTTP_COOKIE"]:
            del environ["HTTP_COOKIE"]
        return environ

    def send(self, method: str, path: str, body: Any = None, **extra: Any) -> Any:
        """A request whose body, if there is one, is sent as JSON."""
        if body is None:
            return self.generic(method, path, content_type="", **extra)
        return self.generic(
            method, path, json.dumps(body), content_type="application/json", **extra
        )


def make_token(user: User, scopes: str = "read write", **fields: Any) -> str:
    """A working token of the user; returns its secret. No request records its use, however
    long the test takes: in the transaction of a test the request could not begin again."""
    fields.setdefault("last_used_at", timezone.now() + timedelta(hours=1))
    return ApiToken(user=user, name="test", scopes=scopes, **fields).issue()


def force_login(client: Client, user: User) -> None:
    """Signs in as the client's method does, by one statement instead of 15."""
    session = Session.objects.create(
        session_key=get_random_string(32),
        session_data=SessionStore().encode(
            {
                SESSION_KEY: str(user.pk),
                BACKEND_SESSION_KEY: settings.AUTHENTICATION_BACKENDS[0],
                HASH_SESSION_KEY: user.get_session_auth_hash(),
            }
        ),
        expire_date=timezone.now() + timedelta(days=1),
    )
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key


#: Who makes the changes of which a test does not say who makes them.
BY = Actor(None, "command")


def make_task(owner: User, title: str = "Buy milk", **fields: Any) -> Task:
    by = Actor(owner.pk, "command")
    return Task.objects.add(by, owner_id=owner.pk, title=title, **fields)


YESTERDAY = timezone.now() - timedelta(days=1)


def make_old_task(owner: User, completed: bool = False, **fields: Any) -> Task:
    """A task of which nothing has changed since yesterday."""
    task = make_task(owner, completed=completed, **fields)
    Task.objects.filter(pk=task.pk).update(
        created_at=YESTERDAY,
        updated_at=YESTERDAY,
        completed_at=YESTERDAY if completed else None,
    )
    task.refresh_from_db()
    return task


@pytest.fixture(scope="session", autouse=True)
def passwords_are_hashed_quickly() -> Iterator[None]:
    """Where a test is not about the hash itself: one of production takes 0.2 s."""
    quick = "django.contrib.auth.hashers.MD5PasswordHasher"
    with override_settings(PASSWORD_HASHERS=[quick, *settings.PASSWORD_HASHERS]):
        yield


@pytest.fixture(scope="session", autouse=True)
def clients_share_their_middleware() -> Iterator[None]:
    """Until a setting changes. Each client would load it, and resolve each URL anew."""
    load, loaded = ClientHandler.load_middleware, dict[str, Any]()

    def share(handler: ClientHandler) -> None:
        if not loaded:
            first = ClientHandler()
            load(first)
            loaded.update(vars(first))
        own = {"enforce_csrf_checks": handler.enforce_csrf_checks}
        vars(handler).update(loaded | own)

    def forget(**_: Any) -> None:
        loaded.clear()

    setting_changed.connect(forget)
    with patch.object(ClientHandler, "load_middleware", share):
        yield
    setting_changed.disconnect(forget)


@pytest.fixture(scope="session", autouse=True)
def static_files_are_found_when_asked_for() -> Iterator[None]:
    """WhiteNoise would read all 139 files whenever the middleware is loaded."""
    with override_settings(WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture(scope="session")
def migrated(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> str:
    """The URL of a migrated database, new and to be copied only: see `copy_of`."""
    if connection.vendor == "sqlite":
        # Nothing of it needs to outlive the machine.
        options = connection.settings_dict["OPTIONS"]
        options["init_command"] += "PRAGMA synchronous=OFF;"
    with django_db_blocker.unblock():
        return made_once(lambda: call_command("migrate", verbosity=0))


@pytest.fixture(scope="session")
def django_db_setup(
    migrated: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The database of the tests of this process: a copy. SQLite is in a file, as in
    production: in memory, threads would share one cache and its locks, which wait for
    nobody."""
    with copy_of(migrated) as url:
        connection.settings_dict["NAME"] = name_of(url)
        with django_db_blocker.unblock():
            # Else the first request would ask, and its test count a statement more; and
            # it would load the operations (0.45 s) while its deadline runs.
            require_migrations()
            get_resolver().url_patterns  # noqa: B018  # as in `wsgi`
            connection.close()
        yield


@pytest.fixture(scope="session", autouse=True)
def a_process_does_not_rest() -> Iterator[None]:
    """Between two transactions of SQLite, and so between two tests: up to 0.05 s each."""
    with patch.object(sqlite, "REST", 0.0):
        yield


#: Tables whose rows `migrate` creates, and which no test changes.
KEPT = {"django_content_type", "auth_permission"}
# Tables of over 256 KiB are truncated: rows that are only deleted stay until VACUUM.
EMPTY = """
DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY string_to_array({names}, ' ') LOOP
        IF pg_relation_size(quote_ident(name)::regclass) > 262144 THEN
            EXECUTE format('TRUNCATE %I CASCADE', name);
        ELSIF pg_relation_size(quote_ident(name)::regclass) > 0 THEN
            EXECUTE format('DELETE FROM %I', name);
        END IF;
    END LOOP;
END $$"""


@pytest.fixture(scope="session", autouse=True)
def tables_are_emptied_in_one_statement() -> Iterator[None]:
    """After tests that commit. Django's `flush` truncates all tables and creates the
    permissions again: 0.2 s a test, a quarter of the suite's time on PostgreSQL."""
    with patch.object(TransactionTestCase, "_fixture_teardown", _empty_tables):
        yield


def _empty_tables(_: TransactionTestCase) -> None:
    names = {*connection.introspection.django_table_names(only_existing=True)} - KEPT
    if connection.vendor == "sqlite":
        flush = connection.ops.sql_flush(no_style(), sorted(names))
        connection.ops.execute_sql_flush(flush)
        return
    with transaction.atomic(), connection.cursor() as cursor:
        # Without triggers, and so without those of foreign keys.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(EMPTY.format(names=f"'{' '.join(sorted(names))}'"))
