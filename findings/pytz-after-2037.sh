#!/usr/bin/env bash
# pytz 2026.6 and dateutil 2.9.0.post0 (Python) know no summer time after 2037: 09:00 in Berlin on 1
# July 2038 is 08:00 UTC for them instead of 07:00, and it is the same in New York. A yearly series
# of dateutil's moves by an hour there. zoneinfo (of Python), pendulum 3.3.0, arrow 1.4.0, Luxon
# 3.7.2 and Moment Timezone 0.6.6 go on as in the years before, and so does dateutil 4.0.0, which
# recurring-ical-events 3.8.2, for example, does not allow.
#
# A file of the time zone database ends with a rule for what comes after its last entry (RFC 9636,
# section 3.3), since version 2 of the format. One would guess that a zone keeps its rule, or that
# a time after its data is an error.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pytz==2026.6' 'python-dateutil==2.9.0.post0' 'pendulum==3.3.0' \
    'arrow==1.4.0' 'tzdata==2026.6'
npm install --silent --no-audit --no-fund luxon@3.7.2 moment-timezone@0.6.6 > /dev/null
cat > others.mjs <<'JAVASCRIPT'
import { DateTime } from "luxon";
import moment from "moment-timezone";

const [, , text, zone] = process.argv;
const times = [DateTime.fromISO(text, { zone }).toJSDate(), moment.tz(text, zone).toDate()];
console.log(times.map((time) => time.toISOString().slice(11, 16)).join(" "));
JAVASCRIPT
cat > check.py <<'PYTHON'
import subprocess
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import arrow
import pendulum
import pytz
from dateutil import rrule, tz
from dateutil.zoneinfo import get_zonefile_instance


def of_all(zone, day):
    others = subprocess.check_output(["node", "others.mjs", day.isoformat(), zone], text=True)
    times = {
        "pytz": pytz.timezone(zone).localize(day),
        "dateutil": day.replace(tzinfo=tz.gettz(zone)),
        "dateutil's own": day.replace(tzinfo=get_zonefile_instance().get(zone)),
        "zoneinfo": day.replace(tzinfo=ZoneInfo(zone)),
        "pendulum": pendulum.instance(day, tz=zone),
        "arrow": arrow.get(day, zone).datetime,
    }
    seen = {name: f"{time.astimezone(UTC):%H:%M}" for name, time in times.items()}
    return seen | dict(zip(("luxon", "moment"), others.split()))


for zone, right, wrong in (
    ("Europe/Berlin", "07:00", "08:00"), ("America/New_York", "13:00", "14:00")
):
    for year in (2037, 2038, 2060):
        seen = of_all(zone, datetime(year, 7, 1, 9))
        print(zone, f"{year}-07-01 09:00 in UTC:", seen)
        expected = dict.fromkeys(seen, right)
        if year > 2037:
            expected |= dict.fromkeys(("pytz", "dateutil", "dateutil's own"), wrong)
        assert seen == expected, "this has changed"

start = datetime(2036, 7, 1, 9, tzinfo=tz.gettz("Europe/Berlin"))
series = [time.astimezone(UTC) for time in rrule.rrule(rrule.YEARLY, start, count=4)]
print("yearly:", *(f"{time:%Y-%m-%d %H:%M}Z" for time in series))
assert [time.hour for time in series] == [7, 7, 8, 8], "this has changed"
PYTHON
venv/bin/python check.py
python3 -m venv new
new/bin/pip install --quiet 'python-dateutil==4.0.0'
new/bin/python - <<'PYTHON'
from datetime import datetime

from dateutil import tz

time = datetime(2038, 7, 1, 9, tzinfo=tz.gettz("Europe/Berlin"))
print("dateutil 4.0.0:", time.isoformat())
assert time.isoformat() == "2038-07-01T09:00:00+02:00", "this has changed"
PYTHON
