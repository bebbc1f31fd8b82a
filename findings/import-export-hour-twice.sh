#!/usr/bin/env bash
# django-import-export 4.4.3 (Python, with Django 5.2.19) moves a task by an hour when a file which
# it has exported is imported again: with TIME_ZONE "Europe/Berlin", 00:30 and 01:30 UTC on 25
# October 2026 are both 2026-10-25 02:30:00 in CSV, JSON and XLSX, and both are 00:30 UTC after it,
# without an error. What is below a second is gone, too. Django's own serializers write UTC, and
# bring both back.
#
# On that day clocks in Berlin show 02:30 twice. RFC 3339, section 4, has times with their offset,
# as a local time alone does not tell which; Django's form refuses 02:30 there as ambiguous. One
# would guess that a file which was exported and not changed changes nothing.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'django-import-export==4.4.3' 'Django==5.2.19' 'tablib==3.10.0' \
    'openpyxl==3.1.5'
cat > check.py <<'PYTHON'
from datetime import UTC, datetime

import django
import tablib
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["import_export"],
    TIME_ZONE="Europe/Berlin",
    USE_TZ=True,
)
django.setup()
from django.core import serializers
from django.db import connection, models
from import_export.resources import ModelResource


class Task(models.Model):
    due = models.DateTimeField()

    class Meta:
        app_label = "import_export"


class TaskResource(ModelResource):
    class Meta:
        model = Task


def stored():
    return list(Task.objects.order_by("pk").values_list("due", flat=True))


def store():
    Task.objects.all().delete()
    Task.objects.bulk_create(Task(pk=pk, due=due) for pk, due in enumerate(DUE))


DUE = [
    datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
    datetime(2026, 12, 1, 8, 0, 0, 500_000, tzinfo=UTC),
]
CHANGED = [DUE[0], DUE[0], DUE[2].replace(microsecond=0)]
with connection.schema_editor() as editor:
    editor.create_model(Task)
for name in ("csv", "json", "xlsx"):
    store()
    exported = TaskResource().export()
    file = exported.export(name)
    result = TaskResource().import_data(tablib.Dataset().load(file, format=name))
    assert not result.has_errors() and not result.has_validation_errors(), "this has changed"
    print(f"{name}: {exported['due']}, then {[f'{due:%H:%M:%S.%f}' for due in stored()]}")
    assert exported["due"][:2] == ["2026-10-25 02:30:00"] * 2, "this has changed"
    assert stored() == CHANGED, "this has changed"

store()
text = serializers.serialize("json", Task.objects.all())
for one in serializers.deserialize("json", text):
    one.save()
assert stored()[:2] == DUE[:2], "this has changed"
print("serializers of Django:", [f"{due:%H:%M}" for due in stored()[:2]])
PYTHON
venv/bin/python check.py
