#!/usr/bin/env bash
# Two parsers of Org files take the hour of a deadline only with two digits. Of
# DEADLINE: <2026-12-01 Tue 9:30>
#
# - orgparse 0.5.20260926 (Python) makes the day, without a time and without a warning,
# - orga 4.7.1 (npm) makes a deadline without any date,
# - and of 9:30-10:00 both take the end for the deadline: 10:00.
#
# By Org's syntax the hour has one or two digits, and Emacs 28.2 reads 9:30. One would guess
# that the same day and time are read as of 09:30.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'orgparse==0.5.20260926'
npm install --silent --no-audit --no-fund orga@4.7.1 > /dev/null
cat > of_orga.mjs <<'JAVASCRIPT'
import { parse } from "orga";

const seen = process.argv.slice(2).map((text) => {
  let found = null;
  JSON.stringify(parse(text), (key, value) => {
    if (value?.type === "planning" && value.timestamp) found = value.timestamp.date;
    return key === "parent" ? undefined : value;
  });
  return found && found.toISOString().slice(0, 16).replace("T", " ");
});
console.log(JSON.stringify(seen));
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import os
import subprocess

import orgparse

known = {
    "<2026-12-01 Tue>": ("2026-12-01", "2026-12-01 00:00"),
    "<2026-12-01 Tue 09:30>": ("2026-12-01 09:30:00", "2026-12-01 09:30"),
    "<2026-12-01 Tue 9:30>": ("2026-12-01", None),
    "<2026-12-01 Tue 09:30-10:00>": ("2026-12-01 09:30:00", "2026-12-01 09:30"),
    "<2026-12-01 Tue 9:30-10:00>": ("2026-12-01 10:00:00", "2026-12-01 10:00"),
}
texts = [f"* TODO Rent\nDEADLINE: {one}\n" for one in known]
node = ["node", "of_orga.mjs", *texts]
of_orga = json.loads(subprocess.check_output(node, env={**os.environ, "TZ": "UTC"}))
of_orgparse = [str(orgparse.loads(text)[1].deadline.start) for text in texts]
seen = dict(zip(known, zip(of_orgparse, of_orga)))
for deadline, both in seen.items():
    print(f"{deadline}: orgparse {both[0]}; orga {both[1]}")
assert seen == known, "this has changed"
PYTHON
venv/bin/python check.py
