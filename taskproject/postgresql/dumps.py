"""Dumps of PostgreSQL by its own programs, for backups.

A dump is read in the snapshot of a transaction in which the rows are counted too. It is
restored in one transaction, which first drops what is in the schema, and which is
committed only if pg_restore has succeeded and every table has the rows that were counted:
whatever interrupts it, the database is as before.
"""

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import IO, Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from taskproject.backups import (
    CHUNK,
    BackupError,
    Contents,
    Hashed,
    Manifest,
    Progress,
    Table,
)
from taskproject.postgresql.base import DatabaseWrapper

MEMBER = "database.dump"
#: Limits of the role are for requests. The others decide how rows look as text.
_SESSION = """SET {} statement_timeout = 0; SET {} idle_in_transaction_session_timeout = 0;
SET {} lock_timeout = '30s'; SET {} TimeZone = 'UTC'; SET {} DateStyle = 'ISO, MDY';
SET {} IntervalStyle = 'postgres'; SET {} bytea_output = 'hex';
SET {} extra_float_digits = 1; SET {} client_min_messages = warning;"""
_OF_EXTENSION = """EXISTS (SELECT FROM pg_depend WHERE classid = '{}'::regclass
    AND objid = one.oid AND deptype = 'e')"""
_TABLES = f"""SELECT relname FROM pg_class one WHERE relkind = 'r'
    AND relnamespace = current_schema()::regnamespace
    AND NOT {_OF_EXTENSION.format("pg_class")} ORDER BY relname"""
#: The number of rows, and the sum of 64 bits of the SHA-256 of each row as text.
_DIGEST = """SELECT count(*), COALESCE(sum(('x' || encode(substr(sha256(convert_to(
    whole_row::text, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint), 0)::text
    FROM {} whole_row"""
# What belongs to an extension stays. Sequences and indexes go with their tables.
_DROP = f"""DO $drop$ DECLARE command text; BEGIN
    FOR command IN
        SELECT format('DROP %s IF EXISTS %I.%I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW'
            WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
            nspname, relname)
        FROM pg_class one JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = {{schema}} AND relkind IN ('r', 'p', 'v', 'm', 'S')
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass
            AND objid = one.oid AND deptype IN ('e', 'i', 'a'))
    LOOP EXECUTE command; END LOOP;
    FOR command IN
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', one.oid::regprocedure)
        FROM pg_proc one WHERE pronamespace = {{schema}}::regnamespace
        AND NOT {_OF_EXTENSION.format("pg_proc")}
    LOOP EXECUTE command; END LOOP;
END $drop$;"""
_SKIP = """DO $skip$ DECLARE name regclass; BEGIN
    FOR name IN SELECT seqrelid FROM pg_sequence JOIN pg_class ON oid = seqrelid
        WHERE relnamespace = {schema}::regnamespace AND seqtypid = 'bigint'::regtype
    LOOP PERFORM setval(name, nextval(name) + {skip}); END LOOP;
END $skip$;"""
# Written by pg_dump and pg_restore 17, and unknown to earlier servers.
_TRANSACTION_TIMEOUT = b"SET transaction_timeout = 0;\n"


def dump(stream: Hashed, progress: Progress) -> Contents:
    """Writes the schema and its tables to the stream, as they are at one moment."""
    _check_programs("pg_dump")
    version = _server()
    with _snapshot() as snapshot:
        schema = _value("SELECT current_schema()")
        tables = {name: _counted(schema, name) for (name,) in _rows(_TABLES)}
        if "django_migrations" not in tables:
            raise BackupError("The database has no schema: type manage.py migrate.")
        applied = _rows("SELECT app, name FROM django_migrations ORDER BY id")
        target, environment = _target()
        with _running(
            "pg_dump",
            *(target, "--format=custom", "--no-owner", "--no-privileges"),
            *("--no-password", f"--snapshot={snapshot}", f'--schema="{schema}"'),
            environment=environment,
            stdout=subprocess.PIPE,
        ) as (process, said):
            assert process.stdout
            while chunk := process.stdout.read(CHUNK):
                stream.write(chunk)
                progress(stream.size, None)
            _check(process, said)
    migrations = [f"{app}.{name}" for app, name in applied]
    return Contents(tables, migrations, version, schema)


