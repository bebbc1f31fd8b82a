#!/usr/bin/env bash
# ical 14.3.1 (Python, of Home Assistant's local to-do lists) writes tasks otherwise than it
# has read them:
#
# - RELATED-TO;RELTYPE=CHILD:2 becomes RELTYPE=PARENT, so the child is the parent now. So
#   does every other type, such as DEPENDS-ON of RFC 9253.
# - TRIGGER;RELATED=END:-PT15M loses RELATED: the reminder before the due time is one before
#   the start.
# - TRIGGER:PT0S, a reminder at the time itself, becomes TRIGGER:P, which is no duration.
#   ical and icalendar 7.3.0 read it as zero; ical.js 2.2.1 and vobject 0.9.9 raise an
#   error, vobject for the whole file.
# - CATEGORIES:home\, garden becomes two categories, and the first has a backslash.
#
# RFC 5545 has these forms in sections 3.8.4.5, 3.8.6.3, 3.3.6 and 3.8.1.2. One would guess
# that they are kept, as the library keeps properties that it does not know.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'ical==14.3.1' 'icalendar==7.3.0' 'vobject==0.9.9'
npm install --silent --no-audit --no-fund ical.js@2.2.1 > /dev/null
cat > check.py <<'PYTHON'
import subprocess

import icalendar
import vobject
from ical.calendar_stream import IcsCalendarStream

ALARM = "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:a\r\n{}\r\nEND:VALARM"
TASK = (
    "BEGIN:VCALENDAR\r\nPRODID:-//example.org//EN\r\nVERSION:2.0\r\nBEGIN:VTODO\r\nUID:1\r\n"
    "DTSTAMP:20261101T080000Z\r\nDTSTART:20261201T080000Z\r\nDUE:20261201T180000Z\r\n"
    "SUMMARY:Rent\r\n{}\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
)
IN_JAVASCRIPT = """
import ICAL from "ical.js";
const task = new ICAL.Component(ICAL.parse(process.argv[1])).getFirstSubcomponent("vtodo");
try {
  console.log(task.getFirstSubcomponent("valarm").getFirstPropertyValue("trigger").toString());
} catch { console.log("an error"); }
"""
known = {
    "RELATED-TO;RELTYPE=CHILD:2": ["RELATED-TO;RELTYPE=PARENT:2"],
    "RELATED-TO;RELTYPE=DEPENDS-ON:2": ["RELATED-TO;RELTYPE=PARENT:2"],
    "TRIGGER;RELATED=END:-PT15M": ["TRIGGER:-PT15M"],
    "TRIGGER:PT0S": ["TRIGGER:P"],
    "CATEGORIES:home\\, garden": ["CATEGORIES:home\\\\", "CATEGORIES: garden"],
}
for line, expected in known.items():
    text = TASK.format(ALARM.format(line) if line.startswith("TRIGGER") else line)
    written = IcsCalendarStream.calendar_to_ics(IcsCalendarStream.calendar_from_ics(text))
    seen = [one for one in written.splitlines() if one not in text.splitlines()]
    print(f"{line} becomes {' and '.join(seen)}")
    assert seen == expected, "this has changed"

text = TASK.format(ALARM.format("TRIGGER:P"))
(task,) = IcsCalendarStream.calendar_from_ics(text).todos
(alarm,) = icalendar.Calendar.from_ical(text).walk("VALARM")
try:
    of_vobject = str(vobject.readOne(text).vtodo.valarm.trigger.value)
except vobject.base.ParseError:
    of_vobject = "an error"
node = ["node", "--input-type=module", "-e", IN_JAVASCRIPT, "--", text]
of_ical_js = subprocess.run(node, capture_output=True, text=True, check=True).stdout.strip()
read = [str(task.alarms[0].trigger), str(alarm["TRIGGER"].dt), of_ical_js, of_vobject]
print("TRIGGER:P is read by ical, icalendar, ical.js, vobject as", ", ".join(read))
assert read == ["0:00:00", "0:00:00", "an error", "an error"], "this has changed"
PYTHON
venv/bin/python check.py
