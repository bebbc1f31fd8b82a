#!/usr/bin/env python
"""The operator's way in: ``python manage.py help`` lists every command."""

import os
import signal
import sys


def main() -> None:
    """Runs the command that the arguments name. A wrong setting, a failure of the database, and
    Ctrl-C end it with a line instead of a traceback, which `--traceback` shows."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import (
        InterfaceError,
        InternalError,
        OperationalError,
        ProgrammingError,
    )

    try:
        execute_from_command_line(sys.argv)
    except (
        ImproperlyConfigured,
        InterfaceError,
        InternalError,  # among others a server that has become read-only
        OperationalError,
        ProgrammingError,  # a table that is missing
        KeyboardInterrupt,
    ) as error:
        if "--traceback" in sys.argv:
            raise
        if isinstance(error, KeyboardInterrupt):
            print("Interrupted.", file=sys.stderr)
            sys.exit(128 + signal.SIGINT)
        if isinstance(error, ImproperlyConfigured):
            print(error, file=sys.stderr)
            sys.exit(1)
        from taskproject.doctor import without_password

        print(
            f"The database failed: {without_password(error)} `manage.py doctor` says what "
            "is wrong and what to type; --traceback shows where it happened.",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
