"""/api/auth/: passkeys, to sign in with and as a second factor"""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator

from taskproject.accounts import attempts
from taskproject.accounts.models import User
from tests.support.passkeys import Passkey
from tests.support.people import ANNA, PASSWORD, App, Browser, flows, signed_in

pytestmark = pytest.mark.either_database

OWN = "/account/authenticators/webauthn"
LOGIN = "/auth/webauthn/login"
SECOND = "/auth/webauthn/authenticate"
clients = pytest.mark.parametrize("client_class", [App, Browser])


def options(answer: Any, of: str = "request_options") -> Any:
    assert answer.status_code == 200, answer.content
    return answer.json()["data"][of]


def register(client: App | Browser, passkey: Passkey) -> Any:
    """Signs anna in, and adds the passkey to her account."""
    signed_in(client)
    asked = client.call("GET", f"{OWN}?passwordless")
    assert asked.status_code == 401, "asks for the password again"
    client.call("POST", "/auth/reauthenticate", {"password": PASSWORD})
    asked = options(client.call("GET", f"{OWN}?passwordless"), "creation_options")
    body = {"name": "Phone", "credential": passkey.create(asked), "passwordless": True}
    return client.call("POST", OWN, body)


def sign_in(client: App | Browser, passkey: Passkey) -> Any:
    asked = options(client.call("GET", LOGIN))
    return client.call("POST", LOGIN, {"credential": passkey.get(asked)})


@clients
def test_a_passkey_signs_in_without_a_password(
    anna: User, client_class: type[App | Browser]
) -> None:
    client, passkey = client_class(), Passkey()
    client.call("GET", "/config")

    added = register(client, passkey)

    assert added.status_code == 200, added.content
    assert added.json()["data"]["name"] == "Phone"
    other = client_class()
    config = other.call("GET", "/config").json()["data"]["mfa"]
    assert config["passkey_login_enabled"] is True
    answer = sign_in(other, passkey)
    assert answer.status_code == 200, answer.content
    assert other.api("GET", "/api/me").json()["username"] == "anna"
    made = other.api("POST", "/api/tasks", {"title": "Buy milk"})
    assert made.status_code == 201


def test_a_passkey_is_a_second_factor(anna: User) -> None:
    app, passkey = App(), Passkey()
    register(app, passkey)
    other = App()
    assert flows(other.call("POST", "/auth/login", ANNA)) == ["mfa_authenticate"]

    asked = options(other.call("GET", SECOND))
    answer = other.call("POST", SECOND, {"credential": passkey.get(asked)})

    assert answer.status_code == 200, answer.content
    assert other.api("GET", "/api/me").json()["username"] == "anna"


def test_a_passkey_is_renamed_and_removed(anna: User) -> None:
    app, passkey = App(), Passkey()
    key = register(app, passkey).json()["data"]["id"]

    assert app.call("PUT", OWN, {"id": key, "name": "Old"}).status_code == 200
    listed = app.call("GET", "/account/authenticators").json()["data"]
    assert ("webauthn", "Old") in [(it["type"], it.get("name")) for it in listed]
    assert app.call("DELETE", OWN, {"authenticators": [key]}).status_code == 200

    assert sign_in(App(), passkey).status_code == 400
    assert not Authenticator.objects.exists(), "nor recovery codes"


def test_the_domain_is_that_of_the_settings(anna: User) -> None:
    app = App()
    signed_in(app)
    app.call("POST", "/auth/reauthenticate", {"password": PASSWORD})

    asked = options(app.call("GET", OWN), "creation_options")["publicKey"]

    assert asked["rp"] == {"id": "localhost", "name": "Tasks"}
    assert options(App().call("GET", LOGIN))["publicKey"]["rpId"] == "localhost"


@pytest.mark.parametrize(
    "passkey",
    [
        Passkey(origin="https://evil.example"),
        Passkey(origin="http://evil.localhost.example"),
        Passkey(domain="evil.example"),
    ],
    ids=["origin", "similar origin", "domain"],
)
def test_a_passkey_of_another_site_is_refused(anna: User, passkey: Passkey) -> None:
    answer = register(App(), passkey)

    assert answer.status_code == 400, answer.content
    assert not Authenticator.objects.exists()


