#!/usr/bin/env bash
# Polars 2.1.0 (Python) loses what is first named after the 100th line of JSON Lines, and says
# nothing: of 200 tasks of which the last 60 have a due date, read_ndjson() and scan_ndjson() make a
# table without a column for due dates, and of {"days": 3, "from": "due"}, where all before had
# `days` alone, {"days": 3}. For read_json() of the same in an array both are errors, but there
# 1.5 hours after a hundred whole ones are 1, which is an error in JSON Lines. With
# infer_schema_length=None, and in DuckDB 2.0.1, all is there.
#
# JSON Lines has a value on each line, and nothing before them that names all members; files that
# leave out what is not set are usual. The parameter is documented as the "maximum number of rows to
# scan for schema inference". One would guess that what was not foreseen is an error.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'polars==2.1.0' 'duckdb==2.0.1'
cat > check.py <<'PYTHON'
import json

import duckdb
import polars

LATE = 140


def write(early, late):
    """200 tasks, those from LATE on with other members."""
    tasks = [{"id": n, **(early if n < LATE else late)} for n in range(200)]
    with open("tasks.jsonl", "w") as lines:
        lines.writelines(json.dumps(task) + "\n" for task in tasks)
    with open("tasks.json", "w") as array:
        json.dump(tasks, array)


def last(read):
    try:
        return read().to_dicts()[-1]
    except polars.exceptions.PolarsError as error:
        return type(error).__name__


def check(early, late, *known):
    write(early, late)
    seen = [
        last(lambda: polars.read_ndjson("tasks.jsonl")),
        last(lambda: polars.scan_ndjson("tasks.jsonl").collect()),
    ]
    whole = last(lambda: polars.read_ndjson("tasks.jsonl", infer_schema_length=None))
    array = last(lambda: polars.read_json("tasks.json"))
    print(f"{late}, first {early}: {seen[0]}; as an array: {array}; all lines scanned: {whole}")
    assert [*seen, array] == [known[0], *known], "this has changed"
    return whole


due = {"due": "2026-12-01"}
whole = check({}, due, {"id": 199}, "ComputeError")
assert whole == {"id": 199, **due}, "this has changed"
rows = duckdb.sql("select due::varchar from read_json('tasks.jsonl') order by id").fetchall()
print("DuckDB:", *rows[-1])
assert rows[-1] == (due["due"],), "this has changed"

repeats = {"repeats": {"days": 3, "from": "due"}}
known = {"id": 199, "repeats": {"days": 3}}
whole = check({"repeats": {"days": 7}}, repeats, known, "ComputeError")
assert whole == {"id": 199, **repeats}, "this has changed"

whole = check({"hours": 1}, {"hours": 1.5}, "ComputeError", {"id": 199, "hours": 1})
assert whole == {"id": 199, "hours": 1.5}, "this has changed"
PYTHON
venv/bin/python check.py
