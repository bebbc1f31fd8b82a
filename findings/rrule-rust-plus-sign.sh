#!/usr/bin/env bash
# rrule-rust 3.1.1 (npm) refuses rules with a plus sign before the number of a weekday,
# BYDAY=+1MO. This is what rrule.js 2.8.1 and dateutil 2.9.0 write for "the first Monday",
# whether it was made of an object or read from BYDAY=1MO. ical.js 2.2.1 and rrule-temporal
# 2.2.8 read both, rrule-rust itself reads -1MO.
#
# RFC 5545, section 3.3.10: weekdaynum = [[plus / minus] ordwk] weekday, and its text has
# "+1MO (or simply 1MO)". One would guess that rules go from one library to the other.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'python-dateutil==2.9.0.post0'
npm install --silent --no-audit --no-fund \
    rrule@2.8.1 rrule-rust@3.1.1 rrule-temporal@2.2.8 ical.js@2.2.1 > /dev/null
cat > read.mjs <<'JAVASCRIPT'
import ICAL from "ical.js";
import rrule from "rrule";
import { RRuleSet } from "rrule-rust";
import { RRuleTemporal } from "rrule-temporal";

const START = "20270101T090000Z";
const readers = {
  "rrule-rust": (rule) =>
    RRuleSet.fromString(`DTSTART:${START}\nRRULE:${rule}`).all().map(
      (one) => one.toString().slice(0, 8)),
  "rrule-temporal": (rule) =>
    new RRuleTemporal({ rruleString: `DTSTART:${START}\nRRULE:${rule}` }).all().map(
      (one) => one.toPlainDate().toString().replaceAll("-", "")),
  "ical.js": (rule) => {
    const days = ICAL.Recur.fromString(rule).iterator(ICAL.Time.fromString("2027-01-01T09:00:00Z"));
    return [1, 2].map(() => days.next().toICALString().slice(0, 8));
  },
};
const read = (reader, rule) => {
  try { return reader(rule).join(" "); } catch (error) { return error.message; }
};
const written = rrule.RRule.fromString("FREQ=MONTHLY;COUNT=2;BYDAY=1MO").toString().slice(6);
const [of_dateutil] = process.argv.slice(2);
const seen = [written, of_dateutil, "FREQ=MONTHLY;COUNT=2;BYDAY=1MO"].map((rule) => [
  rule, Object.entries(readers).map(([name, reader]) => [name, read(reader, rule)])]);
console.log(JSON.stringify(seen));
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import subprocess
from datetime import datetime

from dateutil.rrule import rrulestr

rule = rrulestr("FREQ=MONTHLY;COUNT=2;BYDAY=1MO", dtstart=datetime(2027, 1, 1, 9))
(written,) = (line[6:] for line in str(rule).splitlines() if line.startswith("RRULE:"))
seen = json.loads(subprocess.check_output(["node", "read.mjs", written]))
for text, read in seen:
    print(text, "is read as", "; ".join(f"{days} ({name})" for name, days in read))
plus, days = "FREQ=MONTHLY;COUNT=2;BYDAY=+1MO", "20270104 20270201"
others = [["rrule-temporal", days], ["ical.js", days]]
refused = ["rrule-rust", "Invalid BYDAY value: +1MO"]
assert seen == [
    [plus, [refused, *others]],
    [plus, [refused, *others]],
    ["FREQ=MONTHLY;COUNT=2;BYDAY=1MO", [["rrule-rust", days], *others]],
], "this has changed"
PYTHON
venv/bin/python check.py
