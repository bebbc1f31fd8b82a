"""E-mail: to the server that EMAIL_URL names, or into the log."""

import logging
import smtplib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from email.policy import EmailPolicy
from functools import partial
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from taskproject.problems import NoMail, Unavailable

logger = logging.getLogger("taskproject.mail")

RETRY = 30  # seconds
#: The reply of a server that closes the connection (RFC 5321, section 3.8).
CLOSING = 421
#: Headers whose values are addresses in angle brackets.
WITH_ADDRESSES = ("List-Unsubscribe", "Message-ID")


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
        raise _unavailable(error) from None


class _Policy(EmailPolicy):
    """That of Python for mail, which would write an address of more than a line as encoded
    words, as only text may be (RFC 2047, section 5)."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name in WITH_ADDRESSES:
            return f"{name}: {value}\r\n".encode("ascii")
        return super().fold_binary(name, value)


class LinkedEmail(EmailMultiAlternatives):
    """A message with WITH_ADDRESSES among its headers."""

    def message(self, **options: Any) -> Any:  # what Django's versions take and return
        # Django 5 gives no policy, and folds headers at spaces alone.
        return super().message(**(options and {"policy": _Policy(linesep="\r\n")}))


class NotAccepted(Exception):
    """The mail server has not accepted a message."""

    def __init__(self, code: int | None, permanent: bool) -> None:
        super().__init__(code)
        #: Of its reply (RFC 5321); None without one: the connection has failed.
        self.code = code
        #: Whether another attempt would be refused, too.
        self.permanent = permanent

    @property
    def is_of_server(self) -> bool:
        """Whether it concerns the connection, and so the next message, too."""
        return self.code in (None, CLOSING) and not self.permanent


@contextmanager
def connected() -> Iterator[Callable[[EmailMessage], None]]:
    """A connection to the mail server, for any number of messages: a function that sends one,
    to one address, and raises `NotAccepted`. Each wait for the server has EMAIL_TIMEOUT seconds.
    Raises `Unavailable` if the server cannot be reached, or does not let the service in."""
    server = get_connection()
    try:
        server.open()
    except (SMTPException, OSError) as error:
        raise _unavailable(error) from None
    try:
        yield partial(_deliver, server)
    finally:
        with suppress(SMTPException, OSError):
            server.close()


def _deliver(server: BaseEmailBackend, message: EmailMessage) -> None:
    try:
        server.send_messages([message])
    except smtplib.SMTPRecipientsRefused as error:
        [(code, _)] = error.recipients.values()
        raise NotAccepted(code, permanent=code >= 500) from None
    except smtplib.SMTPSenderRefused as error:
        # Not for the sake of this message: the sender is that of all.
        raise NotAccepted(error.smtp_code, permanent=False) from None
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
        raise NotAccepted(code, permanent=code >= 500) from None
    except (SMTPException, OSError):
        raise NotAccepted(None, permanent=False) from None
    except ValueError:  # an address or a header that mail cannot have
        raise NotAccepted(None, permanent=True) from None


def _unavailable(error: Exception) -> Unavailable:
    logger.error("mail failed: %s", type(error).__name__)
    return Unavailable(
        f"The mail could not be sent. Try again in {RETRY} seconds.",
        headers={"Retry-After": str(RETRY)},
    )
