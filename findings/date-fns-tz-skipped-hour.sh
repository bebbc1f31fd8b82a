#!/usr/bin/env bash
# formatInTimeZone() of date-fns-tz 3.2.0 (npm) shows an hour too much at the time of day which the
# clocks of the machine pass over, whatever zone is asked for. On a machine in Berlin, 17:30 UTC on
# 28 March 2026, which in Tokyo is 02:30 on the 29th, is 2026-03-29 03:30 +09:00; 02:30 UTC on that
# day is 03:30 +00:00, in UTC itself. On one in New York it is so on 8 March. What is shown reads as
# another instant, and two instants an hour apart look the same. Intl, and Luxon 3.7.2, show 02:30.
#
# Its page says that the function "formats this date in the target time zone regardless of the
# system's local time zone". (It puts the zone's time into a local Date, which has no 02:30 on that
# day.) One would guess that the machine's zone plays no part; in UTC no hour is passed over.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund date-fns-tz@3.2.0 date-fns@4.4.0 luxon@3.7.2 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { formatInTimeZone } from "date-fns-tz";
import { DateTime } from "luxon";

const [, , ...wrong] = process.argv;
const instants = [
  ["2026-03-28T17:30:00.000Z", "Asia/Tokyo", "2026-03-29 02:30 +09:00"],
  ["2026-03-28T18:30:00.000Z", "Asia/Tokyo", "2026-03-29 03:30 +09:00"],
  ["2026-03-29T02:30:00.000Z", "UTC", "2026-03-29 02:30 +00:00"],
  ["2026-03-29T06:30:00.000Z", "America/New_York", "2026-03-29 02:30 -04:00"],
  ["2026-03-08T02:30:00.000Z", "UTC", "2026-03-08 02:30 +00:00"],
  ["2026-03-08T01:30:00.000Z", "Europe/Berlin", "2026-03-08 02:30 +01:00"],
];
for (const [text, zone, right] of instants) {
  const seen = formatInTimeZone(new Date(text), zone, "yyyy-MM-dd HH:mm xxx");
  const luxon = DateTime.fromISO(text, { zone }).toFormat("yyyy-MM-dd HH:mm ZZ");
  const intl = new Date(text).toLocaleString("sv", { timeZone: zone }).slice(0, 16);
  console.log(`on a machine in ${process.env.TZ}, ${text} in ${zone} is ${seen} (luxon ${luxon})`);
  assert.deepStrictEqual([luxon, intl], [right, right.slice(0, 16)]);
  const late = wrong.some((day) => right.startsWith(`${day} 02:30`));
  assert.strictEqual(seen, late ? right.replace("02:30", "03:30") : right, "this has changed");
}
JAVASCRIPT
TZ=UTC node check.mjs
TZ=Europe/Berlin node check.mjs 2026-03-29
TZ=America/New_York node check.mjs 2026-03-08
