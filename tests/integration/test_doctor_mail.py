"""manage.py doctor: the server for mail"""

import pytest
from pytest_django import Settings

from taskproject.accounts.models import User
from taskproject.doctor import Options
from taskproject.doctor_mail import LOG, check_mail, check_reminder_emails
from tests.support.copies import free_port
from tests.support.mail_servers import mail_server

PASSWORD = "hunter2horse"


@pytest.fixture(autouse=True)
def smtp(settings: Settings) -> Settings:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 5
    return settings


def only() -> tuple[str, str]:
    [finding] = check_mail(Options())
    return finding


def test_a_server_that_lets_in_gets_no_mail(smtp: Settings) -> None:
    with mail_server() as server:
        smtp.EMAIL_PORT = server.port
        level, message = only()

    assert level == "ok"
    assert f"127.0.0.1:{smtp.EMAIL_PORT}" in message
    assert "MAIL" not in server.commands


def test_a_server_that_refuses_the_password(smtp: Settings) -> None:
    smtp.EMAIL_HOST_USER, smtp.EMAIL_HOST_PASSWORD = "tasks", PASSWORD
    refused = f"535 no such user {PASSWORD}"
    with mail_server(extension="AUTH PLAIN", replies={"AUTH": refused}) as server:
        smtp.EMAIL_PORT = server.port
        level, message = only()

    assert level == "error"
    assert "refuses the user or the password (535)" in message
    assert PASSWORD not in message


def test_a_server_without_starttls(smtp: Settings) -> None:
    smtp.EMAIL_USE_TLS = True
    with mail_server() as server:
        smtp.EMAIL_PORT = server.port
        level, message = only()

    assert level == "error"
    assert "offers no STARTTLS" in message


def test_a_server_that_is_away() -> None:
    level, message = only()

    assert level == "error"
    assert "cannot be used (ConnectionRefusedError)" in message


def test_mails_in_the_log(smtp: Settings) -> None:
    smtp.EMAIL_BACKEND = LOG

    assert only()[0] == "warning"


@pytest.mark.parametrize(("signup", "count"), [("closed", 0), ("open", 1)])
def test_no_server(smtp: Settings, signup: str, count: int) -> None:
    smtp.EMAIL_BACKEND, smtp.SIGNUP = "", signup

    findings = list(check_mail(Options()))
    assert [level for level, _ in findings] == ["error"] * count


@pytest.mark.django_db
def test_users_who_have_chosen_e_mails_that_are_not_sent(smtp: Settings) -> None:
    User.objects.create_user("alice", reminder_emails=True)
    User.objects.create_user("bob", reminder_emails=True, is_active=False)

    [(level, message)] = check_reminder_emails(Options())
    assert level == "warning"
    assert message.startswith("1 users have chosen")
    smtp.PUBLIC_URL = "https://tasks.example.com"
    assert not [*check_reminder_emails(Options())]
