#!/usr/bin/env bash
# just-diff 6.0.2 (npm) writes JSON Patches that change another member, if a name has a slash: where
# the second member of {"home": {"garden": 1}, "home/garden": 2} becomes 3 it makes "replace
# /home/garden", and whoever applies it, here fast-json-patch 3.1.1 (npm) and jsonpatch 1.48
# (Python), puts 3 into the first. For a change of "a~1b" it names the path of "a/b". The patches of
# fast-json-patch, rfc6902 5.4.0 and json8-patch 1.0.6 (npm) change what has changed.
#
# Its page has jsonPatchPathConverter "to generate jsPatch standard paths". RFC 6901, section 3,
# writes ~ in a name as ~0 and / as ~1. Names with a slash are usual, such as tags, media types and
# paths. One would guess that a patch makes one document of the other.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund \
    just-diff@6.0.2 fast-json-patch@3.1.1 rfc6902@5.4.0 json8-patch@1.0.6 > /dev/null
python3 -m venv venv
venv/bin/pip install --quiet 'jsonpatch==1.48'
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { execFileSync } from "node:child_process";
import fast from "fast-json-patch";
import json8 from "json8-patch";
import { diff, jsonPatchPathConverter } from "just-diff";
import { createPatch } from "rfc6902";

const PYTHON = `
import json, sys
import jsonpatch
document, patch = map(json.loads, sys.argv[1:])
print(json.dumps(jsonpatch.apply_patch(document, patch)))
`;
function applied(document, patch) {
  const copy = structuredClone(document);
  const result = fast.applyPatch(copy, structuredClone(patch)).newDocument;
  const texts = [document, patch].map((value) => JSON.stringify(value));
  const ofPython = JSON.parse(execFileSync("venv/bin/python", ["-c", PYTHON, ...texts]));
  assert.deepStrictEqual(ofPython, result, "this has changed");
  return result;
}

const cases = [
  [
    { home: { garden: 1 }, "home/garden": 2 }, { home: { garden: 1 }, "home/garden": 3 },
    { home: { garden: 3 }, "home/garden": 2 },
  ],
  [{ "a/b": 1, "a~1b": 2 }, { "a/b": 1, "a~1b": 3 }, { "a/b": 3, "a~1b": 2 }],
];
for (const [before, after, expected] of cases) {
  const patch = diff(before, after, jsonPatchPathConverter);
  const made = applied(before, patch);
  console.log(`${JSON.stringify(after)} is ${JSON.stringify(made)} by ${JSON.stringify(patch)}`);
  assert.deepStrictEqual(made, expected, "this has changed");
  const others = [fast.compare, createPatch, json8.diff];
  for (const other of others) assert.deepStrictEqual(applied(before, other(before, after)), after);
}
JAVASCRIPT
node check.mjs
