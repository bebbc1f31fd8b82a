#!/usr/bin/env bash
# event-source-polyfill 1.0.31 (npm), which pages take for streams that need a header such as
# Authorization, never sends Last-Event-ID. When it comes back it adds ?lastEventId= to the
# URL: a server that reads the header sends from the start, or only what is new, and one that
# refuses unknown parameters ends the stream. eventsource 4.1.1 sends the header.
#
# By the HTML standard, section 9.2.3, a client that comes back sets the header Last-Event-ID.
# (The parameter is of the time when pages could not; its name is an option, the header is
# none.) A server is resumed by all if it reads both, as this one does.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm install --silent --no-audit --no-fund event-source-polyfill@1.0.31 eventsource@4.1.1 > /dev/null
cat > check.mjs <<'JAVASCRIPT'
import assert from "node:assert";
import http from "node:http";
import polyfill from "event-source-polyfill";
import { EventSource } from "eventsource";

const clients = {
  "eventsource 4.1.1": EventSource,
  "event-source-polyfill 1.0.31": polyfill.EventSourcePolyfill,
};

/** What the client asks for when it comes back: the URL and the header. */
const secondRequest = (Class) => new Promise((resolve) => {
  let source;
  let first = true;
  const server = http.createServer((request, response) => {
    if (first) {
      first = false;
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.end("retry: 50\n\ndata: one\nid: 1\n\n");
      return;
    }
    source.close();
    response.writeHead(204).end();
    server.close();
    server.closeAllConnections();
    resolve([request.url, request.headers["last-event-id"] ?? null]);
  });
  server.listen(0, "127.0.0.1", () => {
    source = new Class(`http://127.0.0.1:${server.address().port}/stream`);
  });
});

const seen = {};
for (const [name, Class] of Object.entries(clients)) {
  const [url, header] = seen[name] = await secondRequest(Class);
  console.log(`${name} comes back to ${url} with Last-Event-ID: ${header}`);
}
assert.deepStrictEqual(seen, {
  "eventsource 4.1.1": ["/stream", "1"],
  "event-source-polyfill 1.0.31": ["/stream?lastEventId=1", null],
}, "this has changed");
process.exit();
JAVASCRIPT
node check.mjs
