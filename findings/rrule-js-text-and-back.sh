#!/usr/bin/env bash
# rrule 2.8.1 (npm) makes a text of a rule, says with isFullyConvertibleToText() that it is all
# there, and makes another rule of the text. The last working day of each month,
# FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1, is "every month on weekdays", and then every
# working day; every day in January is every day of the year; FREQ=DAILY;BYDAY=MO is every day;
# BYYEARDAY=100 is BYMONTHDAY=100, which no month has; a time of day, BYHOUR=9;BYMINUTE=30, is
# gone, and UNTIL loses its time, so that the last day is left out.
#
# Its page says of toText() "The output can be used with RRule.fromText()", and of
# isFullyConvertibleToText() that it is a hint whether all options are convertible. One would
# guess that the rule which comes back is the same.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund rrule@2.8.1 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import rrule from "rrule";

const { RRule } = rrule;
const known = {
  "FREQ=MONTHLY;BYDAY=-1FR": ["every month on the last Friday", "FREQ=MONTHLY;BYDAY=-1FR"],
  "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1": [
    "every month on weekdays", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR"],
  "FREQ=DAILY;BYMONTH=1": ["every day in January", "FREQ=DAILY"],
  "FREQ=DAILY;BYDAY=MO": ["every day on Monday", "FREQ=DAILY"],
  "FREQ=YEARLY;BYYEARDAY=100": ["every year on the 100th day", "FREQ=YEARLY;BYMONTHDAY=100"],
  "FREQ=MONTHLY;BYMONTHDAY=1;BYHOUR=9;BYMINUTE=30": [
    "every month on the 1st", "FREQ=MONTHLY;BYMONTHDAY=1"],
  "FREQ=DAILY;UNTIL=20271231T180000Z": [
    "every day until December 31, 2027", "FREQ=DAILY;UNTIL=20271231T000000Z"],
};
for (const [rule, expected] of Object.entries(known)) {
  const read = RRule.fromString(rule);
  const text = read.toText();
  const again = RRule.fromText(text).toString().replace("RRULE:", "");
  console.log(`${rule}, "${text}", comes back as ${again}`);
  assert.ok(read.isFullyConvertibleToText(), "this has changed");
  assert.deepStrictEqual([text, again], expected, "this has changed");
}
JAVASCRIPT
node check.mjs
