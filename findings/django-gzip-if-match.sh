#!/usr/bin/env bash
# Two parts of Django 5.2.19 that are each right alone let no change with If-Match through:
# GZipMiddleware makes the ETag of a compressed response weak, "7" becomes W/"7", and condition()
# answers 412 to If-Match: W/"7", whatever the version is. Browsers ask for gzip, so from 200
# bytes on they never get a tag with which they could change anything. Shorter responses, and
# those to programs that do not ask for gzip, have "7", which works.
#
# RFC 9110, section 8.8.1, wants the tag weak, as the bytes differ, and section 13.1.1 has If-Match
# compare strongly. One would guess that two parts of one framework go together. A server that
# gives compressed responses a strong tag of their own, and takes both, as this one, is right too.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'Django==5.2.19'
cat > check.py <<'PYTHON'
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import condition


@condition(etag_func=lambda request: '"7"')
def task(request):
    return HttpResponse("Buy oat milk. " * 50)


urlpatterns = [path("task", task)]
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.gzip.GZipMiddleware"],
)
django.setup()
from django.test import Client

client = Client()
known = {"identity": ('"7"', 304, 200), "gzip": ('W/"7"', 304, 412)}
for encoding, expected in known.items():
    headers = {"Accept-Encoding": encoding}
    tag = client.get("/task", headers=headers)["ETag"]
    again = client.get("/task", headers={**headers, "If-None-Match": tag}).status_code
    change = client.put("/task", headers={**headers, "If-Match": tag}).status_code
    print(f"Django {django.__version__}, {encoding}: the tag is {tag}, "
          f"If-None-Match answers {again}, If-Match {change}")
    assert (tag, again, change) == expected, "this has changed"
PYTHON
venv/bin/python check.py
