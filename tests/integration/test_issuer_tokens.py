"""Tokens of OIDC_ISSUER: which are refused, and when its keys are fetched"""

import base64
import json
import logging
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from pytest_django import Settings

from taskproject.accounts import issuer_keys
from taskproject.accounts.models import ApiToken, User
from tests.conftest import ApiClient, make_token
from tests.support.issuer import AUDIENCE, DISCOVERY, KEYS_AT, Issuer
from tests.support.problems import assert_problem
from tests.support.threads import until

pytestmark = [pytest.mark.django_db, pytest.mark.either_database]


def get_me(token: str) -> Any:
    return ApiClient(token).get("/api/me")


def refusal(token: str) -> str:
    """The detail of the refusal of a token."""
    answer = get_me(token)
    detail = str(answer.json()["detail"])
    assert_problem(answer, "invalid_token", "/api/me", detail)
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    return detail


def segment(part: Any) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


# What is refused


@pytest.mark.parametrize(
    ("claims", "detail"),
    [
        ({"exp": -31}, "The token has expired. Get another one."),
        ({"nbf": 60}, "The token is not valid yet."),
        ({"iat": 60}, "The token is not valid yet."),
        ({"aud": "https://else.example.com"}, "The token is for another audience."),
        ({"aud": ["a", "b"]}, "The token is for another audience."),
        ({"iss": "https://else.example.com"}, "The token is of another issuer."),
        ({"exp": None}, "The token lacks exp, iss, aud or sub."),
        ({"iss": None}, "The token lacks exp, iss, aud or sub."),
        ({"aud": None}, "The token lacks exp, iss, aud or sub."),
        ({"sub": None}, "The token lacks exp, iss, aud or sub."),
        ({"exp": "soon"}, "The token is no valid JWT."),
        ({"exp": float("inf")}, "The token is no valid JWT."),
        ({"exp": [1]}, "The token is no valid JWT."),
        ({"sub": ""}, "The sub of the token is not 1-255 ASCII characters."),
        ({"sub": "u\u0000"}, "The sub of the token is not 1-255 ASCII characters."),
        ({"sub": "u" * 256}, "The sub of the token is not 1-255 ASCII characters."),
    ],
)
def test_a_token_with_other_claims_is_refused(
    issuer: Issuer, claims: dict[str, Any], detail: str
) -> None:
    algorithm, key = issuer.keys["first"]
    now = int(time.time())
    for name, value in claims.items():
        if name in ("exp", "nbf", "iat") and isinstance(value, int):
            claims = {**claims, name: now + value}
    content = json.dumps(issuer.claims(**claims)).encode()
    token = jwt.api_jws.encode(content, key, algorithm, headers={"kid": "first"})

    assert refusal(token) == detail
    assert not User.objects.exists()


@pytest.mark.parametrize("claims", [{"exp": -20}, {"nbf": 20}, {"iat": 20}])
def test_clocks_may_differ_a_little(issuer: Issuer, claims: dict[str, int]) -> None:
    now = int(time.time())
    near: dict[str, Any] = {name: now + seconds for name, seconds in claims.items()}

    assert get_me(issuer.token(**near)).status_code == 200


@pytest.mark.parametrize("aud", [AUDIENCE, "other", ["x", AUDIENCE]])
def test_one_audience_is_enough(issuer: Issuer, aud: Any) -> None:
    assert get_me(issuer.token(aud=aud)).status_code == 200


