"""Who is measured: how each gets the same tasks, starts, and stops.

This service runs as in production: tokens, CORS (every request has an Origin), request
ids, a log line a request, events. The peers run bare, each as its documentation teaches.
"""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg import sql

from bench import machine, postgres, processes
from bench.operations import GET, HOST, Wrong, ask
from tests.support.copies import free_port
from tests.support.databases import ENVIRONMENT

STARTS_WITHIN = 60.0  # seconds
ANSWERS_WITHIN = 5.0  # seconds, or it has stopped answering
SEEDS_WITHIN = 3_600.0  # seconds
# The same tasks on every day.
SEEDING = ("--until", "2026-01-01", "--verbosity", "0")
NOISE = "noise"
THREADS = 6  # in a process of the function without a framework
COLUMNS = (
    "id, title, description, completed, completed_at, created_at, updated_at, version"
)
ORIGIN = "http://localhost:3000"


@dataclass
class Target:
    """A contestant with its database, ready to start."""

    name: str
    title: str
    database_url: str
    ids: range  # of the tasks, those of one user after those of another
    owner: int  # the first user, who has all of them at the peers
    log: Path
    command: Sequence[str] = ()  # {port} is filled in
    cwd: Path = machine.ROOT
    env: Mapping[str, str] = field(default_factory=dict)
    # {token} is filled in with that of the user whose task is asked for.
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: Sequence[str] = ("",)  # one a user

    @property
    def own(self) -> range:
        """The tasks of the first user, whom `own_headers` are of."""
        return self.ids[: len(self.ids) // len(self.tokens)]

    @property
    def own_headers(self) -> dict[str, str]:
        return {
            name: value.replace("{token}", self.tokens[0])
            for name, value in self.headers.items()
        }

    @property
    def on_postgres(self) -> bool:
        return not self.database_url.startswith("sqlite")


class Server:
    """A running contestant."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.port = 0
        self.starting = 0.0  # seconds from its command to its first answer
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self.port = free_port()
        target = self.target
        env = {**os.environ, **target.env, "PORT": str(self.port)}
        command = [part.replace("{port}", str(self.port)) for part in target.command]
        began = time.monotonic()
        self._process = processes.start(command, target.cwd, env, target.log)
        while not self.answers(ANSWERS_WITHIN):
            late = time.monotonic() - began > STARTS_WITHIN
            if late or self._process.poll() is not None:
                self.stop()
                tail = target.log.read_text(errors="replace")[-2_000:]
                raise RuntimeError(f"{target.title} did not start:\n{tail}")
            time.sleep(0.02)
        self.starting = time.monotonic() - began

    def stop(self) -> None:
        if self._process is not None:
            processes.end(self._process)

    def answers(self, within: float = ANSWERS_WITHIN) -> bool:
        target = self.target
        middle = target.own[len(target.own) // 2]
        try:
            ask(self.port, target.own_headers, GET, middle, within)
        except (OSError, Wrong):
            return False
        return True


@contextmanager
def serving(target: Target) -> Iterator[Server]:
    server = Server(target)
    try:
        server.start()
        yield server
    finally:
        server.stop()


class Stage:
    """Where contestants are made ready: one PostgreSQL, one directory, one set of tasks.

    `stack` undoes all of it when the bench ends.
    """

    def __init__(
        self,
        directory: Path,
        stack: ExitStack,
        tasks: int,
        workers: int,
        users: int = 1,
    ) -> None:
        self.directory = directory
        self.users = users
        self.tasks = tasks
        self.workers = workers
        self._stack = stack

    @cached_property
    def postgres(self) -> postgres.PostgreSQL:
        return self._stack.enter_context(postgres.running())

    @cached_property
    def service(self) -> Target:
        """This service on PostgreSQL; the peers get their tasks from its database."""
        url = self.postgres.create_database("tasks")
        target = make_service("tasks", "this service", url, self)
        postgres.settle(url)
        return target

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def copied(
        self, name: str, make_tables: Callable[[str], None]
    ) -> tuple[str, Target]:
        """The URL of a new database with the service's tasks in a peer's table `task`."""
        source = self.service
        url = self.postgres.create_database(name)
        make_tables(url)
        copy_tasks(source, url)
        postgres.settle(url)
        return url, source


# This service


def make_service(name: str, title: str, database_url: str, stage: Stage) -> Target:
    """This service with `stage.tasks` tasks of `stage.users` users, each as many, and a
    tenth as many of another one. These are older: a peer whose index is by owner alone
    finds the newest tasks by going down the ids, and would have to pass them."""
    env = service_environment(database_url)
    manage(env, "migrate", "--verbosity", "0")
    each = stage.tasks // stage.users
    many = {NOISE: stage.tasks // 10} | {
        f"user{number}": each for number in range(1, stage.users + 1)
    }
    tokens = []
    for owner, count in many.items():
        tokens.append(manage(env, "create_token", owner, "--create-user"))
        if count:
            manage(env, "seed_tasks", str(count), "--owner", owner, *SEEDING)
    owner_id, ids = _users_tasks(database_url)
    if len(ids) != each * stage.users:
        raise RuntimeError(f"{title}: the ids of the tasks have gaps")
    workers = str(stage.workers)
    return Target(
        name,
        title,
        database_url,
        ids,
        owner_id,
        stage.log(name),
        [
            sys.executable,
            "manage.py",
            "serve",
            "--port",
            "{port}",
            "--workers",
            workers,
        ],
        env=env,
        headers={"Authorization": "Bearer {token}", "Origin": ORIGIN},
        tokens=tokens[1:],
    )


def service_environment(database_url: str) -> dict[str, str]:
    """Production's, but for HTTPS, because the requests come over plain http."""
    return ENVIRONMENT | {
        "DATABASE_URL": database_url,
        "LOG_LEVEL": "INFO",
        "CORS_ALLOWED_ORIGINS": ORIGIN,
    }


def manage(env: Mapping[str, str], *args: str) -> str:
    """Runs a command of manage.py; returns the last line that it prints."""
    output = run([sys.executable, "manage.py", *args], machine.ROOT, env)
    return (output.strip().splitlines() or [""])[-1]


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SEEDS_WITHIN,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout


def on_postgres(stage: Stage) -> Target:
    return stage.service


def on_sqlite(stage: Stage) -> Target:
    url = f"sqlite:///{stage.directory}/bench.sqlite3"
    return make_service("tasks-sqlite", "this service on SQLite", url, stage)


# The peers


def fastapi_sqlmodel(stage: Stage) -> Target:
    machine.require_peers()
    cwd = machine.PEERS / "fastapi_sqlmodel"
    python, owner = str(machine.PEERS_BIN / "python"), str(stage.service.owner)

    def env(url: str) -> dict[str, str]:
        return {"DATABASE_URL": url, "OWNER": owner}

    def make_tables(url: str) -> None:
        run([python, "create_tables.py"], cwd, env(url))

    url, source = stage.copied("fastapi-sqlmodel", make_tables)
    return Target(
        "fastapi-sqlmodel",
        "FastAPI + SQLModel",
        url,
        source.ids,
        source.owner,
        stage.log("fastapi-sqlmodel"),
        [
            *(python, "-m", "uvicorn", "main:app", "--host", HOST, "--port", "{port}"),
            *("--workers", str(stage.workers), "--no-access-log"),
        ],
        cwd,
        env(url),
    )


def rest_framework(stage: Stage) -> Target:
    machine.require_peers()
    cwd = machine.PEERS / "rest_framework"
    python, owner = str(machine.PEERS_BIN / "python"), str(stage.service.owner)

    def env(url: str) -> dict[str, str]:
        settings = "todo.settings"
        return {"DATABASE_URL": url, "OWNER": owner, "DJANGO_SETTINGS_MODULE": settings}

    def make_tables(url: str) -> None:
        migrate = [python, "-m", "django", "migrate", "--run-syncdb", "-v", "0"]
        run(migrate, cwd, {**env(url), "PYTHONPATH": "."})

    url, source = stage.copied("rest-framework", make_tables)
    return Target(
        "rest-framework",
        "Django REST framework",
        url,
        source.ids,
        source.owner,
        stage.log("rest-framework"),
        [
            *(python, "-m", "gunicorn", "todo.wsgi", "--bind", f"{HOST}:{{port}}"),
            *("--workers", str(stage.workers), "--threads", "4"),
        ],
        cwd,
        env(url),
    )


def fastify_pg(stage: Stage) -> Target:
    machine.require_node()
    url, source = stage.copied("fastify-pg", bare_table)
    return Target(
        "fastify-pg",
        "Fastify + pg",
        url,
        source.ids,
        source.owner,
        stage.log("fastify-pg"),
        ["node", "server.js"],
        machine.PEERS / "fastify_pg",
        {
            "DATABASE_URL": url,
            "OWNER": str(source.owner),
            "WORKERS": str(stage.workers),
            "NODE_ENV": "production",
        },
    )


def bare_wsgi(stage: Stage) -> Target:
    """A function in the server of this service, without a framework."""
    url, source = stage.copied("bare-wsgi", bare_table)
    return Target(
        "bare-wsgi",
        "granian + psycopg",
        url,
        source.ids,
        source.owner,
        stage.log("bare-wsgi"),
        [
            *(sys.executable, "-m", "granian", "app:app", "--interface", "wsgi"),
            *("--host", HOST, "--port", "{port}", "--workers", str(stage.workers)),
            *("--blocking-threads", str(THREADS), "--backpressure", "1024"),
        ],
        machine.PEERS / "bare_wsgi",
        {"DATABASE_URL": url, "OWNER": str(source.owner)},
    )


def floor(stage: Stage) -> Target:
    """The statements alone; it has no server (see `floor.py`)."""
    machine.pgbench()
    url, source = stage.copied("pgbench", bare_table)
    log = stage.log("pgbench")
    return Target("pgbench", "pgbench", url, source.ids, source.owner, log)


CONTESTANTS: dict[str, Callable[[Stage], Target]] = {
    "tasks": on_postgres,
    "tasks-sqlite": on_sqlite,
    "fastapi-sqlmodel": fastapi_sqlmodel,
    "rest-framework": rest_framework,
    "fastify-pg": fastify_pg,
    "bare-wsgi": bare_wsgi,
    "pgbench": floor,
}


def bare_table(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        session.execute((machine.PEERS / "task.sql").read_bytes())


def copy_tasks(source: Target, url: str) -> None:
    """The peers have one user, who owns all that is not noise."""
    read = (
        f"COPY (SELECT {COLUMNS}, CASE WHEN id < {source.ids[0]} THEN owner_id ELSE "
        f"{source.owner} END FROM tasks_task ORDER BY id) TO STDOUT"
    )
    write = f"COPY task ({COLUMNS}, owner) FROM STDIN"
    with (
        psycopg.connect(source.database_url) as service,
        psycopg.connect(url) as session,
    ):
        with (
            service.cursor().copy(read.encode()) as out,
            session.cursor().copy(write.encode()) as into,
        ):
            for data in out:
                into.write(data)
        session.execute(
            "SELECT setval(pg_get_serial_sequence('task', 'id'), max(id)) FROM task"
        )


def _users_tasks(database_url: str) -> tuple[int, range]:
    """The first user, and the ids of all users' tasks: empty if these are not
    consecutive."""
    query = (
        "SELECT min(owner_id), min(tasks_task.id), max(tasks_task.id), count(*) "
        "FROM tasks_task JOIN accounts_user ON accounts_user.id = owner_id "
        f"WHERE username <> '{NOISE}'"
    )
    if database_url.startswith("sqlite:///"):
        path = database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as session:
            row = session.execute(query).fetchone()
    else:
        with psycopg.connect(database_url) as connection:
            row = connection.execute(sql.SQL(query)).fetchone()
    owner, first, last, count = row
    consecutive = last - first + 1 == count
    return owner, range(first, last + 1) if consecutive else range(0)
