"""``manage.py invite``: invite somebody to sign up."""

from argparse import ArgumentParser

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email

from taskproject.accounts.invitations import no_sign_up, send_invitation
from taskproject.accounts.models import Invitation
from taskproject.problems import Unavailable


class Command(BaseCommand):
    help = (
        "Lets somebody with this e-mail address sign up within 30 days, where "
        "SIGNUP=invite, and tells them by mail. Repeated, it renews the invitation."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *, email: str, **options: object) -> None:
        try:
            validate_email(email)
        except ValidationError:
            raise CommandError(f"{email!r} is no e-mail address.") from None
        if hindrance := no_sign_up():
            raise CommandError(hindrance)
        invitation = Invitation.objects.invite(email, None)
        try:
            send_invitation(invitation)
        except Unavailable:
            raise CommandError(
                f"{invitation} is invited, and the mail could not be sent: tell them, "
                "or try again."
            ) from None
        self.stdout.write(f"{invitation} may sign up; a mail was sent.")