def test_a_foreign_signature_is_refused(issuer: Issuer) -> None:
    token = issuer.token()
    get_me(token)
    issuer.add_key("first")  # another key of this name, which is not fetched

    assert refusal(issuer.token()) == "The signature of the token is wrong."
    head, payload, signature = token.split(".")
    forged = segment(issuer.claims(sub="admin"))
    assert (
        refusal(f"{head}.{forged}.{signature}")
        == "The signature of the token is wrong."
    )
    assert refusal(f"{head}.{payload}.") == "The signature of the token is wrong."


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "ES256K", ""])
def test_only_asymmetric_algorithms_are_accepted(
    issuer: Issuer, algorithm: str
) -> None:
    issuer.add_key("rsa", "RS256")
    public = issuer.keys["rsa"][1].public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = segment({"alg": algorithm, "typ": "JWT", "kid": "rsa"})
    signed = f"{head}.{segment(issuer.claims())}"
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)

    for signature in ("", segment(mac.sign(signed.encode(), pem))):
        assert "asymmetric algorithm" in refusal(f"{signed}.{signature}")
    assert issuer.requests == [], "decided before any key is fetched"


def test_a_key_has_the_algorithms_of_its_kind(issuer: Issuer) -> None:
    issuer.add_key("rsa", "RS256")
    issuer.add_key("pss", "PS512")
    issuer.add_key("ed", "EdDSA")
    for kid in ("first", "rsa", "pss", "ed"):
        assert get_me(issuer.token(kid)).status_code == 200, kid

    confused = issuer.token("first", {"kid": "rsa"})

    assert refusal(confused) == "The identity provider publishes no key of this token."


@pytest.mark.parametrize("typ", ["logout+jwt", "secevent+jwt", 3, ["JWT"]])
def test_tokens_of_another_type_are_refused(issuer: Issuer, typ: Any) -> None:
    assert get_me(issuer.token(header={"typ": "at+jwt"})).status_code == 200
    assert refusal(issuer.token(header={"typ": typ})) == "Send an access token."


@pytest.mark.parametrize(
    "token",
    [
        "eyJ",
        "eyJ.eyJ.eyJ",
        "eyJhbGciOiJFUzI1NiJ9",
        "eyJhbGciOiJFUzI1NiJ9.e30",
        "eyJhbGciOiJFUzI1NiJ9.e30.AAAA.BBBB",
        "eyJhbGciOiJFUzI1NiJ9..",
        f"{segment({'alg': ['ES256']})}.e30.AAAA",
        f"{segment({'alg': 'ES256', 'kid': 3})}.e30.AAAA",
        f"{segment({'alg': 'ES256', 'crit': ['exp'], 'exp': 1})}.e30.AAAA",
        segment(b'{"a": ' + b"[" * 5_000) + ".e30.AAAA",
        segment(b'{"a": ' + b"1" * 5_000 + b"}") + ".e30.AAAA",
        f"eyJhbGciOiJFUzI1NiJ9.{'A' * 9_000}.AAAA",
        "eyJhbGciOiJFUzI1NiJ9.\u00e9.AAAA",
    ],
)
def test_what_is_no_jwt_is_refused(issuer: Issuer, token: str) -> None:
    refusal(token)


def test_without_an_issuer_no_jwt_is_read(issuer: Issuer, settings: Settings) -> None:
    settings.OIDC_ISSUER = ""

    assert refusal(issuer.token()) == "Send a token that begins with tk_."
    assert issuer.requests == []


def test_api_tokens_work_beside_and_fetch_nothing(issuer: Issuer, alice: User) -> None:
    assert get_me(make_token(alice)).json()["via"] == "token"
    assert (
        refusal("tk_wrong")
        == "Send another token: this one is unknown, revoked or expired."
    )
    ApiToken.objects.revoke()
    assert issuer.requests == []


# Keys


def test_keys_are_fetched_once_a_minute_whatever_comes(issuer: Issuer) -> None:
    assert get_me(issuer.token()).status_code == 200
    issuer.add_key("unknown")

    for _ in range(20):
        assert "no key of this token" in refusal(issuer.token("unknown"))
        assert get_me(issuer.token()).status_code == 200

    assert issuer.requests == [DISCOVERY, KEYS_AT]


