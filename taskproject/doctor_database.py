"""The checks of `manage.py doctor` that ask the database."""

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    connection,
    connections,
    models,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from taskproject.doctor import (
    Options,
    Results,
    check,
    error,
    ok,
    warning,
    without_password,
)
from taskproject.models import Job, StoredResponse
from taskproject.postgresql.base import DatabaseWrapper
from taskproject.request_queue import RESERVE
from tasks.models import Reminder, Webhook, tallies

OLDEST_POSTGRESQL = 14
SLOW = 20.0  # milliseconds of one round trip
PAGES = 10  # of 8 KB: smaller tables need no statistics
SKEW = 5.0  # seconds between two clocks
STUCK = timedelta(minutes=10)  # that a job may last
UNFIRED = timedelta(minutes=5)  # after which a worker has fired a reminder
OVERDUE = timedelta(days=2)  # after which a daily purge has not run
READ_ONLY = "default_transaction_read_only"
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")  # on each table
LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
#: The triggers that the migrations create, and the indexes that no model declares.
TRIGGERS = {
    "postgresql": {
        *("tasks_tally_label_delete", "tasks_tally_label_insert"),
        *("tasks_tally_task_delete", "tasks_tally_task_insert"),
        *("tasks_tally_task_update", "tasks_tally_without_list"),
        *("tasks_tally_without_tag", "accounts_user_rows"),
    },
    "sqlite": {
        *("tasks_search_delete", "tasks_search_insert", "tasks_search_update"),
        *("tasks_tally_delete", "tasks_tally_enter", "tasks_tally_insert"),
        *("tasks_tally_label", "tasks_tally_leave", "tasks_tally_unlabel"),
        *("tasks_tally_without_list", "tasks_tally_without_tag"),
        *("tasks_words_delete", "tasks_words_insert", "tasks_words_update"),
        "accounts_user_rows",
    },
}
_GIN = 'CREATE INDEX "{}" ON "tasks_task" USING gin (array_to_tsvector({}))'
INDEXES = {
    "postgresql": {
        "task_search": _GIN.format("task_search", "string_to_array(search, ' ')"),
        "task_words": _GIN.format(
            "task_words",
            "string_to_array(owner_id::text || '_' || "
            "replace(search, ' ', ' ' || owner_id::text || '_'), ' ')",
        ),
    },
    "sqlite": {},
}


def path() -> Path:
    """The file of SQLite."""
    return Path(connection.settings_dict["NAME"])


