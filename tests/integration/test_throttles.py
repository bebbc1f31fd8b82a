"""Rate limits of the API: of a caller and of an address"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from taskproject import throttles
from taskproject.accounts.models import User
from taskproject.throttles import WINDOW, Limit, Throttle
from tests.conftest import make_token
from tests.support.copies import copy_of
from tests.support.problems import assert_problem
from tests.support.servers import live_server

ELSEWHERE = "198.51.100.7"


@pytest.fixture(autouse=True)
def few(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten requests a minute of a caller, fifteen of an address, and a new table."""
    settings.RATE_LIMIT, settings.RATE_LIMIT_ADDRESS = 10, 15
    empty = memoryview(bytearray(throttles.TABLE.nbytes)).cast("d")
    monkeypatch.setattr(throttles, "TABLE", empty)


def ask(secret: str, address: str = ELSEWHERE, **headers: str) -> Any:
    client = Client(REMOTE_ADDR=address)
    given = {"Authorization": f"Bearer {secret}"} if secret else {}
    return client.get("/api/me", headers=given | headers)


def statuses(times: int, *arguments: str, **headers: str) -> list[int]:
    return [ask(*arguments, **headers).status_code for _ in range(times)]


def test_a_caller_is_refused_after_too_many_requests(token: str) -> None:
    assert statuses(10, token) == [200] * 10

    refused = ask(token)

    wait = int(refused.headers["Retry-After"])
    assert 1 <= wait <= 6
    detail = (
        "At most 10 requests a minute are answered to one caller. Try again in "
        f"{wait} seconds."
    )
    assert_problem(refused, "too_many_requests", "/api/me", detail, retry_after=wait)
    assert refused.headers["RateLimit"] == f'"caller";r=0;t={wait}'


def test_responses_say_how_much_is_left(token: str) -> None:
    first, second = ask(token), ask(token)

    assert first.headers["RateLimit-Policy"] == '"caller";q=10;w=60'
    assert first.headers["RateLimit"] == '"caller";r=9;t=6'
    assert second.headers["RateLimit"].startswith('"caller";r=8;t=')


def test_requests_are_allowed_again_one_by_one(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(throttles, "monotonic", lambda: now)
    assert statuses(11, token)[-1] == 429
    now += WINDOW / 10

    assert statuses(2, token) == [200, 429]


def test_callers_of_one_address_share_its_limit(alice: User, bob: User) -> None:
    assert statuses(10, make_token(alice)) == [200] * 10
    assert statuses(5, make_token(bob)) == [200] * 5

    refused = ask(make_token(bob))

    assert refused.status_code == 429
    assert '"address";r=0' in refused.headers["RateLimit"]
    assert ask(make_token(bob), "198.51.100.8").status_code == 200


def test_credentials_that_are_made_up_share_the_limit_of_the_address(db: None) -> None:
    made_up = [ask(uuid4().hex).status_code for _ in range(20)]

    assert made_up == [401] * 15 + [429] * 5


def test_without_a_credential_the_address_is_the_caller(
    db: None, settings: Settings
) -> None:
    settings.API_GUEST = "guest"

    assert statuses(11, "") == [200] * 10 + [429]
    assert ask("", "198.51.100.8").status_code == 200


def test_a_forged_x_forwarded_for_does_not_get_round_it(token: str) -> None:
    found = [
        ask(token, **{"X-Forwarded-For": f"{ip}, 127.0.0.1"}).status_code
        for ip in ("127.0.0.1", "::1", *(f"10.0.0.{n}" for n in range(9)))
    ]

    assert found == [200] * 10 + [429]


def test_behind_a_trusted_proxy_what_the_client_wrote_does_not_count(
    db: None, settings: Settings
) -> None:
    settings.TRUST_X_FORWARDED_FOR, settings.API_GUEST = 1, "guest"
    found = [
        ask("", "127.0.0.1", **{"X-Forwarded-For": f"127.0.0.{n}, 203.0.113.9"})
        for n in range(11)
    ]

    assert [answer.status_code for answer in found] == [200] * 10 + [429]


def test_programs_of_the_same_host_are_not_counted(token: str) -> None:
    answers = [ask(token, address) for address in ("127.0.0.1", "::1") * 10]

    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers


def test_probes_are_not_counted(db: None) -> None:
    client = Client(REMOTE_ADDR=ELSEWHERE)

    assert {client.get("/livez").status_code for _ in range(12)} == {200}


def test_a_page_of_another_origin_can_read_the_refusal(
    token: str, settings: Settings
) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    statuses(10, token)

    refused = ask(token, Origin="https://app.example.com")

    assert refused.status_code == 429
    assert refused.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "RateLimit" in refused.headers["Access-Control-Expose-Headers"]
    assert "X-Request-ID" in refused.headers


def test_without_limits_nothing_is_counted(token: str, settings: Settings) -> None:
    settings.RATE_LIMIT = settings.RATE_LIMIT_ADDRESS = 0

    assert throttles.throttle() is None
    assert "RateLimit" not in ask(token).headers


def test_threads_at_once_pass_no_more_than_the_limit() -> None:
    throttle, limit = Throttle(10, 0), Limit("caller", 500, WINDOW)

    with ThreadPoolExecutor(8) as pool:
        ahead = list(pool.map(lambda _: throttle.take(limit, "key"), range(2_000)))

    passed = sum(seconds <= WINDOW for seconds in ahead)
    assert 495 <= passed <= 520  # those in the time that it takes, and few at once


def test_a_request_that_is_overtaken_takes_back_none_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    throttle, limit = Throttle(10, 0), Limit("caller", 480, WINDOW)  # 0.125 s each

    class Overtaken(dict[int, float]):
        """A table in which 50 requests are counted once two places were read."""

        reads = 0

        def __getitem__(self, place: int) -> float:
            value = self.get(place, 0.0)
            self.reads += 1
            if self.reads == 2:
                for _ in range(50):
                    throttle.take(limit, "key")
            return value

    monkeypatch.setattr(throttles, "monotonic", lambda: 8_150.0)
    monkeypatch.setattr(throttles, "TABLE", Overtaken())
    throttle.take(limit, "key")

    left = limit.most - sum(throttle.take(limit, "key") <= WINDOW for _ in range(500))
    assert left == 50


def test_a_limit_of_one_request_passes_one_at_any_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    throttle, limit = Throttle(10, 0), Limit("caller", 1, WINDOW)

    for thousandths in range(1_000):  # Later numbers have a bit less after the point.
        monkeypatch.setattr(throttles, "monotonic", lambda: 8_150 + thousandths / 999)  # noqa: B023  # called at once
        assert throttle.take(limit, str(thousandths)) <= WINDOW


def test_few_keys_share_a_limit() -> None:
    throttle, limit = Throttle(10, 0), Limit("caller", 1, WINDOW)

    passed = [throttle.take(limit, str(key)) <= WINDOW for key in range(10_000)]

    assert passed.count(False) < 100


@pytest.mark.either_database
def test_processes_share_the_table(migrated: str) -> None:
    """Two workers, and a proxy that is trusted, because programs of this host are not
    counted."""
    settings = {"RATE_LIMIT": "40", "WORKERS": "2", "TRUST_X_FORWARDED_FOR": "1"}
    with (
        copy_of(migrated) as database_url,
        live_server(database_url, **settings) as server,
    ):
        sent = {"X-Forwarded-For": "203.0.113.9"}
        found = [
            server.send("GET", "/api/problems", headers=sent).status for _ in range(60)
        ]

    assert 40 <= found.count(200) <= 45
