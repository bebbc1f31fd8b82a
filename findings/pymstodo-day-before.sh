#!/usr/bin/env bash
# pymstodo 0.2.1 (Python, Microsoft To Do) takes the time of a due date for one in the zone
# of the machine, and then converts it to the zone that stands beside it: where the clocks
# are ahead of UTC, midnight UTC of 1 December, as Graph sends it for that day, is read as 30
# November, 23:00 UTC, and a task made for 1 December is due the day before when it is read.
# In New York it is read as 05:00 of the right day.
#
# Graph's dateTimeTimeZone is "a point in time by a combination of date and time and time
# zone". One would guess that the machine's zone plays no part.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pymstodo==0.2.1' 'tzdata==2026.3'
cat > check.py <<'PYTHON'
import json
import os
import time
from datetime import datetime, timedelta

from pymstodo import client


class Graph:
    """Answers as Microsoft Graph does: with what was sent."""

    def __init__(self, *_, **__):
        self.ok = True

    def post(self, _, json):
        self.content = to_bytes({"id": "1", "status": "notStarted"} | json)
        return self


def to_bytes(task):
    return json.dumps(task).encode()


client.OAuth2Session = Graph
known = {"UTC": "2026-12-01 00:00", "Europe/Berlin": "2026-11-30 23:00",
         "America/New_York": "2026-12-01 05:00"}
token = {"expires_at": time.time() + 3600}
connection = client.ToDoConnection("id", "secret", token)
for zone, expected in known.items():
    os.environ["TZ"] = zone
    time.tzset()
    task = connection.create_task("Rent", "list", due_date=datetime(2026, 12, 1))
    seen = f"{task.due_date:%Y-%m-%d %H:%M}"
    print(f"{zone}: sent is {task.dueDateTime}, read is {seen} {task.due_date.tzinfo}; {task}")
    assert seen == expected and task.due_date.utcoffset() == timedelta(0), "this has changed"
    assert task.dueDateTime == {"dateTime": "2026-12-01T00:00:00.0000000", "timeZone": "UTC"}
PYTHON
venv/bin/python check.py
