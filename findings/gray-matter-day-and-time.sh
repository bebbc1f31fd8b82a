#!/usr/bin/env bash
# gray-matter 4.0.3 (npm) writes the head of a Markdown file otherwise than it has read it, if only
# the text below is changed: `due: 2026-12-01` becomes `due: 2026-12-01T00:00:00.000Z`, an instant,
# which in New York is 30 November; `at: 9:30` becomes `at: 570`, and 09:00:00-05:00 is written in
# UTC. python-frontmatter 1.3.0 keeps the day, and makes 570, too; the packages yaml 2.9.1 (npm) and
# ruamel.yaml 0.19.1 (Python) keep all.
#
# YAML 1.1 has the type timestamp, in which a date alone is a date, and 9:30 as a number to base 60,
# which YAML 1.2, of 2009, has not. One would guess that a day is a day again when it is written, as
# notes with a `due` are read and written by several programs.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'python-frontmatter==1.3.0' 'ruamel.yaml==0.19.1'
npm install --silent --no-audit --no-fund gray-matter@4.0.3 yaml@2.9.1 > /dev/null
cat > note.md <<'NOTE'
---
due: 2026-12-01
at: 9:30
start: 2026-12-01T09:00:00-05:00
---
Rent
NOTE
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { readFileSync } from "node:fs";
import matter from "gray-matter";
import yaml from "yaml";

const text = readFileSync("note.md", "utf8");
const { data } = matter(text);
const seen = matter.stringify("Rent, paid\n", data);
console.log(`gray-matter:\n${seen}`);
assert.strictEqual(
  seen,
  `---
due: 2026-12-01T00:00:00.000Z
at: 570
start: 2026-12-01T14:00:00.000Z
---
Rent, paid
`,
  "this has changed",
);
const day = data.due.toLocaleDateString("sv", { timeZone: "America/New_York" });
assert.strictEqual(day, "2026-11-30", "this has changed");
const head = text.split("---\n")[1];
assert.strictEqual(String(yaml.parseDocument(head)), head, "this has changed");
JAVASCRIPT
node check.mjs
cat > check.py <<'PYTHON'
import io

import frontmatter
from ruamel.yaml import YAML

note = frontmatter.load("note.md")
print("python-frontmatter:", note.metadata)
kept = frontmatter.dumps(note)
assert "due: 2026-12-01\n" in kept and "at: 570\n" in kept, "this has changed"
head = open("note.md").read().split("---\n")[1]
out = io.StringIO()
YAML().dump(YAML().load(head), out)
print("ruamel.yaml:", out.getvalue().split("\n"))
assert out.getvalue() == head, "this has changed"
PYTHON
venv/bin/python check.py
