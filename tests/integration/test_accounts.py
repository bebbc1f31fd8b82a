"""/api/auth/: people sign up and in, from apps and from browsers"""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from taskproject.accounts.attempts import (
    MAX_BY_ADDRESS,
    MAX_BY_NAME,
    MAX_OF_MAILBOX,
    WINDOW,
)
from taskproject.accounts.models import (
    INVITATION_LIFETIME,
    Invitation,
    SignInAttempt,
    User,
)
from tests.support.people import ANNA, PASSWORD, App, Browser, code_of, flows, signed_in


@pytest.fixture
def open_to_all(settings: Settings) -> None:
    settings.SIGNUP = "open"


clients = pytest.mark.parametrize("client_class", [App, Browser])


@clients
def test_somebody_signs_up_verifies_the_address_and_works(
    open_to_all: None, db: None, client_class: type[App | Browser]
) -> None:
    client = client_class()
    client.call("GET", "/config")

    answer = client.call("POST", "/auth/signup", ANNA)

    assert flows(answer) == ["verify_email"]
    [message] = mail.outbox
    assert message.to == [ANNA["email"]]
    assert client.api("GET", "/api/me").status_code == 401
    verified = client.call("POST", "/auth/email/verify", {"key": code_of(message)})
    assert verified.status_code == 200
    assert client.api("POST", "/api/tasks", {"title": "Mine"}).status_code == 201
    me = client.api("GET", "/api/me").json()
    assert (me["username"], me["via"]) == ("anna", "session")
    assert client.call("DELETE", "/auth/session").status_code == 401
    assert client.api("GET", "/api/me").status_code == 401


@clients
def test_another_code_is_mailed_twice(
    open_to_all: None, db: None, client_class: type[App | Browser]
) -> None:
    client = client_class()
    client.call("GET", "/config")
    client.call("POST", "/auth/signup", ANNA)

    asked = [client.call("POST", "/auth/email/verify/resend") for _ in range(3)]

    assert [answer.status_code for answer in asked] == [200, 200, 409]
    assert "sign in" in asked[-1].json()["detail"]
    codes = [code_of(message) for message in mail.outbox]
    assert len(set(codes)) == 3
    old = client.call("POST", "/auth/email/verify", {"key": codes[0]})
    assert old.status_code == 400
    new = client.call("POST", "/auth/email/verify", {"key": codes[-1]})
    assert new.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("POST", "/auth/email/verify/resend", None),
        ("PUT", "/account/email", ANNA["email"]),
    ],
)
def test_the_limit_of_codes_does_not_tell_whose_address_is_known(
    open_to_all: None, anna: User, method: str, path: str, sent: str | None
) -> None:
    def statuses(email: str) -> list[int]:
        found: list[int] = []
        while 429 not in found:
            app = App()
            answer = app.call("POST", "/auth/signup", ANNA | {"email": email})
            body = sent and {"email": email}
            again = [app.call(method, path, body) for _ in range(2)]
            found += [one.status_code for one in (answer, *again)]
        return found

    known, new = statuses(anna.email), statuses("new@example.com")

    assert known == new
    assert len(known) > MAX_OF_MAILBOX


def test_a_session_in_which_nobody_has_signed_in_yet_says_so(
    open_to_all: None, db: None
) -> None:
    app = App()
    app.call("POST", "/auth/signup", ANNA)

    answer = app.api("GET", "/api/me")

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert "which step is missing" in answer.json()["detail"]


@clients
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_404(
    db: None, client_class: type[App | Browser], method: str
) -> None:
    client = client_class()
    client.call("GET", "/config")

    answer = client.call(method, "/auth/sign-in")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "/api/auth/openapi.json" in answer.json()["detail"]


