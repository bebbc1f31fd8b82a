"""/api/auth/ and the admin while the database goes away, at each statement of a request."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from pytest_django import Settings

from taskproject.accounts.attempts import MAX_CODES
from taskproject.accounts.models import SignInAttempt, User
from taskproject.accounts.sessions import SessionStore
from tests.support.passkeys import Passkey
from tests.support.people import (
    ANNA,
    PASSWORD,
    App,
    code_of,
    flows,
    signed_in,
    totp,
)
from tests.support.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
#: What ends transactions is not refused: a database that is away has ended them.
ENDS = ("ROLLBACK", "RELEASE", "PRAGMA")
CANCELLED = "DO $$ BEGIN RAISE EXCEPTION 'cancelled' USING ERRCODE = '57014'; END $$"
#: Of an authenticator app.
SECRET = "JBSWY3DPEHPK3PXP"
Call = Callable[[], Any]
Execute = Callable[[str, Any, bool, dict[str, Any]], Any]


@pytest.fixture(autouse=True)
def open_to_all(settings: Settings) -> None:
    settings.SIGNUP = "open"


class Away:
    """The database answers so many statements, and is away from then on."""

    def __init__(self, answers: int) -> None:
        self.left = answers

    def __call__(
        self, execute: Execute, sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if not sql.startswith(ENDS):
            self.left -= 1
            if self.left < 0:
                raise OperationalError("away")
        return execute(sql, params, many, context)


def make_anna() -> None:
    anna = User.objects.create_user("anna", ANNA["email"], PASSWORD)
    EmailAddress.objects.create(
        user=anna, email=ANNA["email"], verified=True, primary=True
    )


def sign_up(app: App) -> Call:
    return lambda: app.call("POST", "/auth/signup", ANNA)


def verify(app: App) -> Call:
    sign_up(app)()
    key = {"key": code_of(mail.outbox[-1])}
    return lambda: app.call("POST", "/auth/email/verify", key)


def sign_in(app: App) -> Call:
    if not User.objects.exists():
        make_anna()
    return lambda: app.call("POST", "/auth/login", ANNA)


def request_reset(app: App) -> Call:
    make_anna()
    return lambda: app.call("POST", "/auth/password/request", {"email": ANNA["email"]})


def reset(app: App) -> Call:
    request_reset(app)()
    body = {"key": code_of(mail.outbox[-1]), "password": "another-password"}
    return lambda: app.call("POST", "/auth/password/reset", body)


def recovery_code(user: User) -> str:
    """A code of a user who has a second factor now."""
    TOTP.activate(user, SECRET)
    return str(RecoveryCodes.activate(user).get_unused_codes()[0])


def second_factor(app: App) -> Call:
    make_anna()
    body = {"code": recovery_code(User.objects.get())}
    assert flows(app.call("POST", "/auth/login", ANNA)) == ["mfa_authenticate"]
    return lambda: app.call("POST", "/auth/2fa/authenticate", body)


def change(app: App) -> Call:
    make_anna()
    signed_in(app)
    body = {"current_password": PASSWORD, "new_password": "another-password"}
    return lambda: app.call("POST", "/account/password/change", body)


def confirmed(app: App) -> User:
    """Anna, signed in, who has just given her password again."""
    make_anna()
    signed_in(app)
    app.call("POST", "/auth/reauthenticate", {"password": PASSWORD})
    return User.objects.get()


def remove_app(app: App) -> Call:
    recovery_code(confirmed(app))
    return lambda: app.call("DELETE", "/account/authenticators/totp")


def add_passkey(app: App, device: Passkey | None = None) -> Call:
    confirmed(app)
    path = "/account/authenticators/webauthn"
    options = app.call("GET", path).json()["data"]["creation_options"]
    body = {"name": "Phone", "credential": (device or Passkey()).create(options)}
    return lambda: app.call("POST", path, body)


def passkey(app: App) -> Call:
    """Signs in with it, and nothing else."""
    device = Passkey()
    assert add_passkey(app, device)().status_code == 200
    app.session_token = ""
    asked = app.call("GET", "/auth/webauthn/login").json()["data"]
    body = {"credential": device.get(asked["request_options"])}
    return lambda: app.call("POST", "/auth/webauthn/login", body)


def make_primary(app: App) -> Call:
    body = {"email": "other@example.com", "primary": True}
    EmailAddress.objects.create(user=confirmed(app), email=body["email"], verified=True)
    return lambda: app.call("PATCH", "/account/email", body)


def account_of_anna() -> list[Any]:
    return [
        *EmailAddress.objects.order_by("pk").values_list("email", "primary"),
        *Authenticator.objects.order_by("pk").values_list("type", "data"),
    ]


def away_ever_later(every: int = 3) -> Iterator[Away]:
    """Each on an empty database. At every statement, it would take as many times longer."""
    for answers in range(0, 100, every):
        for model in (Session, SignInAttempt, User):
            model.objects.all().delete()
        mail.outbox.clear()
        yield Away(answers)
    raise AssertionError("there are more statements")


def refused(act: Call, away: Away) -> bool:
    """Whether it is refused for now, and nobody is given a session."""
    with connection.execute_wrapper(away):
        response = act()
    if response.status_code != 503:
        assert response.status_code in (200, 302, 401), response.content
        return False
    assert int(response.headers["Retry-After"]) >= 1
    assert "session_token" not in response.content.decode()
    assert "sessionid" not in response.cookies
    return True


@pytest.mark.parametrize("step", [sign_in, request_reset, change])
def test_a_database_that_goes_away_is_503_at_each_statement(
    step: Callable[[App], Call],
) -> None:
    for away in away_ever_later():
        if not refused(step(App()), away):
            break


@pytest.mark.parametrize(
    ("step", "status"),
    [(verify, 200), (reset, 401), (second_factor, 200), (passkey, 200)],
)
def test_a_code_is_not_used_up_by_a_request_that_fails(
    step: Callable[[App], Call], status: int
) -> None:
    for away in away_ever_later():
        act = step(App())
        if not refused(act, away):
            break
        assert act().status_code == status


class Failing:
    """The database cancels the first statement that begins so, and answers all others."""

    def __init__(self, beginning: str) -> None:
        self.beginning = beginning

    def __call__(
        self, execute: Execute, sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if not (self.beginning and sql.startswith(self.beginning)):
            return execute(sql, params, many, context)
        self.beginning = ""
        if connection.vendor == "sqlite":
            raise OperationalError("database is locked")
        return execute(CANCELLED, None, False, context)


@pytest.mark.parametrize(
    "statement", ['SELECT "cache_key"', 'INSERT INTO "taskproject_cache"']
)
def test_a_right_code_of_an_app_is_503_where_it_cannot_be_stored_as_used(
    statement: str,
) -> None:
    app = App()
    second_factor(app)
    body = {"code": totp(SECRET)}
    act = partial(app.call, "POST", "/auth/2fa/authenticate", body)

    failing = Failing(statement)
    with connection.execute_wrapper(failing):
        refused = act()

    assert not failing.beginning
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert not SignInAttempt.objects.exists()
    assert act().status_code == 200


@pytest.mark.parametrize("step", [remove_app, add_passkey, make_primary])
def test_an_account_is_changed_as_a_whole_or_not(
    step: Callable[[App], Call],
) -> None:
    for away in away_ever_later(every=5):
        act = step(App())
        before = account_of_anna()
        if not refused(act, away):
            break
        assert account_of_anna() == before
        assert act().status_code == 200


def test_wrong_codes_at_once_do_not_exceed_the_limit() -> None:
    make_anna()
    recovery_code(User.objects.get())
    apps = [App() for _ in range(MAX_CODES + 2)]
    for app in apps:
        assert flows(app.call("POST", "/auth/login", ANNA)) == ["mfa_authenticate"]
    path, body = "/auth/2fa/authenticate", {"code": "wrong"}

    answers = at_once([partial(app.call, "POST", path, body) for app in apps])

    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {400: MAX_CODES, 429: 2}


def test_who_signs_up_while_it_goes_away_signs_in_and_verifies() -> None:
    for away in away_ever_later():
        act = sign_up(App())
        if not refused(act, away):
            break
        signs_in = sign_in if User.objects.exists() else sign_up
        assert flows(signs_in(App())()) == ["verify_email"]


def test_a_code_of_an_address_that_was_verified_meanwhile_is_409() -> None:
    first, second = App(), App()
    sign_up(first)()
    key = {"key": code_of(mail.outbox[-1])}
    second.call("POST", "/auth/login", ANNA)
    other = {"key": code_of(mail.outbox[-1])}
    assert second.call("POST", "/auth/email/verify", other).status_code == 200

    answer = first.call("POST", "/auth/email/verify", key)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "sign in again" in answer.json()["detail"]
    assert signed_in(first).status_code == 200


def test_a_sign_in_to_the_admin_is_503_at_each_statement() -> None:
    form = {"username": "carol", "password": PASSWORD}

    for away in away_ever_later(every=1):
        User.objects.create_superuser("carol", password=PASSWORD)
        client = Client(raise_request_exception=False)
        if not refused(partial(client.post, "/admin/login/", form), away):
            break


def carol_with_password() -> tuple[Client, str]:
    """A browser in which carol has given her password, and a recovery code."""
    carol = User.objects.create_superuser("carol", password=PASSWORD)
    code = recovery_code(carol)
    client = Client(raise_request_exception=False)
    client.post("/admin/login/", {"username": "carol", "password": PASSWORD})
    return client, code


def test_a_code_of_the_admin_is_not_used_up_by_a_request_that_fails() -> None:
    for away in away_ever_later():
        client, code = carol_with_password()
        act = partial(client.post, "/admin/login/code/", {"code": code})
        if not refused(act, away):
            break
        assert act().status_code == 302


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_signs_in_after_a_request_that_failed_once(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the session nor the database has anything of that request."""

    def fail(request: HttpRequest) -> None:
        raise OperationalError("away")

    client, code = carol_with_password()
    sent = {"code": totp(SECRET) if kind == "app" else code}
    with monkeypatch.context() as patch:
        patch.setattr(UserSession.objects, "create_from_request", fail)
        assert client.post("/admin/login/code/", sent).status_code == 503
    assert client.get("/admin/").status_code == 302

    assert client.post("/admin/login/code/", sent).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_a_session_is_stored_where_no_database_failed() -> None:
    session = SessionStore()
    session["step"] = 1
    try:
        raise ImmediateHttpResponse(HttpResponse(status=401))
    except ImmediateHttpResponse:
        session.save()

    assert SessionStore(session.session_key)["step"] == 1
