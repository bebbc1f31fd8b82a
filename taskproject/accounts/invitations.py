"""The mail of an invitation."""

from django.conf import settings
from django.core.mail import EmailMessage

from taskproject.accounts.models import INVITATION_LIFETIME, Invitation
from taskproject.mail import send

TEXT = """\
You are invited to Tasks. Sign up with this e-mail address within {days} days{where}.
"""


def send_invitation(invitation: Invitation) -> bool:
    """Sends the mail; False if this installation sends none. Raises `Unavailable`."""
    if not settings.EMAIL_BACKEND:
        return False
    where = f": {settings.FRONTEND_URL}" if settings.FRONTEND_URL else ""
    text = TEXT.format(days=INVITATION_LIFETIME.days, where=where)
    send(EmailMessage("You are invited to Tasks", text, to=[str(invitation.email)]))
    return True