def rows(sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


@check("database")
def check_reach(options: Options) -> Results:
    """Whether the database answers, how fast, and which one it is."""
    try:
        connection.ensure_connection()
        latency = min(_round_trip() for _ in range(5))
    except DatabaseError as failure:
        told = f"The database cannot be reached: {without_password(failure)}"
        if settings.ON_POSTGRESQL:
            told += " See that it runs, and compare DATABASE_URL with what its provider shows."
        yield error(told)
        return
    said = f"{connection.display_name} {_version()} answers in {latency:.1f} ms"
    postgresql = _postgresql()
    if postgresql is not None:
        if postgresql.pg_version < OLDEST_POSTGRESQL * 10_000:
            yield error(
                f"PostgreSQL {_version()} is too old: install {OLDEST_POSTGRESQL} or later."
            )
        said += ", through a pooler" if postgresql.is_pooled() else ", without a pooler"
    yield ok(f"{said}.")
    if latency > SLOW:
        yield warning(
            f"A round trip to the database takes {latency:.0f} ms, and each request needs "
            "at least one: run the service in the database's region."
        )


def _postgresql() -> DatabaseWrapper | None:
    """The connection, if it is to PostgreSQL."""
    own = connections[DEFAULT_DB_ALIAS]
    return own if isinstance(own, DatabaseWrapper) else None


def _round_trip() -> float:
    started = time.perf_counter()
    rows("SELECT 1")
    return (time.perf_counter() - started) * 1000


def _version() -> str:
    return ".".join(map(str, connection.get_database_version()))


@check("urls")
def check_urls(options: Options) -> Results:
    """Which of the two URLs of PostgreSQL is the pooled one."""
    postgresql = _postgresql()
    if postgresql is None:
        return
    host = str(connection.settings_dict["HOST"])
    direct = settings.DATABASE_DIRECT
    pooled = "-pooler." in host
    try:
        pooled = pooled or postgresql.is_pooled()
    except DatabaseError:
        pass  # `check_reach` says so
    if pooled and not direct:
        yield error(
            "DATABASE_URL leads through a pooler, where migrations are refused: set "
            "DATABASE_DIRECT_URL to the PostgreSQL itself (Neon's has the same host "
            "without -pooler)."
        )
    if host.endswith(".neon.tech") and not pooled:
        yield warning(
            "DATABASE_URL is Neon's direct one, which has few connections: set it to the "
            "pooled URL, and DATABASE_DIRECT_URL to this one."
        )
    if direct and "-pooler." in str(direct["HOST"]):
        yield error(
            "DATABASE_DIRECT_URL leads through a pooler: take -pooler out of its host."
        )
    elif direct:
        yield from _check_direct(direct)


def _check_direct(direct: dict[str, Any]) -> Results:
    other = _other(direct)
    try:
        if other.is_pooled():
            yield error(
                "DATABASE_DIRECT_URL leads through a pooler: set it to the PostgreSQL "
                "itself."
            )
    except DatabaseError as failure:
        yield error(
            f"DATABASE_DIRECT_URL cannot be reached: {without_password(failure)} Migrations "
            "and backups need it."
        )
    finally:
        other.close()


def _other(options: dict[str, Any]) -> Any:  # DatabaseWrapper has no annotations
    """A connection by these options of DATABASES; the caller closes it."""
    other: Any = connection.copy("other")
    other.settings_dict.update(options)
    return other


@check("writes", needs="database")
def check_writes(options: Options) -> Results:
    """Whether PostgreSQL lets this role write, and which tables it does not open to it."""
    if not settings.ON_POSTGRESQL:
        return
    [(is_replica, setting, source, role, name)] = rows(
        "SELECT pg_is_in_recovery(), setting, source, quote_ident(current_user), "
        "quote_ident(current_database()) FROM pg_settings WHERE name = %s",
        [READ_ONLY],
    )
    if is_replica:
        yield error(
            "DATABASE_URL leads to a replica, which takes no writes: set it to the primary."
        )
    elif setting == "on":
        place = {
            "database": f"ALTER DATABASE {name} RESET {READ_ONLY};",
            "user": f"ALTER ROLE {role} RESET {READ_ONLY};",
            "database user": f"ALTER ROLE {role} IN DATABASE {name} RESET {READ_ONLY};",
        }
        server = f"ALTER SYSTEM SET {READ_ONLY} = off; SELECT pg_reload_conf();"
        yield error(
            f"The database takes no writes: {READ_ONLY} is on, as providers set it when the "
            "disk is full. When there is room, in psql, type "
            f"SET {READ_ONLY} = off; {place.get(source, server)}"
        )
    for (table,) in rows(
        f"SELECT oid::regclass::text FROM pg_class WHERE relname = ANY(%s) AND "
        "relnamespace = current_schema()::regnamespace AND NOT "
        f"({' AND '.join(f'has_table_privilege(oid, {right!r})' for right in RIGHTS)}) "
        "ORDER BY 1",
        [
            [
                model._meta.db_table
                for model in apps.get_models(include_auto_created=True)
            ]
        ],
    ):
        yield error(
            f"The role may not read and write {table}: in psql, as its owner, type "
            f"GRANT {', '.join(RIGHTS)} ON {table} TO {role};"
        )


@check("replica", needs="writes")
def check_replica(options: Options) -> Results:
    """Whether DATABASE_REPLICA_URL leads to a replica of the database, and how late that is."""
    if "replica" not in settings.DATABASES:
        return
    [(written,)] = rows("SELECT pg_current_wal_lsn()::text")
    other = _other(settings.DATABASES["replica"])
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            [(is_replica,)] = cursor.fetchall()
            if is_replica:
                cursor.execute(
                    "SELECT GREATEST(0, pg_wal_lsn_diff(%s::text::pg_lsn, "
                    "pg_last_wal_replay_lsn()))::bigint",
                    [written],
                )
                [(behind,)] = cursor.fetchall()
    except DatabaseError as failure:
        yield warning(
            f"DATABASE_REPLICA_URL cannot be read: {without_password(failure)} All is "
            "read from DATABASE_URL."
        )
        return
    finally:
        other.close()
    if is_replica:
        yield ok(f"The replica is {behind:,} bytes of WAL behind.")
    else:
        yield error(
            "DATABASE_REPLICA_URL leads to a primary: set it to a replica of "
            "DATABASE_URL's PostgreSQL, or remove it."
        )


@check("migrations", needs="database")
def check_migrations(options: Options) -> Results:
    """Whether the schema is of this release."""
    loader = MigrationLoader(connection)
    assert loader.disk_migrations is not None
    ours = {config.label for config in apps.get_app_configs()}
    newer = sorted(
        f"{app}.{name}"
        for app, name in loader.applied_migrations
        if app in ours and (app, name) not in loader.disk_migrations
    )
    if newer:
        yield error(
            "The schema is of a newer release than this one: start the release that has "
            f"the migration {newer[-1]}."
        )
    pending = sorted(set(loader.graph.nodes) - set(loader.applied_migrations))
    if pending:
        app, name = pending[-1]
        yield error(
            f"{len(pending)} migrations are pending, the last {app}.{name}: type "
            "manage.py migrate."
        )
    elif not newer:
        yield ok(f"All {len(loader.applied_migrations)} migrations are applied.")


def expected_indexes(
    model: type[models.Model], connection: BaseDatabaseWrapper
) -> dict[str, str]:
    """The SQL of the indexes and unique constraints that the model declares, by name."""
    expected = {}
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        declared = [*model._meta.indexes, *model._meta.constraints]
        for one in declared:
            if not isinstance(one, models.CheckConstraint):
                expected[one.name] = str(one.create_sql(model, editor) or "")
    return expected


def names_of_indexes_and_constraints() -> set[str]:
    """Of all tables. Django's introspection would parse their SQL on SQLite, for 0.4 s."""
    if settings.ON_POSTGRESQL:
        found = rows(
            "SELECT relname FROM pg_class WHERE relkind = 'i' "
            "AND relnamespace = current_schema()::regnamespace UNION "
            "SELECT conname FROM pg_constraint "
            "WHERE connamespace = current_schema()::regnamespace"
        )
        return {name for (name,) in found}
    names = set()
    for kind, name, sql in rows("SELECT type, name, sql FROM sqlite_master"):
        if kind == "index":
            names.add(name)
        elif kind == "table":
            names |= {*re.findall(r'\bCONSTRAINT "(\w+)"', sql)}
    return names


@check("indexes", needs="migrations")
def check_indexes(options: Options) -> Results:
    """Missing indexes and constraints; on PostgreSQL also invalid ones, which an
    interrupted CREATE INDEX CONCURRENTLY leaves."""
    expected = dict(INDEXES[connection.vendor])
    checks, found = set(), names_of_indexes_and_constraints()
    for model in apps.get_models():
        expected |= expected_indexes(model, connection)
        checks |= {
            one.name
            for one in model._meta.constraints
            if isinstance(one, models.CheckConstraint)
        }
    for name in sorted(expected.keys() - found):
        sql = expected[name]
        if settings.ON_POSTGRESQL:
            sql = sql.replace("INDEX ", "INDEX CONCURRENTLY ", 1)
        yield error(f"The index {name} is missing: in {_shell()}, type {sql};")
    for name in sorted(checks - found):
        yield error(
            f"The constraint {name} is missing: restore a backup, or create it as a new "
            "database has it (manage.py migrate on an empty one)."
        )
    if settings.ON_POSTGRESQL:
        yield from _unfinished()


def _unfinished() -> Results:
    """Indexes that are invalid, and constraints that were never validated."""
    invalid = rows(
        "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON "
        "pg_class.oid = indexrelid WHERE NOT indisvalid "
        "AND relnamespace = current_schema()::regnamespace ORDER BY 1"
    )
    for (name,) in invalid:
        yield error(
            f"The index {name} is invalid, so no query uses it: in psql, type "
            f"REINDEX INDEX CONCURRENTLY {name};"
        )
    unproved = rows(
        "SELECT conname, conrelid::regclass::text FROM pg_constraint WHERE "
        "NOT convalidated AND connamespace = current_schema()::regnamespace"
    )
    for name, table in unproved:
        yield warning(
            f"The constraint {name} was never validated: in psql, type "
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {name};"
        )


def _shell() -> str:
    return "psql" if settings.ON_POSTGRESQL else f"sqlite3 {path()}"


@check("triggers", needs="migrations")
def check_triggers(options: Options) -> Results:
    """Triggers that are missing or disabled: counts and searches become wrong."""
    catalog = {
        "postgresql": "SELECT tgname, relname, tgenabled IN ('O', 'A') FROM pg_trigger, "
        "pg_class c WHERE c.oid = tgrelid AND relnamespace = current_schema()::regnamespace",
        "sqlite": "SELECT name, tbl_name, 1 FROM sqlite_master WHERE type = 'trigger'",
    }
    found = {name: state for name, *state in rows(catalog[connection.vendor])}
    for name in sorted(TRIGGERS[connection.vendor]):
        table, works = found.get(name, ("", False))
        advice = (
            "create it as a new database has it (manage.py migrate on an empty one)"
        )
        if table:
            advice = f'in psql, type ALTER TABLE "{table}" ENABLE TRIGGER "{name}"'
        if not works:
            yield error(
                f"The trigger {name} is {'disabled' if table else 'missing'}, so that counts "
                f"or searches go wrong: {advice}; then type manage.py doctor --recount."
            )


@check("tallies", needs="migrations")
def check_tallies(options: Options) -> Results:
    """Whether the stored numbers of tasks are those that counting gives."""
    if options.deep:
        wrong = tallies.wrong()
        if wrong:
            yield error(
                f"{wrong:,} stored counts differ from a recount: type manage.py doctor "
                "--recount."
            )
        else:
            yield ok("The stored counts are those of a recount.")


@check("statistics", needs="migrations")
def check_statistics(options: Options) -> Results:
    """Tables that PostgreSQL has no statistics of: it would choose slow plans."""
    if not settings.ON_POSTGRESQL:
        return
    never = rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND "
        "relnamespace = current_schema()::regnamespace AND "
        "pg_relation_size(oid) > %s * 8192 AND NOT EXISTS (SELECT FROM pg_stats WHERE "
        "schemaname = current_schema() AND tablename = relname) ORDER BY 1",
        [PAGES],
    )
    for (name,) in never:
        yield warning(
            f'The table {name} was never analysed: in psql, type ANALYZE "{name}"; and '
            "see that autovacuum is on."
        )


