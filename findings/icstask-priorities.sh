#!/usr/bin/env bash
# icstask 0.5.0 (Python, between iCalendar and Taskwarrior 2.6.2, Debian 12) gives a task of
# PRIORITY:0, which is no priority, the highest, and one of PRIORITY:3 the lowest. Written
# back they are PRIORITY:1 and PRIORITY:9.
#
# RFC 5545, section 3.8.1.9: 0 is undefined; for services with three levels 1 to 4 are high,
# 5 is medium, 6 to 9 are low.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
apt-get download --quiet=2 'taskwarrior=2.6.2+dfsg-1' > log 2>&1 ||
    { echo "apt has no taskwarrior 2.6.2+dfsg-1"; exit 2; }
dpkg-deb --extract taskwarrior_*.deb .
python3 -m venv venv
venv/bin/pip install --quiet 'icstask==0.5.0' 'vobject==0.9.9' 'python-dateutil==2.9.0.post0'
export PATH="$place/usr/bin:$PATH" TASKRC="$place/taskrc"
echo 'confirmation=off' > taskrc
mkdir data
cat > check.py <<'PYTHON'
import json
import subprocess

import icstask
import vobject

TASK = "BEGIN:VTODO\r\nUID:1\r\nDTSTAMP:20261101T080000Z\r\nSUMMARY:Rent\r\n{}END:VTODO\r\n"
file = icstask.IcsTask("data")
seen = {}
for number in (None, *range(10)):
    line = "" if number is None else f"PRIORITY:{number}\r\n"
    uid = file.to_task(vobject.readOne(TASK.format(line)))
    export = ["task", "rc.verbose=nothing", "rc.data.location=data", uid[:36], "export"]
    (task,) = json.loads(subprocess.check_output(export))
    written = file.to_vobject(uid=uid).vtodo
    back = written.priority.value if hasattr(written, "priority") else None
    seen[number] = (task.get("priority"), back)
    print(f"PRIORITY:{number} is {seen[number][0]}, written back PRIORITY:{back}")
high, medium, low = ("H", "1"), ("M", "5"), ("L", "9")
assert seen == {
    None: (None, None), 0: high, 1: high, 2: high, 3: low, 4: medium, 5: medium, 6: medium,
    7: low, 8: low, 9: low,
}, "this has changed"
PYTHON
task --version || { echo "a library of taskwarrior is missing"; exit 2; }
venv/bin/python check.py
