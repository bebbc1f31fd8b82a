"""The probes, asked by address: whatever the Host, they answer."""

from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/livez/", "/readyz/?verbose"])
@pytest.mark.parametrize(
    "host",
    ["10.42.8.201:8000", "[fd00::7]:8000", "localhost", "a_b", "", "evil.example"],
)
def test_a_probe_is_answered_whatever_its_host(path: str, host: str) -> None:
    answer = Client(headers={"Host": host}).get(path)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["X-Request-ID"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_over_http_is_answered_with_https_on(path: str, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = settings.HTTPS = True

    answer = Client(headers={"Host": "10.42.8.201"}).get(path)

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/api/me", "/livezz", "/livez/more", "/admin/"])
def test_nothing_else_is_served_to_an_unknown_host(path: str) -> None:
    client = Client(headers={"Host": "10.42.8.201"}, raise_request_exception=False)

    assert client.get(path).status_code == 400
