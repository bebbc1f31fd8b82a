#!/usr/bin/env bash
# icalendar 7.3.0 (Python): to read the property `categories` of a task without categories
# adds an empty one to the task. It is written as "CATEGORIES:", and then icalendar itself,
# ical.js 2.2.1 and vobject 0.9.9 read one category, whose name is empty.
#
# One would guess that reading changes nothing, as with the properties beside it. RFC 5545,
# section 3.8.1.2, has CATEGORIES optional, so that a task without any has none.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'icalendar==7.3.0' 'vobject==0.9.9'
npm install --silent --no-audit --no-fund ical.js@2.2.1 > /dev/null
cat > check.py <<'PYTHON'
import subprocess

import icalendar
import vobject

IN_JAVASCRIPT = """
import ICAL from "ical.js";
const task = new ICAL.Component(ICAL.parse(process.argv[1]));
console.log(JSON.stringify(task.getFirstProperty("categories").getValues()));
"""
text = "BEGIN:VTODO\r\nUID:1\r\nSUMMARY:Rent\r\nEND:VTODO\r\n"
task = icalendar.Todo.from_ical(text)
read = [str(task.summary), task.description, task.rrules, task.categories]
written = task.to_ical().decode()
new = [line for line in written.splitlines() if line not in text]
print("summary, description, rules and categories are", read, "and written is", new)
again = list(map(str, icalendar.Todo.from_ical(written).categories))
of_vobject = vobject.readOne(written).categories.value
node = ["node", "--input-type=module", "-e", IN_JAVASCRIPT, "--", written]
of_ical_js = subprocess.run(node, capture_output=True, text=True, check=True).stdout.strip()
print(f"then icalendar reads {again}, vobject {of_vobject}, ical.js {of_ical_js}")
assert (new, again, of_vobject, of_ical_js) == (["CATEGORIES:"], [""], [""], '[""]')
PYTHON
venv/bin/python check.py
