#!/usr/bin/env bash
# msgspec 0.23.0 (Python) reads the last instant of a year as one of the next: of a second with
# seven digits, 2026-12-31T23:59:59.9999999Z, it rounds to six, which is 2027-01-01T00:00:00Z; the
# end of a month or of a day is in the next one likewise. Pydantic 2.14.4, ciso8601 2.4.1, Python's
# fromisoformat() and Django 5.2.19 cut the digit off, and stay in 2026.
#
# RFC 3339, section 5.6, allows any number of digits, and seven are usual: .NET counts in tenths of
# a microsecond, so that its last instant of a day ends with .9999999. One would guess that a time
# on a day is read as one on that day, and that readers of one format agree on the year.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'msgspec==0.23.0' 'pydantic==2.14.4' 'ciso8601==2.4.1' 'Django==5.2.19'
cat > check.py <<'PYTHON'
from datetime import UTC, datetime

import ciso8601
import msgspec
import pydantic
from django.utils.dateparse import parse_datetime

READERS = {
    "msgspec, of JSON": lambda text: msgspec.json.decode(f'"{text}"', type=datetime),
    "msgspec, of a dict": lambda text: msgspec.convert(text, datetime),
    "pydantic": pydantic.TypeAdapter(datetime).validate_python,
    "ciso8601": ciso8601.parse_datetime,
    "Python": datetime.fromisoformat,
    "Django": parse_datetime,
}
for day, following in (("2026-12-31", "2027-01-01"), ("2026-11-30", "2026-12-01")):
    text = f"{day}T23:59:59.9999999Z"
    seen = {name: read(text) for name, read in READERS.items()}
    print(text, *(f"{name}: {moment}" for name, moment in seen.items()), sep="\n  ")
    cut = datetime.fromisoformat(f"{day}T23:59:59.999999").replace(tzinfo=UTC)
    rounded = datetime.fromisoformat(following).replace(tzinfo=UTC)
    expected = [rounded, rounded, cut, cut, cut, cut]
    assert list(seen.values()) == expected, "this has changed"
PYTHON
venv/bin/python check.py
