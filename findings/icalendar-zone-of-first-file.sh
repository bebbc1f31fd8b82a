#!/usr/bin/env bash
# icalendar 7.3.0 and vobject 0.9.9 (Python) read a second file with the time zone of the
# first, if both give their zone the same name: once a process has read a VTIMEZONE with the
# TZID "Customized Time Zone" that is +01:00, it takes one of -05:00 in another file for the
# same, and what is due at 14:00 UTC is due at 08:00. Alone, each file is read right. ical.js
# 2.2.1 reads both right in one process.
#
# RFC 5545, section 3.8.3.1: TZID is unique within an iCalendar object, and only one with a
# "/" in front is meant for all. One would guess that a file is read by its own VTIMEZONE,
# however many were read before.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'icalendar==7.3.0' 'vobject==0.9.9' 'python-dateutil==2.9.0.post0'
npm install --silent --no-audit --no-fund ical.js@2.2.1 > /dev/null
for offset in +0100 -0500; do
    printf '%s\r\n' BEGIN:VCALENDAR VERSION:2.0 PRODID:-//example.org//EN \
        BEGIN:VTIMEZONE 'TZID:Customized Time Zone' BEGIN:STANDARD DTSTART:19700101T000000 \
        "TZOFFSETFROM:$offset" "TZOFFSETTO:$offset" END:STANDARD END:VTIMEZONE \
        BEGIN:VTODO UID:1 DTSTAMP:20261101T080000Z \
        'DUE;TZID=Customized Time Zone:20261201T090000' SUMMARY:Rent END:VTODO \
        END:VCALENDAR > "zone$offset.ics"
done
cat > read.py <<'PYTHON'
import sys
from datetime import UTC
from pathlib import Path

import icalendar
import vobject

readers = {
    "icalendar": lambda text: icalendar.Calendar.from_ical(text).walk("VTODO")[0]["DUE"].dt,
    "vobject": lambda text: vobject.readOne(text).vtodo.due.value,
}
for file in sys.argv[2:]:
    due = readers[sys.argv[1]](Path(file).read_text())
    print(f"{due.astimezone(UTC):%H:%M}")
PYTHON
cat > read.mjs <<'JAVASCRIPT'
import { readFileSync } from "node:fs";
import ICAL from "ical.js";

for (const file of process.argv.slice(3)) {
  const calendar = new ICAL.Component(ICAL.parse(readFileSync(file, "utf8")));
  const due = calendar.getFirstSubcomponent("vtodo").getFirstPropertyValue("due");
  console.log(due.toJSDate().toISOString().slice(11, 16));
}
JAVASCRIPT
tried() { # command, library, what it reads of both files
    local reader=$1 library=$2 expected=$3 alone together
    alone=$(for file in zone+0100.ics zone-0500.ics; do $reader "$library" "$file"; done | xargs)
    together=$($reader "$library" zone+0100.ics zone-0500.ics | xargs)
    echo "$library: due at $alone, each file in a process of its own; $together, both in one"
    [ "$alone" = "08:00 14:00" ] && [ "$together" = "$expected" ] ||
        { echo "this has changed"; exit 1; }
}
tried "venv/bin/python read.py" icalendar "08:00 08:00"
tried "venv/bin/python read.py" vobject "08:00 08:00"
tried "node read.mjs" ical.js "08:00 14:00"
