#!/usr/bin/env bash
# Two converters of Google's export of tasks make times of its days. Rent, due on 1 December
# ("due": "2026-12-01T00:00:00Z"),
#
# - is DUE:20261201T000000Z by google-tasks-to-ical 1.1.0 (Python): 30 November, 19:00, in
#   New York,
# - is 2026-12-01 00:00 by google-tasks-to-todoist 0.1.1 (Python), a time at which it is due
#   at the beginning of the day.
#
# google-tasks-to-todoist also leaves a completed task out and keeps the level of its subtask:
# by the order of the file "Tidy up", a subtask of "Party", is one of "Rent" then.
#
# Google's reference says of `due`: "This field only records date information; the time portion
# of this timestamp is discarded when setting this field." One would guess DUE;VALUE=DATE and a
# date alone, and a subtask without its parent at the first level.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
for python in python3 python3.1{3,4} "$HOME"/.pyenv/versions/3.1{3,4}*/bin/python3; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 13))' 2> /dev/null && break
done || { echo "google-tasks-to-todoist needs Python 3.13"; exit 2; }
"$python" -m venv venv
venv/bin/pip install --quiet 'google-tasks-to-ical==1.1.0' 'google-tasks-to-todoist==0.1.1'
cat > Tasks.json <<'JSON'
{"kind": "tasks#taskLists", "items": [{"kind": "tasks#tasks", "id": "h", "title": "Home",
  "updated": "2026-11-02T08:00:00Z", "items": [
    {"kind": "tasks#task", "id": "r", "title": "Rent", "status": "needsAction",
     "due": "2026-12-01T00:00:00Z", "updated": "2026-11-01T08:00:00Z"},
    {"kind": "tasks#task", "id": "p", "title": "Party", "status": "completed",
     "completed": "2026-11-02T08:00:00Z", "updated": "2026-11-02T08:00:00Z"},
    {"kind": "tasks#task", "id": "t", "title": "Tidy up", "status": "needsAction",
     "parent": "p", "updated": "2026-11-01T08:00:00Z"}]}]}
JSON
venv/bin/google-tasks-to-ical Tasks.json calendars
venv/bin/google-tasks-to-todoist "$place/Tasks.json"
due=$(tr -d '\r' < calendars/Home.ical | grep ^DUE)
rows=$(venv/bin/python -c '
import csv
for row in csv.DictReader(open("Home.csv")):
    print(row["CONTENT"], "at level", row["INDENT"], row["DATE"])')
echo "google-tasks-to-ical: $due, $(TZ=America/New_York date -d '2026-12-01T00:00:00Z' '+%-d %B, %H:%M') in New York"
echo "google-tasks-to-todoist:" "$rows"
[ "$due" = DUE:20261201T000000Z ] &&
    [ "$rows" = "Rent at level 1 2026-12-01 00:00
Tidy up at level 2 " ]
