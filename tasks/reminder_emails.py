"""E-mails of reminders that have fired, to users who have chosen them.

The e-mail is a state of the reminder, and pending from the transaction on that fires it. A
worker leases it, sends it without a transaction, and stores what came of it. If it is killed
in between, another one sends it again after the lease, with the same Message-ID; if it is
stopped, it ends afterwards."""

import hashlib
import logging
import math
import random
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parseaddr

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from taskproject import mail, timezones
from taskproject.accounts.models import User
from taskproject.deadlines import extend
from taskproject.names import one_line
from taskproject.problems import Conflict, NoMail, Unavailable
from taskproject.worker import CALL_SECONDS, count, is_stopping, unbroken, work
from tasks import unsubscribe
from tasks.models import Reminder, Task
from tasks.models.events import database_now
from tasks.models.reminders import EMAIL_WAITS, is_active

logger = logging.getLogger("taskproject.worker")

#: Seconds after which a call begins no other e-mail.
TURN = 1.0
SUBJECT_LENGTH = 120  # characters of the title in a subject

Send = Callable[[EmailMessage], None]


def are_possible() -> bool:
    """Whether this installation sends them: each has a link to this service."""
    return bool(settings.EMAIL_BACKEND and settings.PUBLIC_URL)


def check_possible(user: User) -> None:
    """Raises `NoMail` if this installation sends none, and `Conflict` if the user has no address
    to which they may go."""
    if not are_possible():
        raise NoMail("Set EMAIL_URL and PUBLIC_URL, so that reminders can be mailed.")
    if address_of(user) is None:
        raise Conflict(
            "You have no verified e-mail address. Add one (/api/auth/app/v1/account/email) "
            "and verify it with the code that it is sent."
        )


def address_of(user: User) -> str | None:
    """The verified e-mail address of the user, the primary one if it is."""
    verified = EmailAddress.objects.filter(user=user, verified=True)
    found: EmailAddress | None = verified.order_by("-primary", "pk").first()
    return found and str(found.email)


@work("e-mails", "sent", "failed")
def send_emails() -> float:
    """Sends e-mails for about `TURN` seconds, one of each user after the other; returns the
    seconds until the next call."""
    if not are_possible():
        return math.inf
    waiting = Reminder.objects.to_email(database_now()).values_list("owner_id")
    owners = deque(owner_id for (owner_id,) in waiting.distinct())
    if not owners:
        return math.inf
    # Whoever comes first in each turn must not always be the same.
    random.shuffle(owners)
    give_up = time.monotonic() + TURN
    sent = 0
    try:
        with mail.connected() as send:
            extend(CALL_SECONDS)
            while owners and time.monotonic() < give_up and not is_stopping("e-mails"):
                owner_id = owners.popleft()
                row = Reminder.objects.claim_email(owner_id, database_now())
                if row is not None:
                    owners.append(owner_id)
                    with unbroken("e-mails"):
                        sent += _send(row, send)
    except Unavailable:
        return mail.RETRY
    finally:
        if sent:
            logger.info("reminders mailed", extra={"fields": {"count": sent}})
            count("e-mails", "sent", sent)
    return 0.0


def _send(row: Reminder, send: Send) -> bool:
    """One attempt to send a leased e-mail; whether it was accepted. Raises `Unavailable` if the
    connection is of no use any more."""
    message = message_of(row)
    if message is None:
        row.end_lease(**Reminder.WITHOUT_EMAIL)
        return False
    refusal: mail.NotAccepted | None = None
    try:
        send(message)
    except mail.NotAccepted as error:
        refusal = error
    extend(CALL_SECONDS)
    if refusal is None:
        row.end_lease(email_status=Reminder.EmailStatus.SENT, email_at=None)
        return True
    _record(row, refusal, database_now())
    if refusal.is_of_server:
        raise Unavailable("The mail server has closed the connection.")
    return False


def _record(row: Reminder, refusal: mail.NotAccepted, now: datetime) -> None:
    failures = row.email_attempts or 0
    changes: dict[str, object]
    if refusal.permanent or failures >= len(EMAIL_WAITS):
        changes = {"email_status": Reminder.EmailStatus.FAILED, "email_at": None}
    else:
        changes = {"email_at": now + EMAIL_WAITS[failures]}
    row.end_lease(**changes, email_attempts=failures + 1)
    fields = {
        "reminder": row.pk,
        "user": row.owner_id,
        "code": refusal.code,
        "given_up": "email_status" in changes,
    }
    logger.warning("a reminder was not mailed", extra={"fields": fields})
    count("e-mails", "failed")


def message_of(row: Reminder) -> EmailMessage | None:
    """The e-mail as the task is now; None if it is not wanted any more."""
    task = Task.objects.filter(pk=row.task_id, owner_id=row.owner_id).first()
    users = User.objects.filter(is_active=True, reminder_emails=True)
    user = users.filter(pk=row.owner_id).first()
    if user is None or task is None or not is_active(task):
        return None
    address = address_of(user)
    if address is None:
        return None
    title = one_line(task.title)
    link = settings.PUBLIC_URL + unsubscribe.path_of(user.pk)
    context = {
        "title": title,
        "due": due_text(task, user),
        "late": row.is_late(),
        "frontend": settings.FRONTEND_URL,
        "unsubscribe": link,
    }
    headers = {
        "Message-ID": message_id(row),
        "Auto-Submitted": "auto-generated",  # RFC 3834
        "List-Unsubscribe": f"<{link}>",
    }
    if link.startswith("https:"):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message = mail.LinkedEmail(
        f"Reminder: {_shortened(title)}",
        render_to_string("emails/reminder.txt", context),
        to=[address],
        headers=headers,
    )
    message.attach_alternative(
        render_to_string("emails/reminder.html", context), "text/html"
    )
    return message


def message_id(row: Reminder) -> str:
    """The same for each attempt. With the time of the event, so that a reminder that fires again,
    or after a restored backup, has another one."""
    at = (row.fired_at or datetime.min).astimezone(UTC)
    digest = hashlib.sha256(f"{row.pk} {at.isoformat()}".encode()).hexdigest()
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    return f"<reminder.{digest[:32]}@{domain}>"


def due_text(task: Task, user: User) -> str:
    """When the task is due: `2026-12-31`, `2026-12-31 17:00 Europe/Lisbon (UTC+00:00)`, or an
    empty text."""
    if task.due_at is None:
        return task.due_date.isoformat() if task.due_date else ""
    zone = timezones.known(task.due_timezone or user.timezone)
    local = task.due_at.astimezone(timezones.zone(zone)).isoformat(" ", "minutes")
    return f"{local[:16]} {zone} (UTC{local[16:]})"


def _shortened(title: str) -> str:
    return title if len(title) <= SUBJECT_LENGTH else f"{title[: SUBJECT_LENGTH - 1]}…"