def restore(manifest: Manifest, chunks: Iterable[bytes], skip_ids: int) -> None:
    """Replaces everything in the schema by the backup, in one transaction.

    Its COMMIT is the last statement. psql's --single-transaction would commit at the end
    of its input, and so half of a restore whose process was killed."""
    schema = manifest.contents.schema
    target, environment = _target()
    with (
        _running(
            *("psql", target, "--no-psqlrc", "--quiet", "--no-password"),
            *("--set=ON_ERROR_STOP=1", "--file=-"),
            environment=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as (psql, said),
        _running(
            *("pg_restore", "--no-owner", "--no-privileges", f"--schema={schema}"),
            "--file=-",
            environment=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as (reader, reader_said),
    ):
        assert psql.stdin and reader.stdin and reader.stdout
        feeder = _Feeder(reader.stdin, chunks)
        try:
            psql.stdin.write(_statements(_prepare(schema)))
            script = reader.stdout.read(CHUNK)
            if int(_server().split(".")[0]) < 17:
                script = script.replace(_TRANSACTION_TIMEOUT, b"", 1)
            while script:
                psql.stdin.write(script)
                script = reader.stdout.read(CHUNK)
            feeder.finish()
            _check(reader, reader_said)
            psql.stdin.write(_statements(_prove(manifest, skip_ids)))
            psql.stdin.close()
        except BrokenPipeError:
            pass  # psql has ended, and says why.
        _check(psql, said)


def is_empty() -> bool:
    """Whether the schema has no tables."""
    return not _rows(_TABLES)


def check(manifest: Manifest | None) -> None:
    """Raises BackupError if the database or its programs cannot restore this backup."""
    session = connections[DEFAULT_DB_ALIAS]
    assert isinstance(session, DatabaseWrapper)
    if session.is_pooled():
        raise BackupError(
            "The database is behind a connection pooler: set DATABASE_DIRECT_URL to the "
            "PostgreSQL server itself (Neon's has the same host name without -pooler)."
        )
    if manifest is not None:
        schema = _value("SELECT current_schema()")
        if schema != manifest.contents.schema:
            raise BackupError(
                f"The backup is of the schema {manifest.contents.schema}, and the role's "
                f"search_path leads to {schema}: set it with ALTER ROLE."
            )
        for program in ("pg_restore", "psql"):
            _program(program)


# The statements


def _prepare(schema: str) -> Iterator[str]:
    yield "BEGIN;"
    yield _SESSION.format(*[""] * 9)
    yield sql.SQL(_DROP).format(schema=sql.Literal(schema)).as_string()


def _prove(manifest: Manifest, skip_ids: int) -> Iterator[str]:
    """Fails if a table has other rows than the backup; gathers statistics, without which
    PostgreSQL would choose slow plans."""
    schema = manifest.contents.schema
    yield _SESSION.format(*[""] * 9)
    names = []
    yield "DO $prove$ DECLARE found text; BEGIN\n"
    for name, table in manifest.contents.tables.items():
        names.append(sql.Identifier(schema, name).as_string())
        yield (
            sql.SQL(
                "SELECT format('%s rows, %s', it.count, it.sum) INTO found FROM ({digest}) "
                "it (count, sum); IF found <> {expected} THEN RAISE EXCEPTION "
                "'table %: % instead of %', {name}, found, {expected}; END IF;\n"
            )
            .format(
                digest=_digest(schema, name),
                expected=sql.Literal(f"{table.rows} rows, {table.digest}"),
                name=sql.Literal(name),
            )
            .as_string()
        )
    yield "END $prove$;\n"
    if skip_ids:
        skip = {"schema": sql.Literal(schema), "skip": sql.Literal(skip_ids)}
        yield sql.SQL(_SKIP).format(**skip).as_string()
    yield f"ANALYZE {', '.join(names)};\nCOMMIT;\n"


def _statements(parts: Iterable[str]) -> bytes:
    return "\n".join(parts).encode()


def _digest(schema: str, name: str) -> sql.Composed:
    return sql.SQL(_DIGEST).format(sql.Identifier(schema, name))


def _counted(schema: str, name: str) -> Table:
    [(count, total)] = _rows(_digest(schema, name).as_string())
    return Table(count, total)


@contextmanager
def _snapshot() -> Iterator[str]:
    """The identifier of the snapshot of a transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(_SESSION.format(*["LOCAL"] * 9))
        yield _value("SELECT pg_export_snapshot()")


def _rows(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def _value(statement: str) -> str:
    return str(_rows(statement)[0][0])


# The programs


def _server() -> str:
    return ".".join(map(str, connection.get_database_version()))


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BackupError(
            f"{name} is not installed: install PostgreSQL's client programs "
            f"(postgresql-client-{_server().split('.')[0]} of Debian), or put them in PATH."
        )
    return found


def _check_programs(name: str) -> None:
    """Raises BackupError if pg_dump is older than the server, whose dump it would refuse."""
    said = subprocess.run(
        [_program(name), "--version"], capture_output=True, text=True, check=False
    ).stdout
    found = re.search(r"\) (\d+)", said)
    server = int(_server().split(".")[0])
    if found is None or int(found[1]) < server:
        raise BackupError(
            f"{said.strip() or name} cannot read PostgreSQL {server}: install "
            f"postgresql-client-{server} or later, and put its directory first in PATH."
        )


def _target() -> tuple[str, dict[str, str]]:
    """The option that names the database, and the environment with the password, which
    other users of the machine could read among the arguments."""
    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    given = connection.get_connection_params()
    options = {name: given[name] for name in given if name in known}
    password = options.pop("password", None)
    environment = dict(os.environ)
    if password:
        environment["PGPASSWORD"] = str(password)
    return f"--dbname={make_conninfo(**options)}", environment


@contextmanager
def _running(
    name: str, *arguments: str, environment: Mapping[str, str], **pipes: Any
) -> "Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]":
    """The process, which does not survive this context, and what it writes to its standard
    error."""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [_program(name), *arguments], env=environment, stderr=said, **pipes
        ) as process,
    ):
        try:
            yield process, said
        finally:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()


def _check(process: "subprocess.Popen[bytes]", said: IO[bytes]) -> None:
    """Waits for the end of the process. Raises BackupError if it failed."""
    if process.wait() == 0:
        return
    assert isinstance(process.args, list)
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    raise BackupError(
        f"{os.path.basename(str(process.args[0]))} failed, and the database is unchanged: "
        f"{' '.join(lines[-3:]) or f'status {process.returncode}'}"
    )


class _Feeder:
    """A thread that writes chunks into a pipe."""

    def __init__(self, pipe: IO[bytes], chunks: Iterable[bytes]) -> None:
        self._pipe, self._chunks = pipe, chunks
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._pipe.writelines(self._chunks)
            self._pipe.close()
        except BrokenPipeError:
            pass  # The process has ended, and says why.
        except BaseException as error:  # noqa: BLE001  # raised by `finish`
            self._error = error
            with suppress(OSError):
                self._pipe.close()

    def finish(self) -> None:
        """Waits until all is written. Raises the error of the chunks."""
        self._thread.join()
        if self._error is not None:
            raise self._error
