#!/usr/bin/env bash
# Taskwarrior 2.6.2 (Debian 12) takes a task with the tag "area:project" from JSON, as an
# issue tracker has such labels, and puts x in the place of its project; "level:priority"
# does so with the priority. With a name that is no field of its own the task gets a new one.
#
# The format of its JSON has tags as an array of words without spaces. One would guess that
# the import takes this tag and changes nothing else, or refuses it; on the command line
# +area:project is no tag, but a word of the description.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
apt-get download --quiet=2 'taskwarrior=2.6.2+dfsg-1' > log 2>&1 ||
    { echo "apt has no taskwarrior 2.6.2+dfsg-1"; exit 2; }
dpkg-deb --extract taskwarrior_*.deb .
export PATH="$place/usr/bin:$PATH" TASKRC="$place/taskrc"
printf 'data.location=%s/data\nverbose=nothing\nconfirmation=off\n' "$place" > taskrc
mkdir data
task --version || { echo "a library of taskwarrior is missing"; exit 2; }
python3 - <<'PYTHON'
import json
import subprocess

known = {
    "garden": {"project": "Home", "priority": "H", "tags": ["garden"]},
    "area:project": {"project": "x", "priority": "H", "tags": ["area:project"]},
    "level:priority": {"project": "Home", "priority": "x", "tags": ["level:priority"]},
    "level:beginner": {"project": "Home", "priority": "H", "tags": ["level:beginner"], "beginner": "x"},
}
OWN = {"id", "uuid", "entry", "modified", "status", "description", "urgency"}
for number, (tag, expected) in enumerate(known.items(), start=1):
    uuid = f"00000000-0000-4000-8000-{number:012}"
    task = {"uuid": uuid, "description": "Rent", "project": "Home", "priority": "H", "tags": [tag]}
    subprocess.run(
        ["task", "import"], input=json.dumps(task), text=True, check=True, capture_output=True
    )
    (read,) = json.loads(subprocess.check_output(["task", uuid, "export"]))
    seen = {name: value for name, value in read.items() if name not in OWN}
    print(f"with the tag {tag}: {seen}")
    assert seen == expected, "this has changed"
PYTHON
