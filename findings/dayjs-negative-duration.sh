#!/usr/bin/env bash
# Two npm libraries read the duration -PT15M, fifteen minutes before, without its sign, and
# raise no error: Day.js 1.11.23 (plugin duration) and iso8601-duration 2.1.4 make fifteen
# minutes after of it. Day.js writes minus fifteen minutes as -PT15M itself, so that a
# duration which it has written comes back with the other sign. Luxon 3.7.2, tinyduration
# 3.4.1 and ical.js 2.2.1 read the sign.
#
# RFC 5545, section 3.3.6, has the sign before the P, and its reminders, TRIGGER:-PT15M, are
# such durations; ISO 8601-2 has it, too. One would guess that it is read or refused.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund \
    dayjs@1.11.23 iso8601-duration@2.1.4 luxon@3.7.2 tinyduration@3.4.1 ical.js@2.2.1 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import dayjs from "dayjs";
import plugin from "dayjs/plugin/duration.js";
import ICAL from "ical.js";
import * as iso from "iso8601-duration";
import { Duration } from "luxon";
import { parse } from "tinyduration";

dayjs.extend(plugin);
const readers = {
  dayjs: (text) => dayjs.duration(text).asMinutes(),
  "iso8601-duration": (text) => iso.toSeconds(iso.parse(text)) / 60,
  luxon: (text) => Duration.fromISO(text).as("minutes"),
  tinyduration: (text) => {
    const { negative, days = 0, minutes = 0 } = parse(text);
    return (negative ? -1 : 1) * (days * 1440 + minutes);
  },
  "ical.js": (text) => ICAL.Duration.fromString(text).toSeconds() / 60,
};
const known = {
  "-PT15M": [15, 15, -15, -15, -15],
  "-P1D": [1440, 1440, -1440, -1440, -1440],
  PT15M: [15, 15, 15, 15, 15],
};
for (const [text, expected] of Object.entries(known)) {
  const seen = Object.entries(readers).map(([name, reader]) => [name, reader(text)]);
  console.log(`${text} is, in minutes:`, seen.map((one) => one.join(" ")).join(", "));
  assert.deepStrictEqual(seen.map(([, minutes]) => minutes), expected, "this has changed");
}
const written = dayjs.duration({ minutes: -15 }).toISOString();
const again = dayjs.duration(written).asMinutes();
console.log(`Day.js writes -15 minutes as ${written}, and reads it as ${again} minutes`);
assert.deepStrictEqual([written, again], ["-PT15M", 15], "this has changed");
JAVASCRIPT
node check.mjs
