#!/usr/bin/env bash
# node-ical 0.26.1 (npm) leaves DUE out where it says when a task ends: every occurrence of a
# series that begins at 09:00 and is due at 10:00 ends at 09:00, with DURATION:PT1H instead at
# 10:00. A task with DUE alone has the end "Invalid Date".
#
# RFC 5545, section 3.8.5.3: "If the duration of the recurring component is specified with the
# "DTEND" or "DUE" property, the same exact duration will apply to all the members". One would
# guess that both forms of the same task are expanded alike.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund node-ical@0.26.1 rrule-temporal@2.2.8 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import ical from "node-ical";

const read = (...lines) => ical.sync.parseICS([
  "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.org//EN", "BEGIN:VTODO", "UID:1",
  "DTSTAMP:20261101T080000Z", ...lines, "SUMMARY:Rent", "END:VTODO", "END:VCALENDAR", "",
].join("\r\n"))["1"];
const during = { from: new Date("2026-12-01T00:00:00Z"), to: new Date("2026-12-31T00:00:00Z") };
const ends = (task) => ical.expandRecurringEvent(task, during).map((one) => one.end.toISOString());
const start = ["DTSTART:20261201T090000Z", "RRULE:FREQ=WEEKLY;COUNT=2"];
const due = read(...start, "DUE:20261201T100000Z");
const duration = read(...start, "DURATION:PT1H");
console.log("due at 10:00, its occurrences end at", ...ends(due));
console.log("with a duration of one hour at", ...ends(duration));
const alone = read("DUE:20261201T100000Z");
console.log("a task due at", alone.due.toISOString(), "ends at", String(alone.end));
assert.deepStrictEqual(ends(due), ["2026-12-01T09:00:00.000Z", "2026-12-08T09:00:00.000Z"]);
assert.deepStrictEqual(ends(duration), ["2026-12-01T10:00:00.000Z", "2026-12-08T10:00:00.000Z"]);
assert.strictEqual(String(alone.end), "Invalid Date");
JAVASCRIPT
node check.mjs
