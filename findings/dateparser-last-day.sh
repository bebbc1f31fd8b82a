#!/usr/bin/env bash
# dateparser 1.5.0 (Python) with PREFER_DATES_FROM "future" reads a time of day that is over as
# one of the first day of the same month, if today is the month's last day: at 10:00 on 31
# January, "8:00" is 1 January, 30 days ago; at the end of a year it is 1 December of the next.
# On all other days it is tomorrow. "Tomorrow 8:00" is always right.
#
# The setting is documented as "future", against "past" and "current_period". One would guess
# that what it makes is in the future, and the next time that clocks show 8:00.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'dateparser==1.5.0'
cat > check.py <<'PYTHON'
from datetime import datetime

import dateparser

known = {
    ("2027-01-30 10:00", "8:00"): "2027-01-31 08:00",
    ("2027-01-31 10:00", "8:00"): "2027-01-01 08:00",
    ("2027-01-31 10:00", "18:00"): "2027-01-31 18:00",
    ("2027-01-31 10:00", "midnight"): "2027-01-01 00:00",
    ("2027-01-31 10:00", "tomorrow 8:00"): "2027-02-01 08:00",
    ("2027-02-28 10:00", "at 8am"): "2027-02-01 08:00",
    ("2026-12-31 10:00", "8:00"): "2027-12-01 08:00",
}
for (now, text), expected in known.items():
    settings = {"RELATIVE_BASE": datetime.fromisoformat(now), "PREFER_DATES_FROM": "future"}
    seen = f"{dateparser.parse(text, languages=['en'], settings=settings):%Y-%m-%d %H:%M}"
    print(f"At {now}, the next {text!r} is {seen}")
    assert seen == expected, "this has changed"
PYTHON
venv/bin/python check.py
