"""``manage.py reset_mfa``: removes the second factor of somebody who has lost it."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from taskproject.accounts.models import User
from taskproject.accounts.second_factor import reset


class Command(BaseCommand):
    help = (
        "Removes the second factors and recovery codes of a user who has lost them, and "
        "ends the user's sessions. The password alone signs in then: make sure first who "
        "asks for this."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *, username: str, **options: object) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username!r}.")
        if not reset(user):
            raise CommandError(f"{username} has no second factor.")
        self.stdout.write(f"Removed the second factor of {username}.")
