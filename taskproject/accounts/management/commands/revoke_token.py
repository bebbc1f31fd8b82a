"""``manage.py revoke_token``: revoke API tokens."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from taskproject.accounts.models import (
    SHOWN_CHARACTERS,
    TOKEN_PREFIX,
    ApiToken,
    ApiTokenQuerySet,
)


class Command(BaseCommand):
    help = (
        "Revokes an API token with immediate effect. Give its prefix, as shown in the "
        "admin (tk_ and 8 characters), or the whole token; or revoke all tokens of a user."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("token", nargs="?", help="the token or its prefix")
        parser.add_argument("--user", help="revoke every token of this user")

    def handle(self, *, token: str | None, user: str | None, **options: object) -> None:
        if bool(token) == bool(user):
            raise CommandError("Give a token, or a user with --user.")
        tokens = self._by_user(user) if user else self._by_secret(token or "")
        revoked = tokens.revoke()
        if not revoked:
            self.stdout.write("Already revoked.")
        else:
            self.stdout.write(f"Revoked {revoked} token{'s' if revoked > 1 else ''}.")

    def _by_user(self, username: str) -> ApiTokenQuerySet:
        tokens = ApiToken.objects.filter(user__username=username)
        if not tokens.exists():
            raise CommandError(f"There is no user {username!r}, or it has no tokens.")
        return tokens

    def _by_secret(self, text: str) -> ApiTokenQuerySet:
        tokens = ApiToken.objects.matching(text)
        if len(text) <= SHOWN_CHARACTERS:
            tokens = ApiToken.objects.filter(prefix=text)
        count = tokens.count()
        if count == 0:
            raise CommandError(
                f"There is no such token. A token begins with {TOKEN_PREFIX}"
            )
        if count > 1:
            raise CommandError("Several tokens have this prefix; give the whole token.")
        return tokens
