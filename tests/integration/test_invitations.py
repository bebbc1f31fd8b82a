"""Invitations: manage.py invite, and the admin"""

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from taskproject.accounts.models import Invitation, User

ADD = "/admin/accounts/invitation/add/"


@pytest.fixture(autouse=True)
def by_invitation(settings: Settings) -> None:
    settings.SIGNUP = "invite"


def test_the_command_invites_and_sends_a_mail(
    db: None, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.FRONTEND_URL = "https://app.example.com/"

    call_command("invite", "Anna@example.com")

    assert Invitation.objects.get().email == "anna@example.com"
    [message] = mail.outbox
    assert message.to == ["anna@example.com"]
    assert "within 30 days: https://app.example.com/." in message.body
    assert capsys.readouterr().out == "anna@example.com may sign up; a mail was sent.\n"


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("SIGNUP", "closed", "set SIGNUP=invite"),
        ("EMAIL_BACKEND", "", "set EMAIL_URL"),
    ],
)
def test_nobody_is_invited_where_nobody_can_sign_up(
    staff: Client, settings: Settings, name: str, value: str, advice: str
) -> None:
    setattr(settings, name, value)

    with pytest.raises(CommandError, match=advice):
        call_command("invite", "anna@example.com")
    assert not Invitation.objects.exists()

    answer = staff.post(ADD, {"email": "anna@example.com"}, follow=True)
    assert advice in answer.text
    assert "No mail was sent to anna@example.com" in answer.text
    assert not mail.outbox


def test_it_says_where_the_mail_fails(db: None, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # where nothing listens

    with pytest.raises(CommandError, match="could not be sent"):
        call_command("invite", "anna@example.com")


def test_repeated_it_renews_the_invitation(db: None) -> None:
    call_command("invite", "anna@example.com")
    assert Invitation.objects.accept("ANNA@example.com")
    assert not Invitation.objects.accept("anna@example.com"), "once"
    assert Invitation.objects.get().state == "accepted"

    call_command("invite", "anna@example.com")

    assert Invitation.objects.get().state == "pending"


@pytest.mark.parametrize("email", ["anna", "", "a@b", "a\n@example.com"])
def test_it_refuses_what_is_no_address(db: None, email: str) -> None:
    with pytest.raises(CommandError, match="no e-mail address"):
        call_command("invite", email)

    assert not Invitation.objects.exists()


def test_staff_invite_in_the_admin(staff: Client, carol: User) -> None:
    answer = staff.post(ADD, {"email": "Anna@example.com"}, follow=True)

    assert answer.status_code == 200
    invitation = Invitation.objects.get()
    assert (invitation.email, invitation.invited_by) == ("anna@example.com", carol)
    assert mail.outbox[0].to == ["anna@example.com"]
    again = staff.post(ADD, {"email": "ANNA@example.com"})
    assert again.status_code == 200, "the form says that there is one"
    assert Invitation.objects.count() == 1


def test_staff_see_where_the_mail_fails(staff: Client, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9  # where nothing listens

    answer = staff.post(ADD, {"email": "anna@example.com"}, follow=True)

    assert "No mail was sent to anna@example.com" in answer.text


def test_an_invitation_can_be_withdrawn_and_not_edited(staff: Client) -> None:
    row = Invitation.objects.invite("anna@example.com", None)
    page = f"/admin/accounts/invitation/{row.pk}"

    staff.post(f"{page}/change/", {"email": "eve@example.com"})
    assert Invitation.objects.get().email == "anna@example.com"
    staff.post(f"{page}/delete/", {"post": "yes"})

    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    "path", ["account/emailaddress", "mfa/authenticator", "usersessions/usersession"]
)
def test_staff_cannot_edit_what_opens_an_account(staff: Client, path: str) -> None:
    assert staff.get(f"/admin/{path}/").status_code == 404
