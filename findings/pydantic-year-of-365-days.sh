#!/usr/bin/env bash
# Pydantic 2.14.4 (Python) writes 365 days, a timedelta, as P1Y, a year, and 366 days as P1Y1D. Read
# by isodate 0.7.2, Luxon 3.7.2 (npm) or Temporal (npm temporal-polyfill 1.0.8), 365 days after 1
# December 2027 are 1 December 2028 instead of 30 November, as that year has a 29 February; after
# 30 November 2028 the day is right. msgspec 0.23.0 and isodate write P365D. msgspec refuses P1Y.
#
# By ISO 8601-1, section 5.5.2, and Appendix A of RFC 3339, years and days are units of their own;
# a timedelta has days, but no years. One would guess that days are written as days, as fewer than
# 365 are.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pydantic==2.14.4' 'msgspec==0.23.0' 'isodate==0.7.2'
npm install --silent --no-audit --no-fund luxon@3.7.2 temporal-polyfill@1.0.8 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import { DateTime, Duration } from "luxon";
import { Temporal } from "temporal-polyfill";

const [day, duration] = process.argv.slice(2);
console.log(DateTime.fromISO(day).plus(Duration.fromISO(duration)).toISODate());
console.log(Temporal.PlainDate.from(day).add(duration).toString());
JAVASCRIPT
cat > check.py <<'PYTHON'
import subprocess
from datetime import date, timedelta

import isodate
import msgspec
from pydantic import TypeAdapter

pydantic = TypeAdapter(timedelta)
seen = {}
for days in (364, 365, 366, 730):
    duration = timedelta(days=days)
    written = pydantic.dump_json(duration).decode().strip('"')
    seen[days] = written
    print(f"{days} days are {written} by Pydantic")
    assert pydantic.validate_python(written) == duration, "this has changed"
    assert isodate.duration_isoformat(duration) == f"P{days}D", "this has changed"
    assert msgspec.json.encode(duration) == b'"P%dD"' % days, "this has changed"
assert seen == {364: "P364D", 365: "P1Y", 366: "P1Y1D", 730: "P2Y"}, "this has changed"

for start, expected in (("2027-12-01", "2028-12-01"), ("2028-11-30", "2029-11-30")):
    first = date.fromisoformat(start)
    meant = first + timedelta(days=365)
    read = [str(first + isodate.parse_duration(seen[365]))]
    read += subprocess.check_output(["node", "check.mjs", start, seen[365]], text=True).split()
    print(f"365 days after {start} is {meant}, {seen[365]} after it is {read[0]}")
    assert read == [expected] * 3, "this has changed"

try:
    msgspec.json.decode(b'"P1Y"', type=timedelta)
except msgspec.ValidationError as error:
    print("msgspec of P1Y:", error)
else:
    raise AssertionError("this has changed")
PYTHON
venv/bin/python check.py