@check("limits", needs="migrations")
def check_limits(options: Options) -> Results:
    """The limits of the role, the connections, and the clock of PostgreSQL."""
    postgresql = _postgresql()
    if postgresql is None:
        return
    role = rows("SELECT quote_ident(current_user)")[0][0]
    for name, value in zip(LIMITS, ("5s", "2s", "10s"), strict=True):
        if rows("SELECT current_setting(%s)", [name]) == [("0",)]:
            yield warning(
                f"The role has no {name}: in psql, type ALTER ROLE {role} SET {name} = "
                f"'{value}';"
            )
    needed = settings.WORKERS * (settings.THREADS + RESERVE + 2)
    [(allowed,)] = rows("SELECT current_setting('max_connections')::int")
    if not postgresql.is_pooled() and needed > allowed:
        yield warning(
            f"This host may open {needed} connections, and PostgreSQL allows {allowed}: "
            "set WORKERS or THREADS lower, or use a pooler."
        )
    [(now,)] = rows("SELECT clock_timestamp()")
    skew = (datetime.now(UTC) - now).total_seconds()
    if abs(skew) > SKEW:
        yield warning(
            f"The clocks of this host and of the database differ by {skew:+.0f} s: run "
            "NTP on both (timedatectl set-ntp true)."
        )