def test_a_bug_of_a_view_is_logged(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("allauth.headless.base.views.ConfigView.get", fail)

    answer = App().call("GET", "/config")

    assert (answer.status_code, answer.json()["code"]) == (500, "server_error")
    assert "a bug" in caplog.text


# Who may sign up


def test_sign_up_is_closed_unless_the_settings_open_it(db: None) -> None:
    app = App()

    answer = app.call("POST", "/auth/signup", ANNA)

    assert (answer.status_code, answer.json()["code"]) == (403, "sign_up_closed")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert not User.objects.exists()
    config = app.call("GET", "/config").json()["data"]["account"]
    assert config["is_open_for_signup"] is False


def test_where_people_are_invited_others_are_refused(
    db: None, settings: Settings
) -> None:
    settings.SIGNUP = "invite"
    Invitation.objects.invite("Anna@example.com", None)

    other = App().call("POST", "/auth/signup", ANNA | {"email": "eve@example.com"})
    invited = App().call("POST", "/auth/signup", ANNA)

    assert (other.status_code, other.json()["code"]) == (403, "sign_up_closed")
    assert flows(invited) == ["verify_email"]
    assert [user.email for user in User.objects.all()] == [ANNA["email"]]
    assert Invitation.objects.get().state == "accepted"


@pytest.mark.django_db(transaction=True)
def test_a_password_is_hashed_before_the_transaction(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SIGNUP = "invite"
    Invitation.objects.invite(ANNA["email"], None)
    hashed_in_one: list[bool] = []

    def make(_: User, password: str | None) -> None:
        hashed_in_one.append(connection.in_atomic_block)

    monkeypatch.setattr(User, "set_password", make)
    answer = App().call("POST", "/auth/signup", ANNA)

    assert flows(answer) == ["verify_email"]
    assert hashed_in_one == [False]


def test_an_invitation_expires(db: None, settings: Settings) -> None:
    settings.SIGNUP = "invite"
    long_ago = timezone.now() - INVITATION_LIFETIME
    Invitation.objects.invite(ANNA["email"], None)
    Invitation.objects.update(created_at=long_ago)

    answer = App().call("POST", "/auth/signup", ANNA)

    assert answer.json()["code"] == "sign_up_closed"
    assert Invitation.objects.get().state == "expired"


@pytest.mark.parametrize("path", ["/auth/signup", "/auth/password/request"])
def test_without_mail_what_needs_it_is_refused(
    open_to_all: None, anna: User, settings: Settings, path: str
) -> None:
    settings.EMAIL_BACKEND = ""

    answer = App().call("POST", path, ANNA)

    assert (answer.status_code, answer.json()["code"]) == (403, "no_mail")
    assert User.objects.count() == 1


def test_mail_that_fails_is_503(
    anna: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # where nothing listens

    answer = App().call("POST", "/auth/password/request", ANNA)

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.json()["detail"].endswith(f"in {answer['Retry-After']} seconds.")
    assert answer.headers["Retry-After"] == "30"


@clients
@pytest.mark.parametrize("signup", ["open", "invite"])
def test_signing_up_again_after_mail_that_failed_mails_a_code(
    db: None, settings: Settings, client_class: type[App | Browser], signup: str
) -> None:
    settings.SIGNUP, works = signup, settings.EMAIL_BACKEND
    Invitation.objects.invite(ANNA["email"], None)
    client = client_class()
    client.call("GET", "/config")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # where nothing listens

    assert client.call("POST", "/auth/signup", ANNA).status_code == 503

    assert not User.objects.filter(email=ANNA["email"]).exists()
    assert Invitation.objects.get().state == "pending"
    settings.EMAIL_BACKEND = works
    assert client.call("GET", "/auth/session").status_code == 401
    assert flows(client.call("POST", "/auth/signup", ANNA)) == ["verify_email"]
    [message] = mail.outbox
    verified = client.call("POST", "/auth/email/verify", {"key": code_of(message)})
    assert verified.status_code == 200


def test_nobody_becomes_the_guest(
    open_to_all: None, db: None, settings: Settings
) -> None:
    settings.ACCOUNT_USERNAME_BLACKLIST = [settings.API_GUEST or "guest"]

    App().call("POST", "/auth/signup", ANNA | {"email": "Guest@example.com"})

    assert User.objects.get().username.lower() != "guest"


def test_sign_up_does_not_tell_whose_address_is_known(
    open_to_all: None, anna: User
) -> None:
    known = App().call("POST", "/auth/signup", ANNA | {"password": "another-password"})
    new = App().call("POST", "/auth/signup", ANNA | {"email": "new@example.com"})

    assert flows(known) == flows(new) == ["verify_email"]
    assert known.json().keys() == new.json().keys()
    assert "already exists" in str(mail.outbox[0].body)
    anna.refresh_from_db()
    assert anna.check_password(PASSWORD)


def test_a_weak_password_is_refused_in_the_shape_of_allauth(
    open_to_all: None, db: None
) -> None:
    answer = App().call("POST", "/auth/signup", ANNA | {"password": "short"})

    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["param"], error["code"]) == ("password", "password_too_short")
    assert set(answer.json()) == {"status", "errors"}


# Signing in


@clients
def test_a_wrong_password_is_refused_and_counted(
    anna: User, client_class: type[App | Browser]
) -> None:
    client = client_class()
    client.call("GET", "/config")
    for _ in range(MAX_BY_NAME):
        answer = client.call("POST", "/auth/login", ANNA | {"password": "wrong"})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "email_password_mismatch"

    answer = client.call("POST", "/auth/login", ANNA)

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert 0 < int(answer.headers["Retry-After"]) <= WINDOW.total_seconds()


def test_signing_in_forgets_failures(anna: User) -> None:
    App().call("POST", "/auth/login", ANNA | {"password": "wrong"})
    assert SignInAttempt.objects.exists()

    signed_in(App())

    assert SignInAttempt.objects.count() == 1  # of the address


def test_the_limit_of_an_address_counts_all_names(db: None) -> None:
    for number in range(MAX_BY_ADDRESS):
        body = {"username": f"user{number}", "password": "wrong"}
        assert App().call("POST", "/auth/login", body).status_code == 400

    assert App().call("POST", "/auth/login", ANNA).status_code == 429


def test_somebody_without_an_address_signs_in_by_name(db: None) -> None:
    User.objects.create_user("bert", password=PASSWORD)
    app = App()

    answer = app.call("POST", "/auth/login", {"username": "bert", "password": PASSWORD})

    assert answer.status_code == 200
    assert app.api("GET", "/api/me").json()["username"] == "bert"


def test_an_address_that_is_not_verified_does_not_open(anna: User) -> None:
    EmailAddress.objects.update(verified=False)
    app = App()

    assert flows(app.call("POST", "/auth/login", ANNA)) == ["verify_email"]
    assert app.api("GET", "/api/me").status_code == 401
    assert app.call("POST", "/auth/email/verify", {"key": "WRONG1"}).status_code == 400
    code = {"key": code_of(mail.outbox[0])}
    assert app.call("POST", "/auth/email/verify", code).status_code == 200
    assert app.api("GET", "/api/me").status_code == 200


def test_a_disabled_user_neither_signs_in_nor_stays(anna: User) -> None:
    app = App()
    signed_in(app)
    User.objects.update(is_active=False)

    assert app.api("GET", "/api/me").json()["code"] == "invalid_token"
    assert App().call("POST", "/auth/login", ANNA).status_code in (400, 401)


# Passwords


def test_a_password_is_reset_by_a_code(anna: User) -> None:
    app, elsewhere = App(), App()
    signed_in(elsewhere)
    new = "another-long-password"

    asked = app.call("POST", "/auth/password/request", {"email": anna.email})

    assert flows(asked) == ["password_reset_by_code"]
    code = code_of(mail.outbox[0])
    answer = app.call("POST", "/auth/password/reset", {"key": code, "password": new})
    assert answer.status_code in (200, 401)
    assert elsewhere.api("GET", "/api/me").status_code == 401
    again = App().call("POST", "/auth/login", ANNA | {"password": new})
    assert again.status_code == 200


def test_a_reset_lets_in_a_user_whom_somebody_has_locked_out(anna: User) -> None:
    for _ in range(MAX_BY_NAME):
        App().call("POST", "/auth/login", ANNA | {"password": "wrong"})
    browser, new = Browser(), "another-long-password"
    browser.call("GET", "/config")
    browser.call("POST", "/auth/password/request", {"email": anna.email})
    code = code_of(mail.outbox[0])
    browser.call("POST", "/auth/password/reset", {"key": code, "password": new})
    for _ in range(MAX_BY_NAME):
        App().call("POST", "/auth/login", ANNA | {"password": "wrong"})

    answer = browser.call("POST", "/auth/login", ANNA | {"password": new})

    assert answer.status_code == 200


def test_a_reset_does_not_tell_whose_address_is_known(anna: User) -> None:
    unknown = App().call("POST", "/auth/password/request", {"email": "eve@example.com"})

    assert flows(unknown) == ["password_reset_by_code"]
    assert mail.outbox == []


def test_changing_the_password_ends_the_other_sessions(
    anna: User, django_capture_on_commit_callbacks: Any
) -> None:
    app, elsewhere = App(), App()
    signed_in(app), signed_in(elsewhere)
    body = {"current_password": PASSWORD, "new_password": "another-long-password"}

    with django_capture_on_commit_callbacks(execute=True):
        answer = app.call("POST", "/account/password/change", body)

    assert answer.status_code in (200, 401)
    assert elsewhere.api("GET", "/api/me").status_code == 401
    assert "password" in mail.outbox[-1].subject.lower()


def test_mails_that_others_ask_for_do_not_silence_those_of_changes(
    anna: User, django_capture_on_commit_callbacks: Any
) -> None:
    app = App()
    signed_in(app)
    email = {"email": anna.email}
    asked = [
        App().call("POST", "/auth/password/request", email).status_code
        for _ in range(MAX_OF_MAILBOX + 1)
    ]
    assert asked[-1] == 429
    body = {"current_password": PASSWORD, "new_password": "another-long-password"}

    with django_capture_on_commit_callbacks(execute=True):
        app.call("POST", "/account/password/change", body)

    assert mail.outbox[-1].subject == "Password Changed"
