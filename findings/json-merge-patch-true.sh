#!/usr/bin/env bash
# json-merge-patch 0.3.0 (Python) finds no change where a number becomes true or false: the patch
# from {"done": 0} to {"done": false}, from 1 to true and from [1] to [true] is {}, so that
# whoever applies it has the number still. npm's json-merge-patch 1.0.2 and jsonpatch 1.48
# (Python) find all of them.
#
# RFC 7396 makes a patch of the members that differ, and in JSON (RFC 8259, section 3) a number
# and true are values of different types. One would guess that a patch makes one document of
# the other, although 1 == True in Python.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'json-merge-patch==0.3.0' 'jsonpatch==1.48'
npm install --silent --no-audit --no-fund json-merge-patch@1.0.2 > /dev/null
cat > of_javascript.mjs <<'JAVASCRIPT'
import patch from "json-merge-patch";

const [before, after] = process.argv.slice(2).map((text) => JSON.parse(text));
console.log(JSON.stringify(patch.generate(before, after)));
JAVASCRIPT
cat > check.py <<'PYTHON'
import json
import subprocess
from copy import deepcopy

import json_merge_patch
import jsonpatch

known = [
    ({"done": 0, "title": "a"}, {"done": False, "title": "a"}, {}),
    ({"done": 1}, {"done": True}, {}),
    ({"done": [1, 0]}, {"done": [True, False]}, {}),
    ({"done": {"by": True}}, {"done": {"by": 1}}, {}),
    ({"done": 0}, {"done": True}, {"done": True}),
]
for before, after, expected in known:
    patch = json_merge_patch.create_patch(deepcopy(before), deepcopy(after))
    result = json_merge_patch.merge(deepcopy(before), deepcopy(patch))
    texts = [json.dumps(before), json.dumps(after)]
    of_javascript = subprocess.check_output(["node", "of_javascript.mjs", *texts], text=True)
    print(f"{texts[0]} to {texts[1]}: {json.dumps(patch)}, and that makes {json.dumps(result)};")
    print(f"  npm: {of_javascript.strip()}, jsonpatch: {jsonpatch.make_patch(before, after)}")
    assert json.dumps(patch) == json.dumps(expected), "this has changed"
    assert json.loads(of_javascript) and list(jsonpatch.make_patch(before, after)), "changed"
PYTHON
venv/bin/python check.py
