"""`manage.py migrate` that reads a line of its standard input before each migration.

python -m tests.faults.stepwise
"""

import sys
from typing import Any, ClassVar

from django.core.management import execute_from_command_line
from django.core.management.commands import migrate
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration


class Stepwise(MigrationExecutor):
    #: Begun; one that waits for a lock is begun several times.
    begun: ClassVar[set[str]] = set()

    def apply_migration(self, state: Any, migration: Migration, **options: Any) -> Any:
        if str(migration) not in self.begun:
            self.begun.add(str(migration))
            sys.stdin.readline()
        return super().apply_migration(state, migration, **options)


if __name__ == "__main__":
    migrate.MigrationExecutor = Stepwise  # type: ignore[misc]  # what the command uses
    execute_from_command_line(["manage.py", "migrate"])
