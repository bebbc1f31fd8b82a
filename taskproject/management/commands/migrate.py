"""``manage.py migrate``, over the direct connection and without blocking traffic."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections

ATTEMPTS = 30
LOCK_NOT_AVAILABLE = "55P03"


class Command(migrate.Command):
    help = (
        "Brings the database schema up to date. Uses DATABASE_DIRECT_URL where that is "
        "set, because migrations do not belong behind a transaction pooler. On "
        "PostgreSQL a migration that waits a second for a lock lets the traffic behind "
        "it pass, and is tried again."
    )

    def execute(self, *args: Any, **options: Any) -> str | None:
        # Before the checks, which may ask the database already.
        if settings.DATABASE_DIRECT and options["database"] == "default":
            connection = connections["default"]
            connection.close()
            connection.settings_dict.update(settings.DATABASE_DIRECT)
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        if connection.vendor != "postgresql":
            super().handle(*args, **options)
            return
        if "-pooler" in connection.settings_dict["HOST"]:
            # A SET would stay on the pooler's connection and reach other clients.
            self.stderr.write(
                "Migrating through a pooler, without a bound on waiting for locks: set "
                "DATABASE_DIRECT_URL to the same host name without -pooler."
            )
            super().handle(*args, **options)
            return
        for attempt in range(ATTEMPTS):
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SET lock_timeout = '1s'; SET statement_timeout = 0")
                super().handle(*args, **options)
                with connection.cursor() as cursor:
                    cursor.execute("RESET lock_timeout; RESET statement_timeout")
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                    raise
                self.stderr.write(
                    f"Another transaction holds a lock; attempt {attempt + 1} of "
                    f"{ATTEMPTS} gave way to the traffic."
                )
                time.sleep(1)
            else:
                return
        raise CommandError(
            "Some transaction holds a lock on the tables; end it (pg_stat_activity "
            "shows it) and run migrate again."
        )
