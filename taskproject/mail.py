"""E-mail: to the server that EMAIL_URL names, or into the log."""

import logging
from collections.abc import Sequence
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from taskproject.problems import NoMail, Unavailable

logger = logging.getLogger("taskproject.mail")

RETRY = 30  # seconds


class LogBackend(BaseEmailBackend):
    """Writes messages to the log instead of sending them, for development."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            fields = {
                "to": message.to,
                "subject": message.subject,
                "body": str(message.body),
            }
            logger.info("mail", extra={"fields": fields})
        return len(email_messages)


def send(message: EmailMessage) -> None:
    """Sends a message. Raises `NoMail` without EMAIL_URL, and `Unavailable` if the server of
    the mail fails."""
    if not settings.EMAIL_BACKEND:
        raise NoMail("Set EMAIL_URL, so that this service can send mail.")
    try:
        message.send()
    except (SMTPException, OSError) as error:
        logger.error("mail failed: %s", type(error).__name__)
        raise Unavailable(
            "The mail could not be sent. Try again in a minute.",
            headers={"Retry-After": str(RETRY)},
        ) from None
