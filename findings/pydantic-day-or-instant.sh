#!/usr/bin/env bash
# pydantic 2.14.4 (Python) reads a member that is a day or a time, `due: date | datetime`, in two
# ways. Of JSON, model_validate_json() makes a time of 2026-12-01T00:00:00-05:00; of the same text
# in a dict, model_validate() makes the day 2026-12-01, and the instant and its zone are lost.
# Times other than midnight are kept. With `datetime | date` the day 2026-12-01 becomes a time
# that way. FastAPI 0.165.0 and django-ninja 1.7.1 read bodies of JSON as a dict.
#
# By its documentation a union takes the type that matches best, and a text with a time is no
# full-date of RFC 3339, section 5.6. One would guess that both ways make the same of it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pydantic==2.14.4' 'fastapi==0.165.0' 'httpx==0.28.1' \
    'django-ninja==1.7.1' 'Django==5.2.19'
cat > check.py <<'PYTHON'
import json
from datetime import date, datetime

import django
from django.conf import settings
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

settings.configure(ALLOWED_HOSTS=["*"])
django.setup()
from ninja import NinjaAPI
from ninja.testing import TestClient as NinjaClient


class DayFirst(BaseModel):
    due: date | datetime


class TimeFirst(BaseModel):
    due: datetime | date


app, api = FastAPI(), NinjaAPI()


@app.post("/tasks")
def of_fastapi(body: DayFirst):
    return type(body.due).__name__


@api.post("/tasks")
def of_ninja(request, body: DayFirst):
    return type(body.due).__name__


def types(model, sent):
    """The type of `due`, read of JSON, and of a dict."""
    both = model.model_validate_json(json.dumps(sent)), model.model_validate(sent)
    return tuple(type(one.due).__name__ for one in both)


known = {  # with the day first, with the time first, in FastAPI and django-ninja
    "2026-12-01": (("date", "date"), ("date", "datetime"), "date"),
    "2026-12-01T09:00:00-05:00": (("datetime", "datetime"), ("datetime", "datetime"), "datetime"),
    "2026-12-01T00:00:00-05:00": (("datetime", "date"), ("datetime", "datetime"), "date"),
    "2026-12-01T00:00:00Z": (("datetime", "date"), ("datetime", "datetime"), "date"),
}
for text, expected in known.items():
    sent = {"due": text}
    clients = TestClient(app), NinjaClient(api)
    of_servers = {client.post("/tasks", json=sent).json() for client in clients}
    seen = (types(DayFirst, sent), types(TimeFirst, sent), *of_servers)
    print(f"{text}, of JSON and of a dict: date | datetime is {' and '.join(seen[0])}, "
          f"datetime | date is {' and '.join(seen[1])}; for the servers it is {seen[2]}")
    assert seen == expected, "this has changed"
print(repr(DayFirst.model_validate({"due": "2026-12-01T00:00:00-05:00"})))
PYTHON
venv/bin/python -W ignore check.py
