#!/usr/bin/env bash
# Day.js 1.11.23 (npm, with its plugin timezone) adds a day, a week or a month to a time in
# Berlin, and keeps the offset that was valid before: 09:00 in Berlin on 24 October 2026 plus
# one day is 09:00 +02:00, which is 08:00 in Berlin, and so is what follows by weeks. In spring
# it is 10:00. On a machine in New York, 25 September plus one month is 1 October. On one in
# Berlin, a time in Tokyo, which changes no clocks, is an hour late on the day after: shown is
# 09:00, the instant is that of 10:00. Luxon 3.7.2 has the times that one would expect.
#
# By its page "Parsing in Zone", dayjs.tz() with a text and a zone is the time that clocks show
# there. One would guess that a day later they show the same, whatever the zone of the machine.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund dayjs@1.11.23 luxon@3.7.2 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import dayjs from "dayjs";
import timezone from "dayjs/plugin/timezone.js";
import utc from "dayjs/plugin/utc.js";
import { DateTime } from "luxon";

dayjs.extend(utc);
dayjs.extend(timezone);
// Zone, day, unit; what Day.js shows, its instant in the zone, and what Luxon has.
const known = {
  UTC: [
    ["Europe/Berlin", "2026-10-24", "day", "10-25T09:00+02:00", "10-25T08:00+01:00", "10-25T09:00+01:00"],
    ["Europe/Berlin", "2026-10-20", "week", "10-27T09:00+02:00", "10-27T08:00+01:00", "10-27T09:00+01:00"],
    ["Europe/Berlin", "2026-03-28", "day", "03-29T09:00+01:00", "03-29T10:00+02:00", "03-29T09:00+02:00"],
    ["Europe/Berlin", "2026-10-23", "day", "10-24T09:00+02:00", "10-24T09:00+02:00", "10-24T09:00+02:00"],
  ],
  "America/New_York": [
    ["Europe/Berlin", "2026-09-25", "month", "10-01T09:00+02:00", "10-01T09:00+02:00", "10-25T09:00+01:00"],
  ],
  "Europe/Berlin": [
    ["Asia/Tokyo", "2026-10-24", "day", "10-25T09:00+09:00", "10-25T10:00+09:00", "10-25T09:00+09:00"],
  ],
};
const machine = process.env.TZ;
for (const [zone, day, unit, ...expected] of known[machine]) {
  const added = dayjs.tz(`${day} 09:00`, zone).add(1, unit);
  const right = DateTime.fromISO(`${day}T09:00`, { zone }).plus({ [unit]: 1 });
  const instants = [DateTime.fromJSDate(added.toDate(), { zone }), right];
  const seen = [added.format("MM-DDTHH:mmZ"), ...instants.map((one) => one.toFormat("MM-dd'T'HH:mmZZ"))];
  console.log(`machine in ${machine}: ${day} 09:00 in ${zone} plus one ${unit} is shown as`,
    `${seen[0]} and is ${seen[1]}; Luxon: ${seen[2]}`);
  assert.deepStrictEqual(seen, expected, "this has changed");
}
JAVASCRIPT
for zone in UTC America/New_York Europe/Berlin; do TZ=$zone node check.mjs; done
