#!/usr/bin/env bash
# ts-ics 2.4.6 (npm) reads the alarm of a task as the task: a VTODO with a VALARM gets the
# alarm's DESCRIPTION and DURATION instead of its own, and no alarm; written again, the
# task's own text is gone. In a VEVENT the same lines are read right.
#
# RFC 5545, section 3.6.2: a VTODO contains VALARMs as a VEVENT does.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund ts-ics@2.4.6 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import { convertIcsCalendar, generateIcsCalendar } from "ts-ics";

const known = {
  VEVENT: 'description "Account 7", duration {"hours":2}, 1 alarms; written again: Account 7, Reminder',
  VTODO: 'description "Reminder", duration {"minutes":5}, 0 alarms; written again: Reminder',
};
let changed = false;
for (const [name, expected] of Object.entries(known)) {
  const text = [
    "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.org//EN", `BEGIN:${name}`, "UID:1",
    "DTSTAMP:20261101T080000Z", "DTSTART:20261201T080000Z", "DURATION:PT2H", "SUMMARY:Rent",
    "DESCRIPTION:Account 7",
    "BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Reminder", "TRIGGER:-PT15M", "REPEAT:2",
    "DURATION:PT5M", "END:VALARM",
    `END:${name}`, "END:VCALENDAR", "",
  ].join("\r\n");
  const calendar = convertIcsCalendar(undefined, text);
  const [one] = calendar.todos ?? calendar.events;
  const written = [...generateIcsCalendar(calendar).matchAll(/^DESCRIPTION:(.*)$/gm)];
  const seen =
    `description "${one.description}", duration ${JSON.stringify(one.duration)}, ` +
    `${one.alarms?.length ?? 0} alarms; written again: ` +
    written.map(([, text]) => text.trim()).join(", ");
  console.log(`${name}: ${seen}`);
  changed ||= seen !== expected;
}
process.exit(changed ? 1 : 0);
JAVASCRIPT
node check.mjs
