"""How long the pending migrations of a database take, each by itself, and what they lock.

    DATABASE_URL=... python -m bench.upgrade

Applies them. For the table in docs/operations.md, the database was migrated by release
1.3.0 and filled by its `manage.py seed_tasks`: 716,000 tasks on PostgreSQL, 530,000 on
SQLite. On PostgreSQL a second session looks every 20 ms which locks are held that stop others
from reading or writing a table."""

import os
import threading
import time

import django
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
django.setup(set_prefix=False)

from django.db import connection  # it needs the settings
from django.db.migrations.executor import MigrationExecutor

INTERVAL = 0.02
HELD = """
    SELECT relname || ' ' || mode FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    WHERE granted AND pid = %s AND relkind = 'r' AND relname NOT LIKE 'pg\\_%%'
    AND mode IN ('AccessExclusiveLock', 'ExclusiveLock', 'ShareLock',
        'ShareRowExclusiveLock')
"""
#: Seconds for which each lock has been held at a stretch, of the present migration.
longest: dict[str, float] = {}


def watch(pid: int) -> None:
    since: dict[str, float] = {}
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as session:
        while True:
            held = {lock for (lock,) in session.execute(HELD, [pid]).fetchall()}
            now = time.monotonic()
            since = {lock: since.get(lock, now) for lock in held}
            for lock, start in since.items():
                longest[lock] = max(longest.get(lock, 0.0), now - start)
            time.sleep(INTERVAL)


def main() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        threading.Thread(target=watch, args=[pid], daemon=True).start()
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    for migration, _ in plan:
        longest.clear()
        target = [(migration.app_label, migration.name)]
        started = time.monotonic()
        # Of one migration; the executor wants to know what it has applied.
        executor.migrate(target, plan=[(migration, False)])
        executor.loader.build_graph()
        seconds = time.monotonic() - started
        locks = [f"{lock} {held:.2f} s" for lock, held in longest.items() if held]
        print(f"{seconds:6.2f} s  {migration}  {', '.join(locks)}")


if __name__ == "__main__":
    main()
