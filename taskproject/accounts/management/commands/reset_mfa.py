"""``manage.py reset_mfa``: removes the second factor of somebody who has lost it."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from taskproject.accounts.management.users import user_named
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
        if not reset(user_named(username)):
            raise CommandError(f"{username} has no second factor.")
        self.stdout.write(f"Removed the second factor of {username}.")
