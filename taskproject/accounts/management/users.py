"""The users that commands are given by name."""

from django.core.management.base import CommandError

from taskproject.accounts.models import User


def user_named(username: str, *, hint: bool = False) -> User:
    """Raises CommandError where there is none; with a `hint`, it says how to make one."""
    user = User.objects.filter(username=username).first()
    if user is None:
        how = f" `manage.py create_token {username} --create-user` makes one."
        raise CommandError(f"There is no user {username!r}.{how if hint else ''}")
    return user
