#!/usr/bin/env bash
# chrono-node 2.10.3 (npm) goes over the end of months: on 31 January 2027 "in a month" is 3
# March, "in 3 months" is 1 May; on 31 March "a month ago" is 3 March and "in a month" 1 May, and
# on 31 May "a month ago" is the first day of the same month. dateparser 1.5.0 and parsedatetime
# 2.6 (Python) take the last day of the month that is meant. "Day after tomorrow" is tomorrow for
# chrono-node and parsedatetime.
#
# One would guess that a month later is in the month after: Temporal, java.time and PostgreSQL
# document that they take the last day of a month which has no such day.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'dateparser==1.5.0' 'parsedatetime==2.6'
npm install --silent --no-audit --no-fund chrono-node@2.10.3 > /dev/null
cat > of_javascript.mjs <<'JAVASCRIPT'
import * as chrono from "chrono-node";

console.log(JSON.stringify(process.argv.slice(2).map((one) => {
  const [day, text] = one.split(": ");
  const read = chrono.parseDate(text, new Date(`${day}T10:00:00`));
  return read.toLocaleDateString("sv");
})));
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import subprocess
from datetime import datetime

import dateparser
import parsedatetime

known = {  # what chrono-node reads, and the two others
    "2027-01-31: in a month": ("2027-03-03", "2027-02-28", "2027-02-28"),
    "2027-01-31: in 3 months": ("2027-05-01", "2027-04-30", "2027-04-30"),
    "2027-01-29: in 1 month": ("2027-03-01", "2027-02-28", "2027-02-28"),
    "2027-03-31: in a month": ("2027-05-01", "2027-04-30", "2027-04-30"),
    "2027-03-31: a month ago": ("2027-03-03", "2027-02-28", "2027-02-28"),
    "2027-05-31: a month ago": ("2027-05-01", "2027-04-30", "2027-04-30"),
    "2027-01-30: day after tomorrow": ("2027-01-31", "2027-02-01", "2027-01-31"),
}
calendar = parsedatetime.Calendar()
node = ["node", "of_javascript.mjs", *known]
of_javascript = json.loads(subprocess.check_output(node))
for (one, expected), of_chrono in zip(known.items(), of_javascript):
    day, text = one.split(": ")
    base = datetime.fromisoformat(f"{day}T10:00:00")
    first = dateparser.parse(text, languages=["en"], settings={"RELATIVE_BASE": base})
    second, _ = calendar.parseDT(text, base)
    seen = (of_chrono, f"{first:%Y-%m-%d}", f"{second:%Y-%m-%d}")
    print(f"On {day}, {text!r} is {seen[0]} for chrono-node, {seen[1]} for dateparser, "
          f"{seen[2]} for parsedatetime")
    assert seen == expected, "this has changed"
PYTHON
venv/bin/python check.py
