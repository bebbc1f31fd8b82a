"""`manage.py migrate` that reads a line of its standard input before each migration.

python -m tests.faults.stepwise
"""

import sys
from typing import Any, ClassVar
from unittest.mock import patch

from django.core.management import execute_from_command_line
from django.core.management.commands import migrate
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState


class Stepwise(MigrationExecutor):
    #: One that waits for a lock begins several times.
    begun: ClassVar[set[Migration]] = set()

    def apply_migration(
        self, state: ProjectState, migration: Migration, *args: Any, **options: Any
    ) -> ProjectState:
        if migration not in self.begun:
            self.begun.add(migration)
            sys.stdin.readline()
        return super().apply_migration(state, migration, *args, **options)


if __name__ == "__main__":
    with patch.object(migrate, "MigrationExecutor", Stepwise):
        execute_from_command_line(["manage.py", "migrate"])
