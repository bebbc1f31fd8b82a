"""What recurring-ical-events makes of a file, in an environment of its own: for each UID, the
begins of events and the ends of to-dos from one day to another, as JSON."""

import json
import sys
from collections import defaultdict
from datetime import date

import icalendar  # type: ignore[import-not-found,unused-ignore]  # of requirements.txt beside
import recurring_ical_events  # type: ignore[import-not-found]  # of requirements.txt beside

first, last = map(date.fromisoformat, sys.argv[1:])
calendar = icalendar.Calendar.from_ical(sys.stdin.buffer.read())
of = recurring_ical_events.of(calendar, components=["VEVENT", "VTODO"])
found = defaultdict(set)
for component in of.between(first, last):
    name = "DTSTART" if component.name == "VEVENT" else "DUE"
    found[f"{component.name} {component['UID']}"].add(component[name].dt.isoformat())
json.dump({uid: sorted(dates) for uid, dates in found.items()}, sys.stdout)
