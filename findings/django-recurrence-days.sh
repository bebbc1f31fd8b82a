#!/usr/bin/env bash
# django-recurrence 1.14 (Python) writes a series of days as one of times in UTC. With TIME_ZONE
# "Europe/Berlin", DTSTART;VALUE=DATE:20261201 with RRULE:FREQ=MONTHLY;BYMONTHDAY=1;UNTIL=20270301
# comes back from deserialize() and serialize() as DTSTART:20261130T230000Z and
# UNTIL=20270228T230000Z beside the same BYMONTHDAY=1. By dateutil 2.9.0 and rrule.js 2.8.1 that
# is 23:00 UTC of each first day, which in Berlin is the second, and the last of four occurrences
# is lost. In UTC, and with "America/New_York", the days stay.
#
# RFC 5545, section 3.3.10, has UNTIL of the type of DTSTART, and days of the rule are those of
# DTSTART's zone. (The library says that it has no TZID.) One would guess that days are kept.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'django-recurrence==1.14' 'Django==5.2.19' \
    'python-dateutil==2.9.0.post0' 'tzdata==2026.3'
npm install --silent --no-audit --no-fund rrule@2.8.1 > /dev/null
cat > of_javascript.mjs <<'JAVASCRIPT'
import rrule from "rrule";

const instants = rrule.rrulestr(process.argv[2]).all().map((one) => one.toISOString());
console.log(JSON.stringify(instants));
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import subprocess
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from django.conf import settings

SERIES = "DTSTART;VALUE=DATE:20261201\nRRULE:FREQ=MONTHLY;BYMONTHDAY=1;UNTIL=20270301"
known = {
    "UTC": ["2026-12-01", "2027-01-01", "2027-02-01", "2027-03-01"],
    "America/New_York": ["2026-12-01", "2027-01-01", "2027-02-01", "2027-03-01"],
    "Europe/Berlin": ["2026-12-02", "2027-01-02", "2027-02-02"],
}
zone = sys.argv[1]
settings.configure(USE_TZ=True, TIME_ZONE=zone, INSTALLED_APPS=["recurrence"])

import django

django.setup()
import recurrence

written = recurrence.serialize(recurrence.deserialize(SERIES))
instants = list(rrulestr(written))
node = ["node", "of_javascript.mjs", written]
of_javascript = [datetime.fromisoformat(one) for one in json.loads(subprocess.check_output(node))]
seen = [f"{one.astimezone(ZoneInfo(zone)):%Y-%m-%d}" for one in instants]
print(f"{zone}: written as {written.replace(chr(10), ' ')}")
print(f"  which is, there, {' '.join(seen)}")
assert instants == of_javascript and seen == known[zone], "this has changed"
PYTHON
for zone in UTC America/New_York Europe/Berlin; do venv/bin/python check.py "$zone"; done
