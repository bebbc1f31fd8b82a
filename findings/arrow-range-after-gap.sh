#!/usr/bin/env bash
# arrow 1.4.0 (Python): a range of days that meets a time which clocks pass over stays an hour
# late for good. 00:00 in Santiago is 01:00 on 6 September 2026, and Arrow.range() makes 01:00 of
# all days after it, too; 02:30 in Berlin is 03:30 from 29 March on, by days and by weeks. With
# shift() from the first day instead, and by pendulum 3.2.0, only that one day is late.
#
# arrow documents range() as points of time from a start to an end, with a time frame. One would
# guess that the third is the first, shifted by two days.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'arrow==1.4.0' 'pendulum==3.2.0' 'tzdata==2026.3'
cat > check.py <<'PYTHON'
import arrow
import pendulum

known = {  # the zone, the first day, the frame; the times of range(), and those of the others
    ("America/Santiago", "2026-09-05 00:00", "day"): (
        "00:00 01:00 01:00 01:00", "00:00 01:00 00:00 00:00"),
    ("Europe/Berlin", "2026-03-28 02:30", "day"): (
        "02:30 03:30 03:30 03:30", "02:30 03:30 02:30 02:30"),
    ("Europe/Berlin", "2026-03-22 02:30", "week"): (
        "02:30 03:30 03:30 03:30", "02:30 03:30 02:30 02:30"),
    ("Europe/Berlin", "2026-10-23 02:30", "day"): (
        "02:30 02:30 02:30 02:30", "02:30 02:30 02:30 02:30"),
}
for (zone, day, frame), (expected, right) in known.items():
    start = arrow.get(day, tzinfo=zone)
    steps = [{f"{frame}s": number} for number in range(4)]
    ranged = arrow.Arrow.range(frame, start, limit=4)
    shifted = [start.shift(**step) for step in steps]
    of_pendulum = [pendulum.parse(day, tz=zone).add(**step) for step in steps]
    seen, *others = (
        " ".join(f"{one.hour:02}:{one.minute:02}" for one in times)
        for times in (ranged, shifted, of_pendulum)
    )
    print(f"from {day} in {zone} by {frame}s: range() {seen}; shift() and pendulum {others[0]}")
    assert (seen, others) == (expected, [right, right]), "this has changed"
PYTHON
venv/bin/python check.py
