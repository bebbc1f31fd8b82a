"""Credentials that come in the clear, where HTTPS is on."""

from typing import Any

import pytest
from django.test import Client

from taskproject.accounts.models import User
from taskproject.problems import HTTPSRequired
from tests.conftest import ApiClient, force_login, make_task, make_token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.either_database]

FAR: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.7"}
FORWARDED = "HTTP_X_FORWARDED_PROTO"


@pytest.fixture(autouse=True)
def https(settings: Any) -> None:
    settings.HTTPS = True


def trust_the_proxy(settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = (FORWARDED, "https")


def test_a_token_in_the_clear_is_403_before_and_after_it_is_known(alice: User) -> None:
    api, path = ApiClient(make_token(alice)), f"/api/tasks/{make_task(alice).pk}"

    for secure, status in [(False, 403), (True, 200), (True, 200), (False, 403)]:
        for method in ("GET", "PATCH"):
            body = {"title": "New"} if method == "PATCH" else None
            answer = api.send(method, path, body, secure=secure, **FAR)
            assert answer.status_code == status
            if status == 403:
                assert answer.json()["code"] == HTTPSRequired.code
                assert "TRUST_X_FORWARDED_PROTO" in answer.json()["detail"]


def test_an_unknown_token_in_the_clear_is_403_too(db: None) -> None:
    assert ApiClient("tk_unknown").send("GET", "/api/me", **FAR).status_code == 403


def test_a_session_in_the_clear_is_403(alice: User) -> None:
    client = Client()
    force_login(client, alice)

    assert client.get("/api/me", **FAR).status_code == 403
    assert client.get("/api/me", secure=True, **FAR).status_code == 200


def test_a_calendars_address_in_the_clear_is_403(api: ApiClient) -> None:
    url = api.send("POST", "/api/calendar").json()["url"]

    assert Client().get(url, **FAR).status_code == 403
    assert Client().get(url, secure=True, **FAR).status_code == 200


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1", ""]
)
def test_a_caller_on_this_host_may_send_it(api: ApiClient, address: str) -> None:
    assert api.send("GET", "/api/me", REMOTE_ADDR=address).status_code == 200


@pytest.mark.parametrize(("scheme", "status"), [("https", 200), ("http", 403)])
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7"])
def test_a_trusted_proxy_says_how_the_caller_came(
    api: ApiClient, settings: Any, address: str, scheme: str, status: int
) -> None:
    trust_the_proxy(settings)
    extra: dict[str, Any] = {"REMOTE_ADDR": address, FORWARDED: scheme}

    for _ in range(2):
        assert api.send("GET", "/api/tasks", **extra).status_code == status


def test_an_untrusted_proxy_says_nothing(api: ApiClient) -> None:
    answer = api.send("GET", "/api/me", **FAR, **{FORWARDED: "https"})

    assert answer.status_code == 403


def test_nothing_is_refused_where_https_is_off(api: ApiClient, settings: Any) -> None:
    settings.HTTPS = False

    assert api.send("GET", "/api/me", **FAR).status_code == 200
