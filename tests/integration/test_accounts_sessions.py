"""/api/auth/: second factors, sessions, and pages of other origins"""

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from taskproject.accounts.models import User
from tasks.jobs import remove_user
from tests.conftest import BY, ApiClient
from tests.support.people import ANNA, PASSWORD, App, Browser, flows, signed_in, totp

clients = pytest.mark.parametrize("client_class", [App, Browser])


# The second factor


def activate(client: "App | Browser") -> str:
    """Turns the second factor on; returns its secret."""
    shown = client.call("GET", "/account/authenticators/totp")
    assert shown.status_code == 404
    secret = str(shown.json()["meta"]["secret"])
    unsure = client.call("POST", "/account/authenticators/totp", {"code": totp(secret)})
    assert unsure.status_code == 401, "asks for the password again"
    client.call("POST", "/auth/reauthenticate", {"password": PASSWORD})
    answer = client.call("POST", "/account/authenticators/totp", {"code": totp(secret)})
    assert answer.status_code == 200, answer.content
    return secret


@clients
def test_a_second_factor_is_asked_for(
    anna: User, client_class: type[App | Browser]
) -> None:
    client = client_class()
    client.call("GET", "/config")
    signed_in(client)
    secret = activate(client)
    codes = client.call("GET", "/account/authenticators/recovery-codes")
    [first, *_] = codes.json()["data"]["unused_codes"]

    other = client_class()
    other.call("GET", "/config")
    assert flows(other.call("POST", "/auth/login", ANNA)) == ["mfa_authenticate"]
    assert other.api("GET", "/api/me").status_code == 401
    wrong = other.call("POST", "/auth/2fa/authenticate", {"code": "000000"})
    assert wrong.status_code == 400
    right = other.call("POST", "/auth/2fa/authenticate", {"code": first})
    assert right.status_code == 200
    assert other.api("GET", "/api/me").json()["username"] == "anna"

    third = App()
    third.call("POST", "/auth/login", ANNA)
    used = third.call("POST", "/auth/2fa/authenticate", {"code": first})
    assert used.status_code == 400, "a recovery code works once"
    # The code of the next 30 seconds, for clocks that differ.
    ahead = third.call("POST", "/auth/2fa/authenticate", {"code": totp(secret, 1)})
    assert ahead.status_code == 200


def test_codes_of_the_second_factor_are_limited(anna: User) -> None:
    app = App()
    signed_in(app)
    secret = activate(app)
    other = App()
    other.call("POST", "/auth/login", ANNA)
    for _ in range(5):
        other.call("POST", "/auth/2fa/authenticate", {"code": "000000"})

    answer = other.call("POST", "/auth/2fa/authenticate", {"code": totp(secret)})

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert answer.headers["RateLimit-Policy"] == '"code";q=5;w=900'


# Sessions


def test_sessions_are_listed_and_ended(anna: User) -> None:
    app, elsewhere = App(), App()
    signed_in(elsewhere), signed_in(app)
    listed = app.call("GET", "/auth/sessions").json()["data"]
    [other] = [row["id"] for row in listed if not row["is_current"]]

    assert len(listed) == 2
    ended = app.call("DELETE", "/auth/sessions", {"sessions": [other]})

    assert ended.status_code == 200
    assert elsewhere.api("GET", "/api/me").json()["code"] == "invalid_token"
    assert elsewhere.call("GET", "/auth/session").status_code == 410
    assert app.api("GET", "/api/me").status_code == 200


