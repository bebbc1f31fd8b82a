#!/usr/bin/env bash
# formatISODuration() of date-fns 4.4.0 (npm) leaves weeks out: { weeks: 2 } is P0Y0M0DT0H0M0S, no
# time at all, and { weeks: 1, days: 1 } is P0Y0M1DT0H0M0S. What is due two weeks later is due at
# once for who reads it. add() and milliseconds() of the same library count the weeks of the same
# object, and toISO() of Luxon 3.7.2, serialize() of tinyduration 3.4.1 and Temporal (npm
# temporal-polyfill 1.0.8) write P2W for it, and P1W1D.
#
# The function is documented to format a duration object, and the type Duration has `weeks`. ISO
# 8601-1, section 5.5.2, has P2W, and RFC 5545, section 3.3.6, likewise. One would guess that a
# part which cannot be written is an error, or is written as days.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund \
    date-fns@4.4.0 luxon@3.7.2 tinyduration@3.4.1 temporal-polyfill@1.0.8 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { add, formatISODuration, milliseconds } from "date-fns";
import { Duration } from "luxon";
import { Temporal } from "temporal-polyfill";
import { serialize } from "tinyduration";

const DAY = 86_400_000;
const known = [
  [{ weeks: 2 }, "P0Y0M0DT0H0M0S", "P2W", 14],
  [{ weeks: 1, days: 1 }, "P0Y0M1DT0H0M0S", "P1W1D", 8],
];
for (const [duration, expected, ofOthers, days] of known) {
  const written = formatISODuration(duration);
  const start = new Date("2026-12-01T09:00:00Z");
  const later = add(start, duration);
  const read = Temporal.PlainDate.from("2026-12-01").add(written).toString();
  console.log(`${JSON.stringify(duration)} after 1 December is ${later.toISOString()},`,
    `${written} after it is ${read}`);
  assert.strictEqual(written, expected, "this has changed");
  assert.deepStrictEqual([later - start, milliseconds(duration)], [days * DAY, days * DAY]);
  const others = [
    Duration.fromObject(duration).toISO(), serialize(duration),
    Temporal.Duration.from(duration).toString(),
  ];
  assert.deepStrictEqual(others, [ofOthers, ofOthers, ofOthers], "this has changed");
}
JAVASCRIPT
TZ=Etc/UTC node check.mjs
