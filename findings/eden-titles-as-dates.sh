#!/usr/bin/env bash
# treaty() of @elysiajs/eden 1.4.9 (npm) makes dates of texts in JSON: a title, "01/02/2026" or
# "3-4-2026", is an instant, which day and month it is a guess, and the title is gone; a day,
# "2026-12-01", is its midnight in UTC, 30 November in New York. What is read and sent back is
# "2026-01-02T05:00:00.000Z" for that title, and a time for that day. "1.2.2026", and a text with
# words in it, stay. With parseDate: false, and in edenFetch() of the same package, all stay.
#
# JSON (RFC 8259, section 3) has no dates, and the day is a full-date of RFC 3339, section 5.6,
# which has no time. One would guess that what is read and sent back is the same, and that a text
# is one whatever is in it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund @elysiajs/eden@1.4.9 elysia@1.4.30 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import http from "node:http";
import { edenFetch, treaty } from "@elysiajs/eden";

const tasks = [
  { title: "01/02/2026", due: "2026-12-01" },
  { title: "3-4-2026", due: "2026-12-01T09:00:00-05:00" },
  { title: "1.2.2026", due: null },
  { title: "Call on 3-4-2026", due: null },
];
let received;
const server = http.createServer(async (request, response) => {
  if (request.method === "PUT") received = JSON.parse((await request.toArray()).join(""));
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(tasks));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = `http://127.0.0.1:${server.address().port}`;

async function sentBack(options) {
  const api = treaty(address, options);
  const { data } = await api.tasks.get();
  await api.tasks.put(data);
  return received;
}

const seen = await sentBack({});
seen.forEach((task, index) => console.log(JSON.stringify(tasks[index]), "is sent back as",
  JSON.stringify(task)));
assert.deepStrictEqual(seen, [
  { title: "2026-01-02T05:00:00.000Z", due: "2026-12-01T00:00:00.000Z" },
  { title: "2026-03-04T05:00:00.000Z", due: "2026-12-01T14:00:00.000Z" },
  ...tasks.slice(2),
], "this has changed");
assert.deepStrictEqual(await sentBack({ parseDate: false }), tasks, "this has changed");
const { data } = await edenFetch(address)("/tasks", {});
assert.deepStrictEqual(data, tasks, "this has changed");
server.close();
JAVASCRIPT
TZ=America/New_York node check.mjs