def test_a_session_token_costs_two_queries(
    anna: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    app = App()
    signed_in(app)

    with django_assert_num_queries(2):
        app.api("GET", "/api/me")


@pytest.mark.parametrize("token", ["", "x", "a" * 5_000, "\xe9", "tk_" + "a" * 43])
def test_a_session_token_that_is_not_valid_is_refused_despite_a_guest(
    db: None, settings: Settings, token: str
) -> None:
    settings.API_GUEST = "guest"

    answer = ApiClient("").send("GET", "/api/me", headers={"X-Session-Token": token})

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.either_database
def test_a_session_token_has_no_csrf_token(anna: User) -> None:
    app = App()
    signed_in(app)

    me = app.api("PATCH", "/api/me", {"timezone": "Asia/Tokyo"})

    assert (me.status_code, me.json()["csrf_token"]) == (200, None)


# Pages of other origins


@pytest.mark.either_database
def test_a_page_of_an_allowed_origin_signs_in(anna: User, settings: Settings) -> None:
    origin = "https://app.example.com"
    settings.CORS_ALLOWED_ORIGINS = settings.CSRF_TRUSTED_ORIGINS = [origin]
    settings.CORS_ALLOW_CREDENTIALS = True
    page = Browser()

    asked = page.call("GET", "/config", Origin=origin)
    answer = page.call("POST", "/auth/login", ANNA, Origin=origin)

    assert asked.headers["Access-Control-Allow-Origin"] == origin
    assert asked.headers["Access-Control-Allow-Credentials"] == "true"
    assert "X-CSRFToken" in asked.headers["Access-Control-Expose-Headers"]
    assert answer.status_code == 200


@pytest.mark.either_database
def test_a_page_of_another_origin_does_not(anna: User) -> None:
    page = Browser()
    page.call("GET", "/config")

    answer = page.call("POST", "/auth/login", ANNA, Origin="https://evil.example")

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.either_database
def test_without_the_csrf_token_a_browser_does_not_write(anna: User) -> None:
    answer = Browser().call("POST", "/auth/login", ANNA)

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


@pytest.mark.either_database
@pytest.mark.parametrize(
    "header", ["x-session-token", "x-email-verification-key", "x-password-reset-key"]
)
def test_a_page_may_send_the_headers_of_allauth(
    nobody: ApiClient, settings: Settings, header: str
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

    answer = nobody.generic(
        "OPTIONS",
        "/api/auth/app/v1/auth/login",
        headers={
            "Origin": "https://app.example.com",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": header,
        },
    )

    assert header in answer.headers["Access-Control-Allow-Headers"]


# What is refused


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_body"),
        (b"[]", "application/json", 400, "malformed_body"),
        (b'{"email": 1, "email": 2}', "application/json", 400, "malformed_body"),
        (b"[" * 50_000, "application/json", 400, "malformed_body"),
        (
            b"email=a",
            "application/x-www-form-urlencoded",
            415,
            "unsupported_media_type",
        ),
        (b"{" + b" " * 300_000 + b"}", "application/json", 413, "content_too_large"),
    ],
)
def test_a_body_that_is_no_json_object_is_a_problem(
    db: None, body: bytes, content_type: str, status: int, code: str
) -> None:
    answer = ApiClient("").generic(
        "POST", "/api/auth/app/v1/auth/login", body, content_type=content_type
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.either_database
def test_a_password_sent_unencrypted_is_refused(anna: User, settings: Settings) -> None:
    settings.HTTPS = True

    answer = App().send(
        "POST", "/api/auth/app/v1/auth/login", ANNA, REMOTE_ADDR="192.0.2.1"
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "https_required")


def test_no_odd_value_is_a_server_error(anna: User) -> None:
    app = App()
    signed_in(app)

    lists: list[Any] = [["a"], [None], [{}], [10**30], "x", 1]
    for sessions in lists:
        assert app.call(
            "DELETE", "/auth/sessions", {"sessions": sessions}
        ).status_code in (400, 422)
    values: list[Any] = [1, None, [], {}, "\x00", "a" * 80_000]
    for value in values:
        body = {"username": value, "email": value, "password": value}
        assert App().call("POST", "/auth/login", body).status_code == 400


def test_deleting_a_user_deletes_their_addresses_factors_and_sessions(
    anna: User,
) -> None:
    app = App()
    signed_in(app)
    activate(app)

    remove_user(anna, BY)

    assert not User.objects.exists()
    assert app.api("GET", "/api/me").status_code == 401