def test_a_new_key_is_fetched_when_it_is_first_used(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get_me(issuer.token()).status_code == 200
    old = issuer.token()
    issuer.keys.clear()
    issuer.add_key("second")
    monkeypatch.setattr(issuer_keys, "PAUSE", 0.0)  # a minute later

    assert get_me(issuer.token("second")).status_code == 200

    monkeypatch.setattr(issuer_keys, "PAUSE", 60.0)
    assert "no key of this token" in refusal(old)
    assert issuer.fetches == 2


def test_keys_are_fetched_again_beside_the_requests(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_me(issuer.token())
    issuer.answers.clear()
    monkeypatch.setattr(issuer_keys, "PAUSE", 0.0)
    monkeypatch.setattr(issuer_keys, "FRESH", 0.0)  # ten minutes later

    assert get_me(issuer.token()).status_code == 200
    assert get_me(issuer.token()).status_code == 200

    until(lambda: len(issuer.requests) == 3)
    assert issuer.requests[2:] == [DISCOVERY], "one fetch at a time"


def test_an_issuer_that_is_down_does_no_harm(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    get_me(issuer.token())
    issuer.down = True
    monkeypatch.setattr(issuer_keys, "PAUSE", 0.0)
    monkeypatch.setattr(issuer_keys, "IDLE", 0.0)
    monkeypatch.setattr(issuer_keys, "FRESH", 0.0)

    assert get_me(issuer.token()).status_code == 200

    assert issuer.requests.count(DISCOVERY) == 2
    assert "cannot be fetched" in caplog.text and "503" in caplog.text


def test_without_keys_a_request_is_to_be_repeated(issuer: Issuer) -> None:
    issuer.down = True

    answer = get_me(issuer.token())

    detail = "The keys of the identity provider are not known yet. Try again."
    assert_problem(answer, "unavailable", "/api/me", detail)
    assert 55 <= int(answer.headers["Retry-After"]) <= 60
    assert get_me(issuer.token()).status_code == 503
    assert issuer.requests == [DISCOVERY]


def test_a_fetch_is_not_waited_for_longer_than_two_seconds(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "WAIT", 0.05)
    issuer.answers.clear()

    assert get_me(issuer.token()).headers["Retry-After"] == "1"

    issuer.answers.set()
    until(lambda: get_me(issuer.token()).status_code == 200)
    assert issuer.requests == [DISCOVERY, KEYS_AT]


def test_the_address_of_the_keys_can_be_set(issuer: Issuer, settings: Settings) -> None:
    settings.OIDC_JWKS_URL = issuer.url + KEYS_AT

    assert get_me(issuer.token()).status_code == 200
    assert issuer.requests == [KEYS_AT]


def test_a_token_without_kid_means_the_only_key(issuer: Issuer) -> None:
    algorithm, key = issuer.keys["first"]
    token = jwt.encode(issuer.claims(), key, algorithm)

    assert get_me(token).status_code == 200


def test_keys_that_are_of_no_use_are_left_out(issuer: Issuer) -> None:
    [first] = issuer.published()["keys"]
    issuer.extra = [
        None,
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "first", "alg": "HS256"},
        {"kty": "new", "kid": "a"},
        {"kty": "EC", "crv": "P-256", "kid": "b", "x": "AAAA", "y": "AAAA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "c"},
        first | {"use": "enc"},
        first | {"alg": "ES384"},
        first | {"kid": 7},
        first | {"d": "AAAA"},
    ]

    assert get_me(issuer.token()).status_code == 200


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ([], "no JSON object"),
        ({"issuer": "https://else.example.com"}, "is of the issuer"),
        ({"jwks_uri": "http://192.0.2.1/keys"}, "no jwks_uri with https"),
        ({"jwks_uri": "file:///etc/passwd"}, "no jwks_uri with https"),
        ({"jwks_uri": None}, "no jwks_uri with https"),
    ],
)
def test_what_a_provider_says_of_itself_is_checked(
    issuer: Issuer, configuration: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(configuration, dict):
        configuration = issuer.configuration | configuration
    issuer.configuration = configuration

    with caplog.at_level(logging.WARNING):
        assert get_me(issuer.token()).status_code == 503

    assert said in caplog.text
