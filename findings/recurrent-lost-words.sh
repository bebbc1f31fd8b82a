#!/usr/bin/env bash
# recurrent 0.4.1 (Python) makes rules of texts without some of their words: "every last friday" and
# "every first monday" are each week's, "every friday at noon" has no time, and "at half past nine"
# makes it every nine weeks. "Last friday of every month", "at 12pm" and "at 9:30am" are right. Its
# format() makes "daily" of each day in January, and "weekdays" of those in June.
#
# Its summary has "parsing and formatting of recurring events". One would guess that words which it
# does not know are told, as "every quarter" is None, and that the text of a rule says all of it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'recurrent==0.4.1' 'parsedatetime==2.6'
cat > check.py <<'PYTHON'
import re
from datetime import datetime

from recurrent.event_parser import RecurringEvent

NOW = datetime(2026, 12, 1, 10)
known = {
    "last friday of every month": "BYDAY=-1FR;INTERVAL=1;FREQ=MONTHLY",
    "every last friday": "BYDAY=FR;INTERVAL=1;FREQ=WEEKLY",
    "first monday of every month": "BYDAY=1MO;INTERVAL=1;FREQ=MONTHLY",
    "every first monday": "BYDAY=MO;INTERVAL=1;FREQ=WEEKLY",
    "every friday at 12pm": "BYDAY=FR;BYHOUR=12;BYMINUTE=0;INTERVAL=1;FREQ=WEEKLY",
    "every friday at noon": "BYDAY=FR;INTERVAL=1;FREQ=WEEKLY",
    "every friday at 9:30am": "BYDAY=FR;BYHOUR=9;BYMINUTE=30;INTERVAL=1;FREQ=WEEKLY",
    "every friday at half past nine": "BYDAY=FR;INTERVAL=9;FREQ=WEEKLY",
}


def parts(rule):
    return sorted(re.split("[:;]", rule))


for text, rule in known.items():
    seen = RecurringEvent(now_date=NOW).parse(text)
    print(f"{text}: {seen!r}")
    assert parts(seen) == parts(f"RRULE:{rule}"), "this has changed"
assert RecurringEvent(now_date=NOW).parse("every quarter") is None

for text, expected in (("every day in january", "daily"), ("every weekday in june", "weekdays")):
    reader = RecurringEvent(now_date=NOW)
    rule = reader.parse(text)
    print(f"{rule} of {text!r} is written as {reader.format(rule)!r}")
    assert "BYMONTH=" in rule and reader.format(rule) == expected, "this has changed"
PYTHON
venv/bin/python check.py
