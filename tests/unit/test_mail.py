"""Mail: to the server that EMAIL_URL names, or into the log"""

import logging

import pytest
from django.core.mail import EmailMessage
from pytest_django import Settings

from taskproject.mail import send
from taskproject.problems import NoMail
from tests.unit.test_settings import load


def test_mail_is_written_to_the_log(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = "taskproject.mail.LogBackend"
    caplog.set_level(logging.INFO)

    send(EmailMessage("Hello", "A code", to=["anna@example.com"]))

    [record] = [it for it in caplog.records if it.name == "taskproject.mail"]
    fields = {"to": ["anna@example.com"], "subject": "Hello", "body": "A code"}
    assert vars(record)["fields"] == fields


def test_without_a_server_there_is_no_mail(settings: Settings) -> None:
    settings.EMAIL_BACKEND = ""

    with pytest.raises(NoMail):
        send(EmailMessage("Hello", "A code", to=["anna@example.com"]))


def test_mail_is_sent_with_starttls_unless_the_url_says_otherwise() -> None:
    names = ("EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD")
    tls = ("EMAIL_USE_TLS", "EMAIL_USE_SSL", "DEFAULT_FROM_EMAIL")
    url = "smtp://me%40a:p%2Fw@mail.example.com?from=tasks@example.com"

    for given, expected in (
        (url, ["mail.example.com", 587, "me@a", "p/w", True, False]),
        (f"{url}&starttls=off", ["mail.example.com", 587, "me@a", "p/w", False, False]),
        (f"smtps{url[4:]}", ["mail.example.com", 465, "me@a", "p/w", False, True]),
        (
            "smtp://127.0.0.1:25?from=tasks@example.com",
            ["127.0.0.1", 25, "", "", True, False],
        ),
    ):
        found = load(*names, *tls, EMAIL_URL=given)
        assert found == [*expected, "tasks@example.com"]


def test_mail_is_off_without_a_url_and_logged_in_development() -> None:
    logged = ["taskproject.mail.LogBackend"]
    assert load("EMAIL_BACKEND") == [""]
    assert load("EMAIL_BACKEND", DEBUG="on") == logged
    assert load("EMAIL_BACKEND", EMAIL_URL="log:") == logged


def test_nobody_can_sign_up_under_the_name_of_the_guest() -> None:
    names = ("SIGNUP", "ACCOUNT_USERNAME_BLACKLIST")
    assert load(*names) == ["closed", []]
    assert load(*names, API_GUEST="guest", SIGNUP="open") == ["open", ["guest"]]
