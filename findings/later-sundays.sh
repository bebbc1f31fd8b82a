#!/usr/bin/env bash
# @breejs/later 4.2.0 (npm, of the scheduler Bree) takes the 7 of a cron expression for Saturday:
# "0 9 * * 7" is 9:00 on Saturdays, and "0 9 * * 5-7" leaves Sunday out. Where a day of the month
# and a weekday are given, both must match: "0 9 1,15 * 1" is a first or 15th that is a Monday,
# once in 2026's last five months. cron-parser 5.10.5 and croner 11.0.0 do as crontab does.
#
# By crontab(5) both 0 and 7 are Sunday, and if day of month and weekday are both restricted, which
# is that they have no "*", the command is run when either of them matches. One would guess that
# parse.cron() reads what crontab reads.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund \
    @breejs/later@4.2.0 cron-parser@5.10.5 croner@11.0.0 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import later from "@breejs/later";
import { CronExpressionParser } from "cron-parser";
import { Cron } from "croner";

const START = new Date("2026-08-02T12:00:00Z");
const AMOUNT = 4;
const readers = {
  later: (text) => later.schedule(later.parse.cron(text)).next(AMOUNT, START),
  "cron-parser": (text) => {
    const times = CronExpressionParser.parse(text, { currentDate: START, tz: "UTC" });
    return times.take(AMOUNT).map((time) => time.toDate());
  },
  croner: (text) => new Cron(text, { timezone: "UTC", paused: true }).nextRuns(AMOUNT, START),
};
const form = new Intl.DateTimeFormat(
  "en", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const known = {
  "0 9 * * 0": ["Sun, Aug 9", "Sun, Aug 16", "Sun, Aug 23", "Sun, Aug 30"],
  "0 9 * * 7": ["Sat, Aug 8", "Sat, Aug 15", "Sat, Aug 22", "Sat, Aug 29"],
  "0 9 * * 5-7": ["Fri, Aug 7", "Sat, Aug 8", "Fri, Aug 14", "Sat, Aug 15"],
  "0 9 1,15 * 1": ["Mon, Feb 1", "Mon, Feb 15", "Mon, Mar 1", "Mon, Mar 15"],
};
const expected = {
  "0 9 * * 0": known["0 9 * * 0"],
  "0 9 * * 7": known["0 9 * * 0"],
  "0 9 * * 5-7": ["Fri, Aug 7", "Sat, Aug 8", "Sun, Aug 9", "Fri, Aug 14"],
  "0 9 1,15 * 1": ["Mon, Aug 3", "Mon, Aug 10", "Sat, Aug 15", "Mon, Aug 17"],
};
for (const text of Object.keys(known)) {
  for (const [name, reader] of Object.entries(readers)) {
    const seen = reader(text).map((time) => form.format(time));
    console.log(`${text} for ${name}: ${seen.join("; ")}`);
    const days = name === "later" ? known : expected;
    assert.deepStrictEqual(seen, days[text], "this has changed");
  }
}
process.exit();
JAVASCRIPT
node check.mjs
