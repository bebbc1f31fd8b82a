#!/usr/bin/env bash
# ics 0.7.3 (Python) loses a series of tasks of which one occurrence is ticked, as Thunderbird
# writes it: a VTODO with the RRULE, and behind it one with the same UID and a RECURRENCE-ID.
# It keeps one of the two, the ticked one; the series is gone when the file is saved. If they
# stand the other way around, the series is kept, and the tick is lost.
#
# What it keeps of a series is not the same either: DTSTART;TZID=Europe/Berlin:…T090000
# becomes 07:00 UTC beside the same RRULE, so that from 25 October on the task is due at
# 08:00 in Berlin; and a day, DUE;VALUE=DATE:20261205, becomes midnight UTC, which is the day
# before in New York.
#
# RFC 5545, sections 3.8.4.4 and 3.8.4.7: UID and RECURRENCE-ID together name an occurrence.
# One would guess that the components of a file are those that are written.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'ics==0.7.3' 'arrow==1.4.0' 'TatSu==5.15.1' 'tzdata==2026.3'
cat > check.py <<'PYTHON'
from ics import Calendar

ZONE = """BEGIN:VTIMEZONE
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
"""
TASK = "BEGIN:VTODO\nUID:{}\nDTSTAMP:20261001T080000Z\n{}\nEND:VTODO\n"
SERIES = TASK.format(1, "DTSTART;TZID=Europe/Berlin:20261023T090000\nRRULE:FREQ=DAILY")
TICKED = TASK.format(
    1,
    "RECURRENCE-ID;TZID=Europe/Berlin:20261023T090000\n"
    "DTSTART;TZID=Europe/Berlin:20261023T090000\nSTATUS:COMPLETED",
)
DAY = TASK.format(2, "DUE;VALUE=DATE:20261205")
SHOWN = ("DTSTART", "DUE", "RRULE", "RECURRENCE-ID", "STATUS")


def written(tasks):
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//example.org//EN\n{ZONE}{tasks}END:VCALENDAR\n"
    lines = Calendar(text.replace("\n", "\r\n")).serialize().splitlines()
    return [line for line in lines[lines.index("BEGIN:VTODO"):] if line.startswith(SHOWN)]


of_ticked = ["RECURRENCE-ID;TZID=Europe/Berlin:20261023T090000", "DTSTART:20261023T070000Z",
             "STATUS:COMPLETED"]
of_series = ["RRULE:FREQ=DAILY", "DTSTART:20261023T070000Z"]
known = {
    "a series and its ticked occurrence": (SERIES + TICKED, of_ticked),
    "the occurrence and its series": (TICKED + SERIES, of_series),
    "the series alone": (SERIES, of_series),
    "a task due on a day": (DAY, ["DUE:20261205T000000Z"]),
}
for name, (tasks, expected) in known.items():
    seen = written(tasks)
    print(f"{name}: {', '.join(seen)}")
    assert seen == expected, "this has changed"
PYTHON
venv/bin/python check.py
