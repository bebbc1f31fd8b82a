#!/usr/bin/env bash
# any-date-parser 2.2.4 (npm) reads the zone of a time and then applies that of the machine on top:
# 2026-12-01T09:00:00Z is 08:00 UTC on a machine in Berlin and 14:00 UTC on one in New York, and
# 09:00:00-05:00, which is 14:00 UTC, is 13:00 and 19:00. In UTC, where its own tests run, all is
# right. attempt() has the offset as it is written, so that it is known.
#
# Its page lists "timezone offsets" among the formats. RFC 3339, section 4.2: an offset is the
# difference to UTC, and so the instant is the same everywhere; Date.parse(), Luxon 3.7.2 and
# chrono-node 2.10.3 read it so. One would guess that the machine's zone is for times without one.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund any-date-parser@2.2.4 luxon@3.7.2 chrono-node@2.10.3 \
    > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import parser from "any-date-parser";
import * as chrono from "chrono-node";
import { DateTime } from "luxon";

const [, , ...known] = process.argv;
const texts = ["2026-12-01T09:00:00Z", "2026-12-01T09:00:00+00:00", "2026-12-01T09:00:00-05:00"];
const time = (date) => date.toISOString().slice(11, 16);
for (const text of texts) {
  const seen = parser.fromString(text);
  const right = new Date(text);
  const offset = parser.attempt(text).offset;
  console.log(`${process.env.TZ}: ${text} is ${time(seen)} UTC; Date has ${time(right)},`,
    `attempt() the offset ${offset}`);
  assert.strictEqual(offset, text.endsWith("-05:00") ? -300 : 0, "this has changed");
  assert.deepStrictEqual(chrono.parseDate(text), right);
  assert.deepStrictEqual(DateTime.fromISO(text).toJSDate(), right);
  assert.strictEqual(time(seen), known[texts.indexOf(text)], "this has changed");
}
JAVASCRIPT
TZ=UTC node check.mjs 09:00 09:00 14:00
TZ=Europe/Berlin node check.mjs 08:00 08:00 13:00
TZ=America/New_York node check.mjs 14:00 14:00 19:00
