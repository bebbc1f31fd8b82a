"""The mail of an invitation."""

from django.conf import settings
from django.core.mail import EmailMessage

from taskproject.accounts.models import INVITATION_LIFETIME, Invitation
from taskproject.mail import send

TEXT = """\
You are invited to Tasks. Sign up with this e-mail address within {days} days{where}.
"""


def no_sign_up() -> str:
    """Why nobody can sign up here, and what to set, or an empty string."""
    if settings.SIGNUP == "closed":
        return "Nobody can sign up, because SIGNUP is closed: set SIGNUP=invite."
    if not settings.EMAIL_BACKEND:
        return "Nobody can sign up without the code in a mail: set EMAIL_URL."
    return ""


def send_invitation(invitation: Invitation) -> None:
    """Sends the mail. Raises `Unavailable`."""
    where = f": {settings.FRONTEND_URL}" if settings.FRONTEND_URL else ""
    text = TEXT.format(days=INVITATION_LIFETIME.days, where=where)
    send(EmailMessage("You are invited to Tasks", text, to=[str(invitation.email)]))
