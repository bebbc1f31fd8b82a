"""The connection of commands that cannot work through a connection pooler."""

from django.conf import settings
from django.db import connections


def connect_directly(alias: str = "default") -> None:
    """Makes the connection lead to DATABASE_DIRECT_URL, if that is set."""
    if settings.DATABASE_DIRECT and alias == "default":
        connection = connections[alias]
        connection.close()
        connection.settings_dict.update(settings.DATABASE_DIRECT)
