#!/usr/bin/env bash
# tasklib 2.5.1 (Python, with Taskwarrior 2.6.2, Debian 12) saves a new task with the
# description O'Brien as description:'O'Brien'. A new task "Buy flowers" in the project Mum's
# becomes project:'Mum's', in no project, and the flowers are lost. Only texts without a space
# are meant: "Call O'Brien" is saved as it is.
#
# tasklib passes the texts in single quotes, with those within as they are. One would guess
# that a text of one word is saved like one of two, or refused.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
apt-get download --quiet=2 'taskwarrior=2.6.2+dfsg-1' > log 2>&1 ||
    { echo "apt has no taskwarrior 2.6.2+dfsg-1"; exit 2; }
dpkg-deb --extract taskwarrior_*.deb .
python3 -m venv venv
venv/bin/pip install --quiet 'tasklib==2.5.1' 'tzlocal==5.4.5'
export PATH="$place/usr/bin:$PATH" TASKRC="$place/taskrc"
echo 'confirmation=off' > taskrc
cat > check.py <<'PYTHON'
import json
import subprocess

from tasklib import Task, TaskWarrior

warrior = TaskWarrior(data_location="data", taskrc_location="taskrc")


def saved(task):
    task.save()
    export = ["task", "rc.verbose=nothing", "rc.data.location=data", task["uuid"], "export"]
    (found,) = json.loads(subprocess.check_output(export))
    return found["description"], found.get("project")


known = {
    ("Call O'Brien", None): ("Call O'Brien", None),
    ("O'Brien", None): ("description:'O'Brien'", None),
    ("Buy flowers", "Mum's"): ("project:'Mum's'", None),
    ("Buy flowers", "Mum's house"): ("Buy flowers", "Mum's house"),
}
for (description, project), expected in known.items():
    seen = saved(Task(warrior, description=description, project=project))
    print(f"{description!r} in the project {project!r} is saved as {seen[0]!r} in {seen[1]!r}")
    assert seen == expected, "this has changed"
PYTHON
task --version || { echo "a library of taskwarrior is missing"; exit 2; }
venv/bin/python check.py
