"""Signing in to the admin: how often it may fail."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, BoundedSemaphore
from typing import Any

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from taskproject.accounts import signin
from taskproject.accounts.models import SignInAttempt, User
from taskproject.deadlines import Deadline
from taskproject.problems import Unavailable

LOGIN = "/admin/login/"
PASSWORD = "correct horse battery"
ADDRESS = "203.0.113.7"


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create_superuser("carol", password=PASSWORD)


@pytest.fixture(autouse=True)
def plain(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False


def sign_in(
    name: str = "carol", password: str = "wrong", **headers: str
) -> HttpResponse:
    headers.setdefault("REMOTE_ADDR", ADDRESS)
    fields = {"username": name, "password": password}
    response: Any = Client().post(LOGIN, fields, **headers)  # type: ignore[arg-type]
    return response  # type: ignore[no-any-return]


def fail(times: int, name: Callable[[int], str] = lambda _: "carol") -> None:
    for number in range(times):
        assert sign_in(name(number)).status_code == 200


@pytest.mark.django_db
def test_a_name_is_refused_after_ten_failures_with_the_right_password_too(
    carol: User,
) -> None:
    fail(10)

    for response in (sign_in(), sign_in(password=PASSWORD), sign_in("Carol ")):
        assert response.status_code == 429
        assert 800 < int(response["Retry-After"]) <= 900
        assert b"Try again in 15 minutes." in response.content


@pytest.mark.django_db
def test_others_sign_in_while_a_name_is_refused(carol: User) -> None:
    fail(10, lambda _: "mallory")

    assert sign_in("mallory").status_code == 429
    assert sign_in(password=PASSWORD).status_code == 302


@pytest.mark.django_db
def test_an_address_is_refused_after_twenty_failures_whatever_the_names(
    carol: User,
) -> None:
    fail(20, "user{}".format)

    assert sign_in(password=PASSWORD).status_code == 429
    assert sign_in(password=PASSWORD, REMOTE_ADDR="203.0.113.8").status_code == 302


@pytest.mark.either_database
@pytest.mark.django_db
def test_x_forwarded_for_changes_nothing_unless_it_is_trusted(carol: User) -> None:
    for number in range(20):
        sign_in(f"user{number}", HTTP_X_FORWARDED_FOR=f"198.51.100.{number}")

    assert sign_in(HTTP_X_FORWARDED_FOR="198.51.100.99").status_code == 429


@pytest.mark.either_database
@pytest.mark.django_db
def test_a_trusted_proxys_address_is_the_last_and_not_what_the_client_wrote(
    carol: User, settings: Any
) -> None:
    settings.TRUST_X_FORWARDED_FOR = 1
    for number in range(20):
        forwarded = f"10.0.0.{number}, 198.51.100.1"
        sign_in(f"user{number}", HTTP_X_FORWARDED_FOR=forwarded)

    assert sign_in(HTTP_X_FORWARDED_FOR="198.51.100.1").status_code == 429
    assert sign_in(HTTP_X_FORWARDED_FOR="198.51.100.2").status_code == 200


@pytest.mark.either_database
@pytest.mark.django_db
def test_behind_a_proxy_that_tells_no_address_only_names_count(
    carol: User, settings: Any
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    fail(25, "user{}".format)

    assert sign_in(password=PASSWORD).status_code == 302


@pytest.mark.either_database
@pytest.mark.django_db
def test_addresses_of_one_ipv6_network_count_together(carol: User) -> None:
    for number in range(20):
        sign_in(f"user{number}", REMOTE_ADDR=f"2001:db8::{number}")

    assert sign_in(REMOTE_ADDR="2001:db8::ffff").status_code == 429
    assert sign_in(REMOTE_ADDR="2001:db8:1::1").status_code == 200


@pytest.mark.django_db
def test_success_forgets_the_failures_of_the_name(carol: User) -> None:
    fail(9)

    assert sign_in(password=PASSWORD).status_code == 302
    fail(9)


@pytest.mark.django_db
@pytest.mark.parametrize("clock", [1, -1], ids=["later", "set back"])
def test_failures_are_forgotten_after_fifteen_minutes(carol: User, clock: int) -> None:
    fail(10)
    passed = clock * timedelta(minutes=15, seconds=1)
    SignInAttempt.objects.update(at=timezone.now() - passed)

    assert sign_in(password=PASSWORD).status_code == 302


@pytest.mark.django_db
def test_neither_names_nor_addresses_are_stored(carol: User) -> None:
    fail(1, lambda _: "my password by mistake")

    assert all(len(row.key) == 64 for row in SignInAttempt.objects.all())
    assert SignInAttempt.objects.count() == 2


@pytest.mark.django_db
def test_a_name_of_any_characters_is_answered(carol: User) -> None:
    for name in ("\x00", "ß" * 300, "🙂"):
        assert sign_in(name).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_attempts_at_once_pass_no_more_than_the_limit(carol: User) -> None:
    at_once = 14
    barrier = Barrier(at_once, timeout=20)

    def attempt(_: int) -> int:
        barrier.wait()
        try:
            return sign_in().status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(at_once) as pool:
        codes = list(pool.map(attempt, range(at_once)))

    assert codes.count(200) <= 10
    assert set(codes) <= {200, 429}


def test_more_hashes_at_once_than_half_of_the_threads_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signin.Hasher, "_places", BoundedSemaphore(1))
    hasher = signin.Hasher()
    with signin.Hasher._places, pytest.raises(Unavailable):
        hasher.encode("secret", "salt", 1)

    assert hasher.verify("secret", hasher.encode("secret", "salt", 1))


def test_hashing_takes_none_of_the_time_for_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[float] = []

    def encode(*_: object) -> str:
        left.append(own.remaining())
        return ""

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    with Deadline(2, includes_connecting=False) as own:
        signin.Hasher().encode("secret", "salt")
        left.append(own.remaining())

    during, afterwards = left
    assert (during, 1 < afterwards <= 2) == (math.inf, True)


@pytest.mark.django_db
def test_a_busy_server_says_so_and_counts_no_failure(
    carol: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PASSWORD_HASHERS = ["taskproject.accounts.signin.Hasher"]
    monkeypatch.setattr(signin.Hasher, "_places", BoundedSemaphore(1))
    with signin.Hasher._places:
        response = sign_in(password=PASSWORD)

    assert (response.status_code, response["Retry-After"]) == (503, "3")
    assert not SignInAttempt.objects.exists()