def test_an_answer_works_once(anna: User) -> None:
    passkey, app = Passkey(), App()
    register(App(), passkey)
    credential = passkey.get(options(app.call("GET", LOGIN)))
    assert app.call("POST", LOGIN, {"credential": credential}).status_code == 200

    again, foreign = App(), App()
    again.call("GET", LOGIN)

    assert again.call("POST", LOGIN, {"credential": credential}).status_code == 400
    assert foreign.call("POST", LOGIN, {"credential": credential}).status_code == 400


def test_signing_in_needs_a_user_who_is_verified_by_the_device(anna: User) -> None:
    passkey = Passkey()
    register(App(), passkey)
    passkey._flags &= ~4

    assert sign_in(App(), passkey).status_code == 400


def test_nobody_signs_in_as_somebody_else(anna: User, alice: User) -> None:
    passkey = Passkey()
    register(App(), passkey)
    passkey.user_handle = b"%x" % alice.pk

    assert sign_in(App(), passkey).status_code == 400


def test_a_disabled_user_does_not_sign_in(anna: User) -> None:
    passkey, app = Passkey(), App()
    register(App(), passkey)
    User.objects.update(is_active=False)

    assert sign_in(app, passkey).status_code == 401
    assert app.api("GET", "/api/me").status_code == 401


BROKEN: list[Any] = [
    *(None, [], "x", 7, {}, {"response": None}, {"response": []}),
    {"id": "AA", "rawId": "AA", "type": "public-key", "response": {}},
    {"id": "é", "rawId": 7, "type": "other", "response": {"clientDataJSON": "!"}},
]
BREAKS: list[tuple[str, Any]] = [
    ("rawId", "AA"), ("rawId", None), ("id", 7), ("response", "x"),
]  # fmt: skip
RESPONSE_BREAKS = [
    *(("clientDataJSON", value) for value in ("", "AA", "e30", "W10", None, 7)),
    *(("attestationObject", value) for value in ("", "AA", "oA", "n5-fn5-f", None)),
    *(("authenticatorData", value) for value in ("", "AA", None, "A" * 50)),
    *(("signature", value) for value in ("", "AA", None)),
    *(("userHandle", value) for value in ("", "_w", None, 7, "OTk5OTk5OTk5OTk5OTk5")),
]


@pytest.mark.parametrize("path", [OWN, LOGIN])
def test_what_no_browser_answers_is_refused(anna: User, path: str) -> None:
    passkey, app = Passkey(), App()
    register(app, passkey)

    def answered() -> Any:
        if path == LOGIN:
            return passkey.get(options(app.call("GET", path)))
        asked = app.call("GET", path)
        return Passkey().create(options(asked, "creation_options"))

    for credential in BROKEN:
        answered()
        assert_refused(app.call("POST", path, {"credential": credential}), credential)
    for name, value in BREAKS:
        credential = answered() | {name: value}
        assert_refused(app.call("POST", path, {"credential": credential}), name)
    for name, value in RESPONSE_BREAKS:
        credential = answered()
        if name in credential["response"]:
            credential["response"][name] = value
            answer = app.call("POST", path, {"credential": credential})
            assert_refused(answer, (name, value))


def test_a_second_factor_that_no_browser_answers_is_refused(anna: User) -> None:
    register(App(), Passkey())
    app = App()
    app.call("POST", "/auth/login", ANNA)

    for credential in BROKEN:
        app.call("GET", SECOND)
        answer = app.call("POST", SECOND, {"credential": credential})
        assert_refused(answer, credential)


def test_attempts_of_an_address_are_limited(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MAX_OF_ACCOUNTS", 2)

    statuses = [sign_in(App(), Passkey()).status_code for _ in range(3)]

    assert statuses == [400, 400, 429]


def assert_refused(answer: Any, what: Any) -> None:
    assert answer.status_code == 400, (what, answer.content)
    assert answer.json()["errors"], what
