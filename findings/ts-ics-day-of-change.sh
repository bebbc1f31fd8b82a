#!/usr/bin/env bash
# ts-ics 2.4.6 (npm) changes the clocks of a VTIMEZONE at midnight of the day instead of at
# the hour that it has: what is due at 00:30 or 01:30 in Berlin on the last Sunday of October
# is read an hour late, on the last Sunday of March an hour early, the due date of midnight
# with them. ical.js 2.2.1 and icalendar 7.3.0 read the same text right.
#
# RFC 5545, section 3.6.5: an observance begins at its onset, the date and time of DTSTART
# and RRULE, here 03:00 summer time and 02:00 winter time.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund ts-ics@2.4.6 ical.js@2.2.1 > /dev/null
python3 -m venv venv
venv/bin/pip install --quiet 'icalendar==7.3.0' 'tzdata==2026.3'
cat > of_javascript.mjs <<'JAVASCRIPT'
import { readFileSync } from "node:fs";
import ICAL from "ical.js";
import { convertIcsCalendar } from "ts-ics";

const text = readFileSync("tasks.ics", "utf8");
const seen = (instant) => instant.toISOString().slice(0, 16);
const calendar = new ICAL.Component(ICAL.parse(text));
const right = calendar.getAllSubcomponents("vtodo").map(
  (task) => seen(task.getFirstPropertyValue("due").toJSDate()));
const { todos } = convertIcsCalendar(undefined, text);
console.log(JSON.stringify([right, todos.map((task) => seen(task.due.date))]));
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import subprocess
from datetime import UTC
from pathlib import Path

import icalendar

TASK = "BEGIN:VTODO\nUID:{0}\nDTSTAMP:20260101T080000Z\nDUE;TZID=Europe/Berlin:{0}\nEND:VTODO\n"
CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example.org//EN
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
END:DAYLIGHT
BEGIN:STANDARD
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
{}END:VCALENDAR
"""
known = {
    "20260328T233000": "2026-03-28T22:30",
    "20260329T000000": "2026-03-28T22:00",  # 23:00 is right
    "20260329T013000": "2026-03-28T23:30",  # 00:30 is right
    "20260329T033000": "2026-03-29T01:30",
    "20261024T233000": "2026-10-24T21:30",
    "20261025T000000": "2026-10-24T23:00",  # 22:00 is right
    "20261025T013000": "2026-10-25T00:30",  # 23:30 is right
    "20261025T033000": "2026-10-25T02:30",
}
text = CALENDAR.format("".join(map(TASK.format, known))).replace("\n", "\r\n")
Path("tasks.ics").write_text(text, newline="")
due = [task["DUE"].dt for task in icalendar.Calendar.from_ical(text).walk("VTODO")]
right = [f"{one.astimezone(UTC):%Y-%m-%dT%H:%M}" for one in due]
of_ical_js, of_ts_ics = json.loads(subprocess.check_output(["node", "of_javascript.mjs"]))
for day, *read in zip(known, right, of_ical_js, of_ts_ics):
    print(day, "in Berlin by icalendar, ical.js, ts-ics:", *read)
assert right == of_ical_js and of_ts_ics == list(known.values()), "this has changed"
PYTHON
venv/bin/python check.py
