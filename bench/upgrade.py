"""How long the pending migrations of a database take, each by itself, and what they lock.

    DATABASE_URL=... python -m bench.upgrade

Applies them. For the table in docs/operations.md, the database was migrated by release
1.3.0 and filled by its `manage.py seed_tasks 1000000`. Processor time is that of this process
and of a PostgreSQL on this machine. A second session looks every 20 ms which locks are held
that stop others from reading or writing a table."""

import os
import threading
import time
from contextlib import ExitStack

import django
import psycopg

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taskproject.settings")
django.setup(set_prefix=False)

from django.db import connection  # it needs the settings
from django.db.migrations.executor import MigrationExecutor

from bench import postgres, processes

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
    server: int | None = None
    if connection.vendor == "postgresql":
        server = postgres.PostgreSQL(os.environ["DATABASE_URL"], ExitStack()).pid
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        threading.Thread(target=watch, args=[pid], daemon=True).start()
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    for migration, _ in plan:
        longest.clear()
        spent = _processor_seconds(server)
        target = [(migration.app_label, migration.name)]
        started = time.monotonic()
        # Of one migration; the executor wants to know what it has applied.
        executor.migrate(target, plan=[(migration, False)])
        executor.loader.build_graph()
        seconds = time.monotonic() - started
        spent = _processor_seconds(server) - spent
        locks = [f"{lock} {held:.2f} s" for lock, held in longest.items() if held]
        cpu = f"{spent:6.2f} s CPU"
        print(f"{seconds:6.2f} s {cpu}  {migration}  {', '.join(locks)}", flush=True)


def _processor_seconds(server: int | None) -> float:
    return time.process_time() + (processes.cpu_seconds(server) if server else 0.0)


if __name__ == "__main__":
    main()
