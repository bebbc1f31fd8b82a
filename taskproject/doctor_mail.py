"""The checks of `manage.py doctor` of mail: the server, and reminders by e-mail."""

import smtplib

from django.conf import settings
from django.core.mail import get_connection

from taskproject.accounts.models import User
from taskproject.doctor import Options, Results, check, error, ok, warning
from tasks.reminder_emails import are_possible

LOG = "taskproject.mail.LogBackend"


@check("mail")
def check_mail(options: Options) -> Results:
    """Whether the server of EMAIL_URL lets the service in; nothing is sent."""
    where = f"The mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if not settings.EMAIL_BACKEND:
        if settings.SIGNUP != "closed":
            yield error(
                f"SIGNUP is {settings.SIGNUP}, and nobody can get the mail that "
                "confirms an address: set EMAIL_URL, or SIGNUP=closed."
            )
    elif settings.EMAIL_BACKEND == LOG:
        yield warning(
            "EMAIL_URL is log:, so that codes which let people in stand in the log: set "
            "it to a mail server, smtp://user:password@host:587?from=…"
        )
    else:
        try:
            server = get_connection()
            server.open()
            server.close()
        except smtplib.SMTPAuthenticationError as failure:
            yield error(
                f"{where} refuses the user or the password ({failure.smtp_code}): correct "
                "EMAIL_URL."
            )
        except smtplib.SMTPNotSupportedError:
            yield error(
                f"{where} offers no STARTTLS or no password: correct EMAIL_URL "
                "(smtps:// for TLS from the start)."
            )
        except (OSError, smtplib.SMTPException) as failure:
            yield error(
                f"{where} cannot be used ({type(failure).__name__}): compare EMAIL_URL with "
                "what its provider shows, and see that a firewall lets it through."
            )
        else:
            yield ok(f"{where} lets this service in; nothing was sent.")


@check("e-mails", needs="migrations")
def check_reminder_emails(options: Options) -> Results:
    """Users who have chosen reminders by e-mail, and get none."""
    count = User.objects.filter(reminder_emails=True, is_active=True).count()
    if count and not are_possible():
        yield warning(
            f"{count} users have chosen reminders by e-mail, and get none: set EMAIL_URL "
            "and PUBLIC_URL."
        )
