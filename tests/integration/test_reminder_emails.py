"""Reminders by e-mail: chosen by the user, sent by the worker to a real mail server."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from taskproject.accounts.models import User
from tasks import reminder_emails
from tasks.models import Reminder, Task
from tasks.models.reminders import EMAIL_WAITS
from tasks.reminder_emails import send_emails
from tasks.reminders import fire_reminders
from tasks.unsubscribe import path_of
from tests.conftest import BY, ApiClient, make_task
from tests.support.mail_servers import CLOSE, HANG, MailServer, mail_server
from tests.support.threads import at_once

PAST = timezone.now() - timedelta(seconds=5)
ON = {"reminder_emails": True}


@pytest.fixture
def server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """The mail server of this installation."""
    monkeypatch.setattr(reminder_emails, "TURN", 60.0)  # the machine may be busy
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.DEFAULT_FROM_EMAIL = "Tasks <tasks@example.com>"
        settings.PUBLIC_URL = "https://tasks.example.com"
        yield server


def reachable(user: User, **address: Any) -> User:
    """A user who has chosen e-mails, and has a verified address."""
    fields = {"email": f"{user.username}@example.org", "verified": True} | address
    EmailAddress.objects.create(user=user, primary=True, **fields)
    User.objects.filter(pk=user.pk).update(reminder_emails=True)
    return user


def fired(owner: User, title: str = "Rent", **fields: Any) -> Reminder:
    """A reminder that has just fired."""
    at = (timezone.now() + timedelta(days=1)).isoformat()
    task = make_task(owner, title, reminders=[{"at": at}], **fields)
    rows = Reminder.objects.filter(task_id=task.pk)
    # Not PAST: long after this file was loaded, it would be late.
    past = timezone.now() - timedelta(seconds=5)
    rows.update(at=past, fire_at=past)
    fire_reminders()
    return rows.get()


def status(row: Reminder) -> tuple[str | None, int | None]:
    row.refresh_from_db()
    return row.email_status, row.email_attempts


# The choice


def test_a_user_chooses_them_and_ends_that(
    api: ApiClient, alice: User, server: MailServer
) -> None:
    EmailAddress.objects.create(user=alice, email="a@example.org", verified=True)
    assert api.send("GET", "/api/me").json()["reminder_emails"] is False

    chosen = api.send("PATCH", "/api/me", ON)
    assert (chosen.status_code, chosen.json()["reminder_emails"]) == (200, True)
    assert api.send("GET", "/api/me").json() == chosen.json()
    row = fired(alice)
    off = api.send("PATCH", "/api/me", {"reminder_emails": False})
    assert off.json()["reminder_emails"] is False
    while send_emails() <= 0:
        pass

    assert not server.messages
    assert status(row) == (None, None)


def test_they_need_a_verified_address(
    api: ApiClient, alice: User, server: MailServer
) -> None:
    EmailAddress.objects.create(user=alice, email="a@example.org", verified=False)

    refused = api.send("PATCH", "/api/me", ON | {"timezone": "Asia/Tokyo"})

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    alice.refresh_from_db()
    assert (alice.reminder_emails, alice.timezone) == (False, "UTC")


@pytest.mark.parametrize("name", ["EMAIL_BACKEND", "PUBLIC_URL"])
def test_they_need_an_installation_that_sends_mail(
    api: ApiClient, alice: User, server: MailServer, settings: Settings, name: str
) -> None:
    reachable(alice)
    setattr(settings, name, "")

    refused = api.send("PATCH", "/api/me", ON)

    assert (refused.status_code, refused.json()["code"]) == (403, "no_mail")
    assert status(fired(alice)) == (None, None)
    assert send_emails() > 0


# The message


def test_it_says_what_is_due_when_in_text_and_html(
    alice: User, server: MailServer, settings: Settings
) -> None:
    settings.FRONTEND_URL = "https://app.example.com/"
    due = datetime(2990, 7, 31, 16, tzinfo=UTC)
    row = fired(
        reachable(alice), "Rent & <b>", due_at=due, due_timezone="Europe/Lisbon"
    )

    send_emails()

    [message] = server.messages
    text, page = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None and page is not None
    assert message["To"] == "alice@example.org"
    assert message["From"] == "Tasks <tasks@example.com>"
    assert message["Subject"] == "Reminder: Rent & <b>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert "Rent & <b>\n\nDue: 2990-07-31 17:00 Europe/Lisbon (UTC+01:00)\n" in (
        text.get_content().replace("\r\n", "\n")
    )
    assert "https://app.example.com/" in text.get_content()
    assert 'lang="en"' in page.get_content()
    assert "Rent &amp; &lt;b&gt;</h1>" in page.get_content()
    assert "late" not in text.get_content() + page.get_content()
    assert status(row) == ("sent", 0)


def test_one_that_is_late_says_so(alice: User, server: MailServer) -> None:
    row = fired(reachable(alice), due_date=PAST.date())
    Reminder.objects.update(fire_at=PAST - timedelta(hours=1))

    send_emails()

    [message] = server.messages
    bodies = [part.get_content() for part in message.iter_parts()]
    assert all("This reminder is late" in body for body in bodies)
    assert all(f"Due: {PAST.date()}" in body for body in bodies)
    assert status(row) == ("sent", 0)


def test_no_title_becomes_a_header_and_a_long_one_is_shortened(
    alice: User, server: MailServer
) -> None:
    reachable(alice)
    for title in ("a\r\nBcc: eve@example.org\r\n\r\nb", "é" * 200):
        row = fired(alice)
        Task.objects.filter(pk=row.task_id).update(title=title)
        send_emails()

    first, second = server.messages
    assert first["Subject"] == "Reminder: a Bcc: eve@example.org b"
    assert first["Bcc"] is None
    assert second["Subject"].strip() == f"Reminder: {'é' * 119}…"
    assert server.commands.count("RCPT") == 2


def test_no_line_of_the_log_has_the_text_or_the_address(
    alice: User, server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.of_addresses["alice@example.org"] = ["550 no alice@example.org here"]
    reachable(alice)
    for title in ("Secret rent", "Secret plan"):
        fired(alice, title)
    send_emails()

    told = [str(vars(record)) for record in caplog.records]
    assert not [line for line in told if "Secret" in line or "alice@" in line]
    assert any("'count': 1" in line for line in told)
    assert any("'code': 550, 'given_up': True" in line for line in told)


# The link that ends them


def link_of(server: MailServer) -> str:
    """The path in the header, in which a program need not decode or join anything."""
    found = re.search(
        rb"\nList-Unsubscribe:\s+<https://tasks\.example\.com(/\S+)>\r\n",
        server.received[0],
    )
    assert found, server.received[0]
    return found[1].decode()


def test_mail_programs_end_them_by_a_post_without_a_cookie(
    alice: User, bob: User, server: MailServer
) -> None:
    reachable(bob)
    fired(reachable(alice))
    send_emails()
    [message] = server.messages
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    client = Client(enforce_csrf_checks=True)
    for _ in range(2):
        done = client.post(
            link_of(server), {"List-Unsubscribe": "One-Click"}, secure=True
        )
        assert done.status_code == 200

    assert [*User.objects.filter(reminder_emails=True)] == [bob]


def test_people_end_them_by_a_button_and_no_get_does(
    alice: User, server: MailServer, client: Client
) -> None:
    fired(reachable(alice))
    send_emails()
    path = link_of(server)
    text = server.messages[0].get_body(("plain",))
    assert text is not None and path in text.get_content()

    page = client.get(path)
    alice.refresh_from_db()
    assert '<button type="submit">' in page.content.decode()
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert alice.reminder_emails

    ended = client.post(path).content.decode()
    assert "You get no reminders by e-mail any more" in ended
    assert "<button" not in ended
    assert client.get(path).content.decode() == ended


def test_another_link_is_not_found_and_no_other_method_is_taken(
    alice: User, client: Client
) -> None:
    path = path_of(alice.pk)

    for wrong in (f"{path}x", f"/unsubscribe/{alice.pk}", "/unsubscribe/a.b"):
        assert client.post(wrong).status_code == 404
    assert client.put(path).status_code == 405


# What goes wrong


def test_one_that_was_sent_and_not_recorded_comes_again_with_its_id(
    alice: User, server: MailServer
) -> None:
    row = fired(reachable(alice))
    send_emails()
    # As if the worker had been killed before it stored what came of it.
    Reminder.objects.update(email_status="pending", email_at=PAST)
    send_emails()
    Task.objects.filter(pk=row.task_id).update(reminders=[row.rule])
    fired(alice)
    send_emails()

    first, again, another = (message["Message-ID"] for message in server.messages)
    assert first == again != another
    assert re.fullmatch(r"<reminder\.[0-9a-f]{32}@example\.com>", first)


def test_an_address_that_is_refused_stops_no_other_and_is_given_up(
    alice: User, bob: User, server: MailServer
) -> None:
    server.of_addresses["alice@example.org"] = ["550 no such user"]
    rows = [fired(reachable(user)) for user in (alice, bob)]

    send_emails()

    assert [status(row) for row in rows] == [("failed", 1), ("sent", 0)]
    assert send_emails() > 0


def test_an_address_that_is_refused_for_now_is_tried_later(
    api: ApiClient, alice: User, bob: User, server: MailServer
) -> None:
    server.of_addresses["alice@example.org"] = ["451 later", "452 full"]
    row, other = (fired(reachable(user)) for user in (alice, bob))

    for attempts in (1, 2):
        send_emails()
        assert status(row) == ("pending", attempts)
        wait = (row.email_at or PAST) - timezone.now()
        passed = EMAIL_WAITS[attempts - 1] - wait
        assert 0 <= passed.total_seconds() < 30
        assert send_emails() > 0
        Reminder.objects.filter(pk=row.pk).update(email_at=PAST)
    send_emails()

    assert status(row) == ("sent", 2)
    assert status(other) == ("sent", 0)
    [shown] = api.send("GET", "/api/reminders?status=fired").json()["items"]
    assert shown["email_status"] == "sent"


def test_it_is_given_up_after_the_last_attempt(alice: User, server: MailServer) -> None:
    server.of_addresses["alice@example.org"] = ["451 later"]
    row = fired(reachable(alice))
    Reminder.objects.update(email_attempts=len(EMAIL_WAITS))

    send_emails()

    assert status(row) == ("failed", len(EMAIL_WAITS) + 1)


@pytest.mark.parametrize("reply", [HANG, CLOSE, "421 too many connections"])
def test_a_server_that_breaks_off_is_left_alone_for_a_while(
    alice: User, bob: User, server: MailServer, settings: Settings, reply: str
) -> None:
    server.replies["DATA"] = reply
    rows = [fired(reachable(user)) for user in (alice, bob)]

    settings.EMAIL_TIMEOUT = 0.5 if reply == HANG else 5
    assert send_emails() == 30
    assert sorted(status(row) for row in rows) == [("pending", 0), ("pending", 1)]
    settings.EMAIL_TIMEOUT = 5
    del server.replies["DATA"]
    send_emails()

    assert sorted(status(row) for row in rows) == [("pending", 1), ("sent", 0)]


def test_a_server_that_is_away_costs_no_attempt(
    alice: User, server: MailServer, settings: Settings
) -> None:
    server.replies[""] = HANG
    row = fired(reachable(alice))

    settings.EMAIL_TIMEOUT = 0.2
    assert send_emails() == 30
    assert status(row) == ("pending", 0)
    settings.EMAIL_TIMEOUT = 5
    del server.replies[""]
    send_emails()

    assert status(row) == ("sent", 0)


@pytest.mark.parametrize("change", ["completed", "moved", "deleted", "unverified"])
def test_none_is_sent_after_its_reason_is_gone(
    alice: User, server: MailServer, change: str
) -> None:
    row = fired(reachable(alice))
    one = Task.one(alice.pk, row.task_id)
    if change == "completed":
        one.complete(BY)
    elif change == "moved":
        at = (timezone.now() + timedelta(days=1)).isoformat()
        one.edit(BY, reminders=[{"at": at}])
    elif change == "deleted":
        one.remove(BY)
    else:
        EmailAddress.objects.update(verified=False)

    while send_emails() <= 0:
        pass

    assert not server.messages


def test_users_take_turns(alice: User, bob: User, server: MailServer) -> None:
    reachable(alice, email="alice@example.org")
    reachable(bob)
    for number in range(3):
        fired(alice, str(number))
    fired(bob, "Bob's")

    send_emails()

    subjects = [message["Subject"] for message in server.messages]
    assert len(subjects) == 4
    assert "Reminder: Bob's" in subjects[:2]


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_each_once(alice: User, bob: User, server: MailServer) -> None:
    for user in (reachable(alice), reachable(bob)):
        for number in range(3):
            fired(user, str(number))

    at_once([send_emails, send_emails])

    ids = [message["Message-ID"] for message in server.messages]
    assert len({*ids}) == len(ids) == 6
    assert not Reminder.objects.exclude(email_status="sent").exists()
