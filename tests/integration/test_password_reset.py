"""A new password for staff, by mail, and a second factor that is lost"""

import re
import threading
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from taskproject.accounts.attempts import MAX_BY_NAME, MAX_OF_MAILBOX
from taskproject.accounts.models import User
from tests.support.admin import as_staff

RESET = "/admin/password_reset/"
LOGIN = "/admin/login/"
PASSWORD, NEW = "correct horse battery", "another horse battery"


@pytest.fixture(autouse=True)
def plain(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture
def carol(db: None) -> User:
    return User.objects.create_superuser("carol", "carol@example.com", PASSWORD)


def ask(email: str, client: Client | None = None) -> Any:
    answer = (client or Client()).post(RESET, {"email": email})
    for thread in threading.enumerate():
        if thread.name == "mail":
            thread.join()
    return answer


def link() -> str:
    found = re.search(r"http://testserver(/admin/reset/\S+)", str(mail.outbox[-1].body))
    assert found, mail.outbox[-1].body
    return found[1]


def set_password(client: Client, path: str) -> Any:
    form = client.get(path)
    if form.status_code == 200:
        return form  # the link is not valid
    return client.post(form["Location"], {"new_password1": NEW, "new_password2": NEW})


def sign_in(client: Client, password: str) -> int:
    fields = {"username": "carol", "password": password}
    return client.post(LOGIN, fields).status_code


def test_the_login_page_leads_to_it(db: None) -> None:
    assert f'href="{RESET}"' in Client().get(LOGIN).content.decode()
    page = Client().get(RESET).content.decode()
    assert "<script>" not in page
    assert 'id="site-nav"' not in page


def test_staff_set_a_new_password_by_mail(carol: User) -> None:
    elsewhere, client = Client(), Client()
    sign_in(elsewhere, PASSWORD)

    asked = ask("Carol@example.com")
    changed = set_password(client, link())

    assert (asked.status_code, asked["Location"]) == (302, f"{RESET}done/")
    assert changed["Location"] == "/admin/reset/done/"
    assert mail.outbox[0].to == ["carol@example.com"]
    assert elsewhere.get("/admin/").status_code == 302
    assert sign_in(Client(), NEW) == 302
    again = set_password(Client(), link())
    assert "possibly because it has already been used" in again.text
    assert 'href="/admin/password_reset/"' in again.text


def test_only_staff_get_a_mail_and_nobody_learns_who_they_are(carol: User) -> None:
    User.objects.create_user("anna", "anna@example.com", PASSWORD)
    gone = User.objects.create_user("gone", "gone@example.com", PASSWORD)
    gone.is_staff, gone.is_active = True, False
    gone.save()
    answers = [
        ask(f"{name}@example.com") for name in ("carol", "anna", "gone", "nobody")
    ]

    assert len({(it.status_code, it["Location"], it.content) for it in answers}) == 1
    assert len(mail.outbox) == 1


def test_requests_are_limited_by_mailbox_known_or_not(carol: User) -> None:
    for email in ("carol@example.com", "nobody@example.com"):
        for _ in range(MAX_OF_MAILBOX):
            assert ask(email).status_code == 302

        refused = ask(email)

        assert refused.status_code == 429
        assert int(refused["Retry-After"]) > 800
    assert len(mail.outbox) == MAX_OF_MAILBOX


def test_a_new_password_ends_the_lock_out_and_not_the_second_factor(
    carol: User,
) -> None:
    Authenticator.objects.create(user=carol, type="totp", data={"secret": "A" * 32})
    for _ in range(MAX_BY_NAME):
        sign_in(Client(), "wrong")
    assert sign_in(Client(), PASSWORD) == 429
    client = Client()

    ask(carol.email)
    set_password(client, link())

    assert sign_in(client, NEW) == 302
    assert client.get("/admin/").status_code == 302, "asks for the code"


def test_forms_need_the_csrf_token(carol: User) -> None:
    client = Client(enforce_csrf_checks=True)

    assert client.post(RESET, {"email": carol.email}).status_code == 403
    assert mail.outbox == []


def test_a_mail_that_fails_is_not_told(
    carol: User, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # where nothing listens

    assert ask(carol.email).status_code == 302
    assert "no mail for a new password" in caplog.text


# A lost second factor


def test_the_command_removes_a_lost_factor(carol: User) -> None:
    client = Client()
    sign_in(client, PASSWORD)
    Authenticator.objects.create(user=carol, type="totp", data={"secret": "A" * 32})

    call_command("reset_mfa", "carol")

    assert client.get("/admin/").status_code == 302, "its sessions are ended"
    assert sign_in(client, PASSWORD) == 302
    assert client.get("/admin/").status_code == 200
    for name in ("carol", "nobody"):
        with pytest.raises(CommandError):
            call_command("reset_mfa", name)
    assert client.get("/admin/").status_code == 200, "nothing was reset"


def test_staff_remove_the_factors_of_those_whom_they_may_edit(
    carol: User, alice: User, bob: User
) -> None:
    for user in (carol, alice):
        Authenticator.objects.create(user=user, type="totp", data={"secret": "A" * 32})
    client = as_staff(bob, "view_user", "change_user")
    chosen = {"action": "reset_mfa", "_selected_action": [carol.pk, alice.pk]}

    client.post("/admin/accounts/user/", chosen)

    assert [it.user for it in Authenticator.objects.all()] == [carol]
    assert LogEntry.objects.get().object_id == str(alice.pk)