@check("webhooks", needs="migrations")
def check_webhooks(options: Options) -> Results:
    """Those that fail, or were switched off for that."""
    count = Webhook.objects.failing().count()
    if count:
        yield warning(
            f"{count} webhooks fail or were switched off after failures: see their hosts and "
            "errors in the admin, and whether this host may call them."
        )


@check("background", needs="migrations")
def check_background(options: Options) -> Results:
    """Reminders that nobody fires, jobs that nobody finishes, and rows that nobody purges."""
    due = Reminder.objects.due(timezone.now() - UNFIRED)
    first = due.first()
    if first is not None:
        yield warning(
            f"{due.count()} reminders have not fired, the first since "
            f"{first.fire_at:%F %R} UTC: no worker runs. Type manage.py work, or set "
            "SERVE_WORK=on for manage.py serve."
        )
    oldest = Job.objects.unfinished().first()
    if oldest is not None and oldest.created_at < timezone.now() - STUCK:
        count = Job.objects.unfinished().count()
        yield warning(
            f"{count} jobs are unfinished, the oldest since {oldest.created_at:%F %R} UTC: "
            "type manage.py purge, which finishes them."
        )
    overdue = timezone.now() - timedelta(hours=settings.IDEMPOTENCY_HOURS) - OVERDUE
    if StoredResponse.objects.filter(created_at__lt=overdue).exists():
        yield warning(
            "What is past its retention time is not deleted: run manage.py purge daily "
            "(by cron or a systemd timer)."
        )
