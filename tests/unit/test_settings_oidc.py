"""The settings of an identity provider, and of passkeys"""

import pytest

from tests.unit.test_settings import load, refusal

ISSUER = "https://id.example.com/"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OIDC_ISSUER", "id.example.com"),
        ("OIDC_ISSUER", "http://id.example.com"),
        ("OIDC_ISSUER", "http://127.0.0.1:8080"),
        ("OIDC_ISSUER", "https://id.example.com?tenant=1"),
        ("OIDC_JWKS_URL", "http://id.example.com/keys"),
        ("OIDC_REQUIRE_SCOPES", "some"),
        ("PASSKEY_DOMAIN", "https://example.com"),
        ("PASSKEY_DOMAIN", "example.com:443"),
        ("PASSKEY_DOMAIN", "Example.com"),
    ],
)
def test_a_malformed_value_is_refused(variable: str, value: str) -> None:
    assert variable in refusal(**{variable: value})


def test_an_identity_provider_needs_an_audience() -> None:
    assert "OIDC_AUDIENCE is empty" in refusal(OIDC_ISSUER=ISSUER)


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:8080/realms/a", "http://localhost", ISSUER]
)
def test_one_on_the_same_host_needs_no_https_in_development(issuer: str) -> None:
    audiences = {"OIDC_ISSUER": issuer, "OIDC_AUDIENCE": "tasks, other"}

    found = load("OIDC_ISSUER", "OIDC_AUDIENCE", HTTPS="off", **audiences)

    assert found == [issuer, ["tasks", "other"]]


def test_passkeys_need_a_domain() -> None:
    names = ("PASSKEY_DOMAIN", "MFA_SUPPORTED_TYPES", "MFA_PASSKEY_LOGIN_ENABLED")
    codes = ["totp", "recovery_codes"]

    assert load(*names) == ["", codes, False]
    assert load(*names, PASSKEY_DOMAIN="example.com") == [
        *("example.com", [*codes, "webauthn"], True)
    ]
