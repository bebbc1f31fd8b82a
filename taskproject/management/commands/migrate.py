"""``manage.py migrate``, over the direct connection and without blocking traffic."""

from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    help = (
        "Brings the database schema up to date. Uses DATABASE_DIRECT_URL where that is "
        "set, because migrations do not belong behind a transaction pooler."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DATABASE_DIRECT and options["database"] == "default":
            connection = connections["default"]
            connection.close()
            connection.settings_dict.update(settings.DATABASE_DIRECT)
        super().handle(*args, **options)
