#!/usr/bin/env bash
# Clients that @hey-api/openapi-ts 0.95.0 (npm) generates with its plugin for dates and bigints
# change what they read:
#
# - a day, `format: date`, becomes the instant of its midnight in UTC: 2026-12-01 is 30 November
#   in New York, and sent back it is 2026-12-01T00:00:00.000Z, which is no date any more,
# - of an array of days the type has Date, but the texts are left as they are,
# - 9007199254740993, `format: int64`, becomes the bigint 9007199254740992n, because JSON.parse()
#   has rounded it before.
#
# The options are `dates` and `bigInt`. By OpenAPI's registry of formats `date` is a full-date of
# RFC 3339, section 5.6, and int64 has 64 bits. One would guess that what is read and sent back
# is the same.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund --ignore-scripts \
    @hey-api/openapi-ts@0.95.0 typescript@5.9.3 > /dev/null
cat > api.json <<'JSON'
{
  "openapi": "3.1.0",
  "info": {"title": "Tasks", "version": "1"},
  "paths": {"/task": {"get": {"operationId": "get_task", "responses": {"200": {
    "description": "A task.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Task"}}}
  }}}}},
  "components": {"schemas": {"Task": {
    "type": "object",
    "required": ["due_date", "days", "number"],
    "properties": {
      "due_date": {"type": "string", "format": "date"},
      "days": {"type": "array", "items": {"type": "string", "format": "date"}},
      "number": {"type": "integer", "format": "int64"}
    }
  }}}
}
JSON
cat > generate.mjs <<'JAVASCRIPT'
import fs from "node:fs";
import { createClient } from "@hey-api/openapi-ts";
import typescript from "typescript";

const transformers = { name: "@hey-api/transformers", dates: true, bigInt: true };
const sdk = { name: "@hey-api/sdk", transformer: true };
await createClient({
  input: "./api.json",
  output: "./client",
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", transformers, sdk],
});
const source = fs.readFileSync("client/transformers.gen.ts", "utf8");
fs.writeFileSync("transformers.mjs", typescript.transpileModule(
  source, { compilerOptions: { module: "esnext", target: "es2022" } }).outputText);
JAVASCRIPT
node generate.mjs > /dev/null
grep -E "due_date|days|number" client/types.gen.ts
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { getTaskResponseTransformer } from "./transformers.mjs";

const body = '{"due_date": "2026-12-01", "days": ["2026-12-01"], "number": 9007199254740993}';
const task = await getTaskResponseTransformer(JSON.parse(body));
const seen = {
  shown: task.due_date.toLocaleDateString("sv"),
  sent: JSON.stringify(task.due_date),
  days: typeof task.days[0],
  number: task.number,
};
console.log(process.env.TZ, seen);
assert.deepStrictEqual(seen, {
  shown: process.env.TZ === "America/New_York" ? "2026-11-30" : "2026-12-01",
  sent: '"2026-12-01T00:00:00.000Z"',
  days: "string",
  number: 9007199254740992n,
}, "this has changed");
JAVASCRIPT
for zone in Europe/Berlin America/New_York; do TZ=$zone node check.mjs; done
