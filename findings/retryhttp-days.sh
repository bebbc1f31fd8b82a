#!/usr/bin/env bash
# retryhttp 1.5.0 (Python, over tenacity) forgets whole days of a Retry-After that is a date: for
# one of 25 hours from now it waits one hour, for one of 49 and a half hours an hour and a half. Of
# one in seconds, 90000, it waits all. httpx-retries 0.6.0 reads both alike.
#
# RFC 9110, section 10.2.3: Retry-After is a date or a number of seconds. One would guess that both
# forms of the same time are waited for alike. A server that is called by such clients does well
# to send seconds, as this one does.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'retryhttp[httpx]==1.5.0' 'httpx==0.28.1' 'httpx-retries==0.6.0'
cat > check.py <<'PYTHON'
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import httpx_retries
import tenacity
from retryhttp import wait_retry_after

REQUEST = httpx.Request("GET", "http://localhost/")


def of_retryhttp(text):
    response = httpx.Response(503, headers={"Retry-After": text}, request=REQUEST)
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    error = httpx.HTTPStatusError("503", request=REQUEST, response=response)
    state.set_exception((type(error), error, None))
    return wait_retry_after(wait_max=10**6)(state)


def hours(seconds):
    return round(seconds / 3600, 1)


for wait, known in ((1, 1), (25, 1), (49.5, 1.5)):
    time = datetime.now(UTC) + timedelta(hours=wait, seconds=1)
    date, seconds = format_datetime(time, usegmt=True), str(int(wait * 3600))
    by_date, by_seconds = hours(of_retryhttp(date)), hours(of_retryhttp(seconds))
    print(f"in {wait} hours: retryhttp waits {by_date} for the date, {by_seconds} for seconds")
    assert (by_date, by_seconds) == (known, wait), "this has changed"
    assert hours(httpx_retries.Retry().parse_retry_after(date)) == wait
PYTHON
venv/bin/python check.py
