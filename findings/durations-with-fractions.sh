#!/usr/bin/env bash
# Two Python libraries make other durations of those with a fraction, without an error:
#
# - pandas 3.1.1 reads PT0.5H, half an hour, as five hours, P0.5D as five days, and P1.5W as 35
#   days and a second. P1M, a month, is one minute for it; P1Y, a year, it refuses.
# - isoduration 20.11.0 (of jsonschema) reads PT0.5H right, and rounds where it adds it to a
#   time: an hour, and two of PT1.5H. P0.5D is a day.
#
# isodate 0.7.2 has the times that one would expect.
#
# ISO 8601-1, section 5.5.2, allows a decimal fraction in the last part, and an M before the T
# is a month; pandas documents that Timedelta reads ISO 8601. One would guess that a duration
# is read as it is, or refused.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pandas==3.1.1' 'isodate==0.7.2' 'isoduration==20.11.0'
cat > check.py <<'PYTHON'
from datetime import datetime

import isodate
import isoduration
import pandas

START = datetime(2026, 12, 1)
NAMES = ("pandas", "isoduration", "isodate")
known = {  # the time that is so long after the start of 1 December 2026
    "PT1H30M": ("12-01 01:30:00", "12-01 01:30:00", "12-01 01:30:00"),
    "PT0.5H": ("12-01 05:00:00", "12-01 01:00:00", "12-01 00:30:00"),
    "PT1.5H": ("12-01 05:00:01", "12-01 02:00:00", "12-01 01:30:00"),
    "P0.5D": ("12-06 00:00:00", "12-02 00:00:00", "12-01 12:00:00"),
    "P1.5W": ("01-05 00:00:01", "12-12 00:00:00", "12-11 12:00:00"),
    "P1M": ("12-01 00:01:00", "01-01 00:00:00", "01-01 00:00:00"),
    "P1Y": ("refused", "12-01 00:00:00", "12-01 00:00:00"),
}


def after(read, text):
    try:
        return f"{START + read(text):%m-%d %H:%M:%S}"
    except ValueError:
        return "refused"


for text, expected in known.items():
    readers = (pandas.Timedelta, isoduration.parse_duration, isodate.parse_duration)
    seen = tuple(after(read, text) for read in readers)
    print(f"{text} after {START}:", ", ".join(map(" ".join, zip(NAMES, seen))))
    assert seen == expected, "this has changed"
PYTHON
venv/bin/python check.py
