#!/usr/bin/env bash
# Two SDKs of CloudEvents change the data of events, if it is no object:
#
# - cloudevents 2.2.0 (Python) writes a list in binary mode as Python does, ['a', 1], and true
#   as True, which are no JSON and are read as text; the text "42" is read as the number 42,
#   and an empty text as no data. In structured mode all of them come back.
# - cloudevents 10.0.0 (npm) loses the data 0, false and "" in structured mode. In binary mode
#   it keeps them, but refuses true and 42 with "invalid payload type".
#
# CloudEvents 1.0, JSON format, section 3.1, has any JSON value as `data`; by the HTTP binding
# the body of binary mode is the data in its media type, here application/json. One would guess
# that both modes carry the same.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'cloudevents==2.2.0'
npm install --silent --no-audit --no-fund cloudevents@10.0.0 > /dev/null
cat > of_javascript.mjs <<'JAVASCRIPT'
import { CloudEvent, HTTP } from "cloudevents";

const event = { type: "task.created", source: "/tasks", datacontenttype: "application/json" };
const read = (mode, data) => {
  try {
    const { headers, body } = HTTP[mode](new CloudEvent({ ...event, data }));
    return HTTP.toEvent({ headers, body }).data;
  } catch (error) {
    return error.message.split(",")[0];
  }
};
const missing = (_, value) => (value === undefined ? null : value);
console.log(JSON.stringify(JSON.parse(process.argv[2]).map(
  (data) => ["binary", "structured"].map((mode) => read(mode, data))), missing));
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import subprocess

from cloudevents.core.bindings.http import from_binary, from_structured, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

REFUSED = "invalid payload type"
known = [  # data, and as it is read: Python, binary and structured; JavaScript likewise
    ({"a": 1}, {"a": 1}, {"a": 1}, {"a": 1}, {"a": 1}),
    (["a", 1], "['a', 1]", ["a", 1], ["a", 1], ["a", 1]),
    (True, "True", True, REFUSED, True),
    (False, "False", False, False, None),
    (42, 42, 42, REFUSED, 42),
    (0, 0, 0, 0, None),
    ("42", 42, "42", "42", "42"),
    ("", None, "", "", None),
]
form = JSONFormat()
attributes = {
    "id": "1", "type": "task.created", "source": "/tasks", "specversion": "1.0",
    "datacontenttype": "application/json",
}
texts = json.dumps([data for data, *_ in known])
of_javascript = json.loads(subprocess.check_output(["node", "of_javascript.mjs", texts]))
for (data, *expected), others in zip(known, of_javascript):
    event = CloudEvent(attributes=dict(attributes), data=data)
    seen = [
        from_binary(to_binary(event, form), form).get_data(),
        from_structured(to_structured(event, form), form).get_data(),
        *others,
    ]
    print(f"{data!r}: Python {seen[0]!r}, {seen[1]!r}; JavaScript {seen[2]!r}, {seen[3]!r}")
    assert list(map(repr, seen)) == list(map(repr, expected)), "this has changed"
PYTHON
venv/bin/python check.py
