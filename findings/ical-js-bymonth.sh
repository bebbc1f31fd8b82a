#!/usr/bin/env bash
# ical.js 2.2.1 (Thunderbird, Nextcloud) makes other days than RFC 5545, section 3.3.10, of
# these rules; dateutil 2.9.0 and rrule.js 2.8.1 make the expected ones.
#
# - FREQ=MONTHLY;INTERVAL=2;BYMONTH=3,4,5,6: every one of these months, as if there were no
#   INTERVAL. The months are every second one from the start, and BYMONTH limits those.
# - FREQ=MONTHLY;BYMONTH=1,5;COUNT=6 from May on: five days instead of six.
# - FREQ=YEARLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1: from the second year on 1 July instead of
#   30 June.
# - FREQ=YEARLY;BYDAY=SU;BYSETPOS=-1: every Sunday after the first year, instead of the last
#   one of each year.
# - FREQ=YEARLY;INTERVAL=4;BYMONTH=1;BYMONTHDAY=-12 from 20 January 2031 on: 2034, 2038, …,
#   without the start itself.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund ical.js@2.2.1 >/dev/null
cat > check.mjs <<'JAVASCRIPT'
import ICAL from "ical.js";

const rules = [
  ["FREQ=MONTHLY;INTERVAL=2;BYMONTH=3,4,5,6;BYMONTHDAY=15",
   "2027-03-15 2027-05-15 2028-03-15",
   "2027-03-15 2027-04-15 2027-05-15"],
  ["FREQ=MONTHLY;BYMONTH=1,5;BYMONTHDAY=1;COUNT=6",
   "2027-05-01 2028-01-01 2028-05-01 2029-01-01 2029-05-01 2030-01-01",
   "2027-05-01 2028-01-01 2028-05-01 2029-01-01 2029-05-01"],
  ["FREQ=YEARLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1",
   "2027-03-31 2027-06-30 2027-09-30 2027-12-31 2028-03-31 2028-06-30",
   "2027-03-31 2027-06-30 2027-09-30 2027-12-31 2028-03-31 2028-07-01"],
  ["FREQ=YEARLY;BYDAY=SU;BYSETPOS=-1",
   "2027-12-26 2028-12-31 2029-12-30",
   "2027-12-26 2028-01-02 2028-01-09"],
  ["FREQ=YEARLY;INTERVAL=4;BYMONTH=1;BYMONTHDAY=-12",
   "2031-01-20 2035-01-20 2039-01-20",
   "2034-01-20 2038-01-20 2042-01-20"],
];
let changed = false;
for (const [text, expected, known] of rules) {
  const wanted = expected.split(" ");
  const start = ICAL.Time.fromDateString(wanted[0]);
  const days = ICAL.Recur.fromString(text).iterator(start);
  const seen = [];
  for (let day; seen.length < wanted.length && (day = days.next()); )
    seen.push(day.toString());
  console.log(`${text}\n  expected ${expected}\n  seen     ${seen.join(" ")}`);
  changed ||= seen.join(" ") !== known;
}
process.exit(changed ? 1 : 0);
JAVASCRIPT
node check.mjs
