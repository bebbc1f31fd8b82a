"""System checks: what `manage.py check` says about this installation."""

import sqlite3
from typing import Any

from django.conf import settings
from django.core.checks import Error, Tags, Warning, register


@register(Tags.database)
def sqlite_returns_rows(**kwargs: Any) -> list[Error]:
    """Every change is an UPDATE ... RETURNING, which SQLite has since 3.35."""
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
def guest_is_deliberate(**kwargs: Any) -> list[Warning]:
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
