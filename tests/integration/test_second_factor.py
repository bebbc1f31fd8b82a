"""The second factor of staff in the admin"""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import connections
from django.test import Client
from pytest_django import Settings

from taskproject.accounts.attempts import COOKIE, MAX_BY_NAME, MAX_CODES
from taskproject.accounts.models import User
from taskproject.accounts.second_factor import PENDING_TIMEOUT
from tests.support.people import App, totp

LOGIN = "/admin/login/"
CODE = "/admin/login/code/"
PAGE = "/admin/second-factor/"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def plain(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create_superuser("carol", password=PASSWORD)


def sign_in(client: Client, password: str = PASSWORD, **fields: str) -> Any:
    given = {"username": "carol", "password": password} | fields
    return client.post(LOGIN, given)


def set_up(client: Client) -> tuple[str, list[str]]:
    """Turns the factor on. Returns the secret and the recovery codes."""
    page = client.get(PAGE).content.decode()
    found = re.search(r'id="secret">(\w+)<', page)
    assert found, page
    answer = client.post(PAGE, {"act": "set_up", "code": totp(found[1])})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    return found[1], re.findall(r"<li><code>(\d+)</code>", answer.content.decode())


def with_factor(carol: User) -> tuple[str, list[str]]:
    client = Client()
    sign_in(client)
    return set_up(client)


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def stop_clock(monkeypatch: pytest.MonkeyPatch, ahead: int = 0) -> None:
    """Keeps the time of now, or of some seconds later."""
    now = time.time() + ahead
    monkeypatch.setattr(time, "time", lambda: now)


def next_code(secret: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """One that was not used to set the factor up."""
    stop_clock(monkeypatch, ahead=90)
    return totp(secret)


# Signing in


def test_staff_set_up_a_factor_and_are_asked_for_it(
    carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, codes = with_factor(carol)
    assert len(codes) == 10
    client = Client()

    asked = sign_in(client, next="/admin/tasks/task/")

    assert (asked.status_code, asked["Location"]) == (302, CODE)
    assert not is_in(client)
    assert client.get(CODE).status_code == 200
    answer = client.post(CODE, {"code": next_code(secret, monkeypatch)})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/tasks/task/")
    assert is_in(client)


def test_a_code_opens_once(carol: User, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch)
    secret, _ = with_factor(carol)
    first, second = Client(), Client()
    sign_in(first), sign_in(second)

    setting_up = second.post(CODE, {"code": totp(secret)})
    code = next_code(secret, monkeypatch)

    assert setting_up.status_code == 200, "was used to set the factor up"
    assert first.post(CODE, {"code": code}).status_code == 302
    assert second.post(CODE, {"code": code}).status_code == 200
    assert not is_in(second)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_opens_once_in_parallel_too(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = User.objects.create_superuser("carol", password=PASSWORD)
    secret, [code, *_] = with_factor(carol)
    if kind == "app":
        code = next_code(secret, monkeypatch)
    clients = [Client() for _ in range(4)]
    for client in clients:
        sign_in(client)
    barrier = Barrier(len(clients), timeout=20)

    def enter(client: Client) -> int:
        barrier.wait()
        try:
            return int(client.post(CODE, {"code": code}).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(clients)) as pool:
        statuses = list(pool.map(enter, clients))

    assert statuses.count(302) == 1
    assert [is_in(client) for client in clients].count(True) == 1


@pytest.mark.either_database
def test_wrong_codes_are_limited_and_the_right_one_is_refused_then(carol: User) -> None:
    _, [code, *_] = with_factor(carol)
    client = Client()
    sign_in(client)
    for _ in range(MAX_CODES):
        wrong = client.post(CODE, {"code": "000000"})
        assert wrong.status_code == 200

    refused = client.post(CODE, {"code": code})

    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 800
    assert refused["RateLimit-Policy"] == '"code";q=5;w=900'
    assert not is_in(client)


@pytest.mark.either_database
def test_the_password_alone_opens_no_page_and_not_the_api(carol: User) -> None:
    with_factor(carol)
    client = Client()
    sign_in(client)

    for path in ("/admin/", PAGE, "/admin/password_change/"):
        assert client.get(path).status_code == 302
    assert client.get("/api/me").status_code == 401


@pytest.mark.either_database
@pytest.mark.parametrize("clock", [1, -1], ids=["later", "set back"])
def test_the_step_between_expires_and_ends_with_the_password(
    carol: User, clock: int
) -> None:
    _, [first, second, *_] = with_factor(carol)
    late, changed = Client(), Client()
    sign_in(late), sign_in(changed)
    session = late.session
    session["admin_sign_in"] |= {"at": time.time() - clock * (PENDING_TIMEOUT + 2)}
    session.save()
    carol.set_password("another horse battery")
    assert late.post(CODE, {"code": first})["Location"] == LOGIN
    carol.save()

    assert changed.post(CODE, {"code": second})["Location"] == LOGIN


@pytest.mark.either_database
def test_behind_a_proxy_that_tells_no_address_staff_sign_in(
    carol: User, settings: Settings
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    client = Client(headers={"X-Forwarded-Proto": "https"})

    assert sign_in(client).status_code == 302
    assert is_in(client)


@pytest.mark.either_database
def test_without_a_password_there_is_no_code_page(carol: User) -> None:
    assert Client().get(CODE)["Location"] == LOGIN


@pytest.mark.either_database
def test_a_planted_session_does_not_become_that_of_the_staff(carol: User) -> None:
    _, [code, *_] = with_factor(carol)
    client = Client()
    client.get(LOGIN)
    session = client.session
    session["planted"] = True
    session.save()
    keys = [str(session.session_key)]
    client.cookies["sessionid"] = keys[0]

    sign_in(client)
    keys.append(client.cookies["sessionid"].value)
    client.post(CODE, {"code": code})
    keys.append(client.cookies["sessionid"].value)

    assert len(set(keys)) == 3
    client.cookies["sessionid"] = keys[0]
    assert not is_in(client)


@pytest.mark.either_database
@pytest.mark.parametrize("path", [LOGIN, CODE, PAGE])
def test_forms_need_the_csrf_token(carol: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(carol)

    answer = client.post(path, {"username": "carol", "password": PASSWORD})

    assert answer.status_code == 403


@pytest.mark.either_database
@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:a"]
)
def test_no_step_leads_to_another_site(
    carol: User, settings: Settings, to: str
) -> None:
    _, [code, *_] = with_factor(carol)
    client = Client()
    sign_in(client, next=to)
    assert client.post(CODE, {"code": code})["Location"] == "/admin/"
    settings.STAFF_MFA = "required"
    Authenticator.objects.all().delete()
    other = Client()
    sign_in(other, next=to)

    page = other.get(f"{LOGIN}?next={to}", follow=True).content.decode()

    assert "evil.example" not in page
    assert "javascript:" not in page


# Where staff need one


@pytest.mark.either_database
def test_without_a_factor_staff_are_led_to_its_page_and_nowhere_else(
    carol: User, settings: Settings
) -> None:
    settings.STAFF_MFA = "required"
    client = Client()
    sign_in(client)

    for path in ("/admin/", "/admin/tasks/task/", "/admin/password_change/"):
        page = client.get(path, follow=True)
        assert page.redirect_chain[-1][0].startswith(PAGE)
    assert client.post("/admin/tasks/task/add/", {"title": "x"}).status_code == 302
    set_up(client)
    assert is_in(client)


@pytest.mark.either_database
def test_without_a_factor_staff_can_sign_out(carol: User, settings: Settings) -> None:
    settings.STAFF_MFA = "required"
    client = Client()
    sign_in(client)

    assert client.post("/admin/logout/").status_code == 200
    assert client.get(PAGE).status_code == 302


@pytest.mark.either_database
def test_a_session_without_the_factor_is_asked_for_it(
    carol: User, settings: Settings
) -> None:
    _, [code, *_] = with_factor(carol)
    settings.STAFF_MFA = "required"
    client = Client()
    client.force_login(carol)

    page = client.get("/admin/tasks/task/", follow=True)

    assert page.redirect_chain[-1][0] == CODE
    assert client.post(CODE, {"code": code})["Location"] == "/admin/tasks/task/"
    assert is_in(client)


def test_staff_who_need_a_factor_cannot_remove_it(
    carol: User, settings: Settings
) -> None:
    settings.STAFF_MFA = "required"
    client = Client()
    sign_in(client)
    set_up(client)

    client.post(PAGE, {"act": "remove", "remove-password": PASSWORD})

    assert Authenticator.objects.filter(type="totp").exists()


# The page of the factor


def test_a_new_factor_ends_the_other_sessions(carol: User) -> None:
    elsewhere = Client()
    sign_in(elsewhere)

    with_factor(carol)

    assert not is_in(elsewhere)


@pytest.mark.either_database
def test_the_page_asks_for_the_password_if_that_is_long_ago(
    carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    sign_in(client)
    stop_clock(monkeypatch, ahead=400)
    page = client.get(PAGE).content.decode()
    [secret] = re.findall(r'id="secret">(\w+)<', page)
    sent = {"act": "set_up", "code": totp(secret)}

    assert 'name="password"' in page
    assert (
        b"The password is wrong" in client.post(PAGE, sent | {"password": "x"}).content
    )
    assert not Authenticator.objects.exists()
    client.post(PAGE, sent | {"password": PASSWORD})
    assert Authenticator.objects.filter(type="totp").exists()


def test_a_factor_is_replaced_and_removed(carol: User) -> None:
    client = Client()
    sign_in(client)
    first, codes = set_up(client)

    second, new = set_up(client)

    assert first != second
    assert len(codes) == 10
    assert new == [], "the recovery codes stay"
    made = client.post(PAGE, {"act": "codes"}).content.decode()
    assert re.findall(r"<li><code>(\d+)</code>", made) != codes
    client.post(PAGE, {"act": "remove"})
    assert not Authenticator.objects.exists()
    assert sign_in(Client())["Location"] == "/admin/"


@pytest.mark.either_database
def test_the_factor_is_that_of_the_api_too(carol: User) -> None:
    _, [code, *_] = with_factor(carol)
    app = App()

    asked = app.call("POST", "/auth/login", {"username": "carol", "password": PASSWORD})

    assert asked.status_code == 401
    given = app.call("POST", "/auth/2fa/authenticate", {"code": code})
    assert given.status_code == 200


@pytest.mark.either_database
def test_no_page_has_a_script_or_a_style_of_its_own(carol: User) -> None:
    client = Client()
    sign_in(client)
    for path in (PAGE, CODE, LOGIN):
        page = client.get(path, follow=True).content.decode()
        assert "<script>" not in page
        assert " style=" not in page


# Somebody else fails with one's name


@pytest.mark.either_database
def test_a_browser_that_one_has_signed_in_with_is_not_locked_out(carol: User) -> None:
    mine, attacker = Client(), Client(REMOTE_ADDR="203.0.113.7")
    sign_in(mine)
    mine.post("/admin/logout/")
    for _ in range(MAX_BY_NAME):
        sign_in(attacker, "wrong")
    assert sign_in(attacker).status_code == 429
    assert sign_in(Client()).status_code == 429

    assert sign_in(mine).status_code == 302


@pytest.mark.either_database
def test_a_known_browser_has_a_limit_of_its_own(carol: User) -> None:
    mine = Client()
    sign_in(mine)
    mine.post("/admin/logout/")
    for _ in range(MAX_BY_NAME):
        assert sign_in(mine, "wrong").status_code == 200

    assert sign_in(mine).status_code == 429
    assert sign_in(Client()).status_code == 302


@pytest.mark.either_database
def test_a_browser_is_known_for_its_own_user_only(carol: User) -> None:
    User.objects.create_superuser("mallory", password=PASSWORD)
    mallory = Client()
    sign_in(mallory, username="mallory")
    for _ in range(MAX_BY_NAME):
        sign_in(mallory, "wrong")

    assert sign_in(mallory).status_code == 429


@pytest.mark.either_database
@pytest.mark.parametrize("forged", ["1.abc", "x", "", "1.abc:sig:nature"])
def test_a_forged_cookie_makes_no_browser_known(carol: User, forged: str) -> None:
    client = Client()
    client.cookies[COOKIE] = forged
    for _ in range(MAX_BY_NAME):
        sign_in(client, "wrong")

    assert sign_in(client).status_code == 429


# A session that was stolen


@pytest.mark.either_database
def test_it_does_not_guess_the_password_to_change_it(carol: User) -> None:
    client = Client()
    sign_in(client)
    new = {"new_password1": "another horse", "new_password2": "another horse"}
    path = "/admin/password_change/"
    for number in range(MAX_BY_NAME):
        # Which opens nothing here, and makes no other caller of it.
        other = {"authorization": f"Bearer {number}"}
        sent = new | {"old_password": "wrong"}
        assert client.post(path, sent, headers=other).status_code == 200

    refused = client.post(path, new | {"old_password": PASSWORD})

    assert refused.status_code == 429
    assert int(refused["Retry-After"]) > 800


@pytest.mark.either_database
def test_the_right_password_is_not_counted(carol: User) -> None:
    client = Client()
    sign_in(client)
    for _ in range(MAX_BY_NAME + 1):
        sent = {"old_password": PASSWORD, "new_password1": "x", "new_password2": "y"}
        assert client.post("/admin/password_change/", sent).status_code == 200


@pytest.mark.either_database
def test_it_does_not_guess_the_password_by_the_api_either(carol: User) -> None:
    app = App()
    app.call("POST", "/auth/login", {"username": "carol", "password": PASSWORD})
    sent = {"current_password": "wrong", "new_password": "another horse battery"}
    path = "/account/password/change"
    for number in range(MAX_BY_NAME):
        other = {"Authorization": f"Bearer {number}"}
        assert app.call("POST", path, sent, **other).status_code == 400

    refused = app.call("POST", path, sent | {"current_password": PASSWORD})

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
