"""System checks, for `manage.py check`."""

import sqlite3
from collections.abc import Sequence

from django.apps import apps
from django.conf import settings
from django.core.checks import Error, Tags, Warning, register
from django.db import DatabaseError

from taskproject import timezones

# The columns with names of time zones.
ZONES = (("accounts.User", "timezone"), ("tasks.Task", "due_timezone"))


@register(Tags.database)
def sqlite_returns_rows(**kwargs: object) -> list[Error]:
    """Every change is an UPDATE ... RETURNING, which SQLite has since version 3.35."""
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine == "taskproject.sqlite" and sqlite3.sqlite_version_info < (3, 35):
        return [
            Error(
                f"SQLite {sqlite3.sqlite_version} is too old.",
                hint="Use a Python that comes with SQLite 3.35 or later.",
                id="taskproject.E001",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def guest_is_deliberate(**kwargs: object) -> list[Warning]:
    """A guest in production lets everybody write."""
    if settings.API_GUEST:
        return [
            Warning(
                "API_GUEST is set: callers without a credential read and write tasks.",
                hint="Remove API_GUEST where the service can be reached from outside.",
                id="taskproject.W001",
            )
        ]
    return []


@register(Tags.database)
def zones_are_known(
    databases: Sequence[str] | None = None, **kwargs: object
) -> list[Warning]:
    """Finds stored time zones that are unknown here: of another release, or of a host's own zone
    files. Runs only with `manage.py check --database default`; reads every task once."""
    found = []
    for label, column in ZONES if databases and "default" in databases else ():
        rows = apps.get_model(label)._default_manager.exclude(**{column: None})
        stored = rows.order_by().values_list(column, flat=True).distinct()
        try:
            unknown = sorted(set(stored) - timezones.names())
        except DatabaseError:
            continue  # `migrate` runs the checks before there are tables.
        if unknown:
            found.append(
                Warning(
                    f"{label}.{column} has names that are no time zones: "
                    f"{', '.join(map(repr, unknown[:10]))}. They count as UTC.",
                    hint="Give these rows one of the IANA's names, such as "
                    "Europe/Lisbon: in the admin, or with PATCH.",
                    id="taskproject.W002",
                )
            )
    return found
