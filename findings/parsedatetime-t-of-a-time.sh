#!/usr/bin/env bash
# parsedatetime 2.6 (Python) reads the date and time of RFC 3339, 2027-12-01T09:00:00Z, as 20:27
# of today: the year is an hour and minutes for it, and it says that it has found a time. So it
# does of each year to 2059, with and without a zone. With a space in the place of the T it is
# the right time. dateparser 1.5.0 and dateutil 2.9.0 read both.
#
# The library's description has "human-readable" texts, and 2027-12-01 is one that it reads.
# One would guess that the T is read, too, or that it says that it has found nothing.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'parsedatetime==2.6' 'dateparser==1.5.0' \
    'python-dateutil==2.9.0.post0'
cat > check.py <<'PYTHON'
from datetime import datetime

import dateparser
import dateutil.parser
import parsedatetime

NOW = datetime(2026, 11, 30, 10)
FOUND = {0: "nothing", 1: "a date", 2: "a time", 3: "a date and a time"}
known = {
    "2027-12-01": ("a date", "2027-12-01 10:00"),
    "2027-12-01 09:00:00": ("a date and a time", "2027-12-01 09:00"),
    "2027-12-01T09:00:00": ("a time", "2026-11-30 20:27"),
    "2027-12-01T09:00:00Z": ("a time", "2026-11-30 20:27"),
    "2030-01-31T09:00:00+01:00": ("a time", "2026-11-30 20:30"),
}
calendar = parsedatetime.Calendar()
for text, expected in known.items():
    read, found = calendar.parseDT(text, NOW)
    seen = (FOUND[found], f"{read:%Y-%m-%d %H:%M}")
    day = text[:10]
    others = [dateparser.parse(text, languages=["en"]), dateutil.parser.parse(text)]
    print(f"parsedatetime finds {seen[0]} in {text}: {seen[1]}; the others {others[0]}")
    assert [f"{one:%Y-%m-%d}" for one in others] == [day, day], "this has changed"
    assert seen == expected, "this has changed"
PYTHON
venv/bin/python check.py
