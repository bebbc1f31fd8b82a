"""``manage.py create_token``: create an API token."""

import re
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from taskproject.accounts.models import ApiToken, User

SCOPES = {"read": "read", "write": "write", "read,write": "read write"}


class Command(BaseCommand):
    help = (
        "Creates an API token for a user and prints it on the last line of standard "
        "output. It cannot be shown again. Send it as: Authorization: Bearer tk_..."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", help="the user as whom the program acts")
        parser.add_argument(
            "--create-user",
            action="store_true",
            help="create the user, without a password, if it does not exist",
        )
        parser.add_argument(
            "--name", default="command line", help="the name of the program"
        )
        parser.add_argument(
            "--scopes",
            default="read,write",
            help="read, write or read,write (the default)",
        )
        parser.add_argument(
            "--expires",
            metavar="WHEN",
            help="a number of days such as 90d, or a date or time such as "
            "2027-01-31 (UTC); without it the token does not expire",
        )

    @transaction.atomic
    def handle(
        self,
        *,
        username: str,
        create_user: bool,
        name: str,
        scopes: str,
        expires: str | None,
        **options: object,
    ) -> None:
        user = self._user(username, create_user)
        token = ApiToken(
            user=user,
            name=name.strip(),
            scopes=self._scopes(scopes),
            expires_at=self._expiry(expires),
        )
        try:
            token.clean_fields(exclude=["prefix", "digest"])
            token.clean()
        except ValidationError as error:
            raise CommandError(f"--name: {' '.join(error.messages)}") from None
        secret = token.issue()
        until = (
            f"until {token.expires_at:%Y-%m-%d %H:%M} UTC" if token.expires_at else ""
        )
        self.stderr.write(f"Token {token} of {user} for {token.scopes} {until}".strip())
        self.stdout.write(secret)

    def _user(self, username: str, create: bool) -> User:
        user = User.objects.filter(username=username).first()
        if user is None:
            if not create:
                raise CommandError(
                    f"There is no user {username!r}. Add --create-user to create it."
                )
            user = User(username=username)
            user.set_unusable_password()
            try:
                user.full_clean()
            except ValidationError as error:
                raise CommandError(f"USERNAME: {' '.join(error.messages)}") from None
            user.save()
        if not user.is_active:
            raise CommandError(f"The user {username!r} is disabled.")
        return user

    def _scopes(self, value: str) -> str:
        words = ",".join(sorted(value.replace(" ", "").split(",")))
        if words not in SCOPES:
            raise CommandError("--scopes must be read, write or read,write.")
        return SCOPES[words]

    def _expiry(self, value: str | None) -> datetime | None:
        if value is None:
            return None
        days = re.fullmatch(r"([0-9]{1,5})d", value)
        try:
            if days:
                moment = timezone.now() + timedelta(days=int(days[1]))
            else:
                moment = parse_datetime(value) or datetime.fromisoformat(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            moment = moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise CommandError(
                "--expires must be like 90d, 2027-01-31 or 2027-01-31T18:00Z."
            ) from None
        if moment <= timezone.now():
            raise CommandError("--expires is in the past.")
        return moment
