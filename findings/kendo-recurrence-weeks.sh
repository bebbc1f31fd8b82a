#!/usr/bin/env bash
# @progress/kendo-recurrence 1.0.5 (npm, of Kendo UI's schedulers) begins weeks on Sunday: every
# second week on Monday and Sunday, FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU, from Tuesday 1 December 2026
# on, is 13 and 14 December, 27 and 28 December; the first Sunday, 6 December, is left out, and all
# others are of the other week. With ;WKST=MO behind it the days are right. What is yearly on 29
# February is on 1 March from the next year on. rrule.js 2.8.1 and dateutil 2.9.0.post0 agree on
# the right days.
#
# RFC 5545, section 3.3.10: "The default value is MO" of WKST, which matters for a weekly rule with
# an interval, and days that a month lacks are ignored. One would guess that a rule means the same
# with the default written out.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'python-dateutil==2.9.0.post0'
npm install --silent --no-audit --no-fund @progress/kendo-recurrence@1.0.5 \
    @progress/kendo-date-math@1.5.17 rrule@2.8.1 tslib@2.9.1 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { execFileSync } from "node:child_process";
import { expand, parseRule } from "@progress/kendo-recurrence";
import { ZonedDate } from "@progress/kendo-date-math";
import "@progress/kendo-date-math/tz/Etc/UTC.js";
import rrule from "rrule";

const { RRule } = rrule;
const zoned = (date) => ZonedDate.fromLocalDate(date, "Etc/UTC");
const day = (date) => date.toISOString().slice(0, 10);
const END = new Date("2045-01-01T00:00:00Z");
const PYTHON = `
import sys
from datetime import datetime
from dateutil.rrule import rrulestr
start, rule = datetime.fromisoformat(sys.argv[1]), sys.argv[2]
print(*[day.date() for day in rrulestr(rule, dtstart=start)])`;

function ofKendo(start, text) {
  const rule = { ...parseRule({ recurrenceRule: text }), start: zoned(start), end: zoned(start) };
  const { events } = expand(rule, { rangeStart: zoned(start), rangeEnd: zoned(END) });
  return events.map((event) => day(event.start.toUTCDate()));
}

function check(from, text, known) {
  const start = new Date(`${from}T09:00:00Z`);
  const right = RRule.fromString(text);
  const expected = new RRule({ ...right.origOptions, dtstart: start }).all().map(day);
  const python = execFileSync("venv/bin/python", ["-c", PYTHON, `${from}T09:00:00`, text]);
  const seen = ofKendo(start, text);
  console.log(`${text} from ${from}:\n  kendo  ${seen.join(" ")}\n  others ${expected.join(" ")}`);
  assert.deepStrictEqual(python.toString().trim().split(" "), expected);
  assert.deepStrictEqual(seen, known ?? expected, "this has changed");
}

const rule = "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;COUNT=4";
check("2026-12-01", rule, ["2026-12-13", "2026-12-14", "2026-12-27", "2026-12-28"]);
check("2026-12-01", `${rule};WKST=MO`);
check("2026-12-01", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=4");
check("2028-02-29", "FREQ=YEARLY;COUNT=3", ["2028-02-29", "2029-03-01", "2030-03-01"]);
JAVASCRIPT
node check.mjs
