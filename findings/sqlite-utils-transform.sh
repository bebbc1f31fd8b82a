#!/usr/bin/env bash
# "sqlite-utils transform" of sqlite-utils 4.2.1 (Python), asked to change one default value, also
# removes the table's generated columns, COLLATE NOCASE and triggers, and says nothing: the column
# "key" is gone, a search for "HOME" finds no "Home" any more, and versions stop counting. CHECK,
# UNIQUE, STRICT, foreign keys and indexes are kept.
#
# By its documentation transform does what SQLite's ALTER TABLE cannot, keeps indexes or is an
# error, and does not "upgrade" triggers. SQLite's documentation of ALTER TABLE, section 7, ends
# such a change by creating the triggers anew. One would guess that all else stays as it was.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'sqlite-utils==4.2.1'
cat > check.py <<'PYTHON'
import sqlite3
import subprocess

connection = sqlite3.connect("tasks.db")
connection.executescript("""
create table tasks (
    id integer primary key,
    title text not null check (length(title) between 1 and 200),
    list text collate nocase,
    done integer not null check (done in (0, 1)),
    version integer not null default 1,
    key text generated always as (lower(title)) stored,
    unique (list, title)
) strict;
create index open_tasks on tasks(title) where done = 0;
create trigger versions after update of title on tasks begin
    update tasks set version = old.version + 1 where id = new.id;
end;
insert into tasks (title, list, done) values ('Buy milk', 'Home', 0);
""")
connection.close()


def seen():
    connection = sqlite3.connect("tasks.db", isolation_level=None)
    objects = [row[0] for row in connection.execute("select name from sqlite_schema order by name")]
    [sql] = connection.execute("select sql from sqlite_schema where name = 'tasks'").fetchone()
    columns = [row[1] for row in connection.execute("pragma table_xinfo(tasks)")]
    [found] = connection.execute("select count(*) from tasks where list = 'HOME'").fetchone()
    connection.execute("update tasks set version = 1")
    connection.execute("update tasks set title = 'Buy oat milk'")
    [version] = connection.execute("select version from tasks").fetchone()
    connection.close()
    kept = [word for word in ("CHECK", "UNIQUE", "STRICT", "NOCASE") if word in sql.upper()]
    return objects, columns, kept, f"{found} found", f"version {version}"


before = seen()
command = ["venv/bin/sqlite-utils", "transform", "tasks.db", "tasks", "--default", "done", "0"]
done = subprocess.run(command, capture_output=True, text=True)
after = seen()
print("before:", *before)
print("after: ", *after, "| exit", done.returncode, "output", repr(done.stdout + done.stderr))
columns = ["id", "title", "list", "done", "version"]
assert before == (
    ["open_tasks", "sqlite_autoindex_tasks_1", "tasks", "versions"], [*columns, "key"],
    ["CHECK", "UNIQUE", "STRICT", "NOCASE"], "1 found", "version 2",
)
assert after == (
    ["open_tasks", "sqlite_autoindex_tasks_1", "tasks"], columns,
    ["CHECK", "UNIQUE", "STRICT"], "0 found", "version 1",
), "this has changed"
assert (done.returncode, done.stdout + done.stderr) == (0, ""), "this has changed"
PYTHON
venv/bin/python check.py
