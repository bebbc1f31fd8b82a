#!/usr/bin/env bash
# Fastify 5.12.8 (npm) makes other values of null where a schema allows null as a choice: with
# {"anyOf": [{"type": "string"}, {"type": "null"}]} the body {"due": null} arrives as {"due": ""},
# for an integer null is 0, for a boolean false, and for an array [""]. "" becomes null where the
# choice is an integer. With {"type": ["string", "null"]}, which means the same, null stays.
# Pydantic 2.14.4, and so FastAPI and django-ninja, write `str | None` in the first form: a body
# that is valid by its document says something else to the program behind the same document.
#
# By JSON Schema 2020-12, section 10.2.1.2 (core), anyOf is true if one of its schemas is, and null
# is valid as it stands. Fastify documents that it converts values to the type of the schema. One
# would guess that what is valid already is left alone, and that both forms are read alike.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/pip install --quiet 'pydantic==2.14.4'
npm install --silent --no-audit --no-fund fastify@5.12.8 > /dev/null
cat > schema.py <<'PYTHON'
import json

from pydantic import BaseModel, ConfigDict


class Task(BaseModel):
    model_config = ConfigDict(strict=True)
    due: str | None
    priority: int | None
    done: bool | None
    tags: list[str] | None


assert Task.model_validate_json('{"due": null, "priority": null, "done": null, "tags": null}')
print(json.dumps(Task.model_json_schema()))
PYTHON
venv/bin/python schema.py > schema.json
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import { readFileSync } from "node:fs";
import fastify from "fastify";

async function sent(schema, payload) {
  const app = fastify();
  app.patch("/task", { schema: { body: schema } }, async (request) => request.body);
  const response = await app.inject({ method: "PATCH", url: "/task", payload });
  assert.strictEqual(response.statusCode, 200);
  return response.json();
}

const choices = JSON.parse(readFileSync("schema.json"));
console.log("due, as Pydantic writes it:", JSON.stringify(choices.properties.due));
assert.deepStrictEqual(choices.properties.due.anyOf, [{ type: "string" }, { type: "null" }]);
const lists = structuredClone(choices);
for (const [name, { anyOf }] of Object.entries(choices.properties)) {
  lists.properties[name] = { ...anyOf[0], type: [anyOf[0].type, "null"] };
}
const nulls = { due: null, priority: null, done: null, tags: null };
const [seen, others] = [await sent(choices, nulls), await sent(lists, nulls)];
console.log(`sent ${JSON.stringify(nulls)}\nanyOf: ${JSON.stringify(seen)}`);
console.log(`a list of types: ${JSON.stringify(others)}`);
assert.deepStrictEqual(seen, { due: "", priority: 0, done: false, tags: [""] }, "this has changed");
assert.deepStrictEqual(others, nulls, "this has changed");

const { priority } = choices.properties;
const empty = await sent({ type: "object", properties: { priority } }, { priority: "" });
console.log('"" where an integer or null is allowed:', JSON.stringify(empty));
assert.deepStrictEqual(empty, { priority: null }, "this has changed");
JAVASCRIPT
node check.mjs
