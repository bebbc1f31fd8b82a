#!/usr/bin/env bash
# read_json() of pandas 3.1.1 (Python) makes numbers of the texts of JSON, if all texts of a column
# can be read so: of the titles "007" and "8" the numbers 7 and 8, of "1e3" and "5" 1000.0 and
# 5.0, of the names "nan" and "inf" no value and infinity. to_json() writes them as numbers, and
# the texts are gone. With
# dtype=False, and in Polars 2.1.0 and DuckDB 2.0.1, they stay texts.
#
# JSON (RFC 8259, section 3) has texts and numbers apart, so that nothing has to be guessed, as
# in CSV. One would guess that a text is a text; the reference has dtype as "If True, infer
# dtypes".
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pandas==3.1.1' 'polars==2.1.0' 'duckdb==2.0.1'
cat > tasks.jsonl <<'JSON'
{"id": 1, "title": "007", "code": "1e3", "name": "nan", "sign": "+5", "note": "12"}
{"id": 2, "title": "8", "code": "5", "name": "inf", "sign": "6", "note": "milk"}
JSON
cat > check.py <<'PYTHON'
import json

import duckdb
import pandas
import polars

LINES = open("tasks.jsonl").read().splitlines()
written = [json.loads(line) for line in LINES]
seen = pandas.read_json("tasks.jsonl", lines=True)
for name in seen.columns:
    print(f"{name}: {[row[name] for row in written]} is {seen[name].tolist()} for pandas")
again = [json.loads(line) for line in seen.to_json(orient="records", lines=True).splitlines()]
print("written again:", again)
assert again == [
    {"id": 1, "title": 7, "code": 1000.0, "name": None, "sign": 5, "note": "12"},
    {"id": 2, "title": 8, "code": 5.0, "name": None, "sign": 6, "note": "milk"},
], "this has changed"

kept = pandas.read_json("tasks.jsonl", lines=True, dtype=False).to_dict("records")
relation = duckdb.sql("select * from read_json_auto('tasks.jsonl')")
others = [dict(zip(relation.columns, row)) for row in relation.fetchall()]
assert kept == polars.read_ndjson("tasks.jsonl").to_dicts() == others == written, "changed"
print("pandas with dtype=False, Polars and DuckDB keep all of them")
PYTHON
venv/bin/python check.py
