#!/usr/bin/env bash
# ts-caldav 0.3.7 (npm) saves a task otherwise than it has read it, if only the summary is
# changed between getTodos() and updateTodo():
#
# - RRULE:FREQ=DAILY becomes RRULE:0=F;1=R;2=E;3=Q;4==;5=D… , a part for each character,
# - DUE;VALUE=DATE:20261201, a day, becomes DUE:20261130T230000Z in Berlin: a time, which in
#   UTC is the day before,
# - CATEGORIES:home,garden loses garden,
# - RELATED-TO;RELTYPE=CHILD:2 loses its type, so that the child is the parent now,
# - TRIGGER;RELATED=END:-PT15M, before the due time, becomes one before the start.
#
# RFC 5545 has these forms in sections 3.3.4, 3.3.10, 3.8.1.2, 3.8.4.5 and 3.8.6.3. One would
# guess that they are kept, as the library keeps priorities and URLs.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund ts-caldav@0.3.7 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import http from "node:http";
import { CalDAVClient } from "ts-caldav";

const kept = ["PRIORITY:1", "URL:https://example.org/rent"];
const start = process.env.TZ === "UTC" ? "20261201T000000Z" : "20261130T230000Z";
const known = {
  "RRULE:FREQ=DAILY": "RRULE:0=F;1=R;2=E;3=Q;4==;5=D;6=A;7=I;8=L;9=Y",
  "DTSTART;VALUE=DATE:20261201": `DTSTART:${start}`,
  "DUE;VALUE=DATE:20261201": `DUE:${start}`,
  "CATEGORIES:home,garden": "CATEGORIES:home",
  "RELATED-TO;RELTYPE=CHILD:2": "RELATED-TO:2",
  "TRIGGER;RELATED=END:-PT15M": "TRIGGER:-PT15M",
};
const lines = Object.keys(known);
const task = [
  "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//example.org//EN", "BEGIN:VTODO", "UID:1",
  "DTSTAMP:20261101T080000Z", "SUMMARY:Rent", ...kept, ...lines.slice(0, -1),
  "BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:Rent", lines.at(-1), "END:VALARM",
  "END:VTODO", "END:VCALENDAR", "",
].join("\r\n");

/** What a CalDAV server says of the URL, as far as the client asks. */
const properties = (method, url) => method === "REPORT"
  ? `<d:href>/tasks/1.ics</d:href><d:propstat><d:prop><d:getetag>"1"</d:getetag>
     <c:calendar-data>${task.replaceAll("\r", "&#13;")}</c:calendar-data></d:prop>`
  : `<d:href>${url}</d:href><d:propstat><d:prop>
     <d:current-user-principal><d:href>/me/</d:href></d:current-user-principal>
     <c:calendar-home-set><d:href>/</d:href></c:calendar-home-set>
     <s:getctag>1</s:getctag></d:prop>`;
let saved;
const server = http.createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  if (request.method === "PUT") {
    saved = body;
    response.writeHead(204, { ETag: '"2"' }).end();
    return;
  }
  response.writeHead(207, { "Content-Type": "application/xml", DAV: "1, calendar-access" }).end(
    `<d:multistatus xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"
       xmlns:s="http://calendarserver.org/ns/"><d:response>
     ${properties(request.method, request.url)}
     <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>`);
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const baseUrl = `http://127.0.0.1:${server.address().port}`;
const auth = { type: "basic", username: "alice", password: "password" };
const client = await CalDAVClient.create({ baseUrl, auth });
const [todo] = await client.getTodos("/tasks/", { all: true });
todo.summary = "Rent, flat";
await client.updateTodo("/tasks/", todo);
server.closeAllConnections();
server.close();

const written = saved.replaceAll("\r\n ", "").split("\r\n");
for (const line of kept) assert(written.includes(line), `${line} is lost`);
for (const [line, expected] of Object.entries(known)) {
  const name = line.split(/[:;]/)[0];
  const seen = written.filter((one) => one.split(/[:;]/)[0] === name).join(" and ");
  console.log(`machine in ${process.env.TZ}: ${line} becomes ${seen}`);
  assert.strictEqual(seen, expected, "this has changed");
}
JAVASCRIPT
for zone in Europe/Berlin UTC; do TZ=$zone node check.mjs; done
