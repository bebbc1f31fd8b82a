#!/usr/bin/env bash
# dateutil 4.0.0 and 2.9.0 (Python) lose the time zone of a series that str() writes:
# DTSTART;TZID=America/New_York:20261201T200000 becomes DTSTART:20261201T200000, and UNTIL its Z,
# as does a DTSTART in UTC. Read again, the series has no zone, and ends later: with UNTIL at
# 00:59:59 UTC of 8 December, which in New York is the evening of the 7th, there are seven
# occurrences instead of six. rrule.js 2.8.1 takes what is written for 20:00 UTC.
#
# The documentation of str() of a rule has "Output a string that would generate this RRULE if
# passed to rrulestr". One would guess that the times which come back are the same.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
npm install --silent --no-audit --no-fund rrule@2.8.1 > /dev/null
cat > of_javascript.mjs <<'JAVASCRIPT'
import rrule from "rrule";

console.log(rrule.rrulestr(process.argv[2]).all()[0].toISOString());
JAVASCRIPT
cat > check.py <<'PYTHON'
import subprocess
import sys

from dateutil.rrule import rrulestr

known = {
    "DTSTART:20261201T090000Z\nRRULE:FREQ=WEEKLY;COUNT=3": (
        "DTSTART:20261201T090000\nRRULE:FREQ=WEEKLY;COUNT=3", 3, 3, "2026-12-01T09:00:00.000Z"),
    "DTSTART;TZID=America/New_York:20261201T200000\nRRULE:FREQ=DAILY;UNTIL=20261208T005959Z": (
        "DTSTART:20261201T200000\nRRULE:FREQ=DAILY;UNTIL=20261208T005959", 6, 7,
        "2026-12-01T20:00:00.000Z"),
}
for text, expected in known.items():
    rule = rrulestr(text)
    written = str(rule)
    again = list(rrulestr(written))
    of_javascript = subprocess.check_output(["node", "of_javascript.mjs", written], text=True)
    seen = (written, len(list(rule)), len(again), of_javascript.strip())
    print(f"dateutil {sys.argv[1]} writes {text!r} as {written!r}")
    print(f"  first {rule[0]}, now {again[0]}; occurrences {seen[1]}, now {seen[2]}")
    assert rule[0].tzinfo is not None and again[0].tzinfo is None, "this has changed"
    assert seen == expected, "this has changed"
PYTHON
for version in 2.9.0.post0 4.0.0; do
    venv/bin/pip install --quiet "python-dateutil==$version"
    venv/bin/python check.py "$version"
done
