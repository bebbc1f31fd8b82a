#!/usr/bin/env bash
# Luxon 3.7.2 (npm) ends a day on the next one, where clocks go back at midnight: in Havana and
# on the Azores the end of 31 and of 24 October 2026 is 00:59:59.999 of the day after, although
# that day has begun an hour before. Where clocks go forward at midnight, in Havana, Beirut and
# Santiago, it counts six days in the week that begins then, and none in its first day.
# date-fns 4.4.0 with @date-fns/tz 1.5.0, and Temporal, end each day at 23:59:59.999 of the same
# day, and count seven.
#
# By its documentation endOf() is the last millisecond of a unit, and count("days") asks what dates
# an interval includes, and not how many days long it is. One would guess that the end of a day
# has the date of that day, and that seven dates are seven.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund \
    luxon@3.7.2 date-fns@4.4.0 @date-fns/tz@1.5.0 temporal-polyfill@1.0.8 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { TZDate } from "@date-fns/tz";
import { differenceInCalendarDays, endOfDay, format } from "date-fns";
import { DateTime, Interval } from "luxon";
import { Temporal } from "temporal-polyfill";

const FORM = "yyyy-MM-dd HH:mm:ss";
const known = {
  "Europe/Berlin 2026-10-25": ["2026-10-25 23:59:59", 7],
  "America/Havana 2026-10-31": ["2026-11-01 00:59:59", 7],
  "Atlantic/Azores 2026-10-24": ["2026-10-25 00:59:59", 7],
  "America/Havana 2026-03-08": ["2026-03-08 23:59:59", 6],
  "Asia/Beirut 2026-03-29": ["2026-03-29 23:59:59", 6],
  "America/Santiago 2026-09-06": ["2026-09-06 23:59:59", 6],
};

function ofOthers(zone, day) {
  const [year, month, number] = day.split("-").map(Number);
  const noon = TZDate.tz(zone, year, month - 1, number, 12);
  const days = differenceInCalendarDays(TZDate.tz(zone, year, month - 1, number + 7, 12), noon);
  const next = Temporal.PlainDate.from(day).add({ days: 1 }).toZonedDateTime(zone);
  const last = next.subtract({ milliseconds: 1 }).toPlainDateTime().toString();
  return [format(endOfDay(noon), FORM), days, last];
}

for (const [key, expected] of Object.entries(known)) {
  const [zone, day] = key.split(" ");
  const noon = DateTime.fromISO(`${day}T12:00`, { zone });
  const after = noon.plus({ days: 7 }).startOf("day");
  const week = Interval.fromDateTimes(noon.startOf("day"), after);
  const seen = [noon.endOf("day").toFormat(FORM), week.count("days")];
  const others = ofOthers(zone, day);
  console.log(`${day} in ${zone} ends at ${seen[0]} for Luxon, the week has ${seen[1]} days;`,
    `for the others at ${others[0]}, and ${others[1]}`);
  assert.deepStrictEqual(seen, expected, "this has changed");
  assert.deepStrictEqual(others, [`${day} 23:59:59`, 7, `${day}T23:59:59.999`], "changed");
}
JAVASCRIPT
node check.mjs
