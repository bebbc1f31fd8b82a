"""Passkeys as the second factor of staff: the forms of the admin's pages."""

import json
import re
from html import unescape
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.test import Client
from pytest_django import Settings

from taskproject.accounts.models import User
from tests.support.passkeys import Passkey

pytestmark = pytest.mark.either_database

CODE, PAGE = "/admin/login/code/", "/admin/second-factor/"
GIVEN = {"username": "carol", "password": "correct horse battery"}
HOST = "localhost"


@pytest.fixture(autouse=True)
def domain(settings: Settings, db: None) -> None:
    settings.SECURE_SSL_REDIRECT = False
    settings.PASSKEY_DOMAIN = HOST
    User.objects.create_superuser(**GIVEN)


def options(client: Client, page: str) -> Any:
    shown = client.get(page).content.decode()
    found = re.search(r'data-passkey="([^"]+)"', shown)
    return json.loads(unescape(found[1])) if found else None


def signed_in(host: str = HOST) -> Client:
    """After the password."""
    client = Client(headers={"host": host})
    client.post("/admin/login/", GIVEN)
    return client


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def add(client: Client, passkey: Passkey, **fields: str) -> Any:
    credential = json.dumps(passkey.create(options(client, PAGE)))
    given = {"act": "passkey", "passkey-credential": credential, "passkey-name": "Key"}
    return client.post(PAGE, given | fields)


def answer(client: Client, passkey: Passkey) -> Any:
    credential = passkey.get(options(client, CODE))
    return client.post(CODE, {"credential": json.dumps(credential)})


@pytest.fixture
def passkey() -> Passkey:
    return Passkey(origin=f"http://{HOST}")


def test_a_passkey_is_added_and_opens_the_admin(passkey: Passkey) -> None:
    other, client = signed_in(), signed_in()
    page = add(client, passkey).content.decode()

    assert len(re.findall(r"<li><code>\d+</code>", page)) == 10
    assert is_in(client)
    assert not is_in(other)
    again = signed_in()
    assert not is_in(again)
    assert answer(again, passkey)["Location"] == "/admin/"
    assert is_in(again)
    assert "Added a passkey." in [it.change_message for it in LogEntry.objects.all()]


def test_the_answer_of_another_passkey_is_refused(passkey: Passkey) -> None:
    add(signed_in(), passkey)
    client, other = signed_in(), Passkey(origin=f"http://{HOST}")
    other.user_handle = passkey.user_handle

    assert "errornote" in answer(client, other).content.decode()
    assert not is_in(client)


def test_an_answer_opens_nothing_twice(passkey: Passkey) -> None:
    add(signed_in(), passkey)
    client = signed_in()
    sent = {"credential": json.dumps(passkey.get(options(client, CODE)))}
    client.post(CODE, sent)
    client.post("/admin/logout/")
    client.post("/admin/login/", GIVEN)

    client.post(CODE, sent)

    assert not is_in(client)


@pytest.mark.parametrize(
    "sent", ["", "{", "7", "null", "{}", '{"response": {}}', '[["a"]]']
)
def test_what_is_no_credential_is_refused(passkey: Passkey, sent: str) -> None:
    client = signed_in()
    new = client.post(PAGE, {"act": "passkey", "passkey-credential": sent})
    assert new.status_code == 200
    assert not Authenticator.objects.exists()

    add(client, passkey)
    client = signed_in()
    assert client.post(CODE, {"credential": sent}).status_code == 200
    assert not is_in(client)


def test_passkeys_are_offered_on_hosts_of_their_domain(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.PASSKEY_DOMAIN = "example.com"

    for host, offered in [
        ("example.com", True),
        ("tasks.example.com:8000", True),
        ("notexample.com", False),
    ]:
        assert bool(options(signed_in(host), PAGE)) is offered, host


def test_removing_the_second_factor_removes_the_passkeys(passkey: Passkey) -> None:
    client = signed_in()
    add(client, passkey)

    client.post(PAGE, {"act": "remove"})

    assert not Authenticator.objects.exists()
