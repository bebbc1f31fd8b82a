#!/usr/bin/env bash
# icalendar 7.3.0 (Python) writes a backslash before a capital N in a text, as in
# C:\New, as a line break: what it has written it reads as "C:" and "ew" on two lines.
# The correctly escaped C:\\New it reads right.
#
# RFC 5545, section 3.3.11: in TEXT a backslash is written as two, and only then are \n
# and \N line breaks. One would guess that "C:\New" is written as SUMMARY:C:\\New and
# read back as it was.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet 'icalendar==7.3.0'
"$place/venv/bin/python" - <<'PYTHON'
import sys
import icalendar

written = icalendar.vText("C:\\New").to_ical()
event = "BEGIN:VEVENT\r\nUID:a\r\nSUMMARY:C:\\\\New\r\nEND:VEVENT\r\n"
read = str(icalendar.Event.from_ical(event)["SUMMARY"])
made = icalendar.Event()
made.add("summary", "C:\\New")
again = str(icalendar.Event.from_ical(made.to_ical())["SUMMARY"])
print("icalendar", icalendar.__version__)
print("C:\\New is written as", written)
print("C:\\\\New, correctly escaped, is read as", repr(read))
print("what it has written itself it reads as", repr(again))
sys.exit(not (written == b"C:\\new" and read == "C:\\New" and again == "C:\new"))
PYTHON
